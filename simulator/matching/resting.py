"""Resting orders of the account: what they reserve, and how they shrink or leave the book."""

from __future__ import annotations

from simulator.accounts.records import CANCELED, Order
from simulator.core import ExchangeCore
from simulator.listing.model import Market


def cancel_order(exchange: ExchangeCore, order: Order, reason: str) -> int:
    """Take a resting order off the book; returns its remaining count."""
    remaining = exchange.books[order.ticker].remove(order)
    order.status, order.remaining, order.reason, order.updated_ms = CANCELED, 0, reason, exchange.now()
    _changed(exchange, order)
    return remaining


def decrease_order(exchange: ExchangeCore, order: Order, by: int, reason: str) -> None:
    """Shrink a resting order in place; it keeps its queue position."""
    exchange.books[order.ticker].reduce(order, by)
    order.reason, order.updated_ms = reason, exchange.now()
    _changed(exchange, order)


def _changed(exchange: ExchangeCore, order: Order) -> None:
    exchange.ledger.changed_order(order)
    reserve(exchange, order.subaccount, exchange.markets[order.ticker])
    exchange.feed.order(order)


def reserve(exchange: ExchangeCore, subaccount: int, market: Market) -> None:
    """Recompute the cash that the resting orders of a subaccount in a market reserve."""
    exchange.ledger.reserve(
        subaccount,
        market.ticker,
        market.shard,
        exchange.terms(market),
        exchange.config.fee_grid,
        exchange.config.reserve_fee_for_resting,
    )


def enforce_margin(exchange: ExchangeCore, subaccount: int, market: Market) -> None:
    """Recompute reservations after a trade; the newest resting orders are cancelled while cash does not cover them."""
    reserve(exchange, subaccount, market)
    ledger, account = exchange.ledger, (subaccount, market.shard)
    while ledger.available(account) < 0:
        resting = [
            o for o in ledger.all_open() if (o.subaccount, o.shard) == account and exchange.books[o.ticker].resting(o)
        ]
        if not resting or ledger.reserved.get(account, 0) <= 0:
            return
        cancel_order(exchange, max(resting, key=lambda o: (o.created_ms, o.order_id)), "MarginCancel")
