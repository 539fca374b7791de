"""Work that lost a race in the database, done again: a deadlock's victim, a serialization failure. Nothing of it was committed."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import OperationalError, connection

from kalbot.common import clock, counters

T = TypeVar("T")
LOST: Final = ("40P01", "40001")
"""SQLSTATE of a deadlock and of a serialization failure."""
ATTEMPTS: Final = 5
log = logging.getLogger(__name__)


def retried(work: Callable[[], T]) -> T:
    """``work``, which is one transaction, again while it loses races; the last error is raised. Inside of a transaction only once."""
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlstate", None)
            if code not in LOST or connection.in_atomic_block:
                raise
            counters.count("lost_races", {"sqlstate": str(code)})
            log.warning(
                "the database gave up a transaction (%s); attempt %s of %s follows", code, attempt + 1, ATTEMPTS
            )
            clock.sleep(random.uniform(0.02, 0.1) * attempt)
    return work()
