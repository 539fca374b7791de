"""The plain way: ``WebSocketApp``, ``json``, ``Decimal``, and one SET for every message."""

from __future__ import annotations

import decimal
import json
import os
import time
from typing import Any

from bench.streaming.frames import tickers


def run(port: int, markets: int, messages: int, result: Any) -> None:
    """Until the flood is over; sends (messages, wall seconds, CPU seconds, facts)."""
    import redis
    import websocket

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    books: dict[str, dict[str, dict[decimal.Decimal, decimal.Decimal]]] = {}
    seen = {"count": 0, "first": 0.0, "cpu": 0.0}

    def on_open(app: Any) -> None:
        app.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker"]}}))
        body = {"channels": ["orderbook_delta"], "market_tickers": tickers(markets)}
        app.send(json.dumps({"id": 2, "cmd": "subscribe", "params": body}))

    def on_message(app: Any, text: str) -> None:
        frame = json.loads(text)
        kind, message = frame["type"], frame.get("msg") or {}
        if kind == "flood_over":
            app.close()
            return
        if kind == "orderbook_snapshot":
            books[message["market_ticker"]] = {
                side: {decimal.Decimal(p): decimal.Decimal(c) for p, c in message.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
            return
        if kind not in ("ticker", "orderbook_delta"):
            return
        if not seen["count"]:
            seen["first"], seen["cpu"] = time.perf_counter(), time.process_time()
        seen["count"] += 1
        name = message["market_ticker"]
        if kind == "ticker":
            fields = ("yes_bid_dollars", "yes_ask_dollars", "volume_fp")
            client.set(f"quote:{name}", json.dumps({key: str(decimal.Decimal(message[key])) for key in fields}))
            return
        levels = books[name][message["side"]]
        price = decimal.Decimal(message["price_dollars"])
        levels[price] = levels.get(price, decimal.Decimal(0)) + decimal.Decimal(message["delta_fp"])
        if levels[price] <= 0:
            del levels[price]
        best = {side: str(max(found)) for side, found in books[name].items() if found}
        client.set(f"book:{name}", json.dumps(best))

    app = websocket.WebSocketApp(f"ws://127.0.0.1:{port}/trade-api/ws/v2", on_open=on_open, on_message=on_message)
    app.run_forever()
    result.send((seen["count"], time.perf_counter() - seen["first"], time.process_time() - seen["cpu"], {}))
