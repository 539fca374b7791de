"""Which leg of a family may rest while others are taken: the few that come nearest to paying for that, found by bounds.

What a leg may cost is what the cheapest way back through the others leaves of a dollar (``synthetic``). The distances of one search of
ways are a measure that agrees with all asks, so by each of them no leg may cost more than it is worth there (duality of linear
programmes). The leg that promises most by all measures known so far is searched next, which gives its price exactly and one measure more:
a few searches do for a thousand legs (best first, as A*: Hart, Nilsson and Raphael, 1968).

Dollars a contract as floats: what is found is priced again in exact integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from strategies.families.screen import Coherent, Graph, has_both_sides
from strategies.families.synthetic import Key, ways_from

MOST_FOUND: Final = 4
"""Legs that are found, at most; those that follow them are worth less."""
MOST_TRIED: Final = 16
"""Searches for one set of prices: what the last ones leave out is a leg of a family in which nearly everything promises the same."""


@dataclass(frozen=True, slots=True)
class Resting:
    """One contract of ``leg`` that rests and one of each of ``others`` that is taken when it fills. ``keeps``: what they earn at least
    where it fills at its bid, below zero where they lose."""

    leg: Key
    others: tuple[Key, ...]
    keeps: float


def best(
    graph: Graph, asks: Mapping[Key, float], bids: Mapping[Key, float], most_legs: int | None = None
) -> list[Resting] | None:
    """The legs that are best left to rest, the best first. ``asks``: what is offered; ``bids``: at what a leg would rest, for those that
    may; fees included. ``most_legs``: of a basket. None where the asks are a basket by themselves."""
    quoted, rests = graph.array(asks), graph.array(bids)
    measured = graph.solve_array(quoted)
    if not isinstance(measured, Coherent):
        return None
    weight = graph.weights(quoted)
    start, end = np.array([graph.ends_of(leg) for leg in graph.legs], dtype=np.int64).T
    fixed = graph.fixed_of_legs
    below = np.concatenate([[0.0], np.cumsum(measured.measure)])
    promised = below[end] - below[start] - fixed - rests
    found: list[Resting] = []
    for _ in range(MOST_TRIED):
        at = int(promised.argmax())
        if not np.isfinite(promised[at]) or (len(found) >= MOST_FOUND and promised[at] <= min(f.keeps for f in found)):
            break
        leg = graph.legs[at]
        ways = ways_from(graph, weight, int(end[at]))
        one = None if ways is None else ways.synthetic(leg)
        if ways is None or one is None:
            break
        if _is_basket(leg, one.others, most_legs):
            found.append(Resting(leg, one.others, one.most - float(rests[at])))
        promised = np.minimum(promised, ways.distance[end] - ways.distance[start] - fixed - rests)
        promised[at] = -np.inf
    return sorted(found, key=lambda resting: -resting.keeps)[:MOST_FOUND]


def _is_basket(leg: Key, others: tuple[Key, ...], most_legs: int | None) -> bool:
    """Whether a leg and its others can be bought together: no YES beside a NO of one market, and no more than the account can send."""
    legs = [leg, *others]
    fits = most_legs is None or len(legs) <= most_legs
    return bool(others) and fits and not has_both_sides(legs) and len(set(legs)) == len(legs)
