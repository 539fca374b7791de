"""What stands on top of every page: the trading state, what stops everything or a profile, which modes are active."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from kalbot.common import clock
from kalbot.console.pages import obstacles
from trading.models import TradingState

SHOWN = 3


def context(request: HttpRequest) -> dict[str, Any]:
    """A handful of queries, on every page: a banner that is green while a lock denies every decision would be wrong."""
    stops = obstacles.of_request(request)
    active = stops.active
    state = stops.states.get(None)
    own = obstacles.by_profile(active, stops)
    everything = [one for one in obstacles.everything(stops) if one.code not in TradingState.State.values]
    stopped = bool(everything) or (bool(active) and len(own) == len(active))
    return {
        "state": state,
        "level": state.state if state else "stopped" if stopped else "active",
        "stops": everything,
        "profile_stops": list(own.values())[:SHOWN],
        "more_stops": max(0, len(own) - SHOWN),
        "modes": {mode: sum(1 for profile in active if profile.mode == mode) for mode in ("live", "sim")},
        "live_allowed": settings.KALBOT_LIVE,
        "now": clock.now(),
    }
