"""Baskets across two events in the harsh world: ranges and thresholds of one value, bought in every shape that a family has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from kalbot.common import clock
from markets.models import Event
from markets.terms.reading.strikes import Interval, at_least, less
from strategies.models import Decision, Profile
from tests.faults.harsh import Harsh, draw_harsh
from tests.faults.schedule import Levels, Schedule
from tests.trading import families, world
from trading.execution.sizing import walk

if TYPE_CHECKING:
    from tests.faults.harness import Run
    from tests.trading.twin import Twin

FAMILY: Final = "FAMILY-KXT-1-KXU-1"
SIZES: Final = (100, 250, 400, 1_000, 3_000)


@dataclass(frozen=True, slots=True)
class Shape:
    """Legs by number: ranges bought YES, thresholds bought YES, thresholds bought NO. At every value one of them pays at least."""

    ranges: tuple[int, ...]
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()

    @property
    def legs(self) -> int:
        return len(self.ranges) + len(self.above) + len(self.below)


def draw_family(seed: int) -> tuple[Schedule, Harsh]:
    """The harsh world of a seed with as many ranges as its plan has outcomes, and a threshold between any two of them."""
    plan, harsh = draw_harsh(seed)
    plan.kind, harsh.shares, harsh.fine = "family", (), False
    harsh.second_round, harsh.cash, harsh.collateral = None, None, None
    return plan, harsh


def draw_quoted_family(seed: int) -> tuple[Schedule, Harsh]:
    """The same for a profile that rests one leg and takes the others when it fills."""
    plan, harsh = draw_family(seed)
    rng = random.Random(f"quoted family {seed}")
    plan.count = rng.choice((100, 300, 500, 1_000))
    plan.profile |= {
        "quoting": "one_leg",
        "quote_families": True,
        "orphans": rng.choice(("hold", "hold", "sell")),
        "orphan_budget": rng.choice((3, 10, 50)) * world.DOLLAR,
        "orphan_budget_day": 50 * world.DOLLAR,
        "quote_min_margin_ppm": rng.choice((1_000, 20_000)),
        "quote_stop_seconds": 3_600,
        "max_orders_per_minute": 1_000,
    }
    return plan, harsh


def quote_of(plan: Schedule, legs: Sequence[dict[str, object]]) -> dict[str, object]:
    """What a decision says of the leg that rests: any of them."""
    rng = random.Random(f"rests {plan.seed}")
    until = clock.now_ms() + rng.choice((30_000, 120_000, 300_000))
    return {"way": "one_leg", "leg": rng.choice(legs)["ticker"], "until_ms": until, "orphans": world.DOLLAR}


def shape_of(plan: Schedule) -> Shape:
    """Ranges up to a cut and the threshold there; no threshold there and the ranges from it on; or two thresholds, one of them NO."""
    rng = random.Random(f"shape {plan.seed}")
    cut = rng.randrange(plan.outcomes - 1)
    shapes = [
        Shape(tuple(range(cut + 1)), above=(cut,)),
        Shape(tuple(range(cut + 1, plan.outcomes)), below=(cut,)),
    ]
    if cut:
        shapes.append(Shape((), above=(rng.randrange(cut),), below=(cut,)))
    return rng.choice(shapes)


def add_books(plan: Schedule, ranges: Twin, thresholds: Twin) -> None:
    """List both events so that the basket of the plan usually costs less than a dollar; the other markets are priced anyhow."""
    rng, shape = random.Random(f"books {plan.seed}"), shape_of(plan)
    for number in range(plan.outcomes):
        ranges.add_market(*_book(rng, "yes" if number in shape.ranges else "", shape.legs))
    for number in range(plan.outcomes - 1):
        side = "yes" if number in shape.above else "no" if number in shape.below else ""
        thresholds.add_market(*_book(rng, side, shape.legs))


def _book(rng: random.Random, side: str, legs: int) -> tuple[Levels, Levels]:
    """(YES bids, YES asks): the side that is bought costs a little less than its share of a dollar."""
    ask = max(300, min(9_700, 10_000 // max(2, legs) // 100 * 100 - rng.randrange(100, 700, 100)))
    spread = rng.randrange(100, 400, 100)
    best_ask = ask if side != "no" else 10_000 - ask + spread
    best_bid = ask - spread if side != "no" else 10_000 - ask
    bids = [(max(100, best_bid - 100 * n), rng.choice(SIZES)) for n in range(3)]
    asks = [(min(9_900, max(best_ask, best_bid + 100) + 100 * n), rng.choice(SIZES)) for n in range(3)]
    return list(dict(bids).items()), list(dict(asks).items())


def certify(ranges: Twin, thresholds: Twin) -> Event:
    """Their event in common, with a certificate of its atoms."""
    last = len(ranges.markets) - 1
    spans = {ranges.markets[0]: less(Decimal(100)), ranges.markets[last]: at_least(Decimal(90 + 10 * last))}
    for number in range(1, last):
        low = Decimal(90 + 10 * number)
        spans[ranges.markets[number]] = Interval(low, True, low + 10, False)
    spans |= {ticker: at_least(Decimal(100 + 10 * number)) for number, ticker in enumerate(thresholds.markets)}
    return families.certified(FAMILY, ranges, thresholds, spans)


def decide(profile: Profile, plan: Schedule, ranges: Twin, thresholds: Twin) -> Decision:
    """A decision of a cycle that saw the books as they are listed."""
    family, shape = certify(ranges, thresholds), shape_of(plan)
    chosen = [(ranges.markets[n], "yes") for n in shape.ranges]
    chosen += [(thresholds.markets[n], "yes") for n in shape.above] + [
        (thresholds.markets[n], "no") for n in shape.below
    ]
    books = ranges.books() | thresholds.books()
    legs = []
    for ticker, side in chosen:
        other = books[ticker][1] if side == "yes" else books[ticker][0]
        price = 10_000 - next((level for level, _ in reached(other, plan.count)), other[-1][0])
        legs.append({"ticker": ticker, "side": side, "count": plan.count, "limit_price": price})
    cost = sum(walk.most_for(int(str(leg["limit_price"])), plan.count, world.FEES) for leg in legs)
    floor = 10_000 * plan.count
    limits = {str(leg["ticker"]): int(str(leg["limit_price"])) for leg in legs}
    rests: dict[str, Any] = {} if profile.quoting == "none" else {"quote": quote_of(plan, legs)}
    return world.decide(
        profile,
        family,
        limits,
        plan.count,
        "family",
        legs=legs,
        floor=floor,
        cost=cost,
        max_cost=max(cost, floor * 99 // 100) if rests else cost,
        guaranteed=floor > cost,
        **rests,
        certificate=family.certificates.get(),
    )


def reached(levels: world.Levels, count: int) -> world.Levels:
    """The levels that buying ``count`` leaves behind, from the last one that it reaches; empty if they do not last."""
    for number, (_, size) in enumerate(levels):
        count -= size
        if count <= 0:
            return levels[number:]
    return ()


def finish(run: Run) -> None:
    """One value settles both events, or an odd result that no atom lists."""
    ranges, thresholds = run.twins
    rng = random.Random(f"value {run.plan.seed}")
    value = rng.randrange(len(ranges.markets))
    if run.plan.ending == "scalar":
        ranges.finish(None, value=3_333)
        thresholds.finish(None, value=3_333)
        return
    markets = [(ranges, t, n == value) for n, t in enumerate(ranges.markets)]
    markets += [(thresholds, t, value > n) for n, t in enumerate(thresholds.markets)]
    rng.shuffle(markets)
    for twin, ticker, won in markets:
        twin.settle(ticker, "yes" if won else "no")
