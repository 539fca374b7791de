"""Price-time matching at the resting order's price, with both ways of preventing a trade with oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.accounts.records import CANCELED, EXECUTED, RESTING, Fill, Order

from ..units import ONE
from .book import BID, HouseOrder

if TYPE_CHECKING:
    from simulator.listing.model import Market

    from ..exchange import Exchange


def match(exchange: Exchange, market: Market, taker: Order | HouseOrder) -> list[Fill]:
    """Fill ``taker`` against the book as far as price and self-trade prevention allow; returns the taker's own fills.

    Makers are served by price, then time, at their price. An own order in the way stops a ``taker_at_cross`` order
    (what is left of it is cancelled by the caller) and is cancelled for a ``maker`` order, which goes on.
    """
    fills: list[Fill] = []
    book = exchange.books[market.ticker]
    own = isinstance(taker, Order)
    for level in book.crossing(taker.book_side, taker.price):
        for maker in list(level.orders.values()):
            if maker.remaining <= 0:  # cancelled meanwhile
                continue
            if own and isinstance(maker, Order) and exchange.same_trader(taker, maker):  # type: ignore[arg-type]
                if taker.stp == "taker_at_cross":  # type: ignore[union-attr]
                    return fills
                exchange.cancel_order(maker, "SelfTradeCancel")
                continue
            count = min(taker.remaining, maker.remaining)
            taker.remaining -= count
            book.reduce(maker, count)
            fill = _trade(exchange, market, taker, maker, count)
            if fill is not None:
                fills.append(fill)
            if taker.remaining <= 0:
                return fills
    return fills


def _trade(exchange: Exchange, market: Market, taker: Order | HouseOrder, maker: object, count: int) -> Fill | None:
    price: int = maker.price  # type: ignore[attr-defined]
    trade_id = exchange.streams.new_id("trade")
    market.last_price, market.last_trade_size = price, count
    market.volume += count
    market.volume_24h += count
    market.open_interest += count // 2
    market.dollar_volume += count * (price if taker.book_side == BID else ONE - price)
    row = {"trade_id": trade_id, "ticker": market.ticker, "price": price, "count": count}
    exchange.trades.append(row | {"taker_side": taker.book_side, "ms": exchange.now()})
    exchange.moved.add(market.ticker)
    exchange.hub.trade(market, trade_id, price, count, taker.book_side)
    taken = exchange.book_fill(market, taker, price, count, True, trade_id) if isinstance(taker, Order) else None
    if isinstance(maker, Order):
        if maker.remaining <= 0:
            maker.status = EXECUTED
        exchange.book_fill(market, maker, price, count, False, trade_id)
        exchange.ledger.changed_order(maker)
        exchange.order_updated(maker)
        exchange.group_traded(maker, count)
    return taken


def finish(exchange: Exchange, market: Market, order: Order, rest: bool) -> None:
    """After matching: execute, rest or cancel what remains of an own order."""
    if order.remaining <= 0:
        order.status = EXECUTED
    elif rest:
        order.status = RESTING
        exchange.books[market.ticker].add(order)
    else:
        order.status, order.remaining = CANCELED, 0
    exchange.ledger.changed_order(order)
