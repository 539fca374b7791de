"""Other people's clients against the same flood, without Redis: each message decoded, each book kept, both best prices read.

They are no dependencies of ours. Where one is importable (say ``PYTHONPATH=/some/folder`` after ``pip install --target``) it is measured,
otherwise the bench says that it is not installed.
"""

from __future__ import annotations

import importlib.util
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from bench.streaming.frames import tickers
from bench.streaming.stage import write_key

PATIENCE: Final = 120.0


class _Count:
    """Messages since the first ticker or delta, until the flood is over."""

    def __init__(self) -> None:
        self.messages = 0
        self.over = threading.Event()
        self._began = (0.0, 0.0)

    def message(self) -> None:
        if not self.messages:
            self._began = (time.perf_counter(), time.process_time())
        self.messages += 1

    def result(self) -> tuple[int, float, float, dict[str, Any]]:
        if not self.over.wait(PATIENCE):
            raise RuntimeError("the flood did not end")
        wall, cpu = (
            now - then for now, then in zip((time.perf_counter(), time.process_time()), self._began, strict=True)
        )
        return self.messages, wall, cpu, {}


def pykalshi(port: int, markets: int, messages: int, result: Any) -> None:
    """Its ``Feed`` with its ``OrderbookManager``, as its documentation shows."""
    from pykalshi import KalshiClient
    from pykalshi.feed import Feed, OrderbookSnapshotMessage
    from pykalshi.orderbook import OrderbookManager

    count, books, quotes = _Count(), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key.pem"
        write_key(key, rsa=True)
        feed = Feed(KalshiClient(api_key_id="bench", private_key_path=str(key)))
    feed._ws_url = f"ws://127.0.0.1:{port}/trade-api/ws/v2"

    def on_book(message: Any) -> None:
        name = message.market_ticker
        if isinstance(message, OrderbookSnapshotMessage):
            books[name] = OrderbookManager(name)
            books[name].apply_snapshot(message.yes_dollars, message.no_dollars)
            return
        count.message()
        book = books[name]
        book.apply_delta(message.side, message.price_dollars, message.delta_fp)
        quotes[name] = (book.best_bid, book.best_ask)

    def on_ticker(message: Any) -> None:
        count.message()
        quotes[message.market_ticker] = (message.yes_bid_dollars, message.yes_ask_dollars)

    feed.on("orderbook_delta", on_book)
    feed.on("ticker", on_ticker)
    feed.on("flood_over", lambda message: count.over.set())
    feed.subscribe("ticker")
    feed.subscribe("orderbook_delta", market_tickers=tickers(markets))
    feed.start()
    result.send(count.result())
    feed.stop()


def nautilus_trader(port: int, markets: int, messages: int, result: Any) -> None:
    """Its client (Rust), cache and book, with msgspec for the JSON as its own adapters do."""
    import asyncio

    asyncio.run(_nautilus(port, markets, result))


async def _nautilus(port: int, markets: int, result: Any) -> None:
    import asyncio

    import msgspec
    from nautilus_trader.cache.cache import Cache
    from nautilus_trader.core.nautilus_pyo3 import WebSocketClient, WebSocketConfig
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder, OrderBookDelta, QuoteTick
    from nautilus_trader.model.enums import BookAction, BookType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    from markets.kalshi.ws.wire import Delta, Snapshot, Ticker

    class Over(msgspec.Struct, tag_field="type", tag="flood_over"):
        pass

    class Other(msgspec.Struct, tag_field="type", tag="subscribed"):
        pass

    decode = msgspec.json.Decoder(Delta | Snapshot | Ticker | Over | Other).decode
    count, cache = _Count(), Cache()
    totals: dict[tuple[str, ...], float] = {}
    ids = {name: InstrumentId.from_str(f"{name}.KALSHI") for name in tickers(markets)}
    books = {name: OrderBook(identity, BookType.L2_MBP) for name, identity in ids.items()}
    for book in books.values():
        cache.add_order_book(book)

    def change(name: str, side: str, price: str, size: float) -> None:
        yes = side == "yes"
        shown = price if yes else f"{1 - float(price):.4f}"
        key = (name, side, price)
        total = totals[key] = totals.get(key, 0.0) + size
        order = BookOrder(
            OrderSide.BUY if yes else OrderSide.SELL, Price.from_str(shown), Quantity.from_str(f"{total:.2f}"), 0
        )
        action = BookAction.UPDATE if total > 0 else BookAction.DELETE
        books[name].apply_delta(OrderBookDelta(ids[name], action, order, 0, 0, 0, 0))

    def on_message(data: bytes) -> None:
        frame = decode(data)
        if isinstance(frame, Delta):
            count.message()
            m = frame.msg
            change(m.market_ticker, m.side, m.price_dollars, float(m.delta_fp))
            book = books[m.market_ticker]
            book.best_bid_price(), book.best_ask_price()
        elif isinstance(frame, Ticker):
            count.message()
            t = frame.msg
            bid, ask = Price.from_str(t.yes_bid_dollars), Price.from_str(t.yes_ask_dollars)
            sizes = Quantity.from_str(t.yes_bid_size_fp), Quantity.from_str(t.yes_ask_size_fp)
            cache.add_quote_tick(QuoteTick(ids[t.market_ticker], bid, ask, *sizes, 0, 0))
        elif isinstance(frame, Snapshot):
            for side, levels in (("yes", frame.msg.yes_dollars_fp), ("no", frame.msg.no_dollars_fp)):
                for price, size in levels or ():
                    change(frame.msg.market_ticker, side, price, float(size))
        elif isinstance(frame, Over):
            count.over.set()

    client = await WebSocketClient.connect(WebSocketConfig(f"ws://127.0.0.1:{port}/trade-api/ws/v2", on_message, []))
    command = {"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker"]}}
    await client.send_text(msgspec.json.encode(command))
    command = {"id": 2, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_tickers": list(ids)}}
    await client.send_text(msgspec.json.encode(command))
    result.send(await asyncio.to_thread(count.result))
    await client.disconnect()


PEERS: Final = {"pykalshi": pykalshi, "nautilus_trader": nautilus_trader}


def installed() -> dict[str, Any]:
    """name -> how to run it, or None where it is not installed."""
    return {name: run if importlib.util.find_spec(name) else None for name, run in PEERS.items()}
