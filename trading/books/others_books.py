"""The books of a quoted basket as others make them: without the bids of the account itself.

Bids of ours are nobody's to be outbid, whichever profile and subaccount they are of: two quotes of ours that took each other for
strangers would bid each other up to all that their baskets can carry. And behind a bid of ours for the other side nobody's offer is within
reach: the exchange stops an order that would trade with its own account.

Prices 1/10,000 dollar, counts 1/100 contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, Final

from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.book import Depth, Level, Side
from markets.selectors import price_bands
from strategies.dutch.basket import LegMarket
from strategies.models import Mode
from strategies.profiles.sharing import beside, shares
from trading.books.live_books import LiveBooks
from trading.models import ForeignOrder, Leg, Order, OrderStatus, Position

SHOWN_FOR: Final = timedelta(seconds=2)
"""So long after it ended a book may still show an order: books may be as old as that."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What else the account bids in a position's markets: ``orders`` of other positions, and by (ticker, side) the highest bid that a
    person rests."""

    orders: tuple[Order, ...] = ()
    persons: Mapping[tuple[str, str], int] = field(default_factory=dict)


def markets_of(
    position: Position, legs: Sequence[Leg], orders: Iterable[Order], live: LiveBooks, others: Beside | None = None
) -> list[LegMarket]:
    """The legs' markets with the bids and asks of others; ``orders``: the position's own; ``others``: what else is bid, where it has been
    read. Orders on paper are in no book, so there is nothing to leave out, and only what another one of the account bids stands in the
    way."""
    if not shares(position.profile):
        return [
            LegMarket(leg.market_id, live.depth(leg.market_id), live.fee(leg.market_id), price_bands(leg.market))
            for leg in legs
        ]
    others = others or reading(position).now()
    own = [*filter(_is_shown, orders), *others.orders]
    return [
        LegMarket(
            leg.market_id,
            _of_others(leg, own, others.persons, live, in_books=position.mode == Mode.LIVE),
            live.fee(leg.market_id),
            price_bands(leg.market),
        )
        for leg in legs
    ]


def left_of(order: Order) -> int:
    """What of a resting order has not filled."""
    return max(0, order.size - max(order.filled_count, order.reported_fill_count or 0))


def _is_shown(order: Order) -> bool:
    if order.status == OrderStatus.RESTING or order.purpose != Order.Purpose.QUOTE:
        return order.status == OrderStatus.RESTING and order.action == Order.Action.BUY
    return order.ended_at is not None and clock.now() - order.ended_at < SHOWN_FOR


def reading(position: Position) -> Fetch[Beside]:
    """What else is bid in the position's markets by its account, to be read with other things: nothing where nobody shares it."""
    if not shares(position.profile):
        return Fetch((), lambda rows: Beside())
    own = {"position": position.pk, "since": clock.now() - SHOWN_FOR}
    return Fetch(((_of_positions(position.mode), own), (_OF_PERSONS, {"position": position.pk})), _beside)


def _beside(rows: Sequence[list[Any]]) -> Beside:
    orders, of_persons = rows
    persons: dict[tuple[str, str], int] = {}
    for ticker, side, price in of_persons:
        persons[ticker, side] = max(price, persons.get((ticker, side), 0))
    return Beside(tuple(orders), persons)


@cache
def _of_positions(mode: str) -> Prepared[Order]:
    """Bids of other positions in a position's markets, of every profile and subaccount of the account."""

    def build() -> QuerySet[Order]:
        lately = Q(ended_at__gt=Param("since", DateTimeField()), purpose=Order.Purpose.QUOTE)
        bids = Order.objects.filter(Q(status=OrderStatus.RESTING) | lately, **beside(mode), action=Order.Action.BUY)
        return bids.filter(leg__market__in=_markets()).exclude(position=_POSITION).select_related("leg").order_by()

    return Prepared(build)


def _markets() -> QuerySet[Leg, Any]:
    return Leg.objects.filter(position=_POSITION).order_by().values("market")


_POSITION: Final = Param("position", BigIntegerField())
_OF_PERSONS: Final = PreparedColumns(
    lambda: (
        ForeignOrder.objects.filter(is_resting=True, ticker__in=_markets())
        .order_by()
        .values_list("ticker", "side", "price")
    )
)


def _of_others(
    leg: Leg, own: Sequence[Order], persons: Mapping[tuple[str, str], int], live: LiveBooks, *, in_books: bool = True
) -> Depth:
    """The book of a leg: bids of its side less ours, where they are ``in_books``, and those of the other side that are better than each
    of ours."""
    side, depth = Side(leg.side), live.depth(leg.market_id)
    bids = dict(depth.bids(side))
    ours = [order for order in own if order.leg.market_id == leg.market_id]
    for order in ours:
        shown, left = bids.get(order.price, 0), left_of(order)
        if in_books and order.side == side and (order.status == OrderStatus.RESTING or shown >= left):
            bids[order.price] = max(0, shown - left)
    behind = max(
        (order.price for order in ours if order.side != side and order.status == OrderStatus.RESTING),
        default=0,
    )
    behind = max(behind, persons.get((leg.market_id, side.other.value), 0))
    others = tuple(level for level in depth.bids(side.other) if level[0] > behind)
    rest: tuple[Level, ...] = tuple(bids.items())
    return Depth.of(rest, others) if side is Side.YES else Depth.of(others, rest)
