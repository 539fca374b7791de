"""The synthetic price of a family's leg: the most that it may cost so that a basket with others, taken at their asks, loses nothing.

A leg is an edge of the graph (``screen``) and the cheapest way back from its end is the others: with both there is a cycle, which is a
basket where its length is below zero. So the leg may cost what is missing to that. Dollars a contract as floats, for a person: nothing is
bought by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from markets.book import Side
from strategies.families.screen import EPSILON, Floats, Graph

Key = tuple[str, Side]


@dataclass(frozen=True, slots=True)
class Synthetic:
    """``most``: what one contract of the leg may cost, its own fees included; ``others``: what is taken with it, each as often as it
    stands there."""

    most: float
    others: tuple[Key, ...]


def synthetic(graph: Graph, prices: Mapping[Key, float], leg: Key) -> Synthetic | None:
    """The synthetic price of ``leg`` where the others cost ``prices`` (fees included). None for a leg that no payoff needs, where nothing
    else completes it, and where the others are a basket by themselves."""
    if leg not in graph.position:
        return None
    quoted = graph.array({key: price for key, price in prices.items() if key != leg})
    ways = ways_from(graph, graph.weights(quoted), graph.ends_of(leg)[1])
    return None if ways is None else ways.synthetic(leg)


@dataclass(frozen=True, slots=True)
class Ways:
    """The cheapest ways from one node: ``distance`` to each, and the edge by which it is reached (-1: none). Distances are a measure's
    probabilities of a value below each cut but for a constant, so they bound every leg (``quotes``)."""

    graph: Graph
    begin: int
    distance: Floats
    before: NDArray[np.int64]

    def synthetic(self, leg: Key) -> Synthetic | None:
        """The synthetic price of a leg that ends in ``begin``; its own ask does not matter, because no cheapest way back takes it."""
        start, _ = self.graph.ends_of(leg)
        if not np.isfinite(self.distance[start]):
            return None
        fixed = -1.0 if leg[1] is Side.NO else 0.0
        return Synthetic(float(-fixed - self.distance[start]), self._legs(start))

    def _legs(self, at: int) -> tuple[Key, ...]:
        """What is taken on the way to a node."""
        graph, found = self.graph, []
        while at != self.begin:
            edge = int(self.before[at])
            if graph.of_leg[edge] >= 0:
                found.append(graph.legs[int(graph.of_leg[edge])])
            at = int(graph.start[edge])
        return tuple(reversed(found))


def ways_from(graph: Graph, weight: Floats, begin: int) -> Ways | None:
    """The cheapest ways from ``begin`` where each edge costs ``weight`` (Bellman and Ford); None where the edges allow a basket."""
    distance, before = np.full(graph.nodes, np.inf), np.full(graph.nodes, -1, dtype=np.int64)
    distance[begin] = 0.0
    for _ in range(graph.nodes + 1):
        reached = distance[graph.start] + weight
        best = np.minimum.reduceat(reached, graph.first)
        better = best < distance[graph.heads] - EPSILON
        if not better.any():
            return Ways(graph, begin, distance, before)
        lowest = np.repeat(best, graph.sizes)
        for at in np.flatnonzero((reached == lowest) & np.repeat(better, graph.sizes)).tolist():
            before[graph.end[at]] = at
        distance[graph.heads[better]] = best[better]
    return None


def of_legs(graph: Graph, prices: Mapping[Key, float], legs: Sequence[Key]) -> dict[Key, Synthetic]:
    """The synthetic price of each of these legs that has one, with others to take."""
    found = {leg: synthetic(graph, prices, leg) for leg in dict.fromkeys(legs)}
    return {leg: one for leg, one in found.items() if one is not None and one.others and one.most > 0}
