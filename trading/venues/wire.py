"""Our rows as the exchange's orders, and its executions as reports on them."""

from __future__ import annotations

from typing import Final

from kalbot.common.units import DOLLAR_PRICE, Count, Price, complement
from markets.kalshi.grid import round_down, round_up
from markets.kalshi.order_entry import Buy, CreateOrder, Sell
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.kalshi.vocabulary import Side, TimeInForce
from markets.selectors import price_bands
from trading.accounting.fill_reports import FillReport
from trading.models import Order

SMALLEST: Final = Count(1)
"""0.01 contract: what an order that only spends an id may trade at most, should somebody sell at the lowest price of the grid."""


def to_wire(order: Order) -> CreateOrder:
    """The exchange's order of our row. A sale is a ``Sell``, which no code path can encode as a purchase."""
    kind = Sell if order.action == Order.Action.SELL else Buy
    return _built(kind, order, Price(order.price), TimeInForce(order.time_in_force))


def harmless(order: Order) -> CreateOrder | None:
    """An order that spends the same id and can trade next to nothing: 0.01 contract at the end of the market's grid. None where the
    grid is not known."""
    bands = price_bands(order.leg.market)
    is_ask = (order.action == Order.Action.SELL) == (order.side == Side.YES)
    yes_price = round_down(DOLLAR_PRICE - 1, bands) if is_ask else round_up(1, bands)
    if yes_price is None:
        return None
    price = yes_price if order.side == Side.YES else complement(yes_price)
    kind = Sell if order.action == Order.Action.SELL else Buy
    return _built(kind, order, price, TimeInForce.IOC, SMALLEST)


def _built(
    kind: type[CreateOrder], order: Order, price: Price, tif: TimeInForce, count: Count | None = None
) -> CreateOrder:
    expires = order.expires_at if tif is TimeInForce.GTC else None
    is_quote = order.purpose == Order.Purpose.QUOTE and tif is TimeInForce.GTC
    return kind(
        ticker=order.leg.market_id,
        side=Side(order.side),
        price=price,
        count=count or Count(order.count),
        client_order_id=str(order.pk),
        exchange_index=order.exchange_index,
        time_in_force=tif,
        expiration_ts=int(expires.timestamp()) if expires else None,
        subaccount=order.subaccount,
        post_only=is_quote,
        cancel_on_pause=is_quote,
        order_group_id=(order.order_group or None) if is_quote else None,
    )


def report_of(fill: ListedFill, side: str) -> FillReport:
    """A listed execution with its price in our order's own side, whichever way the exchange words it."""
    price = fill.yes_price if side == "yes" else complement(fill.yes_price)
    at_ms = int(fill.created.timestamp() * 1000) if fill.created else 0
    moves = fill.ticker, fill.outcome_side.value
    return FillReport(fill.fill_id, price, fill.count, fill.fee, fill.is_taker, at_ms, moves)


def contradiction(order: Order, ticker: str, towards: Side, client_order_id: str | None = None) -> str:
    """Why what the exchange says of an order of ours cannot be of it: another market, direction or client id (None: it does not say).
    Empty where it can."""
    if client_order_id is not None and client_order_id != str(order.pk):
        return f"order {order.pk} is shown as one with the client id {client_order_id!r}"
    moves = ticker, towards.value
    return "" if moves == order.moves else f"order {order.pk} of {order.moves} is shown as one of {moves}"
