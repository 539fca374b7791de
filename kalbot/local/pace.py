"""Can this machine keep up with the demo's markets, and what comes next: so that a newcomer never wonders why nothing happens.

The simulated markets live a thousand times faster than real ones. A machine on which a basket's orders leave seconds after its decision
finds the prices gone: nothing is bought, or a part that is sold again at a loss. That is said in words, with what helps.
"""

from __future__ import annotations

from typing import Final

from django.db.models import Min

from kalbot.common import clock
from kalbot.console.ui.formats import span
from kalbot.local.processes import Plan
from markets.models import Event, Scan
from strategies.models import Cycle, Decision
from trading.models import ACTIVE, Order, Position

SLOW_ORDER_MS: Final = 2_000
"""From decision to first order. A planted basket is offered for 10 to 20 seconds; by then others have taken the best of it."""
SLOW_CYCLE_MS: Final = 4_000
FEWEST: Final = 3
"""Measurements that say something."""
RECENT: Final = 50
"""How many of the last of each are read."""


def slow() -> str:
    """What is too slow here and what helps, or empty text."""
    orders = sorted(_decision_to_order())
    cycles = sorted(Cycle.objects.order_by("-id").values_list("duration_ms", flat=True)[:RECENT])
    found = []
    if len(orders) >= FEWEST and orders[len(orders) // 2] > SLOW_ORDER_MS:
        found.append(f"an order leaves {orders[len(orders) // 2] / 1000:.1f} s after its decision")
    if len(cycles) >= FEWEST and cycles[len(cycles) // 2] > SLOW_CYCLE_MS:
        found.append(f"a strategy cycle takes {cycles[len(cycles) // 2] / 1000:.1f} s")
    scans = list(Scan.objects.order_by("-id").values_list("status", flat=True)[:FEWEST])
    if len(scans) >= FEWEST and set(scans) == {Scan.Status.FAILED}:
        found.append(f"the simulated exchange answers too late: the last {FEWEST} scans failed")
    if not found:
        return ""
    return (
        f"This machine is too slow for markets this fast: {' and '.join(found)}, so prices are gone before orders arrive and baskets "
        "are given up or sold again at a loss. Slow the markets down: bin/demo --speed 300 --edge-every 20"
    )


def _decision_to_order() -> list[float]:
    """Milliseconds from a decision to its first order, of the last baskets that were ordered at all: where a machine is too slow, few are
    ever bought."""
    recent = Decision.objects.filter(position__isnull=False).order_by("-created_at")
    decided = dict(recent.values_list("position__id", "created_at")[:RECENT])
    orders = Order.objects.filter(position__in=list(decided), purpose="entry", sent_at__isnull=False).order_by()
    sent = orders.values_list("position").annotate(first=Min("sent_at"))
    return [(first - decided[position]).total_seconds() * 1000 for position, first in sent]


def upcoming(plan: Plan) -> str:
    """The next thing that will happen: a position that settles, else the next event that closes; and when baskets are planted."""
    now = clock.now()
    held = Position.objects.filter(status__in=ACTIVE, event__close_time__gt=now).select_related("event")
    first = held.order_by("event__close_time").first()
    parts = []
    if first is not None and first.event.close_time is not None:
        parts.append(
            f"#{first.pk} {first.event.title or first.event_id} closes in {span(first.event.close_time - now)}"
        )
    else:
        event = Event.objects.filter(is_open=True, close_time__gt=now).order_by("close_time").first()
        if event is not None and event.close_time is not None:
            parts.append(f"{event.title or event.pk} closes in {span(event.close_time - now)}")
    if not plan.still:
        parts.append(f"a mispriced basket is planted every {plan.edge_every:g} s")
    return "next: " + "; ".join(parts) if parts else ""


def cause(position: Position) -> str:
    """Why a position has its status: the reason of its last change. A loss without a cause says nothing."""
    last = position.events.exclude(to_status="").order_by("-id").first()
    return last.reason if last is not None else ""
