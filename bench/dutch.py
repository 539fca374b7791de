"""One strategy cycle over thousands of events, evaluated from memory, against the plain way in the same run.

The plain way is what one writes first: Decimal prices, fees and sums, event by event, and a walk through the books of
those that pay. Ours is the product's: a screen over packed best prices, exact integers for the survivors. Both must find
the same baskets. The plain way has its prices as Decimals beforehand, which costs it nothing here. Ours begins, in every cycle, with the
records as they come from Redis, each another than before: their heads carry the packed best prices that the stream wrote, what was
decoded is the books of the survivors. What the worker would pay to pack the prices itself is printed too.

    python -m bench.dutch [--events 6000] [--legs 6] [--levels 10] [--payers 6] [--runs 5] [--scaling]
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec

from markets.book import Depth
from markets.fees import FeeSchedule
from markets.prices.heads import Heads
from markets.prices.layout import EventRecord, MarketRecord, begin_of, digest, record_of
from markets.prices.recorded import RecordedMarkets
from strategies.dutch.basket import Found, LegMarket, Limits
from strategies.dutch.screen import Facts, Fixed, pack, screen
from strategies.dutch.search import best_basket

Event = tuple[list[LegMarket], bool, bool]
DecimalLevels = list[tuple[Decimal, Decimal]]
PlainEvent = list[tuple[DecimalLevels, DecimalLevels]]
Answer = dict[int, tuple[str, int, int]]
"""event -> kind, count (1/100 contract), profit (1/1,000,000 dollar)."""

ONE, RATE, CONTRACT = Decimal(1), Decimal("0.07"), Decimal(1)
MICRO, GRID = Decimal("0.000001"), Decimal("0.0001")
FEES = FeeSchedule()
RULES = Limits(near_ppm=0)


def events(count: int, legs: int, levels: int, payers: int, seed: int = 1) -> list[Event]:
    """Exclusive, certified events whose YES asks add up to 1.03 to 1.12, except ``payers`` of them below 0.95."""
    rng = random.Random(seed)
    chosen = set(rng.sample(range(count), payers))
    return [
        ([_leg(rng, f"E{i}-{k}", share, levels) for k, share in enumerate(_shares(rng, legs, i in chosen))], True, True)
        for i in range(count)
    ]


def _shares(rng: random.Random, legs: int, pays: bool) -> list[int]:
    weights = [rng.random() + 0.1 for _ in range(legs)]
    total = rng.randint(8_900, 9_300) if pays else rng.randint(10_400, 11_200)
    return [max(100, int(w / sum(weights) * total) // 100 * 100) for w in weights]


def _leg(rng: random.Random, ticker: str, ask: int, levels: int) -> LegMarket:
    yes = [(price, 100 * rng.randint(1, 300)) for k in range(levels) if (price := ask - 200 - 100 * k) > 0]
    no = [(price, 100 * rng.randint(1, 300)) for k in range(levels) if (price := 10_000 - ask - 100 * k) > 0]
    return LegMarket(ticker, Depth.of(yes, no), FEES)


def fixed_of(source: Sequence[Event]) -> tuple[Fixed, Heads]:
    """What a worker knows of its events besides prices: facts for the screen, and how the head of each record begins."""
    facts = [Facts(len(legs), (FEES.taker_e10,), *flags) for legs, *flags in source]
    begins = [begin_of(digest(*(leg.ticker for leg in legs)), len(legs)) for legs, _, _ in source]
    return Fixed.of(facts), Heads.of((begin, fact.legs) for begin, fact in zip(begins, facts, strict=True))


def records_of(source: Sequence[Event]) -> list[bytes]:
    """The events' records as the stream writes them."""
    return [_record(legs) for legs, _, _ in source]


def _record(legs: Sequence[LegMarket]) -> bytes:
    markets = tuple(
        MarketRecord(leg.ticker, "active", None, None, 1, 1, 1, 1, False, True, leg.depth.yes_bids, leg.depth.no_bids)
        for leg in legs
    )
    tops = [side[0][0] if side else 0 for leg in legs for side in (leg.depth.yes_bids, leg.depth.no_bids)]
    names = digest(*(leg.ticker for leg in legs))
    return record_of(names, "epoch", tops, msgspec.msgpack.encode(EventRecord("epoch", markets)), sound=True)


def ours(records: Sequence[bytes], fixed: Fixed, heads: Heads) -> Answer:
    """A cold cycle: packed prices from the heads of all records, screen, judge the survivors exactly on their books."""
    found: Answer = {}
    packed = heads.tops(records)
    if packed is None or len(packed[1]):
        raise AssertionError("a record without packed prices")
    universe = fixed.priced(packed[0])
    for i in screen(universe, RULES).survivors():
        legs = [
            LegMarket(ticker, market.depth or Depth(), FEES) for ticker, market in RecordedMarkets(records[i]).items()
        ]
        outcome = best_basket(legs, bool(universe.exclusive[i]), bool(universe.certified[i]), RULES)
        if isinstance(outcome, Found):
            basket = outcome.basket
            found[i] = (basket.kind.value, basket.count, basket.profit)
    return found


def plain_books(source: Sequence[Event]) -> list[PlainEvent]:
    """The same books as Decimals: (YES asks, NO asks) of each leg, cheapest first."""

    def asks(bids: Sequence[tuple[int, int]]) -> DecimalLevels:
        return [(ONE - Decimal(price) / 10_000, Decimal(count) / 100) for price, count in bids]

    return [[(asks(leg.depth.no_bids), asks(leg.depth.yes_bids)) for leg in legs] for legs, _, _ in source]


