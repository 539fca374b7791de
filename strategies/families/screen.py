"""Is there a basket at the best prices? A proof either way, for any number of markets.

Let F(k) be the probability of a value below cut k. A YES ask a on a market from cut l to r says F(r) - F(l) <= a, a NO ask b says
F(r) - F(l) >= 1 - b; F rises, and ends at one (at most one where all markets may resolve No). These are difference constraints: they can
be met, or their graph has a negative cycle, and there is no third case. Met, F is a probability measure that agrees with every quote: no
basket of whole dollars can be had. A negative cycle *is* a basket: its edges are the legs, its length what it earns a contract.
(Shortest paths and difference constraints: Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, 24.4.)

Prices in dollars as floats: what is found is priced again in exact integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common.units import PPM
from markets.book import Side
from markets.terms.atoms import Atoms

EPSILON: Final = 1e-9
"""Dollars a contract below which nothing is found: far below the smallest amount that can be booked."""
CHECKED: Final = 2
"""A cycle is searched for after so many turns."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ask:
    """One contract of a side, fees included, in dollars."""

    ticker: str
    side: Side
    price: float


@dataclass(frozen=True, slots=True)
class Coherent:
    """The quotes agree: the probability of each atom under one measure that fits them all; what is missing to one falls to "every
    market resolves No"."""

    measure: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """A basket of one contract a leg (a leg may occur more than once) that earns ``profit`` dollars at least."""

    legs: tuple[Ask, ...]
    profit: float


def has_both_sides(legs: Sequence[tuple[str, Side]]) -> bool:
    """Whether YES and NO of one market are among these: the exchange pairs them off, so they are never bought together."""
    return len({ticker for ticker, _ in set(legs)}) < len(set(legs))


def screen(atoms: Atoms, asks: Sequence[Ask]) -> Coherent | Cycle:
    """A measure that agrees with all asks, or a basket. Asks of a dollar or more change nothing and may be left out."""
    return Graph(atoms).solve({(ask.ticker, ask.side): ask.price for ask in asks})


