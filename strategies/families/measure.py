"""The probability of each atom that lies in the middle of all that agree with every quote.

The measures that agree with a family's quotes are a polytope. The screen stops at some point of it, which proves that there is no basket
and may lie anywhere. Two of its points are the highest and the lowest cumulative probabilities (shortest paths from and to the first
cut); half way between them every quote still holds. That "every market resolves No" is left out here: it is rare, and no price says how
rare. Floats: an estimate, which buys nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from markets.book import Side
from strategies.families.screen import EPSILON, Floats, Graph


def centre(graph: Graph, prices: Mapping[tuple[str, Side], float]) -> tuple[float, ...] | None:
    """The probability of each atom by these prices ((ticker, side) -> dollars a contract, fees included); together one. None where no
    measure agrees with them."""
    weight = graph.weights(graph.array(prices))
    start = np.append(graph.start, graph.nodes - 1)
    end = np.append(graph.end, 0)
    weight = np.append(weight, -1.0)  # the value lies somewhere on the line
    highest, lowest = _shortest(graph.nodes, start, end, weight), _shortest(graph.nodes, end, start, weight)
    if highest is None or lowest is None:
        return None
    return tuple(np.maximum(0.0, np.diff((highest - lowest) / 2)).tolist())


def _shortest(nodes: int, start: np.ndarray, end: np.ndarray, weight: Floats) -> Floats | None:
    """The length of the shortest path from the first node to each; None where a cycle makes it ever shorter."""
    distance = np.full(nodes, np.inf)
    distance[0] = 0.0
    for _ in range(nodes + 1):
        reached = distance.copy()
        np.minimum.at(reached, end, distance[start] + weight)
        if not (reached < distance - EPSILON).any():
            return distance
        distance = reached
    return None
