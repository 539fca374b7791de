"""Thin tasks for the workers: names in ``kalbot.common.messages``."""

from __future__ import annotations

from celery import shared_task

from kalbot.common import messages
from kalbot.common.trace import Stage
from strategies.catalogue import settling
from strategies.cycle import cycle, hurdles
from strategies.screening import screening


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
