"""Bringing a running demo to rest, so that what is counted at the end no longer moves."""

from __future__ import annotations

import time

from kalbot.common.messages import APPLY_MESSAGES, ASSESS, RECONCILE, SETTLE, SWEEP, nudge
from kalbot.local import story
from kalbot.local.supervisor import Supervisor
from strategies.models import Decision
from trading import selectors
from trading.models import Order, Position

LONGEST_SECONDS = 40.0
SETTLING_SECONDS = 12.0
"""From the close of a simulated market to the score of its advice."""
MOVING = ["pending", "executing", "completing", "unwinding", "exiting"]


def settle_down(supervisor: Supervisor, seconds: float = LONGEST_SECONDS) -> None:
    """Take no new decision, finish what is under way, and compare with the exchange until nothing differs.

    The clock and the strategy worker are stopped; the trading worker goes on, prodded by hand, and so does triage while accepted
    advice waits for a settlement that is due. Gives up after ``seconds``; the summary then says what is open.
    """
    for name in ("beat", "worker strategy"):
        supervisor.retire(name)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        supervisor.tick()
        for name in (APPLY_MESSAGES, SWEEP, SETTLE, ASSESS):
            nudge(name)
        if not under_way() and not story.is_about_to_end(deadline - time.monotonic() - SETTLING_SECONDS):
            nudge(RECONCILE)
            time.sleep(1.5)
            if selectors.exchange_difference() == 0:
                return
        time.sleep(0.5)


def under_way() -> int:
    """How many decisions, positions and orders are still in motion."""
    return (
        Decision.objects.filter(position__isnull=True, denial__isnull=True).count()
        + Position.objects.filter(status__in=MOVING).count()
        + Order.objects.exclude(status__in=["done", "rejected"]).count()
    )
