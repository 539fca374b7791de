"""Bringing a running demo to rest, so that what is counted at the end no longer moves."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import timedelta

from django.db.models import Max

from kalbot.common import clock
from kalbot.common.messages import APPLY_MESSAGES, ASSESS, RECONCILE, SETTLE, SWEEP, send_on_commit
from kalbot.local import story
from kalbot.local.supervisor import Supervisor
from markets.models import Market
from strategies.models import Decision
from trading import selectors
from trading.closing import exits
from trading.models import Order, Position, PositionStatus

LONGEST_SECONDS = 40.0
SETTLING_SECONDS = 12.0
"""From the close of a simulated market to the score of its advice."""
MOVING = ["pending", "quoting", "executing", "completing", "unwinding", "exiting"]


def settle_down(
    supervisor: Supervisor,
    seconds: float = LONGEST_SECONDS,
    story_seconds: float = 0.0,
    impatient: Callable[[], bool] = bool,
) -> None:
    """Take no new decision, finish what is under way, and compare with the exchange until nothing differs.

    The clock and the strategy worker are stopped; the trading worker goes on, prodded by hand, and so does triage while accepted
    advice waits for a settlement that is due; so is the first settlement of a mode waited for. Gives up after ``seconds``, on
    a story that only lacks its score after ``story_seconds``, or as soon as somebody is ``impatient``; the summary then says what is
    open.
    """
    for name in ("beat", "worker strategy"):
        supervisor.retire(name)
    calm = time.monotonic() + seconds
    end = calm - seconds + max(seconds, story_seconds)
    while (now := time.monotonic()) < end and not impatient():
        supervisor.tick()
        withdraw_quotes()
        scores = story.lacks_only_its_score(end - now - SETTLING_SECONDS)
        if now >= calm and not scores:
            return
        for name in (APPLY_MESSAGES, SWEEP, SETTLE, *([ASSESS] if scores else [])):
            send_on_commit(name)
        if not under_way() and not scores and not first_settlement_is_due(calm - now - SETTLING_SECONDS):
            send_on_commit(RECONCILE)
            time.sleep(1.5)
            if selectors.exchange_difference() == 0:
                return
        time.sleep(0.5)


def withdraw_quotes() -> None:
    """Let nothing rest any more: quotes are prolonged for as long as their market trades."""
    quoted = Position.objects.filter(status__in=exits.QUOTED, quote_withdrawn="").exclude(quoting="")
    for position in quoted:
        with contextlib.suppress(exits.CannotExit):
            exits.withdraw_quote(position.pk, actor="demo", reason="the demo comes to rest")


def first_settlement_is_due(seconds: float) -> bool:
    """Whether a mode in which nothing has settled yet holds a position whose markets close within this time."""
    settled = Position.objects.filter(status=PositionStatus.SETTLED).values("mode")
    waiting = Position.objects.filter(status=PositionStatus.OPEN).exclude(mode__in=settled)
    last = (
        Market.objects.filter(event_id__in=waiting.values("event_id")).values("event_id").annotate(at=Max("close_time"))
    )
    until = clock.now() + timedelta(seconds=seconds)
    return any(row["at"] is not None and row["at"] <= until for row in last)


def under_way() -> int:
    """How many decisions, positions and orders are still in motion."""
    return (
        Decision.objects.filter(position__isnull=True, denial__isnull=True).count()
        + Position.objects.filter(status__in=MOVING).count()
        + Order.objects.exclude(status__in=["done", "rejected"]).count()
    )
