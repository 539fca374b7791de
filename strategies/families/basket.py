"""The best basket of a family: counts from a linear programme through the real depth, then priced in exact integers.

Maximise z - sum of cost x count, with z no more than the payoff in any atom and the counts inside each level. The payoff of an atom is
that of the one before plus what begins and ends at the cut between them, so the programme has two numbers a level. Its counts are
rounded down to whole steps, priced with the most that fees can be, and kept only if the floor over every atom stays above that.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, PPM, Count, Money, Price
from markets.book import Side
from markets.terms.atoms import Atoms
from markets.terms.states import Holding
from strategies.dutch.basket import Leg, LegMarket
from strategies.dutch.curve import E14, WorstCurve
from strategies.dutch.program import Program
from strategies.families.screen import Coherent, Cycle, Graph

MOST_LEVELS: Final = 5
"""Price levels a side that the programme sees."""
MONEY_E14: Final = 10**6 * E14
Key = tuple[str, Side]
Counts = dict[Key, int]
Curves = Mapping[Key, WorstCurve]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a basket may be. ``step``: counts are whole multiples of it; ``max_cost``, ``max_cost_per_leg``: Money, None for no limit;
    ``max_legs``: orders that the account can send and unwind."""

    step: Count = CONTRACT
    max_cost: Money | None = None
    max_legs: int | None = None
    max_cost_per_leg: Money | None = None


@dataclass(frozen=True, slots=True)
class FamilyBasket:
    """Legs of several events, what they cost at most and what they pay at least. ``worst``: the atom that pays the floor (-1: every
    market resolves No)."""

    legs: tuple[Leg, ...]
    cost: Money
    floor: Money
    worst: int

    @property
    def profit(self) -> Money:
        """The least that it earns."""
        return Money(self.floor - self.cost)

    @property
    def margin_ppm(self) -> int:
        """Profit in parts per million of cost, rounded down."""
        return self.profit * PPM // self.cost


@dataclass(frozen=True, slots=True)
class NoBasket:
    """There is none. ``coherent``: the probabilities that prove it at the best prices; None where a basket exists for less than its
    fees, its least count or the limits allow. ``best``: what the nearest one would earn, Money."""

    coherent: Coherent | None
    best: Money | None = None


