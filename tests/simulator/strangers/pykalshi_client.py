"""Run by ``test_strangers`` in an environment of its own: pykalshi trades and streams on a simulator."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from pykalshi import KalshiClient
from pykalshi.enums import Action, Side
from pykalshi.feed import Feed
from steps import TICKER, number, run

key_id, key_file, rest, ws = sys.argv[1:5]
client = KalshiClient(api_key_id=key_id, private_key_path=key_file, api_base=rest)
portfolio = client.portfolio
kept: dict[str, str] = {}


def rest_one() -> Any:
    order = portfolio.place_order(TICKER, Action.BUY, Side.YES, count_fp="4", yes_price_dollars="0.10")
    kept["id"] = order.order_id
    return [number(order.fill_count_fp), number(order.remaining_count_fp)]


def taken() -> Any:
    order = portfolio.place_order(TICKER, Action.BUY, Side.YES, count_fp="5", yes_price_dollars="0.42")
    return [number(order.fill_count_fp), number(order.remaining_count_fp)]


def amend() -> Any:
    portfolio.amend_order(kept["id"], yes_price_dollars="0.11", count_fp="4")
    return number(portfolio.get_order(kept["id"]).yes_price_dollars)


def batch() -> Any:
    one = {"ticker": TICKER, "action": "buy", "side": "yes", "count_fp": "1"}
    made = portfolio.batch_place_orders([one | {"yes_price_dollars": "0.05"}, one | {"yes_price_dollars": "0.06"}])
    return [len(made), len(portfolio.batch_cancel_orders([order.order_id for order in made]))]


def cancel() -> Any:
    portfolio.cancel_order(kept["id"])
    return str(portfolio.get_order(kept["id"]).status.value)


def stream() -> Any:
    feed, came, found = Feed(client), threading.Event(), []

    def on_book(message: Any) -> None:
        found.append(message)
        came.set()

    feed.on("orderbook_delta")(on_book)
    feed._ws_url = ws
    feed.subscribe("orderbook_delta", market_ticker=TICKER)
    feed.start()
    try:
        if not came.wait(15):
            raise TimeoutError("no snapshot")
        best = found[0].yes_dollars[-1]
        return [number(best[0]), number(best[1])]
    finally:
        feed.stop()


now = int(time.time())
run(
    {
        "events": lambda: len(client.get_events(limit=200, fetch_all=True)),
        "markets": lambda: len(client.get_markets(limit=1000)),
        "book": lambda: number(client.get_market(TICKER).get_orderbook().orderbook.yes_dollars[-1][0]),
        "take": taken,
        "rest": rest_one,
        "amend": amend,
        "decrease": lambda: number(portfolio.decrease_order(kept["id"], "1").remaining_count_fp),
        "batch": batch,
        "cancel": cancel,
        "fills": lambda: len(portfolio.get_fills()),
        "positions": lambda: [number(p.position_fp) for p in portfolio.get_positions()],
        "candles": lambda: len(client.get_market(TICKER).get_candlesticks(now - 3600, now + 3600).candlesticks),
        "historical": lambda: len(client.history.get_markets()),
        "stream": stream,
    }
)