def plain(source: Sequence[PlainEvent]) -> Answer:
    """Event by event in Decimal."""
    found: Answer = {}
    for i, legs in enumerate(source):
        best = max(_plain_yes([yes for yes, _ in legs]), _plain_no([no for _, no in legs]))
        if best[0] > 0:
            found[i] = (best[2], int(best[1] * 100), int(best[0] * 1_000_000))
    return found


def _fee(price: Decimal, count: Decimal) -> Decimal:
    return (RATE * count * price * (ONE - price)).quantize(MICRO, ROUND_CEILING)


def _plain_yes(legs: list[DecimalLevels]) -> tuple[Decimal, Decimal, str]:
    nothing = (Decimal(0), Decimal(0), "")
    if not all(legs) or sum(asks[0][0] + _fee(asks[0][0], CONTRACT) for asks in legs) >= ONE:
        return nothing
    best = nothing
    for count in _plain_counts(legs):
        costs = [_plain_cost(asks, count) for asks in legs]
        if None not in costs:
            best = max(best, (count - sum(c for c in costs if c is not None), count, "all_yes"))
    return best


def _plain_no(legs: list[DecimalLevels]) -> tuple[Decimal, Decimal, str]:
    nothing = (Decimal(0), Decimal(0), "")
    priced = [asks for asks in legs if asks]
    if sum(ONE - asks[0][0] - _fee(asks[0][0], CONTRACT) for asks in priced) <= ONE:
        return nothing
    best = nothing
    for count in _plain_counts(priced):
        costs = [cost for asks in priced if (cost := _plain_cost(asks, count)) is not None]
        best = max(best, (sum((count - cost for cost in costs if cost < count), Decimal(0)) - count, count, "all_no"))
    return best


def _plain_counts(legs: list[DecimalLevels]) -> list[Decimal]:
    ends = set()
    for asks in legs:
        total = Decimal(0)
        for _, count in asks:
            total += count
            ends.add(total)
    return sorted(ends)


def _plain_cost(asks: DecimalLevels, count: Decimal) -> Decimal | None:
    cost = Decimal(0)
    for price, size in asks:
        taken = min(size, count)
        cost += price * taken + _fee(price, taken)
        count -= taken
        if not count:
            return cost.quantize(GRID, ROUND_CEILING)
    return None


def timed(runs: int, *works: Callable[[], Any]) -> list[tuple[float, Any]]:
    """(fewest processor seconds of ``runs`` runs, last answer) of each work. They take turns, and waiting for a busy
    machine does not count, so that others on it disturb little."""
    took: list[list[float]] = [[] for _ in works]
    answers: list[Any] = [None] * len(works)
    for _ in range(runs):
        for i, work in enumerate(works):
            began = time.process_time()
            answers[i] = work()
            took[i].append(time.process_time() - began)
    return [(min(times), answer) for times, answer in zip(took, answers, strict=True)]


def measure(count: int, legs: int, levels: int, payers: int, runs: int) -> dict[str, Any]:
    """Both ways over the same events; raises if they disagree."""
    source = events(count, legs, levels, payers)
    decimals = plain_books(source)
    records, (fixed, heads) = records_of(source), fixed_of(source)
    universe = pack(source)
    (packing, _), (screening, _), (cycle, mine), (slow, theirs) = timed(
        runs,
        lambda: pack(source),
        lambda: screen(universe, RULES),
        lambda: ours(records, fixed, heads),
        lambda: plain(decimals),
    )
    if mine != theirs:
        raise AssertionError(f"the two ways disagree: {mine} and {theirs}")
    return {
        "events": count,
        "legs": count * legs,
        "levels": levels,
        "payers": len(mine),
        "plain_ms": round(slow * 1e3, 2),
        "cycle_ms": round(cycle * 1e3, 3),
        "screen_ms": round(screening * 1e3, 3),
        "times_faster": round(slow / cycle, 1),
        "pack_us_an_event": round(packing / count * 1e6, 2),
        "times_faster_if_the_worker_packed": round(slow / (cycle + packing), 1),
        "events_per_s": round(count / cycle),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 1 if the goal (15 times, about linear) is missed."""
    parser = argparse.ArgumentParser(prog="bin/bench dutch", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--events",
        type=int,
        default=6_000,
        help="events of a cycle; a second run has four times as many (default %(default)s)",
    )
    parser.add_argument("--legs", type=int, default=6, help="outcomes an event (default %(default)s)")
    parser.add_argument("--levels", type=int, default=10, help="levels a book (default %(default)s)")
    parser.add_argument("--payers", type=int, default=6, help="events that pay (default %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="cycles, of which the median counts (default %(default)s)")
    options = parser.parse_args(argv)
    shape = (options.legs, options.levels)
    gc.collect()
    gc.freeze()  # books of a long-lived process are not garbage: do not walk through them in the middle of a run
    base = measure(options.events, *shape, options.payers, options.runs)
    large = measure(4 * options.events, *shape, 4 * options.payers, max(3, options.runs // 2))
    growth = large["cycle_ms"] / base["cycle_ms"]
    met = base["times_faster"] >= 15 and growth < 6
    print(
        json.dumps(
            {"bench": "dutch", "cycle": base, "four_times_the_events": large, "growth": round(growth, 2), "met": met}
        )
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
