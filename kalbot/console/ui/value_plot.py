"""What a basket pays over the axis of the value that settles it: steps for an inline drawing, in units of its view box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markets.terms.atoms import FIRST, LAST, Atoms, Cut
from markets.terms.reading.text import counted

WIDTH: Final = 600
HEIGHT: Final = 120
MARGIN: Final = 14
LEFT: Final = 64
"""Where the line begins: amounts stand before it."""
LEAST_APART: Final = 70
"""Between two marks."""


@dataclass(frozen=True, slots=True)
class ValuePlot:
    """``line``: points of the steps; ``cost``: height of the line at the cost, None without one; ``marks``: (across, strike) of some cuts;
    ``levels``: (height, amount) of the least and the most that is paid; ``words``: what it shows, for who cannot see it."""

    line: str
    cost: float | None
    marks: tuple[tuple[float, str], ...]
    levels: tuple[tuple[float, int], ...]
    words: str
    width: int = WIDTH
    height: int = HEIGHT


def of(atoms: Atoms, pays: Sequence[float], cost: float | None = None, most_marks: int = 6) -> ValuePlot | None:
    """``pays``: of each atom in order, micro-dollars; ``cost`` in the same. None where nothing is cut."""
    inner = [cut for cut in atoms.cuts if cut not in (FIRST, LAST)]
    if not inner or len(pays) != len(atoms):
        return None
    low, high = _place(atoms, inner[0]), _place(atoms, inner[-1])
    beside = (high - low or 1.0) * 0.08
    low, high = low - beside, high + beside
    most, least = max([*pays, cost or 0]), min([*pays, cost or pays[0]])
    span = (most - least) or 1

    def across(cut: Cut) -> float:
        value = low if cut == FIRST else high if cut == LAST else _place(atoms, cut)
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - MARGIN), 1)

    def up(amount: float) -> float:
        return round(HEIGHT - MARGIN - (amount - least) / span * (HEIGHT - 2 * MARGIN), 1)

    points = []
    for atom, amount in enumerate(pays):
        points += [f"{across(atoms.cuts[atom])},{up(amount)}", f"{across(atoms.cuts[atom + 1])},{up(amount)}"]
    each = max(1, len(inner) // most_marks)
    marks = tuple(
        (across(cut), atoms.mark(cut) if atoms.dated else f"{cut[1]:,}") for cut in _apart(inner[::each], across)
    )
    where = atoms.words(list(pays).index(min(pays)))
    levels = tuple((up(amount), round(amount)) for amount in sorted({min(pays), max(pays)}))
    words = f"payoff over the value, least where {where}"
    return ValuePlot(" ".join(points), None if cost is None else up(cost), marks, levels, words)


def _place(atoms: Atoms, cut: Cut) -> float:
    """Where a cut lies on the axis: days by the calendar."""
    return float(counted(atoms.mark(cut)) if atoms.dated else cut[1])


def _apart(cuts: Sequence[Cut], across: Callable[[Cut], float]) -> list[Cut]:
    """Those whose marks do not lie on the one before."""
    kept: list[Cut] = []
    for cut in cuts:
        if not kept or across(cut) - across(kept[-1]) >= LEAST_APART:
            kept.append(cut)
    return kept
