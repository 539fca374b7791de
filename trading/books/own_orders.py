"""What the live accounts themselves rest in the markets: ours on every subaccount, and what people placed there by hand.

By its specification the exchange stops an order "when it would trade against another order from the same user"; whether another
subaccount is another user is not documented. Both readings are bad (an order of ours that is stopped halfway, or a trade with
ourselves), so whatever rests on any subaccount counts. An order that is stored and may still come to rest counts as one that rests.

Prices 1/10,000 dollar of the side that is bid for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from django.db.models import BigIntegerField, CharField, F, OuterRef, QuerySet, Subquery

from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.book import Side
from strategies.profiles.sharing import beside, shares
from trading.denials import DenialCode, Refusal
from trading.models import ForeignOrder, Leg, Order, OrderStatus, Position, PositionStatus

Bids = Mapping[tuple[str, Side], int]
"""(ticker, side) -> the highest bid of our own."""
RESTS: Final = (OrderStatus.NEW, OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING)
SELLS: Final = (PositionStatus.EXITING, PositionStatus.UNWINDING)
BUYS: Final = (PositionStatus.EXECUTING, PositionStatus.COMPLETING, PositionStatus.UNWINDING)
"""What is at work with orders that take: an unwind may complete after all."""


def bids(tickers: Collection[str], mode: str) -> dict[tuple[str, Side], int]:
    """The highest bids of our own in these markets, of every profile of a mode that shares, whatever its subaccount."""
    return fetching(tickers, mode).now()


def fetching(tickers: Collection[str], mode: str) -> Fetch[dict[tuple[str, Side], int]]:
    """``bids``, to be read with other things."""
    wanted = {"tickers": tickers}
    return Fetch(((_of_mode(mode), wanted), (_PERSONS, wanted)), _highest)


def _highest(rows: Sequence[list[Any]]) -> dict[tuple[str, Side], int]:
    found: dict[tuple[str, Side], int] = {}
    for ticker, side, price in (row for of_query in rows for row in of_query):
        found[ticker, Side(side)] = max(price, found.get((ticker, Side(side)), 0))
    return found


def columns(mode: str) -> dict[str, Any]:
    """The same as columns of a query of markets, for ``of_rows``."""
    found: dict[str, Any] = {}
    for side in Side:
        ours = _ours(mode).filter(leg__market_id=OuterRef("pk"), side=side.value)
        persons = _of_persons().filter(ticker=OuterRef("pk"), side=side.value)
        for name, rows in (("ours", ours), ("persons", persons)):
            found[_column(name, side)] = Subquery(rows.order_by("-price").values("price")[:1])
    return found


def of_rows(markets: Sequence[Any]) -> dict[tuple[str, Side], int]:
    """Our own bids by rows with the annotations; none where they were read without."""
    found: dict[tuple[str, Side], int] = {}
    for market in markets:
        for side in Side:
            price = max(getattr(market, _column(name, side), None) or 0 for name in ("ours", "persons"))
            if price:
                found[market.ticker, side] = price
    return found


class AtWork(NamedTuple):
    """A leg of another position that sells or buys now. ``held``: what of it is not sold or settled."""

    leg: int
    position: int
    ticker: str
    side: str
    status: str
    held: int


def stopped_by(legs: Sequence[Leg], at_work: Sequence[AtWork]) -> Refusal | None:
    """Why bids for ``legs`` may not rest: another live position sells, or buys the other side, in one of the markets now. What takes risk
    away, or is under way, comes before a quote."""
    bids = {(leg.market_id, leg.side) for leg in legs}
    for one in at_work:
        sells = (one.ticker, one.side) in bids and one.status in SELLS and one.held > 0
        buys = (one.ticker, Side(one.side).other.value) in bids and one.status in BUYS
        if sells or buys:
            return Refusal(DenialCode.OWN_ORDER, f"position #{one.position} is at work in {one.ticker}")
    return None


def reading_work(position: Position) -> Fetch[list[AtWork]]:
    """What ``stopped_by`` goes by, to be read with other things: nothing where nobody else trades on the account."""
    if not shares(position.profile):
        return Fetch((), lambda rows: [])
    return Fetch(
        ((_at_work(position.mode), {"position": position.pk}),), lambda rows: [AtWork(*row) for row in rows[0]]
    )


@cache
def _at_work(mode: str) -> PreparedColumns:
    """Legs, in the markets of a position, of others that sell or buy now."""

    def build() -> QuerySet[Leg, Any]:
        itself = Param("position", BigIntegerField())
        here = Leg.objects.filter(position=itself).order_by().values("market")
        busy = {"position__status__in": sorted({*SELLS, *BUYS}), "market__in": here}
        left = F("bought_count") - F("sold_count") - F("settled_count")
        others = Leg.objects.filter(**beside(mode, "position__"), **busy).exclude(position=itself)
        columns = ("pk", "position_id", "market_id", "side", "position__status", "left")
        return others.annotate(left=left).order_by("pk").values_list(*columns)

    return PreparedColumns(build)


def _ours(mode: str) -> QuerySet[Order]:
    """Purchases of ours that rest or may come to rest. Sales never do."""
    waits = {**beside(mode), "action": Order.Action.BUY, "time_in_force": "good_till_canceled"}
    return Order.objects.filter(status__in=RESTS, **waits)


def _of_persons() -> QuerySet[ForeignOrder]:
    return ForeignOrder.objects.filter(is_resting=True)


@cache
def _of_mode(mode: str) -> PreparedColumns:
    """Ours of one mode, by markets."""
    return PreparedColumns(
        lambda: _ours(mode).filter(leg__market__in=_TICKERS).values_list("leg__market_id", "side", "price")
    )


_TICKERS = Among("tickers", CharField())
_PERSONS: Final = PreparedColumns(
    lambda: _of_persons().filter(ticker__in=_TICKERS).values_list("ticker", "side", "price")
)


def _column(name: str, side: Side) -> str:
    return f"{name}_bid_{side.value}"
