"""Amending a resting order: price, total count or expiry. docs/kalshi-protocol.md 9.4."""

from __future__ import annotations

from simulator.accounts.records import Fill, Order
from simulator.core import ExchangeCore
from simulator.errors import ApiError
from simulator.listing.model import Market

from .engine import execute
from .order_requests import NewOrder
from .orders import Placed, check_funds, schedule_expiry
from .resting import decrease_order


def amend(
    exchange: ExchangeCore, order: Order, new: NewOrder, total: int, expiration_s: int | None, updated_id: str
) -> tuple[Placed, bool]:
    """Change price, total count or expiry. Only an expiry or a smaller size keeps the queue position. A refusal changes nothing.

    Returns the result and whether anything of size or fills changed (only then the answer carries counts).
    """
    market, now = exchange.markets[order.ticker], exchange.now()
    _check_amend(exchange, order, new, expiration_s, updated_id)
    remaining = total - order.filled
    if remaining <= 0:
        raise ApiError(400, "invalid_order_size", "invalid order size", "count must be above what is already filled")
    in_place = new.price == order.price and remaining <= order.remaining
    if not in_place:
        _check_requeue(exchange, market, order, new, remaining)
    if updated_id:  # from here on nothing refuses
        exchange.ledger.spend_id(updated_id)
        order.client_order_id = updated_id
    if expiration_s is not None:
        order.expiration_s = expiration_s
        if expiration_s:
            schedule_expiry(exchange, order)
    order.reason = "Amend"
    changed = remaining != order.remaining
    if in_place:
        order.initial = total
        if changed:
            decrease_order(exchange, order, order.remaining - remaining, "Amend")
        else:
            order.updated_ms = now
            exchange.ledger.changed_order(order)
            exchange.feed.order(order)
        return Placed(order, [], now), changed
    fills = _requeue(exchange, market, order, new.price, remaining, total)
    return Placed(order, fills, now), changed or bool(fills)


def _check_amend(
    exchange: ExchangeCore, order: Order, new: NewOrder, expiration_s: int | None, updated_id: str
) -> None:
    market, now = exchange.markets[order.ticker], exchange.now()
    if new.ticker != order.ticker:
        raise ApiError(400, "order_ticker_mismatch", "order ticker mismatch")
    if new.side != order.book_side:
        raise ApiError(400, "order_side_mismatch", "order side mismatch")
    if new.client_order_id and new.client_order_id != order.client_order_id:
        raise ApiError(400, "order_id_and_client_order_id_mismatch", "order id and client order id do not match")
    if updated_id and updated_id in exchange.ledger.spent_ids:
        raise ApiError(409, "order_already_exists", "order already exists")
    if not market.valid_price(new.price):
        raise ApiError(400, "invalid_price", "invalid price", "price is not on the market's grid")
    if expiration_s and expiration_s * 1000 <= now:
        raise ApiError(400, "invalid_order", "invalid order", "expiration_time has passed")
    exchange.state.check_trade(market, now, exchange.config.market_inactive_status)


def _check_requeue(exchange: ExchangeCore, market: Market, order: Order, new: NewOrder, remaining: int) -> None:
    """Whether the order may leave its place: it may not cross if it is post-only, and the cash has to be there."""
    new.subaccount = order.subaccount
    if order.post_only and exchange.books[market.ticker].crosses(order.book_side, new.price):
        raise ApiError(400, "invalid_order", "invalid order", "post only cross")
    check_funds(exchange, market, new, remaining, old=order)


def _requeue(
    exchange: ExchangeCore, market: Market, order: Order, price: int, remaining: int, total: int
) -> list[Fill]:
    """Take the order out and place it again at the end of the queue."""
    exchange.books[market.ticker].remove(order)
    order.price, order.remaining, order.initial, order.updated_ms = price, remaining, total, exchange.now()
    return execute(exchange, market, order, rest=True)
