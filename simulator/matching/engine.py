"""The matching engine: price-time priority at the resting order's price, with both kinds of self-trade prevention."""

from __future__ import annotations

from simulator.accounts import collateral
from simulator.accounts.records import CANCELED, EXECUTED, RESTING, Fill, Order
from simulator.core import ExchangeCore
from simulator.listing.model import Market
from simulator.units import ONE

from . import groups
from .book import BID, MarketMakerOrder, Resting
from .resting import cancel_order, enforce_margin


def execute(exchange: ExchangeCore, market: Market, order: Order, rest: bool) -> list[Fill]:
    """Match an order of the account, then rest or cancel what is left; reservations and channels follow."""
    fills = match(exchange, market, order)
    self_crossed = order.remaining > 0 and exchange.books[market.ticker].crosses(order.book_side, order.price)
    if self_crossed:
        order.reason = "SelfTradeCancel"
    _finish(exchange, market, order, rest and not self_crossed)
    enforce_margin(exchange, order.subaccount, market)
    exchange.feed.order(order)
    if fills:
        _note_group_fill(exchange, order, sum(fill.count for fill in fills))
    _count_group_fills(exchange)
    return fills


def execute_market_maker(
    exchange: ExchangeCore, market: Market, side: str, price: int, count: int, rest: bool, tag: str = ""
) -> None:
    """A market maker's order: takes what it crosses, then rests or is dropped."""
    order = exchange.market_maker_order(side, price, count, tag)
    book = exchange.books[market.ticker]
    if book.crosses(side, price):
        match(exchange, market, order)
        _count_group_fills(exchange)
    if rest and order.remaining > 0:
        book.add(order)


def match(exchange: ExchangeCore, market: Market, taker: Order | MarketMakerOrder) -> list[Fill]:
    """Fill ``taker`` against the book as far as price and self-trade prevention allow; returns the taker's own fills.

    Makers are served by price, then time, at their price. An own order in the way stops a ``taker_at_cross`` order
    (what is left of it is cancelled by the caller) and is cancelled for a ``maker`` order, which goes on.
    """
    fills: list[Fill] = []
    book = exchange.books[market.ticker]
    if taker.remaining <= 0:  # a reduce-only order of which nothing is held
        return fills
    for level in book.crossing(taker.book_side, taker.price):
        for maker in list(level.orders.values()):
            if maker.remaining <= 0:  # cancelled meanwhile
                continue
            if isinstance(taker, Order) and isinstance(maker, Order) and _same_trader(exchange, taker, maker):
                if taker.stp == "taker_at_cross":
                    return fills
                cancel_order(exchange, maker, "SelfTradeCancel")
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


def _same_trader(exchange: ExchangeCore, taker: Order, maker: Order) -> bool:
    return exchange.config.stp_across_subaccounts or taker.subaccount == maker.subaccount


def _trade(
    exchange: ExchangeCore, market: Market, taker: Order | MarketMakerOrder, maker: Resting, count: int
) -> Fill | None:
    price = maker.price
    trade_id = exchange.streams.new_id("trade")
    market.last_price, market.last_trade_size = price, count
    market.volume += count
    market.volume_24h += count
    market.open_interest += count // 2
    market.dollar_volume += count * (price if taker.book_side == BID else ONE - price)
    row = {"trade_id": trade_id, "ticker": market.ticker, "price": price, "count": count}
    row |= {"taker_side": taker.book_side, "ms": exchange.now()}
    exchange.trades.append(row)
    exchange.new_trades.append(row)
    exchange.candles.trade(market.ticker, price, count, exchange.now())
    exchange.moved.add(market.ticker)
    exchange.feed.trade(market, trade_id, price, count, taker.book_side)
    taken = _book_fill(exchange, market, taker, price, count, True, trade_id) if isinstance(taker, Order) else None
    if isinstance(maker, Order):
        if maker.remaining <= 0:
            maker.status = EXECUTED
        _book_fill(exchange, market, maker, price, count, False, trade_id)
        exchange.ledger.changed_order(maker)
        exchange.feed.order(maker)
        _note_group_fill(exchange, maker, count)
    return taken


def _book_fill(
    exchange: ExchangeCore, market: Market, order: Order, price: int, count: int, taker: bool, trade_id: str
) -> Fill:
    """Account for the account's side of a trade and publish it on the private channels."""
    config = exchange.config
    before = exchange.ledger.position(order.subaccount, market.ticker)
    fill = exchange.ledger.apply_fill(
        order,
        price,
        count,
        taker=taker,
        terms=exchange.terms(market),
        grid=config.fee_grid,
        rebate_at_step=config.rebate_at_step,
        trade_id=trade_id,
        now_ms=exchange.now(),
    )
    exchange.market_maker_cash -= fill.cash + fill.fee
    exchange.fees_collected += fill.fee
    collateral.moved(
        exchange, order.subaccount, market, before, exchange.ledger.position(order.subaccount, market.ticker)
    )
    exchange.feed.fill(fill)
    exchange.feed.position(exchange.ledger.positions[order.subaccount, order.ticker])
    if not taker:
        enforce_margin(exchange, order.subaccount, market)
    return fill


def _finish(exchange: ExchangeCore, market: Market, order: Order, rest: bool) -> None:
    """After matching: execute, rest or cancel what remains."""
    if order.remaining <= 0 and order.filled:
        order.status = EXECUTED
    elif rest and order.remaining > 0:
        order.status = RESTING
        exchange.books[market.ticker].add(order)
    else:
        order.status, order.remaining = CANCELED, 0
    exchange.ledger.changed_order(order)


def _note_group_fill(exchange: ExchangeCore, order: Order, count: int) -> None:
    """A group may be triggered only after the matching is over."""
    if order.group_id:
        exchange.group_fills.append((order.group_id, count))


def _count_group_fills(exchange: ExchangeCore) -> None:
    fills, exchange.group_fills = exchange.group_fills, []
    for group_id, count in fills:
        groups.count_fill(exchange, group_id, count)
