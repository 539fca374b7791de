"""The exact state of the exchange, for checks of invariants: amounts as integers, nothing rounded, nothing late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec

from simulator.exchange import Exchange


def internal_state(exchange: Exchange, sections: set[str]) -> dict[str, Any]:
    """Accounts, positions, orders, fills, settlements, transfers, edges, outcomes; books if named.

    ``cash_total`` + ``pending`` + ``market_maker_cash`` + ``fees_collected`` equals ``deposits``: no money appears or vanishes.
    """
    ledger = exchange.ledger
    cash = sum(ledger.cash.values())
    pending = sum(t.amount for t in ledger.transfers.values() if t.status == "pending")
    found: dict[str, Any] = {
        "now_ms": exchange.now(),
        "seed": exchange.streams.seed,
        "user_id": exchange.user_id,
        "cash": [
            {
                "subaccount": sub,
                "exchange_index": shard,
                "cash": amount,
                "reserved": ledger.reserved.get((sub, shard), 0),
            }
            for (sub, shard), amount in sorted(ledger.cash.items())
        ],
        "cash_total": cash,
        "pending": pending,
        "market_maker_cash": exchange.market_maker_cash,
        "fees_collected": exchange.fees_collected,
        "deposits": exchange.deposits,
        "balanced": cash + pending + exchange.market_maker_cash + exchange.fees_collected == exchange.deposits,
        "counts": {
            "events": len(exchange.events),
            "markets": len(exchange.markets),
            "orders": len(ledger.orders),
            "fills": len(ledger.fills),
            "frames_sent": exchange.hub.frames_sent,
            "sessions": len(exchange.hub.sessions),
        },
        "faults_fired": exchange.faults.fired,
        "edges": [asdict(edge) for edge in exchange.edge_log],
        "turned": list(exchange.turned),
        "fair": {ticker: flow.fair for ticker, flow in exchange.order_flows.items()},
    }
    whole: dict[str, Callable[[], Any]] = {
        "positions": lambda: msgspec.to_builtins(list(ledger.positions.values())),
        "orders": lambda: msgspec.to_builtins(list(ledger.orders.values())),
        "fills": lambda: msgspec.to_builtins(ledger.fills),
        "settlements": lambda: msgspec.to_builtins(ledger.settlements),
        "transfers": lambda: msgspec.to_builtins(list(ledger.transfers.values())),
        "outcomes": lambda: {e.ticker: e.outcome for e in exchange.events.values()},
        "books": lambda: {t: {"bid": b.yes_levels(), "no": b.no_levels()} for t, b in exchange.books.items()},
    }
    for name, build in whole.items():
        if name in sections or (not sections and name != "books"):
            found[name] = build()
    return found
