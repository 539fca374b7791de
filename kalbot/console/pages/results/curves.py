"""The curves of the results page: what chosen profiles realised over a time, and what they were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kalbot.console.ops import equity
from kalbot.console.ui.plots import Plot, fewer
from strategies.models import Profile
from trading.accounting import results
from trading.accounting.results import Step

Gains = dict[int, list[Step]]


def gains_of(chosen: Sequence[Profile], since: datetime | None, until: datetime) -> Gains:
    """The steps of realised profit of each of the chosen profiles, read once for both of its curves."""
    return {profile.pk: results.by_basket(profile, since, until) for profile in chosen}


def realised(chosen: Sequence[Profile], gains: Gains, since: datetime | None, until: datetime) -> dict[str, str]:
    """Realised profit of the chosen profiles over the time, a line each, from nothing at its beginning."""
    plot = Plot("dollars", legend=len(chosen) > 1, until=until)
    for profile in chosen:
        steps = gains[profile.pk]
        if not steps:
            continue
        points = [(since or steps[0][0], 0.0)]
        total = 0
        for at, change in steps:
            total += change
            points.append((at, total / 1e6))
        plot.line(named(profile), [*fewer(points), (until, total / 1e6)])
    return plot.context("curve")


def equity_of(
    chosen: Sequence[Profile], gains: Gains, since: datetime | None, until: datetime, worth: Mapping[int, int]
) -> list[dict[str, Any]]:
    """What each of the chosen profiles was worth over the time, a plot for each: beside much capital, what little makes is a flat line.
    ``worth``: by profile, what it is worth at its end, where that is known. A profile that was worth nothing has no chart."""
    found = []
    for profile in chosen:
        plot = Plot("dollars", legend=False, until=until)
        if steps := equity.history(profile, since, until, gains[profile.pk]):
            points = [(at, level / 1e6) for at, level in steps]
            plot.line(named(profile), [*fewer(points), (until, worth.get(profile.pk, steps[-1][1]) / 1e6)])
        found.append({"profile": profile, **plot.context("equity")})
    return found


def named(profile: Profile) -> str:
    """A line's label."""
    return f"{profile.name} ({profile.mode})"