class Family:
    """The markets of one family with their structure, made once; ``best`` judges them on books."""

    def __init__(self, atoms: Atoms, graph: Graph | None = None) -> None:
        self.atoms = atoms
        self._graph = graph or Graph(atoms)

    def best(self, legs: Mapping[str, LegMarket], sizes: Sizes) -> FamilyBasket | NoBasket:
        """The basket that earns most on these books, or the proof that none does. ``legs``: ticker -> its market; members without one
        are not offered."""
        curves = self.curves(legs)
        proposed = self.proposals(curves, sizes)
        if isinstance(proposed, Coherent):
            return NoBasket(proposed)
        baskets = [basket for counts in proposed if (basket := self._priced(counts, curves, sizes)) is not None]
        best = max(baskets, key=lambda basket: (basket.profit, -basket.cost), default=None)
        if best is None or best.profit <= 0:
            return NoBasket(None, None if best is None else best.profit)
        return best

    def proposals(self, curves: Curves, sizes: Sizes) -> list[Counts] | Coherent:
        """Counts that may be the best: those of one negative cycle, and of the linear programme. Or the proof that nothing is."""
        found = self._graph.solve(_best_prices(curves))
        if isinstance(found, Coherent):
            return found
        return [_of_cycle(found, curves, sizes), self._programme(curves, sizes)]

    def nearest(self, curves: Curves, slack_ppm: int, count: Count) -> Counts:
        """Counts of the basket that comes nearest, ``count`` of each of its legs; empty where the best prices agree although all were
        lower by ``slack_ppm`` (millionths), or the best level of a leg is not that deep."""
        found = self._graph.nearest(_best_prices(curves), slack_ppm)
        times = {} if found is None else _times(found)
        return {key: n * count for key, n in times.items() if curves[key].total >= n * count} if times else {}

    def curves(self, legs: Mapping[str, LegMarket]) -> dict[Key, WorstCurve]:
        """What is offered for less than a dollar, by (ticker, side)."""
        found = {}
        for ticker in self.atoms.spans:
            market = legs.get(ticker)
            if market is None:
                continue
            for side in Side:
                curve = WorstCurve(market, side)
                if curve.bids and 0 < curve.touch_e14 < DOLLAR_PRICE * E14:
                    found[ticker, side] = curve
        return found

    def _programme(self, curves: Curves, sizes: Sizes) -> Counts:
        """Counts by the linear programme, in contracts and dollars, rounded down to steps."""
        atoms, program = self.atoms, Program()
        floor = program.column(1.0, float("inf"))
        payoff = [program.column(0.0, float("inf"), lower=-float("inf")) for _ in range(len(atoms))]
        at_cut: list[list[tuple[int, float]]] = [[] for _ in atoms.cuts]
        always: list[tuple[int, float]] = []
        costs: list[tuple[int, float]] = []
        columns: dict[Key, list[int]] = {}
        of_leg: dict[Key, list[tuple[int, float]]] = {}
        for (ticker, side), curve in curves.items():
            low, high = atoms.spans[ticker]
            for price, count in _levels(curve):
                column = program.column(-price, count / CONTRACT)
                columns.setdefault((ticker, side), []).append(column)
                costs.append((column, price))
                of_leg.setdefault((ticker, side), []).append((column, price))
                sign = 1.0
                if side is Side.NO:
                    always.append((column, 1.0))
                    sign = -1.0
                elif atoms.any_no:
                    continue
                at_cut[low].append((column, sign))
                at_cut[high].append((column, -sign))
        _equal(program, payoff[0], [*always, *at_cut[0]])
        for (before, now), terms in zip(pairwise(payoff), at_cut[1:], strict=False):
            _equal(program, now, [(before, 1.0), *terms])
        for column in payoff:
            program.at_least([(column, 1.0), (floor, -1.0)], 0.0)
        if atoms.nobody:
            program.at_least([*always, (floor, -1.0)], 0.0)
        if sizes.max_cost is not None:
            program.at_most(costs, sizes.max_cost / 10**6)
        for spent in of_leg.values() if sizes.max_cost_per_leg is not None else ():
            program.at_most(spent, (sizes.max_cost_per_leg or 0) / 10**6)
        solved = program.solve()
        if solved is None:
            return {}
        return {
            key: int(sum(solved.values[c] for c in of) * CONTRACT + 1e-6) // sizes.step * sizes.step
            for key, of in columns.items()
        }

    def _priced(self, counts: Counts, curves: Curves, sizes: Sizes) -> FamilyBasket | None:
        """The basket of these counts at the most that it can cost; None if it is none or breaks a limit."""
        legs = [_leg(curves[key], count) for key, count in counts.items() if count > 0]
        cost = Money(sum(leg.cost for leg in legs))
        if len(legs) < 2 or (sizes.max_legs is not None and len(legs) > sizes.max_legs):
            return None
        if sizes.max_cost is not None and cost > sizes.max_cost:
            return None
        holdings: list[Holding] = [(leg.ticker, leg.side, leg.count) for leg in legs]
        payoffs, floor = self.atoms.payoffs(holdings), self.atoms.floor(holdings)
        worst = payoffs.index(floor) if floor in payoffs else -1
        return FamilyBasket(tuple(legs), cost, floor, worst)


def _levels(curve: WorstCurve) -> list[tuple[float, int]]:
    """(dollars a contract, count) of the best levels that cost less than a dollar."""
    found, before = [], 0
    for end in curve.ends()[:MOST_LEVELS]:
        price = curve.worst_e14(end) * CONTRACT / MONEY_E14
        if price >= 1:
            break
        found.append((price, end - before))
        before = end
    return found


def _equal(program: Program, column: int, terms: Sequence[tuple[int, float]]) -> None:
    """column = sum of terms."""
    row = [(column, 1.0), *((c, -number) for c, number in terms)]
    program.at_most(row, 0.0)
    program.at_least(row, 0.0)


def _best_prices(curves: Curves) -> dict[Key, float]:
    """Dollars a contract, fees included, at the best level."""
    return {key: curve.touch_e14 * CONTRACT / MONEY_E14 for key, curve in curves.items()}


def _times(cycle: Cycle) -> dict[Key, int]:
    """How often each leg occurs."""
    times: dict[Key, int] = {}
    for ask in cycle.legs:
        times[ask.ticker, ask.side] = times.get((ask.ticker, ask.side), 0) + 1
    return times


def _of_cycle(cycle: Cycle, curves: Curves, sizes: Sizes) -> Counts:
    """As many of the cycle's legs as the best level of each holds and the limits pay for."""
    times = _times(cycle)
    most = min(curves[key].ends()[0] // n for key, n in times.items())
    if sizes.max_cost is not None:
        each = sum(ask.price for ask in cycle.legs)
        most = min(most, int(sizes.max_cost / 10**6 / each * CONTRACT))
    if sizes.max_cost_per_leg is not None:
        costliest = max(ask.price * times[ask.ticker, ask.side] for ask in cycle.legs)
        most = min(most, int(sizes.max_cost_per_leg / 10**6 / costliest * CONTRACT))
    most = most // sizes.step * sizes.step
    return {key: most * n for key, n in times.items()}


def _leg(curve: WorstCurve, count: int) -> Leg:
    paid, fees = curve.cost(count)
    worst = Price(curve.worst_price(count))
    return Leg(curve.ticker, curve.side, Count(count), worst, Money(paid), Money(fees), curve.market.name)
