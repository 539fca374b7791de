"""What a basket pays over the axis of the value that settles it: steps for an inline drawing, in units of its view box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from kalbot.console.ui import formats
from markets.terms.atoms import FIRST, LAST, Atoms, Cut
from markets.terms.reading.text import counted
from markets.terms.states import State, StateKind

WIDTH: Final = 600
HEIGHT: Final = 120
MARGIN: Final = 14
LETTER: Final = 11
"""The width of a letter of the marks where the page is narrow and they are drawn large."""
ELSE: Final = 60
"""Width of the step beside the line: what is paid where no value decides."""
MOST_MARKS: Final = 6
Amounts = Sequence[tuple[State, int]]
"""What a basket pays in each state of a family that is still possible, micro-dollars; an atom's state is named by its words
(``StateList.of_atoms``)."""


@dataclass(frozen=True, slots=True)
class ValuePlot:
    """``lines``: points of the steps over each run of values that are still possible; ``ruled_out``: (across, width) of the runs that are
    not, because a market settled; ``beside``: those of what is least paid beside them, "" where a value always decides;
    ``cost``: height of the line at the cost, None without one; ``left``: where the lines begin; ``marks``: (across, across of the text,
    strike) of some cuts; ``levels``: (height, amount) of the least and the most that is paid; ``words``: what it shows, for who cannot
    see it."""

    lines: tuple[str, ...]
    ruled_out: tuple[tuple[float, float], ...]
    beside: str
    cost: float | None
    left: float
    marks: tuple[tuple[float, float, str], ...]
    levels: tuple[tuple[float, str], ...]
    words: str
    width: int = WIDTH
    height: int = HEIGHT


def of(atoms: Atoms, amounts: Amounts, cost: int | None = None, received: int = 0) -> ValuePlot | None:
    """``amounts`` of the states of ``atoms`` that are still possible; ``cost`` in micro-dollars; ``received``: what legs that were sold or
    have settled brought. None where nothing is cut, nothing is possible, or an amount is of another line."""
    inner = [cut for cut in atoms.cuts if cut not in (FIRST, LAST)]
    listed = {atoms.words(number): number for number in range(len(atoms))}
    values = [(state.quote, amount) for state, amount in amounts if state.kind is StateKind.VALUE]
    others = [(amount, state.quote) for state, amount in amounts if state.kind is not StateKind.VALUE]
    if not inner or not amounts or any(quote not in listed for quote, _ in values):
        return None
    pays = {listed[quote]: amount for quote, amount in values}
    every = [*pays.values(), *(amount for amount, _ in others)]
    drawn = every if cost is None else [*every, cost]
    least, span = min(drawn), (max(drawn) - min(drawn)) or 1

    def up(amount: float) -> float:
        return round(HEIGHT - MARGIN - (amount - least) / span * (HEIGHT - 2 * MARGIN), 1)

    places = formats.decimals("money", every)
    levels = tuple((up(amount), formats.money(amount, places)) for amount in sorted({min(every), max(every)}))
    left = float(LETTER * max(len(text) for _, text in levels) + MARGIN)
    axis = _Axis(atoms, inner, left, WIDTH - MARGIN - (ELSE if others else 0), WIDTH - (ELSE + MARGIN if others else 0))
    lines, ruled_out = [], []
    for possible, run in groupby(range(len(atoms)), pays.__contains__):
        steps = [(atom, axis.across(atoms.cuts[atom]), axis.across(atoms.cuts[atom + 1])) for atom in run]
        if possible:
            lines.append(" ".join(f"{begin},{up(pays[atom])} {end},{up(pays[atom])}" for atom, begin, end in steps))
        else:
            ruled_out.append((steps[0][1], round(steps[-1][2] - steps[0][1], 1)))
    worst = min(others, default=None)
    beside = "" if worst is None else f"{WIDTH - MARGIN - ELSE + 16},{up(worst[0])} {WIDTH - MARGIN},{up(worst[0])}"
    words = _words(atoms, pays, places)
    if worst is not None:
        words += f"; beside it at least {formats.money(worst[0], places)}: {worst[1]}"
    if ruled_out:
        words += f"; {len(atoms) - len(pays)} of {len(atoms)} runs of values are ruled out by what has settled"
    if received:
        words += f"; legs that were sold or have settled brought {formats.money(received)} besides"
    return ValuePlot(
        tuple(lines),
        tuple(ruled_out),
        beside,
        None if cost is None else up(cost),
        left,
        tuple(axis.marks()),
        levels,
        words,
    )


def _words(atoms: Atoms, pays: Mapping[int, int], places: int) -> str:
    if not pays:
        return "payoff over the value: no value is possible any more"
    low, high = min(pays, key=lambda atom: pays[atom]), max(pays, key=lambda atom: pays[atom])
    least, most = (formats.money(pays[atom], places) for atom in (low, high))
    if pays[low] == pays[high]:
        where = "at every value" if len(pays) == len(atoms) else "at every value that is still possible"
        return (
            f"payoff over the value: {least} {where}"
            if len(pays) > 1
            else f"payoff over the value: {least} where {atoms.words(low)}"
        )
    return f"payoff over the value: least {least} where {atoms.words(low)}, most {most} where {atoms.words(high)}"


class _Axis:
    """Where values lie: numbers by their size, days by the calendar, a little of the open ends on either side."""

    def __init__(self, atoms: Atoms, inner: Sequence[Cut], left: float, right: float, end: float) -> None:
        self._atoms, self._inner, self._left, self._right, self._end = atoms, inner, left, right, end
        low, high = self._place(inner[0]), self._place(inner[-1])
        beside = (high - low or 1.0) * 0.08
        self._low, self._high = low - beside, high + beside

    def _place(self, cut: Cut) -> float:
        return float(counted(self._atoms.mark(cut)) if self._atoms.dated else cut[1])

    def across(self, cut: Cut) -> float:
        """In units of the view box."""
        value = self._low if cut == FIRST else self._high if cut == LAST else self._place(cut)
        return round(self._left + (value - self._low) / (self._high - self._low) * (self._right - self._left), 1)

    def marks(self) -> Iterable[tuple[float, float, str]]:
        """Some of the cuts, whose texts neither lie on each other nor leave the drawing."""
        end = 0.0
        for cut in self._inner[:: max(1, len(self._inner) // MOST_MARKS)]:
            at, text = self.across(cut), self._atoms.mark(cut) if self._atoms.dated else f"{cut[1]:,}"
            half = LETTER * len(text) / 2
            middle = min(max(at, half), self._end - half)
            if middle - half >= end:
                end = middle + half + LETTER
                yield at, middle, text
