"""What a nudged cycle reads from the database, read once before there is one: by each thread of a worker, when it starts.

A first price would wait until every statement is compiled, and until the thread's own connection is made and its server has planned them.
Nothing is found, and nothing is written.
"""

from __future__ import annotations

import logging
from typing import Final

from kalbot.common import clock
from kalbot.common.db import connections
from kalbot.common.locks import acquired
from markets import exchange_hours, prices
from strategies.catalogue import universe
from strategies.cycle import candidates, claims, concerned, decisions
from strategies.models import Profile

NO_EVENT: Final = "-"
"""No ticker of the exchange."""
log = logging.getLogger(__name__)


def run() -> None:
    """In the thread that is to be ready. Never raises: what fails here is met again by the first price."""
    try:
        _run()
    except Exception:
        log.warning("a thread could not make itself ready for the first price", exc_info=True)
    finally:
        connections.after_task()


def _run() -> None:
    concerned.by([NO_EVENT])
    with acquired([f"cycle:rehearsal:{NO_EVENT}"], 1.0, [exchange_hours.KEY]):
        universe.load([NO_EVENT], deep=True)
        prices.reader().events([NO_EVENT])
    for profile in Profile.objects.filter(is_active=True).order_by("name")[:1]:
        candidates.exposure(profile, clock.now())
        claims.of(profile, {NO_EVENT})
        decisions.rehearse(profile, NO_EVENT)
