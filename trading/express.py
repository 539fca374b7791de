"""Decisions from ``kalbot.common.idle_receivers``, carried out by threads of the workers (``kalbot.common.receivers``).

What a message says is not relied on, and a decision is carried out once, by the row that its position claims, whichever way and however
often its message comes.
"""

from __future__ import annotations

import logging
from typing import Final

from django.conf import settings
from django.db import connection

from kalbot.common import messages
from kalbot.common.db import connections
from kalbot.common.idle_receivers import Receiver
from kalbot.common.receivers import Crew

log = logging.getLogger(__name__)


def _rehearse() -> None:
    """Have the thread's connection to the database, so that the first decision does not wait for it. Never raises."""
    try:
        connection.ensure_connection()
    except Exception:
        log.warning("a thread could not make itself ready for the first decision", exc_info=True)
    finally:
        connections.after_task()


crew: Final = Crew(messages.EXECUTE_DECISION, Receiver, _rehearse, settings.CELERY_TASK_TIME_LIMIT)
