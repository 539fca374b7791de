"""What recurs: Thursday's maintenance and the rebalancing between shards (docs/kalshi-protocol.md 14.1 and 6)."""

from __future__ import annotations

import json

from simulator.accounts import transfers
from simulator.core import ExchangeCore

from . import lifecycle
from .status import next_weekly_window

REBALANCE_MS = 10_000


def start(exchange: ExchangeCore) -> None:
    """Set the timers of both."""
    exchange.state.weekly = exchange.config.weekly_maintenance
    if exchange.config.weekly_maintenance:
        _await_window(exchange)
    exchange.timers.at(exchange.now() + REBALANCE_MS, lambda: _rebalance(exchange))


def _await_window(exchange: ExchangeCore) -> None:
    opens, ends = next_weekly_window(exchange.now())
    if opens.timestamp() * 1000 > exchange.now():
        exchange.timers.at(round(opens.timestamp() * 1000), lambda: begin(exchange))
    exchange.timers.at(round(ends.timestamp() * 1000) + 1, lambda: _await_window(exchange))


def begin(exchange: ExchangeCore) -> None:
    """Orders with ``cancel_on_pause`` are cancelled and every connection is dropped; trading is paused by the clock."""
    lifecycle.cancel_on_pause(exchange, lambda order: True)
    exchange.feed.disconnect(1001)


def _rebalance(exchange: ExchangeCore) -> None:
    exchange.timers.at(exchange.now() + REBALANCE_MS, lambda: _rebalance(exchange))
    wanted = json.loads(exchange.ledger.options.get("allocation", "{}")).get("percents")
    if wanted:
        transfers.allocate(exchange, {int(shard): percent for shard, percent in wanted.items()})
