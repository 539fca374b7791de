"""Quoted baskets in the harsh world: books wide enough to rest in, somebody who sells into our bids, and what must hold at every moment."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from kalbot.common import clock
from kalbot.common.units import Count, Price
from markets.kalshi.order_entry import AmendOrder
from markets.kalshi.vocabulary import Side
from simulator.accounts.records import Order as TwinOrder
from simulator.errors import ApiError
from simulator.matching import orders as by_hand
from simulator.rest.app import handle
from strategies.models import Decision, Profile
from tests.faults import invariants
from tests.faults.harsh import Harsh, draw_harsh, with_collateral
from tests.faults.schedule import Levels, Schedule
from tests.trading import world
from trading.execution.sizing import baskets
from trading.models import Leg, Order, Position

if TYPE_CHECKING:
    from tests.faults.harness import Run
    from tests.trading.twin import Twin

REDUCING = ("completing", "unwinding", "exiting")


def draw_quoted(seed: int) -> tuple[Schedule, Harsh]:
    """The harsh world of a seed for a profile that quotes NO on every outcome."""
    plan, harsh = draw_harsh(seed)
    rng = random.Random(f"quoted {seed}")
    plan.kind, harsh.shares, harsh.fine, harsh.second_round, harsh.cash = "all_no", (), False, None, None
    harsh.collateral = None
    if seed % 3 == 1:
        with_collateral(seed, plan, harsh)
    plan.count = rng.choice((100, 300, 500, 1_000))
    plan.books = [_book(rng, plan.outcomes) for _ in range(plan.outcomes)]
    plan.profile |= {
        "quoting": rng.choice(("one_leg", "all_legs", "all_legs")),
        "orphans": rng.choice(("hold", "hold", "sell")),
        "orphan_budget": rng.choice((3, 10, 50)) * world.DOLLAR,
        "orphan_budget_day": 50 * world.DOLLAR,
        "quote_min_margin_ppm": rng.choice((1_000, 20_000)),
        "quote_stop_seconds": 3_600,
        "max_orders_per_minute": 1_000,
    }
    if plan.profile["quoting"] == "one_leg" and random.Random(f"several {seed}").random() < 0.5:
        plan.profile["quoting"] = "several"
    return plan, harsh


def _book(rng: random.Random, outcomes: int) -> tuple[Levels, Levels]:
    """YES asks that make NO bids add up to less than the basket pays, and YES bids such that the others can be taken for about that."""
    fair = 10_000 // outcomes // 100 * 100
    ask = fair + rng.choice((200, 300, 500))
    bid = max(100, fair - rng.choice((-100, 0, 100)))
    sizes = (100, 400, 1_000, 3_000)
    bids = [(max(100, bid - 100 * n), rng.choice(sizes)) for n in range(3)]
    return list(dict(bids).items()), [(ask + 100 * n, rng.choice(sizes)) for n in range(3)]


def decide(profile: Profile, twin: Twin, plan: Schedule) -> Decision:
    """A decision of a cycle that saw the books as they are listed: one leg a tick inside, or all at their best bids."""
    books, rng = twin.books(), random.Random(f"decide {plan.seed}")
    bids = {ticker: books[ticker][1][0][0] for ticker in twin.markets}
    asks = {ticker: 10_000 - books[ticker][0][0][0] for ticker in twin.markets}
    leg = rng.choice(twin.markets) if plan.profile["quoting"] == "one_leg" else ""
    limits = {ticker: bids[ticker] if leg in ("", ticker) else asks[ticker] for ticker in twin.markets}
    until = clock.now_ms() + rng.choice((30_000, 120_000, 300_000))
    quote: dict[str, Any] = {"way": plan.profile["quoting"], "leg": leg, "until_ms": until, "orphans": world.DOLLAR}
    floor = 10_000 * plan.count * (plan.outcomes - 1)
    sums = {"cost": floor * 98 // 100, "max_cost": floor * 99 // 100, "floor": floor}
    return world.decide(profile, twin.row, limits, plan.count, "all_no", "no", quote=quote, guaranteed=True, **sums)


def flow(run: Run) -> None:
    """Somebody buys what displayed bids of a market are against: NO bids are met, ours among them; of a family those of the leg that
    rests."""
    rests = {leg["ticker"]: leg["side"] for leg in run.decision.legs if leg["ticker"] == run.decision.quote.get("leg")}
    for _ in range(run.rng.choice((0, 1, 1, 2))):
        is_yes = run.plan.kind == "family" and "yes" in rests.values()
        ticker = run.rng.choice(list(rests) if run.plan.kind == "family" else run.twin.markets)
        book = run.twin.exchange.books[ticker]
        levels = book.yes_levels() if is_yes else book.no_levels()
        if not levels or run.twin.exchange.markets[ticker].status != "active":
            continue
        best, further = max(level for level, _ in levels), run.rng.choice((0, 0, 100))
        price = max(100, best - further) if is_yes else min(9_900, 10_000 - best + further)
        count = run.rng.choice((50, 100, 700, 2_500))
        run.twin.quote(ticker, "ask" if is_yes else "bid", price, count, rest=False)
        run.note(f"somebody {'sells' if is_yes else 'buys'} YES {ticker} at {price}")


def change_by_hand(run: Run) -> None:
    """A person makes one of our quotes smaller at the exchange, moves it to another price, or cancels it."""
    rng = random.Random(f"by hand {run.plan.seed} {clock.now_ms()}")
    exchange = run.twin.exchange
    resting = [o for o in exchange.ledger.orders.values() if o.status == "resting" and o.post_only]
    if not resting or rng.random() > 0.04:
        return
    order, how = rng.choice(resting), rng.choice(("smaller", "smaller", "moved", "cancelled"))
    with suppress(ApiError):
        if how == "smaller":
            by_hand.decrease(exchange, order, rng.randint(1, order.remaining), None)
        elif how == "moved":
            _move(run, order, rng.choice((-100, 100)))
        else:
            by_hand.cancel(exchange, order)
        run.note(f"somebody changes our quote of {order.ticker} by hand: {how}")


def _move(run: Run, order: TwinOrder, by: int) -> None:
    """Its price by so much, as a request of the person's own."""
    is_yes = order.book_side == "bid"
    price = Price((order.price if is_yes else 10_000 - order.price) + by)
    if not 0 < price < 10_000:
        return
    terms = AmendOrder(
        order_id=order.order_id,
        ticker=order.ticker,
        outcome_side=Side.YES if is_yes else Side.NO,
        price=price,
        count=Count(order.filled + order.remaining),
        exchange_index=order.shard,
    )
    path = f"/trade-api/v2/portfolio/events/orders/{order.order_id}/amend"
    faults = run.twin.exchange.faults
    rules, faults.rules = faults.rules, []  # what is meant for the worker's requests strikes nobody else's
    try:
        handle(run.twin.exchange, "POST", path, "", {}, msgspec.json.encode(terms.to_wire()))
    finally:
        faults.rules = rules


def check_now(run: Run) -> None:
    """Orphans are inside their limit, or the position is reducing. To be called whenever the worker rests. A fee that nobody had announced
    when their quotes rested is beyond it: no limit can bound that."""
    for position in Position.objects.exclude(quoting="").select_related("profile"):
        cost = orphan_cost(position)
        more = invariants.unannounced(position, Order.Purpose.QUOTE) if "fees" in run.harsh.troubles else 0
        inside = cost <= max(position.orphan_limit, position.profile.orphan_budget) + more
        assert inside or position.status in REDUCING, (
            f"{position.status}: orphans for {cost} of {position.orphan_limit}"
        )


def orphan_cost(position: Position) -> int:
    """What the contracts beyond whole baskets cost, each leg's at its average."""
    legs = list(Leg.objects.filter(position=position))
    count = baskets.matched(legs, position.target_count)
    return sum(
        leg.open_cost * extra // leg.held
        for leg in legs
        if leg.held and (extra := baskets.excess(leg, count, position.target_count))
    )
