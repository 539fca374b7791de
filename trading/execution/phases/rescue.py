"""A half-filled basket whose margin is gone has three ways out: sell what is held, buy what is missing at a loss, or keep what is held,
where that pays more than it cost in every listed state.

For a basket whose floor is certain the second is often the cheaper one: an unwind pays the spread and fees of every leg held,
completing pays only what the missing legs now cost too much. The cheaper way is taken, never beyond the leg-risk budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.book import Side
from markets.terms.grades import Grade
from strategies.collateral.funds import Purchase
from strategies.models import Kind
from trading import selectors
from trading.accounting import booking, collateral, ledger, leg_risk
from trading.books import live_books
from trading.books.live_books import LiveBooks
from trading.denials import Denied
from trading.execution.orders import inflight, tried
from trading.execution.sizing import baskets, walk
from trading.execution.sizing.walk import Walked
from trading.limits import risk
from trading.limits.intent import Intent
from trading.models import Leg, Position


@dataclass(frozen=True, slots=True)
class Rescue:
    """What to buy: (leg, count, limit price), and what the whole basket then earns (negative: loses), micro-dollars."""

    purchases: tuple[tuple[Leg, int, int], ...]
    result: int
    instead_of: int


def find(position: Position, legs: list[Leg]) -> Rescue | None:
    """The purchases that complete the basket for less than an unwind would lose; None when there are none.

    Only for kinds whose floor is certain, only on live books of active markets, only within what losses already taken have left of
    the leg-risk budget, not on books that have been tried, and only if the capital can be set aside. Raises nothing: what stands in the
    way means None.
    """
    profile, decision, target = position.profile, position.decision, position.target_count
    if decision.kind == Kind.COVERAGE or not decision.guaranteed:
        return None
    try:
        live = live_books.read_beside(position)
        for leg in legs:
            leg.seen = live.version(leg.market_id)
        wanted = baskets.most(legs, target)
        bought = [(leg, _buy(live, leg, baskets.missing(leg, wanted, target))) for leg in legs]
        if any(got.count < baskets.missing(leg, wanted, target) for leg, got in bought):
            return None
        worst = {
            (leg.market_id, leg.side): walk.most_for(got.worst_price, got.count, live.fee(leg.market_id))
            for leg, got in bought
            if got.count
        }
        spent = sum(leg.open_cost for leg in legs)
        result = decision.floor * wanted // decision.count - spent - sum(worst.values())
        instead = max(unwind_result(live, position, legs), sure_result(position, legs) or -spent)
        if result <= instead or result < -leg_risk.left(position):
            return None
        intent = Intent(profile, decision, spent + sum(worst.values()), worst, position, completes=True)
        risk.limits(intent)
        risk.market(intent, live)
        purchases = [
            Purchase(leg.market_id, Side(leg.side), got.count, worst[leg.market_id, leg.side])
            for leg, got in bought
            if got.count
        ]
        found = Rescue(tuple((leg, got.count, got.worst_price) for leg, got in bought if got.count), result, instead)
        prices = [(leg, price) for leg, _, price in found.purchases]
        if tried.on_these_books(position, prices, inflight.orders_of(position)):
            return None
        ledger.reserve_up_to(position, collateral.funds_to_complete(position, purchases))
    except Denied:
        return None
    return found


def sure_result(position: Position, legs: list[Leg]) -> int | None:
    """What the position earns at least if all of what it holds is kept: in an exclusive event any legs of NO but one pay. None where
    that is no certain gain, by the states that the position was opened on and the best grade that they still allow."""
    held = selectors.held_of(position, legs)
    return None if held.grade is Grade.CONDITIONAL else held.floor - held.cost


def least_result(position: Position, legs: list[Leg]) -> int | None:
    """What the position earns at least if all of what it holds is kept, negative: what it loses at most. None where its states say nothing
    for sure."""
    held = selectors.held_of(position, legs)
    return None if held.unknown or selectors.best_grade(position) is Grade.CONDITIONAL else held.floor - held.cost


def unwind_result(live: LiveBooks, position: Position, legs: list[Leg]) -> int:
    """What the position would earn if all that its whole baskets do not need were sold at the bids of now and the whole
    baskets kept. Contracts without a bid count as lost."""
    count, target = baskets.matched(legs, position.target_count), position.target_count
    total = position.decision.floor * count // position.decision.count
    for leg in legs:
        extra = baskets.excess(leg, count, target)
        sold = walk.sell(live.bids(leg.market_id, leg.side), extra, 1, live.fee(leg.market_id))
        total += sold.proceeds - leg.open_cost
    return total


def unwind_loss(live: LiveBooks, position: Position, legs: list[Leg]) -> int:
    """What selling all that the whole baskets do not need would lose at the bids of now; contracts without a bid count as lost. Nothing
    where no sale is needed, because what is held earns something for certain."""
    if sure_result(position, legs) is not None:
        return 0
    count, loss = baskets.matched(legs, position.target_count), 0
    for leg in legs:
        extra = baskets.excess(leg, count, position.target_count)
        if extra:
            sold = walk.sell(live.bids(leg.market_id, leg.side), extra, 1, live.fee(leg.market_id))
            loss += booking.cost_share(leg, extra)[0] - sold.proceeds
    return loss


def _buy(live: LiveBooks, leg: Leg, count: int) -> Walked:
    return walk.buy(live.asks(leg.market_id, leg.side), count, 9_900, live.fee(leg.market_id))
