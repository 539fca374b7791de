"""A stopped clock for tests of bounds: the moment at which it stands, what lies beside it, and rows that ended there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from strategies.models import Profile
from tests.trading import world
from trading.denials import Denied
from trading.models import Leg, Position
from trading.venues.protocol import Refused

NOW: Final = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
TICK: Final = timedelta(microseconds=1)


def after(seconds: float) -> datetime:
    """So many seconds after the moment at which the clock stands."""
    return NOW + timedelta(seconds=seconds)


def refusal_of(work: Callable[[], object]) -> str:
    """The code of what refuses ``work``; empty where nothing does."""
    try:
        work()
    except (Denied, Refused) as refused:
        return str(refused.code)
    return ""


def ended(profile: Profile, number: int, bought: int = 0, **columns: Any) -> Position:
    """Positions that ended just now, of one event: the first is number 0."""
    event = world.add_event() if not number else Position.objects.order_by("id")[0].event
    decision = world.decide(profile, event, {"KXT-1-0": 3_000})
    defaults: dict[str, Any] = {"status": "aborted", "ended_at": NOW, "close_code": "no_fill"}
    found = Position.objects.create(
        profile=profile,
        mode="sim",
        decision=decision,
        event=event,
        kind="all_yes",
        target_count=1,
        **(defaults | columns),
    )
    Leg.objects.create(
        position=found, market_id="KXT-1-0", side="yes", target_count=1, limit_price=1, bought_count=bought
    )
    return found
