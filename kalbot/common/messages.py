"""Names of tasks and queues: how a lower room tells a higher one that something happened, without importing it.

A message is a nudge, never the promise itself: every intent lies in the database and a sweeper looks for it, so a lost
message costs a moment. Tasks are sent after commit, so that a worker never looks for a row that is not there yet.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.db import transaction

SCAN_CATALOGUE: Final = "markets.tasks.scan_catalogue"
SCREEN: Final = "strategies.tasks.screen"
RUN_CYCLE: Final = "strategies.tasks.run_cycle"
EVALUATE_EVENT: Final = "strategies.tasks.evaluate_event"
EXECUTE_DECISION: Final = "trading.tasks.execute_decision"
EXIT_POSITION: Final = "trading.tasks.exit_position"
APPLY_MESSAGES: Final = "trading.tasks.apply_messages"
SWEEP: Final = "trading.tasks.sweep"
RECONCILE: Final = "trading.tasks.reconcile"
SETTLE: Final = "trading.tasks.settle"
ASSESS: Final = "triage.tasks.assess_positions"
WATCH_LINES: Final = "triage.tasks.watch_lines"
PRUNE: Final = "kalbot.console.tasks.prune"
HEARTBEAT: Final = "kalbot.console.tasks.heartbeat"
ASK_EXCHANGE: Final = "kalbot.console.tasks.ask_exchange"
SAMPLE_PRICES: Final = "kalbot.console.tasks.sample_prices"

QUEUES: Final = ("default", "scan", "strategy", "trading", "triage")
ROUTES: Final = {
    "markets.tasks.*": {"queue": "scan"},
    "strategies.tasks.*": {"queue": "strategy"},
    "trading.tasks.*": {"queue": "trading"},
    "triage.tasks.*": {"queue": "triage"},
    "kalbot.console.tasks.*": {"queue": "default"},
}

log = logging.getLogger(__name__)


def nudge(name: str, *args: Any) -> None:
    """Send the task ``name`` once the surrounding transaction commits (at once outside of one).

    A broker that is away is logged and forgiven: the sweeper of the receiving room does the work a little later.
    """
    transaction.on_commit(lambda: _send(name, args))


def _send(name: str, args: tuple[Any, ...]) -> None:
    from kalbot.celery import app

    try:
        app.send_task(name, args=args, retry=False)
    except Exception as error:
        log.warning("message %s was not sent (%s); the sweeper will find the work", name, type(error).__name__)
