"""The best basket of a family: counts from a linear programme through the real depth, then priced in exact integers.

The programme's counts (``counts``) are rounded down to whole steps, priced with the most that fees can be, and kept only if the floor
over every atom stays above that.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kalbot.common.units import CONTRACT, PPM, Count, Money, Price
from markets.terms.atoms import Atoms
from markets.terms.states import Holding
from strategies.dutch.basket import Leg, LegMarket
from strategies.dutch.curve import WorstCurve
from strategies.families.counts import best_counts, times_of, whole_counts
from strategies.families.limits import Counts, Sizes
from strategies.families.offers import Offers
from strategies.families.screen import Coherent, Cycle, Graph, has_both_sides


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

    def proposals(self, curves: Offers, sizes: Sizes) -> list[Counts] | Coherent:
        """Counts that may be the best: those of one negative cycle, and of the linear programme. Or the proof that nothing is. Empty
        counts: a programme did not end within its work."""
        found = self._graph.solve(curves.prices)
        proposed = []
        if not isinstance(found, Coherent):
            further = best_counts(self._graph, self.atoms, curves, sizes, found)[0]
            proposed = [_of_cycle(found, curves, sizes), further]
        if self.atoms.fallback is not None and not all(self.atoms.is_sure(*key) for key in curves):
            of_all = whole_counts(self.atoms, curves, sizes)
            proposed += [] if of_all is None else [of_all]
        return found if isinstance(found, Coherent) and not proposed else proposed

    def nearest(self, curves: Offers, slack_ppm: int, count: Count) -> Counts:
        """Counts of the basket that comes nearest, ``count`` of each of its legs; empty where the best prices agree although all were
        lower by ``slack_ppm`` (millionths), or the best level of a leg is not that deep."""
        found = self._graph.nearest(curves.prices, slack_ppm)
        times = {} if found is None else times_of(found)
        return {key: n * count for key, n in times.items() if curves[key].total >= n * count} if times else {}

    def curves(self, legs: Mapping[str, LegMarket]) -> Offers:
        """What is offered for less than a dollar, by (ticker, side)."""
        return Offers(legs, self.atoms.spans)

    def _priced(self, counts: Counts, curves: Offers, sizes: Sizes) -> FamilyBasket | None:
        """The basket of these counts at the most that it can cost; None if it is none or breaks a limit."""
        legs = [_leg(curves[key], count) for key, count in counts.items() if count > 0]
        cost = Money(sum(leg.cost for leg in legs))
        if has_both_sides([(leg.ticker, leg.side) for leg in legs]):
            return None
        if len(legs) < 2 or (sizes.max_legs is not None and len(legs) > sizes.max_legs):
            return None
        if sizes.max_cost is not None and cost > sizes.max_cost:
            return None
        holdings: list[Holding] = [(leg.ticker, leg.side, leg.count) for leg in legs]
        payoffs, floor = self.atoms.payoffs(holdings), self.atoms.floor(holdings)
        worst = payoffs.index(floor) if floor in payoffs else -1
        return FamilyBasket(tuple(legs), cost, floor, worst)


def _of_cycle(cycle: Cycle, curves: Offers, sizes: Sizes) -> Counts:
    """As many of the cycle's legs as the best level of each holds and the limits pay for."""
    times = times_of(cycle)
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
