"""Quoted baskets over many settled events: what each side, each policy for what did not complete and each fill model would have made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

from backtest.quoting.markouts import Markout, markouts
from backtest.quoting.prints import Printed
from backtest.quoting.replay import HOUR_NS, Fills, Replayed, Setup, replay
from kalbot.common.units import CENT, CONTRACT
from markets.book import Side

INTERVAL: Final = 1.96
"""Standard errors either side: 95 of 100 such intervals hold the mean."""


SETTLES_NS: Final = 15 * HOUR_NS
"""After its close an event's results count as known."""


@dataclass(frozen=True, slots=True)
class Mean:
    """Profit an event in cents with its 95 % interval (half width)."""

    cents: float
    half_width: float

    @classmethod
    def of(cls, values: Sequence[int]) -> Mean:
        """Of Money an event; no event gives 0 with an endless interval."""
        n = len(values)
        if n < 2:
            return cls(sum(values) / CENT, float("inf"))
        mean = sum(values) / n
        spread = sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
        return cls(mean / CENT, INTERVAL * spread / CENT)

    def to_json(self) -> list[float | None]:
        """Mean and half width; None where one event or none says nothing of it."""
        return [self.cents, None if self.half_width == float("inf") else self.half_width]

    def __str__(self) -> str:
        if self.half_width == float("inf"):
            return f"{self.cents:+.1f} (too few)"
        return f"{self.cents:+.1f} ± {self.half_width:.1f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One side under one fill model over the same events. ``sets`` and ``orphans``: contracts an event."""

    side: Side
    model: Fills
    group: str
    events: int
    held: Mean
    sold: Mean
    sets: float
    orphans: float
    markouts: tuple[Markout, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "side": self.side.value,
            "fills": self.model.value,
            "group": self.group,
            "events": self.events,
            "held_cents": self.held.to_json(),
            "sold_cents": self.sold.to_json(),
            "sets": self.sets,
            "orphans": self.orphans,
            "markouts": [[m.seconds, m.mean, m.fills] for m in self.markouts],
        }


def run(
    events: Sequence[Printed],
    setups: Iterable[Setup],
    models: Iterable[Fills] = tuple(Fills),
    group: Callable[[Printed], str] = lambda printed: "all",
    least_history: int | None = None,
    known_only: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Row]:
    """One row a setup, model and group (in order of their names). ``progress`` hears of every replayed event.

    ``least_history``: an event counts only if at least so many events of its series had settled when it began, and had earned
    something on average with orphans held: the choice of series that could have been made at the time. ``known_only``: events with a
    leg whose bid nobody took, on which nothing ever rests, are left out; else they count as zero.
    """
    rows: list[Row] = []
    models = tuple(models)
    for setup in setups:
        for model in models:
            groups: dict[str, list[Replayed]] = {}
            found = []
            for printed in events:
                found.append(replay(printed, setup, model))
                progress(1)
            for one in found if least_history is None else chosen(found, least_history):
                if known_only and not one.is_known:
                    continue
                groups.setdefault(group(one.printed), []).append(one)
            rows += [_row(setup.side, model, name, of) for name, of in sorted(groups.items())]
    return rows


def chosen(replayed: Sequence[Replayed], least_history: int) -> list[Replayed]:
    """The events that a quoter who only quotes series that have earned would have quoted. ``replayed`` in order of their close."""
    kept = []
    for one in replayed:
        begins = one.printed.prints[0].at_ns
        known = [
            past.held
            for past in replayed
            if past.printed.series == one.printed.series and past.printed.closes_ns + SETTLES_NS <= begins
        ]
        if len(known) >= least_history and sum(known) > 0:
            kept.append(one)
    return kept


def _row(side: Side, model: Fills, name: str, replayed: Sequence[Replayed]) -> Row:
    n = len(replayed)
    return Row(
        side,
        model,
        name,
        n,
        Mean.of([one.held for one in replayed]),
        Mean.of([one.sold for one in replayed]),
        sum(one.sets for one in replayed) / n / CONTRACT,
        sum(one.orphans for one in replayed) / n / CONTRACT,
        tuple(markouts(replayed, side)),
    )