class Graph:
    """The constraints of a family as edges, sorted by the node that they end in: made once, solved for every set of prices."""

    def __init__(self, atoms: Atoms) -> None:
        nodes = len(atoms.cuts)
        sides = (Side.NO,) if atoms.any_no else (Side.YES, Side.NO)
        self.legs = [(ticker, side) for ticker in atoms.spans for side in sides]
        spans = [atoms.spans[ticker] for ticker, _ in self.legs]
        is_yes = np.array([side is Side.YES for _, side in self.legs], dtype=bool)
        low, high = np.array(spans, dtype=np.int64).T
        self._spans = low, high
        ladder = np.arange(1, nodes, dtype=np.int64)
        ends = [(0, nodes - 1, 1.0)] + ([] if atoms.nobody else [(nodes - 1, 0, -1.0)])
        start = np.concatenate([np.where(is_yes, low, high), ladder, [one[0] for one in ends]]).astype(np.int64)
        end = np.concatenate([np.where(is_yes, high, low), ladder - 1, [one[1] for one in ends]]).astype(np.int64)
        self._order = np.argsort(end, kind="stable")
        self._fixed = np.concatenate([np.where(is_yes, 0.0, -1.0), np.zeros(nodes - 1), [one[2] for one in ends]])
        self.nodes = nodes
        self.start, self.end = start[self._order], end[self._order]
        self.of_leg = np.where(self._order < len(self.legs), self._order, -1)
        self.heads, self.first = np.unique(self.end, return_index=True)
        self.sizes = np.diff([*self.first, len(self.end)])
        self._last = np.zeros(nodes)
        self.position = {leg: n for n, leg in enumerate(self.legs)}
        self.fixed_of_legs = self._fixed[: len(self.legs)]
        self._offered = np.array([atoms.is_sure(*leg) for leg in self.legs], dtype=bool)

    def solve(self, prices: Mapping[tuple[str, Side], float]) -> Coherent | Cycle:
        """A measure that agrees with these prices ((ticker, side) -> dollars a contract, fees included; absent: nobody offers it), or
        a basket."""
        return self.solve_array(self.array(prices))

    def array(self, prices: Mapping[tuple[str, Side], float]) -> Floats:
        """These prices in the order of ``legs``; none for a leg that a market which wins whatever the value may leave without its pay
        (``Atoms.is_sure``): no run of atoms says when it pays, and ``counts.whole_counts`` searches it."""
        return np.where(self._offered, [prices.get(leg, np.inf) for leg in self.legs], np.inf)

    def weights(self, quoted: Floats) -> Floats:
        """The length of each edge at prices in the order of ``legs``."""
        weight = self._fixed.copy()
        weight[: len(quoted)] += quoted
        found: Floats = weight[self._order]
        return found

    def ends_of(self, leg: tuple[str, Side]) -> tuple[int, int]:
        """The nodes between which a leg is an edge."""
        low, high = (int(of[self.position[leg]]) for of in self._spans)
        return (low, high) if leg[1] is Side.YES else (high, low)

    def nearest(self, prices: Mapping[tuple[str, Side], float], slack_ppm: int) -> Cycle | None:
        """A basket at these prices, else one that there would be if every price were lower by ``slack_ppm`` (millionths); None if the
        quotes agree even then. Its profit is by the prices as they are, so it may be negative. Naive where the lower prices of both sides
        of one market fit together, which is no basket: then the cheapest pair of two markets is the nearest."""
        quoted, left = self.array(prices), 1 - slack_ppm / PPM
        found = self.solve_array(quoted)
        if isinstance(found, Coherent):
            found = self.solve_array(quoted * left)
        if isinstance(found, Coherent):
            return None
        chosen = [(ask.ticker, ask.side) for ask in found.legs]
        if has_both_sides(chosen):
            chosen = self._pair(quoted)
            if not chosen or sum(prices[leg] for leg in chosen) * left >= 1:
                return None
            found = Cycle(tuple(Ask(*leg, prices[leg]) for leg in chosen), 1 - sum(prices[leg] for leg in chosen))
        legs = tuple(Ask(ask.ticker, ask.side, prices[ask.ticker, ask.side]) for ask in found.legs)
        pays = found.profit + sum(ask.price for ask in found.legs)
        return Cycle(legs, pays - sum(ask.price for ask in legs))

    def _pair(self, quoted: Floats) -> list[tuple[str, Side]]:
        """The cheapest two legs of two markets of which one pays in every atom: YES that is implied by the other's YES beside its NO, NO of
        two that exclude each other. Empty where nobody offers such a pair. (In ``legs`` the NO of a market follows its YES.)"""
        no, yes = (
            np.array([n for n, (_, s) in enumerate(self.legs) if s is side], dtype=np.int64)
            for side in (Side.NO, Side.YES)
        )
        no, yes = no[np.isfinite(quoted[no])], yes[np.isfinite(quoted[yes])]
        low, high = self._spans
        found = []
        for one, fits in (
            (yes, (low[yes][:, None] <= low[no]) & (high[yes][:, None] >= high[no]) & (yes[:, None] + 1 != no)),
            (no, high[no][:, None] <= low[no]),
        ):
            cost = np.where(fits, quoted[one][:, None] + quoted[no], np.inf)
            if cost.size and np.isfinite(least := cost.min()):
                first, second = np.unravel_index(int(cost.argmin()), cost.shape)
                found.append((float(least), [self.legs[one[first]], self.legs[no[second]]]))
        return min(found)[1] if found else []

    def solve_array(self, quoted: Floats) -> Coherent | Cycle:
        """The same for prices in the order of ``legs``. The search begins at the last measure that agreed, so prices that moved little
        are judged in a few turns; what is found does not depend on where it begins, only which of several it is."""
        search = _Search(self, quoted, self.weights(quoted), self._last.copy())
        found = search.solve()
        if isinstance(found, Coherent):
            self._last = search.distance
        return found

    def worth(self, quoted: Floats, known: Mapping[int, float], least: float) -> list[tuple[str, Side]]:
        """Legs that a measure with these probabilities of a value below some cuts (cut -> probability) finds worth ``least`` dollars
        more than they cost, alone or in a row; empty if it can be spread over the other cuts so that no leg is. The legs with a
        price must not be a basket by themselves."""
        start, fixed = np.full(self.nodes, np.inf), np.zeros(self.nodes, dtype=bool)
        cuts = list(known)
        start[cuts], fixed[cuts] = list(known.values()), True
        return _Search(self, quoted, self.weights(quoted), start).worth(fixed, least)


