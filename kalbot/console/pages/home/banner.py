"""What stands on top of every page: the trading state, what stops everything or a profile, which modes are active."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from kalbot.common import clock
from kalbot.console.pages.home import obstacles
from kalbot.console.pages.home.obstacles import Obstacle
from trading.models import TradingState

SHOWN = 3


def context(request: HttpRequest) -> dict[str, Any]:
    """A handful of queries, on every page: a banner that is green while something stops a profile would be wrong."""
    stops = obstacles.of_request(request)
    active = stops.active
    state = stops.states.get(None)
    own = obstacles.by_profile(active, stops)
    everything = [one for one in obstacles.everything(stops) if one.code not in TradingState.State.values]
    stopped = bool(everything) or (bool(active) and len(own) == len(active))
    alike = together(list(own.values()))
    return {
        "state": state,
        "level": state.state if state else "stopped" if stopped else "partly" if own else "active",
        "own_stops": len(own),
        "active_profiles": len(active),
        "stops": everything,
        "profile_stops": [line(same) for same in alike[:SHOWN]],
        "more_stops": sum(len(same) for same in alike[SHOWN:]),
        "modes": {mode: sum(1 for profile in active if profile.mode == mode) for mode in ("live", "sim")},
        "live_allowed": settings.KALBOT_LIVE,
        "now": clock.now(),
    }


def together(found: list[Obstacle]) -> list[list[Obstacle]]:
    """Several profiles that the same thing stops, in the same words, are one line: its obstacles."""
    lines: dict[tuple[Any, ...], list[Obstacle]] = {}
    for one in found:
        words = one.title.removeprefix(one.profile)
        lines.setdefault((one.code, words, one.why, one.who, one.until), []).append(one)
    return list(lines.values())


def line(same: list[Obstacle]) -> Obstacle:
    """One obstacle that names every profile of those in ``same``."""
    first = same[0]
    if len(same) == 1:
        return first
    names = ", ".join(one.profile for one in same)
    return replace(first, title=f"{names}:{first.title.removeprefix(first.profile)}")
