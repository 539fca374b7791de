"""Going back from an unwind to completing, where the rest of the basket can be bought after all."""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet

from strategies.models import Profile
from trading.books import live_books
from trading.denials import Refusal
from trading.execution.orders import finality, inflight, tried
from trading.execution.phases import buy, opening, passing, rescue
from trading.execution.sizing import baskets, recheck
from trading.leases import Lease
from trading.models import Leg, Order, OrderStatus, Position, PositionEvent, PositionStatus

BOOKS: Final = "books"


def times(position: Position) -> QuerySet[PositionEvent]:
    """The times that an unwind went back to completing: for what the books offered then, so that an order which waits for a better price
    would leave the legs unequal for nothing."""
    return position.events.filter(from_status=PositionStatus.UNWINDING, to_status=PositionStatus.COMPLETING)


def resumed(position: Position, lease: Lease, legs: list[Leg]) -> bool:
    """Go back from an unwind to completing where that can be done now, once on each version of the books. Whether it was done."""
    if not can_resume(position, legs):
        return False
    shown, again = live_books.versions(position.event), times(position).order_by("-id").first()
    if again is not None and again.data.get(BOOKS) == shown:
        return False
    count = baskets.matched(legs, position.target_count)
    return opening.to_completing(position, lease, count, "the basket can be completed after all", {BOOKS: shown})


def can_resume(position: Position, legs: list[Leg]) -> bool:
    """Whether an unwind should go back to completing: the books offer the rest within the limits, or for less than the sale
    loses. Once an order of ours has sold something only the second counts, so that nothing is bought back unless the whole is better for
    it. Not on the book that a purchase has been tried on already."""
    if position.legs.filter(market__status="active").count() < len(legs) or buy.blocked(position, completes=True):
        return False
    orders = inflight.orders_of(position)
    last = next((order for order in reversed(orders) if order.action == Order.Action.BUY), None)
    if last is not None and last.status == OrderStatus.REJECTED and passing.of_order(last) is None:
        return False
    lacking = baskets.lacking(legs, position.target_count)
    if finality.open_sales(position) or finality.unsettled(position, lacking, orders) is not None:
        return False
    is_sold = any(order.action == Order.Action.SELL and order.filled_count for order in orders)
    if not is_sold and not tried.at_limits(position, lacking, orders) and _fits_its_limits(position, legs, orders):
        return True
    return not holds_orphans(position) and rescue.find(position, legs) is not None


def _fits_its_limits(position: Position, legs: list[Leg], orders: list[Order]) -> bool:
    found = recheck.achievable(position, legs, orders, baskets.most(legs, position.target_count))
    return not isinstance(found, Refusal) and found > baskets.matched(legs, position.target_count)


def holds_orphans(position: Position) -> bool:
    """Whether what is alone of a quoted basket is held rather than completed at a loss."""
    return bool(position.quoting) and position.profile.orphans == Profile.Orphans.HOLD
