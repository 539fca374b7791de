"""Capital for a few events of each day: what it earns given to those that begin first, to any, or to series that have earned most.

The capital of an event is locked from its first print until its results are known. What a series has earned is known of events that had
settled by the morning of the day; ten events of the mean of all stand in for what it has not shown yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from backtest.quoting.replay import HOUR_NS, Replayed, Setup
from backtest.quoting.study import SETTLES_NS
from kalbot.common.units import DOLLAR_PRICE
from markets.book import Side

DAY_NS: Final = 24 * HOUR_NS
PRIOR: Final = 10
Order = Callable[[Sequence[Replayed]], list[Replayed]]


@dataclass(frozen=True, slots=True)
class Placed:
    """What one rule made of the days on which there were more events than places. ``a_week``: return on what was locked."""

    rule: str
    events: int
    profit: int
    a_week: float


def compare(replayed: Sequence[Replayed], setup: Setup, places: int) -> list[Placed]:
    """One line a rule, over the same days."""
    days: dict[int, list[Replayed]] = {}
    for one in replayed:
        days.setdefault(one.printed.closes_ns // DAY_NS, []).append(one)
    short = {day: of for day, of in sorted(days.items()) if len(of) > places}
    rules: dict[str, Order] = {
        "first come": lambda of: sorted(of, key=lambda one: (one.printed.prints[0].at_ns, _name(one)))[:places],
        "any, on average": list,
        "what has earned most": lambda of: _ranked(of, replayed)[:places],
    }
    found = []
    for rule, order in rules.items():
        chosen = [(one, places / len(some)) for of in short.values() for some in [order(of)] for one in some]
        found.append(_placed(rule, chosen, setup))
    return found


def _ranked(of: Sequence[Replayed], every: Sequence[Replayed]) -> list[Replayed]:
    begins = min(one.printed.prints[0].at_ns for one in of)
    past = [one for one in every if one.printed.closes_ns + SETTLES_NS <= begins]
    mean = fmean(one.held for one in past) if past else 0.0

    def earned(one: Replayed) -> float:
        own = [other.held for other in past if _series(other) == _series(one)]
        return (sum(own) + PRIOR * mean) / (len(own) + PRIOR)

    return sorted(of, key=lambda one: (-earned(one), _name(one)))


def _placed(rule: str, chosen: Sequence[tuple[Replayed, float]], setup: Setup) -> Placed:
    profit, dollar_days = sum(one.held * share for one, share in chosen), 0.0
    for one, share in chosen:
        sure = (len(one.printed.legs) - 1 if setup.side is Side.NO else 1) * DOLLAR_PRICE
        days = (one.printed.closes_ns + SETTLES_NS - one.printed.prints[0].at_ns) / DAY_NS
        dollar_days += (sure - setup.margin) * setup.sets * days * share
    events = round(sum(share for _, share in chosen))
    return Placed(rule, events, round(profit), 7 * profit / dollar_days if dollar_days else 0.0)


def _series(one: Replayed) -> str:
    """A series keeps its name where the exchange put its letters before it."""
    return one.printed.series.removeprefix("KX")


def _name(one: Replayed) -> str:
    return one.printed.event.event_ticker
