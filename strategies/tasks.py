"""Thin tasks for the workers: names in ``kalbot.common.messages``."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Final

from celery import shared_task, signals

from kalbot.common import messages
from kalbot.common.trace import Stage
from strategies import express
from strategies.catalogue import settling
from strategies.cycle import cycle, hurdles, rehearsal
from strategies.screening import screening

READY_SECONDS: Final = 5.0
"""Most that a worker's threads wait for each other before the first of them takes a task."""
express.crew.connect()


@signals.worker_ready.connect
def be_ready(sender: Any, **kwargs: object) -> None:
    """Have each thread of a worker that evaluates events go through a cycle about nothing, so that the first price waits for none."""
    executor = getattr(sender.pool, "executor", None)
    if executor is None or messages.ROUTES[messages.EVALUATE_EVENT]["queue"] not in sender.app.amqp.queues.consume_from:
        return
    threads = sender.pool.limit
    met = threading.Barrier(threads)
    for _ in range(threads):
        executor.submit(_rehearse, met)


def _rehearse(met: threading.Barrier) -> None:
    rehearsal.run()
    with suppress(threading.BrokenBarrierError):
        met.wait(READY_SECONDS)  # so that none does it twice, and another never


@shared_task(name=messages.SCREEN)
def screen(scan_id: int | None = None) -> None:
    """Judge every open event for every active profile; after each scan."""
    screening.screen(scan_id)


@shared_task(name=messages.RUN_CYCLE)
def run_cycle() -> None:
    """One strategy cycle over all candidates."""
    cycle.run()


@shared_task(name=messages.EVALUATE_EVENT)
def evaluate_event(event_ticker: str, written_us: int = 0, notified_us: int = 0) -> None:
    """Evaluate one event now: its prices just moved."""
    cycle.run(cycle.NUDGE, [event_ticker], {Stage.WRITTEN: written_us, Stage.NOTIFIED: notified_us})


@shared_task(name=messages.LEARN_SETTLING)
def learn_settling() -> None:
    """Count again how long after their expected end the markets of each series settle, and forget old opportunities."""
    settling.learn()
    hurdles.prune()
