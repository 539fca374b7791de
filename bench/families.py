"""Families: a basket or its absence proven for 60 to 500 markets, against a linear programme over every atom, and a whole catalogue.

``python -m bench.families`` prints JSON. Prices come from a hidden measure with a spread, so nothing can be had but what is planted.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections.abc import Callable
from functools import partial
from statistics import median, quantiles
from typing import Any

import numpy as np

from markets.book import Depth, Side
from markets.fees import FeeSchedule
from strategies.dutch.basket import LegMarket
from strategies.families.basket import Family, FamilyBasket
from strategies.families.limits import Sizes
from strategies.families.measure import centre
from strategies.families.screen import Ask, Cycle, Graph
from tests.strategies.families.ladder import by_programme, ladder

CATALOGUE = 6_768
"""Pairs of ranges and thresholds of one coin and hour in one recorded catalogue (KXBTC with KXBTCD)."""
Legs = dict[str, LegMarket]


def main(argv: list[str] | None = None) -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="bin/bench families", description=__doc__)
    parser.add_argument("--families", type=int, default=60, help="of each size")
    parser.add_argument(
        "--catalogue", type=int, default=CATALOGUE, help="families that are judged in one pass (default %(default)s)"
    )
    options = parser.parse_args(argv)
    document: dict[str, Any] = {}
    for ranges in (29, 124, 249):
        document[f"{2 * ranges + 2} markets"] = _size(ranges, options.families)
    document["estimates, root mean square error in cents"] = estimates(options.families)
    document["whole catalogue"] = _catalogue(options.catalogue)
    print(json.dumps(document, indent=2))
    return 0


def _size(ranges: int, families: int) -> dict[str, Any]:
    made = [ladder(ranges, seed, nobody=True) for seed in range(families)]
    judged = [Family(atoms) for atoms, _ in made]
    for family, (_, legs) in zip(judged[:3], made, strict=False):  # fees of each price are worked out once
        family.best(plant(legs), Sizes())
    gc.collect()
    gc.freeze()  # the books of all families are not walked by the collector while one is judged
    pairs = list(zip(judged, [legs for _, legs in made], strict=True))
    waits: list[float] = []
    coherent = [timed(partial(family.best, legs, Sizes()), waits) for family, legs in pairs]
    planted = [timed(partial(family.best, plant(legs), Sizes()), waits) for family, legs in pairs]
    plain = [timed(partial(by_programme, atoms, asks(legs)))[0] for atoms, legs in made[:5]]
    times = [ms for ms, _ in coherent]
    return {
        "coherent, median ms": round(median(times), 2),
        "coherent, 99th percentile ms": round(quantiles(times, n=100)[98], 2),
        "by the clock, median and 99th percentile ms": _spread(waits[:families]),
        "baskets found in coherent prices": sum(isinstance(found, FamilyBasket) for _, found in coherent),
        "planted, median ms": round(median([ms for ms, _ in planted]), 2),
        "planted, 99th percentile ms": round(quantiles([ms for ms, _ in planted], n=100)[98], 2),
        "planted by the clock, median and 99th percentile ms": _spread(waits[families:]),
        "planted baskets found": f"{sum(isinstance(found, FamilyBasket) for _, found in planted)} of {families}",
        "plain way (linear programme over every atom), median ms": round(median(plain), 1),
        "ratio": round(median(plain) / median(times), 1),
        "ratio of planted": round(median(plain) / median([ms for ms, _ in planted]), 1),
    }


def estimates(families: int) -> dict[str, float]:
    """How far the middle of the quotes, the point where the screen stops and the middle of all measures that agree lie from the hidden
    probability of each market."""
    errors: dict[str, list[float]] = {"middle of its own quotes": [], "where the screen stops": [], "centre": []}
    for seed in range(families):
        atoms, legs = ladder(29, seed, nobody=False)
        numbers = random.Random(seed)
        weights = [
            numbers.random() ** 4 for _ in range(len(atoms))
        ]  # the first draws of ``ladder``: what it prices from
        graph, quoted = Graph(atoms), {(ask.ticker, ask.side): ask.price for ask in asks(legs)}
        stopped, middle = graph.solve(quoted), centre(graph, quoted)
        if isinstance(stopped, Cycle) or middle is None:
            continue
        for ticker, (low, high) in atoms.spans.items():
            true = sum(weights[low:high]) / sum(weights)
            yes, no = (depth[0][0] / 10_000 if (depth := legs[ticker].depth.bids(side)) else 0.0 for side in Side)
            errors["middle of its own quotes"].append((yes + 1 - no) / 2 - true)
            errors["where the screen stops"].append(sum(stopped.measure[low:high]) - true)
            errors["centre"].append(sum(middle[low:high]) - true)
    return {name: round(100 * (sum(e * e for e in found) / len(found)) ** 0.5, 3) for name, found in errors.items()}


def _catalogue(count: int) -> dict[str, Any]:
    """Best prices of every family, judged for the first time and again after each moved a little; 40 structures stand for all."""
    kinds = [ladder(94, seed, nobody=True) for seed in range(40)]
    graphs = [Graph(kinds[n % 40][0]) for n in range(count)]
    numbers = np.random.default_rng(1)
    prices = [_array(graphs[n], asks(kinds[n][1])) for n in range(min(40, count))]
    first = timed(lambda: [graph.solve_array(prices[n % 40]) for n, graph in enumerate(graphs)])[0]
    moved = [np.clip(one + numbers.uniform(0, 0.002, len(one)), 0.001, None) for one in prices]
    again = timed(lambda: [graph.solve_array(moved[n % 40]) for n, graph in enumerate(graphs)])[0]
    return {
        "families of 190 markets": count,
        "first, s": round(first / 1e3, 2),
        "again with moved prices, s": round(again / 1e3, 2),
    }


def timed(work: Callable[[], Any], waits: list[float] | None = None) -> tuple[float, Any]:
    """(milliseconds of CPU, result). ``waits``: gets the milliseconds by the clock, which other processes make longer."""
    clock, began = time.perf_counter(), time.process_time()
    found = work()
    spent = (time.process_time() - began) * 1e3
    if waits is not None:
        waits.append((time.perf_counter() - clock) * 1e3)
    return spent, found


def _spread(times: list[float]) -> list[float]:
    return [round(median(times), 2), round(quantiles(times, n=100)[98], 2)]


def plant(legs: Legs) -> Legs:
    """The same with one threshold bid far above the one below it."""
    middle = (len(legs) - 2) // 4
    ask = legs[f"T{middle - 1}"].depth.best_ask(Side.YES) or 5_000
    cheap = LegMarket(f"T{middle}", Depth.of([(min(9_900, ask + 800), 1_000)], []), FeeSchedule())
    return {**legs, f"T{middle}": cheap}


def asks(legs: Legs) -> list[Ask]:
    """The best ask of each side without fees, in dollars."""
    return [
        Ask(ticker, side, price / 10_000)
        for ticker, leg in legs.items()
        for side in Side
        if (price := leg.depth.best_ask(side)) is not None
    ]


def _array(graph: Graph, quoted: list[Ask]) -> Any:
    prices = {(ask.ticker, ask.side): ask.price for ask in quoted}
    return np.array([prices.get(leg, np.inf) for leg in graph.legs])


if __name__ == "__main__":
    main()
