"""Coins and games as tables: each forecaster's scores, and the difference to the market with its interval. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Final, Protocol, TypeVar

from triage.evidence import coins, games

MARKET: Final = "market"
MINUTES: Final = ((0, 10), (10, 60))


class Scored(Protocol):
    """What a row of a table is made of."""

    @property
    def name(self) -> str: ...
    @property
    def brier(self) -> float: ...
    @property
    def log_score(self) -> float: ...


T = TypeVar("T", bound=Scored)


def markdown(roots: Sequence[Path]) -> str:
    """The tables of what these folders hold; empty without coins and games."""
    lines: list[str] = []
    recorded = coins.run(coins.passes(roots))
    for coin in sorted({one.coin for one in recorded}):
        for low, high in MINUTES:
            some = [one for one in recorded if one.coin == coin and low <= one.minutes < high]
            lines += _rows(f"{coin}, {low} to {high} min before the hour", some, lambda one: one.event)
    played = games.run(roots)
    for minutes in games.CHECKPOINTS:
        lines += _rows(f"basketball, {minutes} min left", [x for x in played if x.minutes == minutes], lambda x: x.game)
    if not lines:
        return ""
    head = "| subject | forecaster | cases | Brier | log score | Brier less the market's |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(lines) + "\n"


def _rows(subject: str, scores: Iterable[T], unit: Callable[[T], str]) -> Iterator[str]:
    """One line a forecaster; the interval is over ``unit``: an event, a game."""
    names: dict[str, list[T]] = defaultdict(list)
    for one in scores:
        names[one.name].append(one)
    for name, some in names.items():
        against = "" if name == MARKET else _less(some, names[MARKET], unit)
        brier, log_score = mean(x.brier for x in some), mean(x.log_score for x in some)
        yield f"| {subject} | {name} | {len(some)} | {brier:.3f} | {log_score:.3f} | {against} |"


def _less(one: Sequence[T], market: Sequence[T], unit: Callable[[T], str]) -> str:
    """Paired in order: both were made case by case."""
    units: dict[str, list[float]] = defaultdict(list)
    for mine, theirs in zip(one, market, strict=True):
        units[unit(mine)].append(mine.brier - theirs.brier)
    means = [mean(values) for values in units.values()]
    return f"{mean(means):+.3f} ± {1.96 * stdev(means) / sqrt(len(means)):.3f}" if len(means) > 1 else ""
