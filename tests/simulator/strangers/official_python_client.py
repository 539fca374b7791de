"""Run by ``test_strangers`` in an environment of its own: the exchange's own Python client trades on a simulator."""

from __future__ import annotations

import sys
import time
import uuid
from pathlib import Path
from typing import Any

import kalshi_python_sync as kalshi
from steps import SERIES, TICKER, number, run

key_id, key_file, rest = sys.argv[1:4]
configuration = kalshi.Configuration(host=rest)
configuration.api_key_id = key_id
configuration.private_key_pem = Path(key_file).read_text()
client = kalshi.KalshiClient(configuration)
events, markets, orders = kalshi.EventsApi(client), kalshi.MarketApi(client), kalshi.OrdersApi(client)
portfolio, historical = kalshi.PortfolioApi(client), kalshi.HistoricalApi(client)
kept: dict[str, str] = {}


def order(price: str, count: str, tif: str = "good_till_canceled") -> dict[str, Any]:
    return {
        "ticker": TICKER,
        "client_order_id": str(uuid.uuid4()),
        "side": "bid",
        "count": count,
        "price": price,
        "time_in_force": tif,
        "self_trade_prevention_type": "taker_at_cross",
    }


def rest_one() -> Any:
    answer = orders.create_order_v2(**order("0.10", "4"))
    kept["id"] = answer.order_id
    return [number(answer.fill_count), number(answer.remaining_count)]


def amend() -> Any:
    orders.amend_order_v2(kept["id"], ticker=TICKER, side="bid", price="0.11", count="4")
    return number(orders.get_order(kept["id"]).order.yes_price_dollars)


def batch() -> Any:
    made = orders.batch_create_orders_v2(orders=[order("0.05", "1"), order("0.06", "1")]).orders
    gone = orders.batch_cancel_orders_v2(orders=[{"order_id": item.order_id} for item in made]).orders
    return [len(made), len(gone)]


def taken() -> Any:
    answer = orders.create_order_v2(**order("0.42", "5", "immediate_or_cancel"))
    return [number(answer.fill_count), number(answer.remaining_count)]


def decrease() -> Any:
    return number(orders.decrease_order_v2(kept["id"], reduce_by="1").remaining_count)


now = int(time.time())
run(
    {
        "events": lambda: len(events.get_events(limit=200).events),
        "markets": lambda: len(markets.get_markets(limit=1000).markets),
        "book": lambda: number(markets.get_market_orderbook(TICKER).orderbook_fp.yes_dollars[-1][0]),
        "take": taken,
        "rest": rest_one,
        "amend": amend,
        "decrease": decrease,
        "batch": batch,
        "cancel": lambda: number(orders.cancel_order_v2(kept["id"]).reduced_by),
        "fills": lambda: len(portfolio.get_fills().fills),
        "positions": lambda: [number(p.position_fp) for p in portfolio.get_positions().market_positions],
        "candles": lambda: len(
            markets.get_market_candlesticks(SERIES, TICKER, now - 3600, now + 3600, 60).candlesticks
        ),
        "historical": lambda: len(historical.get_historical_markets().markets),
    }
)
