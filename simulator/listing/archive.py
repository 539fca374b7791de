"""What has left the live listings for the historical ones (docs/kalshi-protocol.md 5), by which cutoff."""

from __future__ import annotations

from simulator.accounts.records import RESTING, Fill, Order, Position, Settlement
from simulator.core import ExchangeCore

from .model import FINALIZED, Market


def market_cutoff(exchange: ExchangeCore) -> int:
    """Markets settled before this instant (ms) are historical."""
    return exchange.now() - exchange.config.markets_historical_ms


def account_cutoff(exchange: ExchangeCore) -> int:
    """Fills, ended orders, settled positions, settlements and trades before this instant (ms) are historical."""
    return exchange.now() - exchange.config.account_historical_ms


def is_old_market(exchange: ExchangeCore, market: Market) -> bool:
    settled = market.settled_ms
    return market.status == FINALIZED and settled is not None and settled < market_cutoff(exchange)


def is_old_order(exchange: ExchangeCore, order: Order) -> bool:
    return order.status != RESTING and order.updated_ms < account_cutoff(exchange)


def is_old_fill(exchange: ExchangeCore, fill: Fill) -> bool:
    return fill.created_ms < account_cutoff(exchange)


def is_old_position(exchange: ExchangeCore, position: Position) -> bool:
    return position.settled and position.updated_ms < account_cutoff(exchange)


def is_old_settlement(exchange: ExchangeCore, settlement: Settlement) -> bool:
    return settlement.settled_ms < account_cutoff(exchange)
