"""Names of tasks and queues: how a lower layer notifies a higher one without importing it.

A task message only saves time: every intent is in the database, where a sweeper finds it, so a lost message costs a moment.
Tasks are sent after the commit, so that no worker is faster than the row that the task is about.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
from celery import current_app
from django.db import transaction

from kalbot.common import clock, express, idle_receivers, urgent

SCAN_CATALOGUE: Final = "markets.tasks.scan_catalogue"
CHECK_TERMS: Final = "markets.tasks.check_contract_terms"
SCREEN: Final = "strategies.tasks.screen"
RUN_CYCLE: Final = "strategies.tasks.run_cycle"
EVALUATE_EVENT: Final = "strategies.tasks.evaluate_event"
LEARN_SETTLING: Final = "strategies.tasks.learn_settling"
EXECUTE_DECISION: Final = "trading.tasks.execute_decision"
EXIT_POSITION: Final = "trading.tasks.exit_position"
REPRICE: Final = "trading.tasks.reprice"
REPLACE_QUOTE: Final = "trading.tasks.replace_quote"
COUNT_QUOTES: Final = "trading.tasks.count_quotes"
APPLY_MESSAGES: Final = "trading.tasks.apply_messages"
SWEEP: Final = "trading.tasks.sweep"
SWEEP_EXITS: Final = "trading.tasks.sweep_exits"
RECONCILE: Final = "trading.tasks.reconcile"
SETTLE: Final = "trading.tasks.settle"
MOVE_CAPITAL: Final = "trading.tasks.move_capital"
ASSESS: Final = "triage.tasks.assess_positions"
WATCH_LINES: Final = "triage.tasks.watch_lines"
RUN_BACKTEST: Final = "backtest.tasks.run_backtest"
PRUNE: Final = "kalbot.console.tasks.prune"
HEARTBEAT: Final = "kalbot.console.tasks.heartbeat"
ASK_EXCHANGE: Final = "kalbot.console.tasks.ask_exchange"
ASK_WHILE_SHUT: Final = "kalbot.console.tasks.ask_while_shut"
END_SILENT_COPIES: Final = "kalbot.console.tasks.end_silent_copies"
SAMPLE_PRICES: Final = "kalbot.console.tasks.sample_prices"
SAMPLE_EQUITY: Final = "kalbot.console.tasks.sample_equity"
NOTIFY: Final = "kalbot.console.tasks.notify"
DELIVER: Final = "kalbot.console.tasks.deliver_notifications"
DEADMAN: Final = "kalbot.console.tasks.deadman"

EXITS: Final = "exits"
QUEUES: Final = (EXITS, "execution", "trading", "strategy", "scan", "triage", "default")
"""``exits`` has what takes risk away, so that it waits for no purchase; ``execution`` has purchases, and a sweep of everything, which takes
up exits too where no worker reads ``exits``."""
ROUTES: Final = {
    EXECUTE_DECISION: {"queue": "execution"},
    EVALUATE_EVENT: {"queue": "strategy"},
    EXIT_POSITION: {"queue": EXITS},
    REPRICE: {"queue": "execution"},
    REPLACE_QUOTE: {"queue": "execution"},
    APPLY_MESSAGES: {"queue": EXITS},
    SWEEP_EXITS: {"queue": EXITS},
    SWEEP: {"queue": "execution"},
    "markets.tasks.*": {"queue": "scan"},
    "strategies.tasks.*": {"queue": "strategy"},
    "trading.tasks.*": {"queue": "trading"},
    "triage.tasks.*": {"queue": "triage"},
    "backtest.tasks.*": {"queue": "default"},
    "kalbot.console.tasks.*": {"queue": "default"},
}

URGENT: Final = (EVALUATE_EVENT, EXECUTE_DECISION, REPRICE, REPLACE_QUOTE)
"""What a price or a purchase waits for. None of them expires, or may be left out because a later one did its work."""

SILENCE_SECONDS: Final = 0.5
"""A sending that failed after so long met a broker that accepts and says nothing, not one that is away."""
PAUSE_SECONDS: Final = 1.0
"""After that nothing is sent for so long: who sends twenty messages waits for the first alone."""
log = logging.getLogger(__name__)
_silent_until = 0.0
_deliver: Callable[[str, tuple[Any, ...]], None] | None = None


@contextmanager
def deliver_to(receive: Callable[[str, tuple[Any, ...]], None]) -> Iterator[None]:
    """Give every message (task name, arguments) to ``receive`` instead of the broker until the block ends."""
    global _deliver
    before, _deliver = _deliver, receive
    try:
        yield
    finally:
        _deliver = before


def send_on_commit(name: str, *args: Any) -> None:
    """Send the task ``name`` once the surrounding transaction commits (at once outside of one). Never raises."""
    transaction.on_commit(lambda: send(name, *args))


def send(name: str, *args: Any, **options: Any) -> None:
    """Send the task ``name`` now; ``options`` are those of Celery's ``send_task``. Never raises.

    A broker that is away is logged: the receiving package's sweeper, or the next period, does the work later. One that says nothing
    is waited for about a second (``kalbot.celery``), and then not again for as long.
    """
    global _silent_until
    if _deliver is not None:
        _deliver(name, args)
        return
    began = time.monotonic()
    if began < _silent_until:
        _not_sent(name, "the broker did not answer a moment ago")
        return
    try:
        if _past_the_queue(name, args):
            return
        if name in URGENT and not options:
            urgent.push(name, ROUTES[name]["queue"], args)
        else:
            current_app.send_task(name, args=args, retry=False, **options)
    except Exception as error:
        now = time.monotonic()
        if now - began > SILENCE_SECONDS:
            _silent_until = now + PAUSE_SECONDS
        _not_sent(name, type(error).__name__)


def _past_the_queue(name: str, args: tuple[Any, ...]) -> bool:
    """Whether somebody waits for this beside the queue, and has it now. The broker may be another server: where that of the prices is away
    or refuses, the queue is tried. Raises redis.TimeoutError where it says nothing: then nobody waits once more."""
    try:
        if name == EVALUATE_EVENT:
            return express.put(args[:1], clock.now_us()) != express.NOBODY
        return name == EXECUTE_DECISION and idle_receivers.give(args)
    except (redis.ConnectionError, redis.ResponseError):
        return False


def _not_sent(name: str, why: str) -> None:
    log.warning("task %s was not sent (%s); a sweeper or the next period does the work", name, why)
