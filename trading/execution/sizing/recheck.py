"""Whether, and how much of, a basket may be bought now: checked before every purchase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.units import dollars
from markets.book import Side
from markets.fees import FeeSchedule
from strategies.collateral.funds import Purchase
from strategies.quoting.synthetic import bid_cost
from trading.accounting import collateral
from trading.books import live_books
from trading.books.live_books import LiveBooks
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.orders.inflight import kept
from trading.execution.sizing import baskets, planner, walk
from trading.limits import risk
from trading.limits.intent import Intent
from trading.models import Leg, Order, Position

CLEARED_FOR: Final = timedelta(milliseconds=250)
"""So long after a position was admitted, under the lock of its profile's balance and against every limit, its first order
needs none of that again. The trading state and the books are checked before every order all the same."""


def is_cleared(position: Position) -> bool:
    """Whether the position was admitted just now."""
    return abs(clock.now() - position.created_at) < CLEARED_FOR


def achievable(
    position: Position, legs: list[Leg], orders: list[Order], count: int, *, rests: bool = False
) -> int | Refusal:
    """How many baskets may be bought now, up to ``count`` and at least one unit, or why none may be.

    Checked before every purchase: every limit once more, the books of now, and the margin of the baskets that the books
    allow. ``rests``: the order may wait for its price, so the depth of now does not matter.
    """
    profile, decision, target = position.profile, position.decision, position.target_count
    try:
        legs_of_all = {(leg.market_id, leg.side): 0 for leg in legs}
        begun = any(max(o.filled_count, o.reported_fill_count or 0) for o in orders)
        basket = Intent(profile, decision, 0, legs_of_all, position, completes=begun)
        live = live_books.read(position.event, is_changed=basket.fees_changed)
        live = live_books.beside(live, basket.own_bids)
        for leg in legs:
            leg.seen = live.version(leg.market_id)
        if not rests:
            count = min(count, *(_reach(leg, orders, live, target) for leg in legs))
        if count <= 0:
            return Refusal(DenialCode.DEPTH, "the books hold no whole basket at the limits any more")
        todo = [(leg, baskets.needed(count, leg.target_count, target) - kept(leg, orders)) for leg in legs]
        todo = [(leg, lack) for leg, lack in todo if lack > 0]
        worst = {
            (leg.market_id, leg.side): walk.most_for(leg.limit_price, lack, live.fee(leg.market_id))
            for leg, lack in todo
        }
        spent = sum(_spent(leg, orders, count, target, live.fee(leg.market_id)) for leg in legs)
        at_once = len(todo) if position.sends_together and not begun else 1
        intent = basket.priced(spent + sum(worst.values()), worst, orders=at_once)
        if not orders and is_cleared(position):
            risk.may_send(profile, reduces=False)
            risk.books(intent, live)
        else:
            risk.limits(intent)
            risk.market(intent, live)
        if not begun and not rests:
            _leg_risk(position, legs, count, live)
    except Denied as denied:
        return denied.refusal
    if rests:
        cost = spent + sum(worst.values())
    else:
        cost = spent + sum(
            walk.buy(live.asks(leg.market_id, leg.side), lack, leg.limit_price, live.fee(leg.market_id)).cost
            for leg, lack in todo
        )
    if not baskets.still_worth(decision, profile, count, cost, whole_plan=not orders):
        return Refusal(DenialCode.MARGIN_GONE, f"{count / 100:g} baskets would cost {dollars(cost)}")
    return count


def funds_of(position: Position, wanted: Iterable[tuple[Leg, int]]) -> int:
    """What must be set aside to buy ``wanted`` (leg, count) at the legs' limits. Denied(FEE_UNKNOWN)."""
    fees = live_books.fees_of(position.event)
    return collateral.funds_to_complete(
        position,
        [
            Purchase(
                leg.market_id, Side(leg.side), count, walk.most_for(leg.limit_price, count, fees.of(leg.market_id))
            )
            for leg, count in wanted
            if count
        ],
    )


def _leg_risk(position: Position, legs: list[Leg], count: int, live: LiveBooks) -> None:
    """Before the first leg: the books may have moved since the plan, whose reserve they may use up but not exceed."""
    planned = [
        planner.PlanLeg(
            leg.market_id,
            leg.side,
            baskets.needed(count, leg.target_count, position.target_count),
            leg.limit_price,
            live.asks(leg.market_id, leg.side),
            live.bids(leg.market_id, leg.side),
            live.fee(leg.market_id),
        )
        for leg in legs
    ]
    worst = planner.worst_unwind(planner.leg_losses(planned), position.sends_together)
    budget = position.profile.leg_risk_budget
    if worst > budget:
        raise Denied(
            DenialCode.LEG_RISK, f"selling a half-filled basket would now lose {dollars(worst)} of {dollars(budget)}"
        )


def _reach(leg: Leg, orders: list[Order], live: LiveBooks, target: int) -> int:
    """Baskets that the leg suffices for with what it has and what its book offers at the limit."""
    offered = sum(size for price, size in live.asks(leg.market_id, leg.side) if price <= leg.limit_price)
    return baskets.whole(kept(leg, orders) + offered, leg.target_count, target)


def _spent(leg: Leg, orders: Sequence[Order], count: int, target: int, fees: FeeSchedule) -> int:
    """Cost of what ``count`` baskets need of what the leg has bought and kept so far, by the venue's answers."""
    total = filled = 0
    for order in orders:
        got = max(order.filled_count, order.reported_fill_count or 0)
        if order.leg_id == leg.pk and order.action == Order.Action.BUY and got:
            is_quote = order.purpose == Order.Purpose.QUOTE  # post-only: it never pays a taker's fee
            at_limit = bid_cost(fees, order.price, got) if is_quote else walk.most_for(order.price, got, fees)
            total += order.reported_cost if order.reported_cost is not None else at_limit
            filled += got
    used = min(kept(leg, orders), baskets.needed(count, leg.target_count, target))
    return -(-total * used // filled) if filled else 0
