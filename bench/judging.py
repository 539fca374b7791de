"""Synthetic prices and bids at the touch of quoted baskets, a core-second, against a search of every price of the grid.

``python -m bench.judging`` prints JSON. Books are made here: 6 and 40 outcomes with five levels a side.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, PPM, Count, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.states import StateList, listed_states
from strategies.dutch.basket import LegMarket
from strategies.quoting import joining
from strategies.quoting.joining import Held, SetRule
from strategies.quoting.judge import Judgement, judge
from strategies.quoting.refusal import Refused
from strategies.quoting.synthetic import bid_cost, synthetic

FEES = FeeSchedule()
Event = tuple[list[LegMarket], StateList]
COUNT = Count(10 * CONTRACT)
MARGIN = 5_000


def main(argv: list[str] | None = None) -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="bin/bench judging", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=7, help="rounds, of which the median counts (default %(default)s)"
    )
    print(json.dumps(measure(parser.parse_args(argv).rounds), indent=2))
    return 0


def measure(rounds: int) -> dict[str, Any]:
    """Of events of 6 and of 40 outcomes."""
    document: dict[str, Any] = {}
    for outcomes in (6, 40):
        events = [event(outcomes, seed) for seed in range(40)]
        ours, plain, touch = (rate(rounds, events, work) for work in (whole, leg_by_leg, join))
        document[f"{outcomes} outcomes"] = {
            "events judged a core-second (every leg's synthetic price)": round(ours * len(events)),
            "plain way, every leg and every price of the grid by itself": round(plain * len(events)),
            "ratio": round(ours / plain, 1),
            "bids of a whole event at the touch, a core-second": round(touch * len(events)),
        }
    return document


def event(outcomes: int, seed: int) -> Event:
    """One exclusive event whose YES prices add up to about a dollar."""
    numbers = random.Random(seed)
    weights = [numbers.random() + 0.05 for _ in range(outcomes)]
    legs = []
    for n, weight in enumerate(weights):
        middle = max(2, min(97, round(100 * weight / sum(weights))))
        yes = [((middle - 1 - k) * 100, numbers.randrange(500, 5_000)) for k in range(5) if middle - 1 - k > 0]
        no = [((98 - middle - k) * 100, numbers.randrange(500, 5_000)) for k in range(5) if 98 - middle - k > 0]
        legs.append(LegMarket(f"L{n}", Depth.of(yes, no), FEES))
    return legs, listed_states([leg.ticker for leg in legs], certified=True)


def rate(rounds: int, events: list[Event], work: Callable[[list[LegMarket], StateList], object]) -> float:
    """Runs over all events a second of CPU: the median of ``rounds``."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        for one in events:
            work(*one)
        times.append(time.process_time() - began)
    return 1 / median(times)


def whole(legs: list[LegMarket], states: StateList) -> Judgement:
    """Every leg of the event, as the product judges it."""
    return judge(legs, states, Side.NO, COUNT, MARGIN)


def leg_by_leg(legs: list[LegMarket], states: StateList) -> list[Price | None]:
    """The same by taking the others afresh for each leg and trying every cent from the top."""
    return [_every_price(legs, states, at) for at in range(len(legs))]


def _every_price(legs: list[LegMarket], states: StateList, at: int) -> Price | None:
    found = synthetic(legs, states, Side.NO, at, COUNT, 0)
    if isinstance(found, Refused):
        return None
    for cents in range(99, 0, -1):
        cost = found.hedge_cost + bid_cost(legs[at].fees, cents * 100, COUNT)
        if found.floor > cost and (found.floor - cost) * PPM >= MARGIN * cost:
            return Price(cents * 100)
    return None


def join(legs: list[LegMarket], states: StateList) -> object:
    """Bids at the touch of every leg."""
    touch = {leg.ticker: leg.depth.best_bid(Side.NO) for leg in legs}
    return joining.bids(touch, Held(), SetRule(Price((len(legs) - 1) * DOLLAR_PRICE), Price(300), COUNT))


if __name__ == "__main__":
    main()
