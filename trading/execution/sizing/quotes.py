"""What a quoted basket may have in the book now, from its rows and the books of now: prices, counts and the limits of the other legs.

Prices 1/10,000 dollar, counts 1/100 contract, money micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.units import PPM, Count, Money, Price
from markets.book import Side
from markets.terms.states import StateError, StateList
from strategies.cycle import quote_records
from strategies.dutch.basket import LegMarket
from strategies.models import Decision, Kind, Profile
from strategies.quoting import across, hedged, resting
from strategies.quoting.hedged import Aim
from strategies.quoting.joining import Held
from strategies.quoting.offer import Way
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.resting import Wanted
from strategies.quoting.synthetic import Want, takings
from trading.accounting.position_booking import cost_share
from trading.books import others_books
from trading.books.live_books import LiveBooks
from trading.books.others_books import Beside
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.sizing import baskets, fitting, planner, walk
from trading.execution.sizing.planner import Plan, PlanLeg
from trading.models import Leg, Order, OrderStatus, Position
from trading.venues import account_limits

DWELL: Final = timedelta(seconds=2)
"""A quote that still leaves the margin stays at least so long where it is, although others bid more by now."""
AHEAD: Final = 200
"""And as long as it likes where it is no more than this above the best bid of others: moving would cost its place in the queue."""
SIDE_OF: Final = {Kind.ALL_NO: Side.NO, Kind.ALL_YES: Side.YES}
"""The side of every leg of a quoted basket."""
CODE_OF: Final = {
    NoQuote.STATES: DenialCode.CERTIFICATE,
    NoQuote.NO_HEDGE: DenialCode.DEPTH,
    NoQuote.HEDGE_DEPTH: DenialCode.DEPTH,
    NoQuote.MARGIN: DenialCode.MARGIN_GONE,
    NoQuote.GRID: DenialCode.MARGIN_GONE,
    NoQuote.BEHIND: DenialCode.MARGIN_GONE,
    NoQuote.PAIR: DenialCode.MARGIN_GONE,
    NoQuote.NO_TOUCH: DenialCode.PRICE_NO_SIDE,
    NoQuote.ORPHANS: DenialCode.ORPHAN_BUDGET,
    NoQuote.COST: DenialCode.MAX_PER_LEG,
}


@dataclass(frozen=True, slots=True)
class Rests:
    """``bids``: leg id -> (price, count) that may rest. ``limits``: leg id -> the most at which it is bought, the legs that are taken
    included."""

    bids: dict[int, tuple[Price, Count]] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)


def plan(decision: Decision, legs: list[PlanLeg]) -> Plan:
    """The whole decision: what may rest is worked out when it is placed. Denied(RATE_LIMIT) if the account cannot send the quotes, the
    other legs and an unwind."""
    way, budget = Way(decision.quote["way"]), fitting.write_budget(decision, True)
    kept = tokens_kept(decision.profile, way, len(legs))
    quotes = {Way.ONE_LEG: 1, Way.SEVERAL: planner.most_quotes(kept, budget.capacity), Way.ALL_LEGS: len(legs)}[way]
    tokens = planner.CREATE_TOKENS * min(quotes, len(legs))
    refusal = planner.too_many_tokens(tokens, kept, budget, together=True)
    if refusal is not None:
        raise Denied(refusal.code, refusal.detail)
    return Plan(
        legs=tuple(legs),
        count=decision.count,
        cost=Money(decision.cost),
        worst_cost=Money(decision.max_cost),
        unwind_losses=(),
        worst_unwind=0,
        tokens=tokens,
        tokens_kept=kept,
        together=True,
    )


def tokens_kept(profile: Profile, way: Way, legs: int) -> int:
    """Write tokens that a quote leaves alone: for the legs that are taken when it fills, and for selling what stays alone."""
    hedge = planner.tokens_kept(legs) if way.takes else 0
    unwind = planner.tokens_kept(legs) if profile.orphans == Profile.Orphans.SELL else 0
    return hedge + unwind


def states_of(position: Position) -> StateList | None:
    """The settlement states that were stored with the position; None where there are none or several lists."""
    try:
        return StateList.from_json(position.states[0]) if len(position.states) == 1 else None
    except StateError:
        return None


def wanted(
    position: Position, legs: Sequence[Leg], orders: Iterable[Order], live: LiveBooks, others: Beside | None = None
) -> Rests | Refusal:
    """What may rest now, our own ``orders`` and those of ``others`` of the account (None: to be read) left out of the books; empty where
    every basket has filled."""
    states = states_of(position)
    if states is None:
        return Refusal(DenialCode.CERTIFICATE, "no single list of settlement states is stored with the position")
    margin = margin_of(position)
    if margin is None:
        return Refusal(DenialCode.QUOTE_LOSES, measured_by(position)[0])
    orders = list(orders)
    target = _target(position, legs, orders)
    if target <= baskets.matched(legs, position.target_count) < position.target_count:
        wants = position.profile.quote_count
        if wants <= target:
            return Refusal(
                DenialCode.QUOTE_ENDED,
                f"the profile quotes {wants / 100:g} {'basket' if wants == 100 else 'baskets'} in an event now",
            )
        return Refusal(DenialCode.QUOTE_WITHDRAWN, "made smaller at the exchange")
    resting_now = [o for o in orders if o.purpose == Order.Purpose.QUOTE and o.status == OrderStatus.RESTING]
    markets = others_books.markets_of(position, legs, orders, live, others)
    pairs = zip(markets, legs, strict=True)
    kept = {m.ticker: price for m, leg in pairs if (price := _kept(m, leg.side, resting_now)) is not None}
    if Way(position.quoting).takes:
        found = _hedged(position, legs, markets, states, kept, margin, target)
    else:
        found = _all_legs(position, legs, markets, kept, margin, target)
    if isinstance(found, Refused):
        return Refusal(CODE_OF[found.reason], found.sentence)
    return found


def margin_of(position: Position) -> int | None:
    """The margin in ppm that its quotes must leave by what those of its series have brought up to now; None where none would do."""
    decision, (series, side) = position.decision, measured_by(position)
    measured = quote_records.of(position.mode, series, side, position.quote_band)
    pays = Price(decision.floor // decision.count)
    return quote_records.margin_ppm(position.profile, measured, pays)


def measured_by(position: Position) -> tuple[str, str]:
    """(series, side) by whose fills its quotes are judged: of the event and all its legs, or of the one leg of a family that rests."""
    if position.kind != Kind.FAMILY:
        return position.event.series_id, SIDE_OF[Kind(position.kind)].value
    leg = position.legs.select_related("market__event").get(market=position.decision.quote["leg"])
    return leg.market.event.series_id, leg.side


def _target(position: Position, legs: Sequence[Leg], orders: Sequence[Order]) -> int:
    """Baskets that may be quoted in all: fewer than were wanted where the profile quotes fewer by now, or a person has made a quote smaller
    at the exchange. What is bought of its leg afterwards counts towards what was left of it."""
    target = min(position.target_count, position.profile.quote_count)
    for leg in legs:
        of_leg = [order for order in orders if order.leg_id == leg.pk and order.action == Order.Action.BUY]
        shrunk = next((order for order in reversed(of_leg) if order.shrunk_to is not None), None)
        if shrunk is not None:
            later = sum(order.filled_count for order in of_leg if order.created_at > shrunk.created_at)
            may_hold = baskets.kept(leg) + max(0, others_books.left_of(shrunk) - later)
            target = min(target, may_hold * position.target_count // leg.target_count)
    return target


def _all_legs(
    position: Position,
    legs: Sequence[Leg],
    markets: Sequence[LegMarket],
    kept: Mapping[str, Price],
    margin: int,
    target: int,
) -> Rests | Refused:
    profile, decision = position.profile, position.decision
    aim = Wanted(
        Side(legs[0].side),
        Count(target),
        Count(max(1, profile.count_step)),
        Price(decision.floor // decision.count),
        margin,
        Money(position.orphan_limit),
    )
    held = Held({leg.market_id: baskets.kept(leg) for leg in legs}, {leg.market_id: leg.bought_cost for leg in legs})
    found = resting.bids(markets, aim, held, kept)
    if isinstance(found, Refused):
        return found
    rests = {leg.pk: found[leg.market_id] for leg in legs if leg.market_id in found}
    return Rests(rests, {pk: price for pk, (price, _) in rests.items()})


def _hedged(
    position: Position,
    legs: Sequence[Leg],
    markets: Sequence[LegMarket],
    states: StateList,
    kept: Mapping[str, Price],
    margin: int,
    target: int,
) -> Rests | Refused:
    """The largest size, halving, for which the others are offered."""
    profile = position.profile
    left = target - baskets.matched(legs, position.target_count)
    step = max(1, profile.count_step)
    steps = left // step
    if not steps:
        return Rests()
    only, held = position.decision.quote["leg"], unhedged(position, legs)
    tokens = tokens_kept(profile, Way(position.quoting), len(legs))
    most = planner.most_quotes(tokens, account_limits.lately().write.bucket_capacity)
    while True:
        count, budget = Count(steps * step), Money(position.orphan_limit)
        if position.kind == Kind.FAMILY:
            wants = _wants(position, legs, markets, count)
            found = across.bids(wants, states, only, margin, budget, held, kept.get(only))
        else:
            aim = Aim(Side(legs[0].side), count, margin, budget, only, held, most)
            found = hedged.bids(markets, states, aim, kept)
        steps //= 2
        if not isinstance(found, Refused):
            return Rests(
                {leg.pk: found.bids[leg.market_id] for leg in legs if leg.market_id in found.bids},
                {leg.pk: int(found.limits[leg.market_id]) for leg in legs},
            )
        if not steps:
            return found


def _wants(position: Position, legs: Sequence[Leg], markets: Sequence[LegMarket], count: int) -> list[Want]:
    """What ``count`` baskets need of each leg."""
    return [
        Want(market, Side(leg.side), Count(baskets.needed(count, leg.target_count, position.target_count)))
        for market, leg in zip(markets, legs, strict=True)
    ]


def unhedged(position: Position, legs: Sequence[Leg]) -> Held:
    """What the legs hold beyond whole baskets, with what it cost."""
    count, held = baskets.matched(legs, position.target_count), Held()
    for leg in legs:
        if beyond := baskets.excess(leg, count, position.target_count):
            held.add(leg.market_id, beyond, cost_share(leg, beyond)[0])
    return held


def is_worth_a_hedge(position: Position, legs: Sequence[Leg]) -> bool:
    """Whether a leg holds at least a step of the profile's size beyond whole baskets: less hardly pays the rounded fees of the others, so
    it waits, inside the orphan budget, for more to fill."""
    return max(unhedged(position, legs).counts.values(), default=0) >= max(1, position.profile.count_step)


def hedge_limits(position: Position, legs: Sequence[Leg], live: LiveBooks) -> dict[int, int]:
    """Leg id -> the price at which the books of now hold what it lacks, if the basket then keeps the margin of a taken one; empty where
    it would not, or nobody offers as much."""
    profile, target = position.profile, position.target_count
    count = baskets.most(legs, target)
    lacking = {leg.pk: baskets.missing(leg, count, target) for leg in legs}
    markets = [LegMarket(leg.market_id, live.reach(leg.market_id), live.fee(leg.market_id)) for leg in legs]
    found, cost = {}, sum(leg.open_cost for leg in legs)
    for leg, market in zip(legs, markets, strict=True):
        if not lacking[leg.pk]:
            continue
        (taken,) = takings([market], Side(leg.side), Count(lacking[leg.pk]))
        if isinstance(taken, Refused):
            return {}
        found[leg.pk] = int(taken.limit_price)
        cost += walk.most_for(taken.limit_price, lacking[leg.pk], market.fees)
    profit = baskets.pays(position.decision, count) - cost
    return found if profit > 0 and profit * PPM >= profile.min_margin_ppm * cost else {}


def _kept(market: LegMarket, side: str, own: Iterable[Order]) -> Price | None:
    """The price of our order in a market, where moving it is not worth its place in the queue."""
    order = next((one for one in own if one.leg.market_id == market.ticker), None)
    touch, ask = market.depth.best_bid(Side(side)), market.depth.best_ask(Side(side))
    if order is None or (ask is not None and order.price >= ask):
        return None
    is_young = timedelta(0) <= clock.now() - order.created_at < DWELL
    is_good = touch is not None and touch <= order.price <= touch + AHEAD
    return Price(order.price) if is_young or is_good else None
