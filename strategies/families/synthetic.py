"""The synthetic price of a family's leg: the most that it may cost so that a basket with others, taken at their asks, loses nothing.

A leg is an edge of the graph (``screen``) and the cheapest way back from its end is the others: with both there is a cycle, which is a
basket where its length is below zero. So the leg may cost what is missing to that. Dollars a contract as floats, for a person: nothing is
bought by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from markets.book import Side
from strategies.families.screen import EPSILON, Graph

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
    edge = int(np.flatnonzero(graph.of_leg == graph.position[leg])[0])
    others = {key: price for key, price in prices.items() if key != leg}
    weight = graph.weights(graph.array(others))
    begin, target = int(graph.end[edge]), int(graph.start[edge])
    distance, before = np.full(graph.nodes, np.inf), np.full(graph.nodes, -1, dtype=np.int64)
    distance[begin] = 0.0
    for _ in range(graph.nodes + 1):
        reached = distance[graph.start] + weight
        best = np.minimum.reduceat(reached, graph.first)
        better = best < distance[graph.heads] - EPSILON
        if not better.any():
            break
        lowest = np.repeat(best, graph.sizes)
        for at in np.flatnonzero((reached == lowest) & np.repeat(better, graph.sizes)).tolist():
            before[graph.end[at]] = at
        distance[graph.heads[better]] = best[better]
    else:
        return None
    if not np.isfinite(distance[target]):
        return None
    fixed = -1.0 if leg[1] is Side.NO else 0.0
    return Synthetic(float(-fixed - distance[target]), _way(graph, before, begin, target))


def _way(graph: Graph, before: np.ndarray, begin: int, at: int) -> tuple[Key, ...]:
    found: list[Key] = []
    while at != begin:
        edge = int(before[at])
        if graph.of_leg[edge] >= 0:
            found.append(graph.legs[int(graph.of_leg[edge])])
        at = int(graph.start[edge])
    return tuple(reversed(found))


def of_legs(graph: Graph, prices: Mapping[Key, float], legs: Sequence[Key]) -> dict[Key, Synthetic]:
    """The synthetic price of each of these legs that has one, with others to take."""
    found = {leg: synthetic(graph, prices, leg) for leg in dict.fromkeys(legs)}
    return {leg: one for leg, one in found.items() if one is not None and one.others and one.most > 0}