class _Search:
    """One run of shortest paths from everywhere at once."""

    def __init__(self, graph: Graph, quoted: Floats, weight: Floats, start: Floats) -> None:
        self.graph, self.quoted, self.weight, self.distance = graph, quoted, weight, start
        self.before = np.full(graph.nodes, -1, dtype=np.int64)

    def solve(self) -> Coherent | Cycle:
        """Relax all edges at once until nothing changes, or a cycle shows: after as many turns as there are nodes it must."""
        graph = self.graph
        for turn in range(1, graph.nodes + 2):
            reached = self.distance[graph.start] + self.weight
            best = np.minimum.reduceat(reached, graph.first)
            better = best < self.distance[graph.heads] - EPSILON
            if not better.any():
                break
            self._follow(reached, best, better)
            if turn % CHECKED == 0 or turn > graph.nodes:
                cycle = self._cycle()
                if cycle is not None:
                    return cycle
        return Coherent(tuple(float(max(0.0, share)) for share in np.diff(self.distance)))

    def worth(self, fixed: NDArray[np.bool_], least: float) -> list[tuple[str, Side]]:
        """See Graph.worth. ``fixed``: nodes whose distance is given."""
        graph, is_fixed = self.graph, fixed[self.graph.heads]
        slack = np.where(is_fixed, least, EPSILON)
        for _ in range(graph.nodes + 1):
            reached = self.distance[graph.start] + self.weight
            best = np.minimum.reduceat(reached, graph.first)
            better = best < self.distance[graph.heads] - slack
            worth = better & is_fixed
            if worth.any():
                edges = np.flatnonzero((reached == np.repeat(best, graph.sizes)) & np.repeat(worth, graph.sizes))
                return list(dict.fromkeys(leg for edge in edges.tolist() for leg in self._path(edge, fixed)))
            if not better.any():
                break
            self._follow(reached, best, better)
        return []

    def _path(self, edge: int, fixed: NDArray[np.bool_]) -> list[tuple[str, Side]]:
        """The legs of the way on which the end of ``edge`` was reached from a fixed node."""
        found = []
        for _ in range(self.graph.nodes):
            leg = int(self.graph.of_leg[edge])
            if leg >= 0:
                found.append(self.graph.legs[leg])
            node = int(self.graph.start[edge])
            if fixed[node]:
                break
            edge = int(self.before[node])
        return found

    def _follow(self, reached: Floats, best: Floats, better: NDArray[np.bool_]) -> None:
        """Store the improved distances and the edges by which they were reached."""
        graph, improved = self.graph, self.graph.heads[better]
        self.distance[improved] = best[better]
        edges = np.flatnonzero(reached == np.repeat(best, graph.sizes))
        chosen = np.full(graph.nodes, -1, dtype=np.int64)
        chosen[graph.end[edges]] = edges
        self.before[improved] = chosen[improved]

    def _cycle(self) -> Cycle | None:
        """A cycle of the edges by which nodes were reached; None while there is none. Who has a predecessor as many times over as there
        are nodes comes from a cycle, and has come to lie on it."""
        parent = np.append(
            np.where(self.before >= 0, self.graph.start[self.before], self.graph.nodes), self.graph.nodes
        )
        ahead = parent
        for _ in range(self.graph.nodes.bit_length()):
            ahead = ahead[ahead]
        found = np.flatnonzero(ahead < self.graph.nodes)
        return self._legs(int(ahead[found[0]])) if len(found) else None

    def _legs(self, node: int) -> Cycle:
        legs, total, at = [], 0.0, node
        while True:
            edge = int(self.before[at])
            total += float(self.weight[edge])
            leg = int(self.graph.of_leg[edge])
            if leg >= 0:
                legs.append(Ask(*self.graph.legs[leg], float(self.quoted[leg])))
            at = int(self.graph.start[edge])
            if at == node:
                return Cycle(tuple(reversed(legs)), -total)
