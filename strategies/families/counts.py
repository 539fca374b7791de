"""The counts of a family's best basket: a linear programme through the real depth that sees only the legs that matter.

Maximise z - sum of cost x count, with z no more than the payoff in any atom and the counts inside each level. A family has a thousand
legs and its best basket a few, so the programme is given the legs of the cheapest cycles first (``screen``), each as often as its levels
last. Its duals are a measure on the atoms that these legs distinguish. If that measure can be spread over the finer atoms so that no
other leg is worth its price, the counts are the best of all legs; else there is a path of legs that is worth more than it costs, which
joins the programme (column generation; Desaulniers, Desrosiers, Solomon, *Column Generation*, 1).

Counts in 1/100 contract, prices in dollars a contract as floats: what comes out is priced again in exact integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

import numpy as np

from kalbot.common.units import CONTRACT, PPM, Count
from markets.book import Side
from markets.terms.atoms import Atoms
from strategies.dutch.curve import WorstCurve
from strategies.dutch.program import Program, Solution, Terms
from strategies.families.limits import MONEY_E14, MOST_LEVELS, Counts, Key, Sizes
from strategies.families.offers import Offers
from strategies.families.screen import Coherent, Cycle, Floats, Graph

MOST_CYCLES: Final = 64
"""Cycles whose legs begin the programme."""
MOST_ROUNDS: Final = 12
"""Programmes for one family; what the last one says is taken, proven or not."""
WORTH: Final = 1e-6
"""Dollars a contract that a further leg must be worth."""
Levels = list[tuple[float, int]]
"""(dollars a contract, count), cheapest first."""


def best_counts(
    graph: Graph, atoms: Atoms, curves: Offers, sizes: Sizes, first: Cycle | None = None
) -> tuple[Counts, bool]:
    """(count of each leg, rounded down to steps; whether no counts of any legs are better before rounding). Where the best has more
    legs than ``sizes`` allow, the best of as many of the cheapest cycles as fit is given instead, unless none does. ``first``: a cycle
    at the best prices, where one is known already."""
    quoted = graph.array(curves.prices)
    levels: dict[Key, Levels] = {}
    cycles = _begin(graph, curves, levels, quoted.copy(), first)
    counts, is_best = _of_all(graph, atoms, curves, sizes, levels, quoted)
    if sizes.max_legs is None or sum(count > 0 for count in counts.values()) <= sizes.max_legs:
        return counts, is_best
    fewer = _Programme(atoms, {key: levels[key] for key in _fitting(cycles, sizes.max_legs)}, sizes)
    solved = fewer.solve()
    return (fewer.counts(solved) if solved is not None else {}) or counts, False


def _of_all(
    graph: Graph, atoms: Atoms, curves: Offers, sizes: Sizes, levels: dict[Key, Levels], quoted: Floats
) -> tuple[Counts, bool]:
    """The counts of a programme that begins with ``levels``, to which further legs are added until no other is worth its price."""
    counts: Counts = {}
    for _ in range(MOST_ROUNDS):
        programme = _Programme(atoms, levels, sizes)
        solved = programme.solve()
        if solved is None or not solved.is_best:
            return counts, False
        counts = programme.counts(solved)
        others = quoted * programme.markup(solved)
        others[[graph.position[key] for key in levels if key in graph.position]] = np.inf
        further = graph.worth(others, programme.measure(solved), WORTH)
        if not further:
            return counts, True
        levels |= {key: levels_of(curves[key]) for key in further}
    return counts, False


def whole_counts(atoms: Atoms, curves: Offers, sizes: Sizes) -> Counts | None:
    """The counts of every leg, level and settlement in one programme, rounded down to steps; None where nothing is worth its price, empty
    where the programme did not end within its work. For families in which a named market may win whatever the value: the graph holds
    only the legs that this leaves as they are (``Atoms.is_sure``), and such families have a few dozen legs."""
    programme = _Programme(atoms, {key: levels_of(curve) for key, curve in curves.items()}, sizes)
    solved = programme.solve()
    if solved is None or solved.objective <= WORTH:
        return None if solved is not None and solved.is_best else {}
    return programme.counts(solved)


def nearest_of_all(atoms: Atoms, prices: Mapping[Key, float], slack_ppm: int) -> list[Key] | None:
    """The legs, each as often as it is taken, of the basket that every leg and settlement together make at these prices (dollars a
    contract, fees included) lowered by ``slack_ppm``; empty where there is none, None where the programme did not end within its work.
    Naive where legs are taken in thirds and fifths: their numbers are rounded."""
    lower = 1 - slack_ppm / PPM
    best = _Programme(atoms, {key: [(price * lower, CONTRACT)] for key, price in prices.items()}, Sizes(step=Count(1)))
    solved = best.solve()
    if solved is None or solved.objective <= WORTH:
        return [] if solved is not None and solved.is_best else None
    counts = {key: count for key, count in best.counts(solved).items() if count > 1}
    least = min(counts.values())
    return [key for key, count in counts.items() for _ in range(round(count / least))]


def levels_of(curve: WorstCurve) -> Levels:
    """The best levels that cost less than a dollar."""
    found, before = [], 0
    for end in curve.ends()[:MOST_LEVELS]:
        price = curve.worst_e14(end) * CONTRACT / MONEY_E14
        if price >= 1:
            break
        found.append((price, end - before))
        before = end
    return found


def times_of(cycle: Cycle) -> dict[Key, int]:
    """How often each leg occurs."""
    times: dict[Key, int] = {}
    for ask in cycle.legs:
        times[ask.ticker, ask.side] = times.get((ask.ticker, ask.side), 0) + 1
    return times


def _begin(
    graph: Graph, curves: Offers, levels: dict[Key, Levels], quoted: Floats, first: Cycle | None
) -> list[Counts]:
    """Put the levels of every leg of the cheapest cycles into ``levels``: each cycle is taken as often as its levels last, then the
    next one. ``quoted`` is used up. Returns how often each cycle has each leg."""
    cycles: list[Counts] = []
    left: dict[Key, Levels] = {}
    found = first or graph.solve_array(quoted)
    while not isinstance(found, Coherent):
        times = times_of(found)
        cycles.append(times)
        for key in [key for key in times if key not in levels]:
            levels[key] = levels_of(curves[key])
            left[key] = list(levels[key])
        most = min(left[key][0][1] // n for key, n in times.items())
        for key, n in times.items():
            price, count = left[key][0]
            left[key][0] = price, count - n * most
            if count - n * most < n:
                del left[key][0]
                quoted[graph.position[key]] = left[key][0][0] if left[key] else np.inf
        if len(cycles) == MOST_CYCLES:
            break
        found = graph.solve_array(quoted)
    return cycles


def _fitting(cycles: list[Counts], most: int) -> Counts:
    """The legs of the first cycles that have ``most`` together."""
    kept: Counts = {}
    for cycle in cycles:
        if len(kept | cycle.keys()) <= most:
            kept |= cycle
    return kept


class _Programme:
    """The linear programme of these legs, over the atoms that they distinguish."""

    def __init__(self, atoms: Atoms, levels: Mapping[Key, Levels], sizes: Sizes) -> None:
        self._atoms, self._sizes = atoms, sizes
        self._cuts = sorted({0, len(atoms.cuts) - 1, *(cut for key in levels for cut in atoms.spans[key[0]])})
        self._program = program = Program()
        self._floor = program.column(1.0, float("inf"))
        costs: list[tuple[int, float]] = []
        self._columns: dict[Key, list[int]] = {}
        for key, offered in levels.items():
            spent = [(program.column(-price, count / CONTRACT), price) for price, count in offered]
            self._columns[key] = [column for column, _ in spent]
            costs += spent
            if sizes.max_cost_per_leg is not None:
                program.at_most(spent, sizes.max_cost_per_leg / 10**6)
        self._rows = self._settles(levels, [])
        named = atoms.fallback
        if named is not None and not all(atoms.is_sure(*key) for key in levels):
            pays = [key for key in levels if key[0] in named.event and named.pays(*key)]
            sure = [term for key in pays if key[1] is Side.NO or not atoms.any_no for term in self._terms(key, 1.0)]
            self._settles([key for key in levels if key[0] not in named.event], sure)
        self._budget = None if sizes.max_cost is None else program.at_most(costs, sizes.max_cost / 10**6)

    def _settles(self, keys: Iterable[Key], beside: Terms) -> list[int]:
        """Rows by which the floor is no more than what ``keys`` pay in each atom, or where nobody wins, with ``beside``, which is paid in
        each. Returns those of the atoms."""
        program, at = self._program, {cut: n for n, cut in enumerate(self._cuts)}
        payoff = [program.column(0.0, float("inf"), lower=-float("inf")) for _ in self._cuts[1:]]
        begins: list[list[tuple[int, float]]] = [[] for _ in self._cuts]
        always = list(beside)
        for key in keys:
            low, high = (at[cut] for cut in self._atoms.spans[key[0]])
            sign = -1.0 if key[1] is Side.NO else 1.0
            if key[1] is Side.NO:
                always += self._terms(key, 1.0)
            elif self._atoms.any_no:
                continue
            begins[low] += self._terms(key, sign)
            begins[high] += self._terms(key, -sign)
        program.equal([(payoff[0], -1.0), *always, *begins[0]], 0.0)
        for (before, now), terms in zip(pairwise(payoff), begins[1:], strict=False):
            program.equal([(now, -1.0), (before, 1.0), *terms], 0.0)
        if self._atoms.nobody:
            program.at_least([*always, (self._floor, -1.0)], 0.0)
        return [program.at_least([(column, 1.0), (self._floor, -1.0)], 0.0) for column in payoff]

    def _terms(self, key: Key, sign: float) -> list[tuple[int, float]]:
        return [(column, sign) for column in self._columns[key]]

    def solve(self) -> Solution | None:
        return self._program.solve()

    def counts(self, solved: Solution) -> Counts:
        """Counts in whole steps."""
        step = self._sizes.step
        return {
            key: int(sum(solved.values[c] for c in columns) * CONTRACT + 1e-6) // step * step
            for key, columns in self._columns.items()
        }

    def measure(self, solved: Solution) -> dict[int, float]:
        """cut -> the probability of a value below it, by what the floor in each atom is worth."""
        shares = np.abs([solved.duals[row] for row in self._rows])
        return dict(zip(self._cuts, [0.0, *np.cumsum(shares).tolist()], strict=True))

    def markup(self, solved: Solution) -> float:
        """What a dollar is worth while the budget is used up: 1 where it is not."""
        return 1.0 if self._budget is None else 1.0 + abs(solved.duals[self._budget])
