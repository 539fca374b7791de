"""A small exchange with a WebSocket whose truth a test changes by hand, and whose connection can be made to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Json = dict[str, Any]


class Client:
    """One connected stream: its subscriptions (channel -> sid), their sequence numbers and book markets."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.sids: dict[str, int] = {}
        self.seqs: dict[int, int] = {}
        self.markets: set[str] = set()
        self._last_sid = 0

    def next_sid(self) -> int:
        self._last_sid += 1
        return self._last_sid

    def next_seq(self, sid: int) -> int:
        self.seqs[sid] = self.seqs.get(sid, 0) + 1
        return self.seqs[sid]


class LiveExchange:
    """``books[ticker][side]`` maps price (1/10,000 dollar) to count (1/100 contract): the truth.

    ``drop`` = so many data frames are counted in the sequence but not sent; ``deaf`` = commands stay without an answer;
    ``mute`` = nothing is sent at all; ``book_limit`` = the most books in one subscription; ``unreadable`` = markets whose book
    frames have a price that cannot be.
    """

    def __init__(self, port: int = 0) -> None:
        self.books: dict[str, dict[str, dict[int, int]]] = {}
        self.clock = 0
        self.drop = 0
        self.deaf = False
        self.mute = False
        self.refuse = False
        self.book_limit = 1000
        self.unreadable: set[str] = set()
        self.commands: list[Json] = []
        self.clients: list[Client] = []
        self.connects = self.attempts = 0
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._started.wait(60)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/trade-api/ws/v2"

    # -- what a test does ------------------------------------------------------------------------------------------

    def add(self, ticker: str, yes: dict[int, int] | None = None, no: dict[int, int] | None = None) -> None:
        self.books[ticker] = {"yes": dict(yes or {4000: 1000}), "no": dict(no or {5500: 1000})}

    def set_level(self, ticker: str, side: str, price: int, count: int) -> None:
        """Change the truth and send it to whoever is subscribed."""
        self._run(self._set_level(ticker, side, price, count))

    def quote(self, ticker: str, bid: int, ask: int) -> None:
        self._run(self._broadcast("ticker", "ticker", ticker_message(ticker, bid, ask), numbered=False))

    def fill(self, trade: str, ticker: str = "EVENT-A") -> None:
        self._run(self._broadcast("fill", "fill", fill_message(trade, ticker), numbered=False))

    def lifecycle(self, message: Json, kind: str = "market_lifecycle_v2") -> None:
        self._run(self._broadcast("market_lifecycle_v2", kind, message))

    def error(self, code: int, channel: str = "orderbook_delta") -> None:
        """A terminal complaint about a subscription, which is gone afterwards."""
        self._run(self._error(code, channel))

    def jump(self, by: int, channel: str = "orderbook_delta") -> None:
        """The sequence of a channel goes on so much further ahead."""
        self._run(self._jump(by, channel))

    def disconnect(self) -> None:
        self._run(self._disconnect())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def wait(self, condition: Any, seconds: float = 60.0) -> None:
        wait_for(condition, seconds)

    # -- the server ------------------------------------------------------------------------------------------------

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            server = await serve(self._accept, "127.0.0.1", self._port, ping_interval=None, compression=None)
            self._port = next(iter(server.sockets)).getsockname()[1]
            self._started.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    async def _accept(self, socket: ServerConnection) -> None:
        self.attempts += 1
        if self.refuse:
            await socket.close()
            return
        self.connects += 1
        client = Client(socket)
        self.clients.append(client)
        try:
            async for text in socket:
                command = json.loads(text)
                self.commands.append(command)
                if not self.deaf:
                    await self._answer(client, command)
        except ConnectionClosed:
            return
        finally:
            with contextlib.suppress(ValueError):
                self.clients.remove(client)

    async def _answer(self, client: Client, command: Json) -> None:
        params, number = command.get("params") or {}, command["id"]
        if command["cmd"] == "list_subscriptions":
            listed = [{"channel": c, "sid": s} for c, s in client.sids.items()]
            await self._send(client, {"type": "ok", "id": number, "msg": listed})
        elif command["cmd"] == "subscribe":
            for channel in params["channels"]:
                sid = client.sids.setdefault(channel, client.next_sid())
                await self._send(client, {"type": "subscribed", "id": number, "msg": {"channel": channel, "sid": sid}})
                if channel == "orderbook_delta":
                    await self._add(client, params["market_tickers"])
        elif command["cmd"] == "unsubscribe":
            for sid in params["sids"]:
                client.sids = {channel: known for channel, known in client.sids.items() if known != sid}
                client.markets.clear()
                await self._send(
                    client, {"type": "unsubscribed", "id": number, "sid": sid, "seq": client.next_seq(sid)}
                )
        elif command["cmd"] == "update_subscription":
            sid, tickers = params["sids"][0], params["market_tickers"]
            if sid not in client.sids.values():
                await self._send(client, {"type": "error", "id": number, "msg": {"code": 7, "msg": "unknown sid"}})
                return
            if params["action"] == "get_snapshot":
                for ticker in tickers:
                    await self._snapshot(client, ticker, number)
                return
            if params["action"] == "add_markets" and len(client.markets | set(tickers)) > self.book_limit:
                await self._send(client, {"type": "error", "id": number, "msg": {"code": 26, "msg": "market limit"}})
                return
            message = {"market_tickers": tickers}
            await self._send(
                client, {"type": "ok", "id": number, "sid": sid, "seq": client.next_seq(sid), "msg": message}
            )
            if params["action"] == "add_markets":
                await self._add(client, tickers)
            else:
                client.markets -= set(tickers)

    async def _add(self, client: Client, tickers: list[str]) -> None:
        for ticker in tickers:
            if ticker not in client.markets:
                client.markets.add(ticker)
                await self._snapshot(client, ticker)

    async def _snapshot(self, client: Client, ticker: str, number: int | None = None) -> None:
        book = self.books.get(ticker, {"yes": {}, "no": {}})
        message: Json = {"market_ticker": ticker, "clock": self.clock}
        for side in ("yes", "no"):
            if book[side]:
                message[f"{side}_dollars_fp"] = [[dollars(p), contracts(c)] for p, c in sorted(book[side].items())]
        if ticker in self.unreadable:
            message["yes_dollars_fp"] = [["1.5000", "1.00"]]
        sid = client.sids["orderbook_delta"]
        frame: Json = {"type": "orderbook_snapshot", "sid": sid, "seq": client.next_seq(sid), "msg": message}
        if number is not None:
            frame["id"] = number
        await self._send(client, frame)

    async def _set_level(self, ticker: str, side: str, price: int, count: int) -> None:
        levels = self.books[ticker][side]
        change = count - levels.get(price, 0)
        if count:
            levels[price] = count
        else:
            levels.pop(price, None)
        self.clock += 1
        message = {
            "market_ticker": ticker,
            "clock": self.clock,
            "price_dollars": "1.5000" if ticker in self.unreadable else dollars(price),
            "delta_fp": contracts(change),
            "side": side,
            "ts_ms": int(time.time() * 1000),
        }
        for client in list(self.clients):
            sid = client.sids.get("orderbook_delta")
            if sid is not None and ticker in client.markets:
                frame = {"type": "orderbook_delta", "sid": sid, "seq": client.next_seq(sid), "msg": message}
                await self._send(client, frame, data=True)

    async def _broadcast(self, channel: str, kind: str, message: Json, numbered: bool = True) -> None:
        for client in list(self.clients):
            sid = client.sids.get(channel)
            if sid is not None:
                frame: Json = {"type": kind, "sid": sid, "msg": message}
                if numbered:
                    frame["seq"] = client.next_seq(sid)
                await self._send(client, frame, data=numbered)

    async def _jump(self, by: int, channel: str) -> None:
        for client in list(self.clients):
            sid = client.sids[channel]
            client.seqs[sid] = client.seqs.get(sid, 0) + by

    async def _error(self, code: int, channel: str) -> None:
        for client in list(self.clients):
            sid = client.sids.pop(channel, None)
            if sid is not None:
                if channel == "orderbook_delta":
                    client.markets.clear()
                frame = {
                    "type": "error",
                    "sid": sid,
                    "seq": client.next_seq(sid),
                    "msg": {"code": code, "msg": "on purpose"},
                }
                await self._send(client, frame)

    async def _disconnect(self) -> None:
        for client in list(self.clients):
            client.socket.transport.abort()

    async def _send(self, client: Client, frame: Json, data: bool = False) -> None:
        if self.mute:
            return
        if data and self.drop > 0:
            self.drop -= 1
            return
        with contextlib.suppress(Exception):
            await client.socket.send(json.dumps(frame))


def dollars(price: int) -> str:
    return f"{price / 10_000:.4f}"


def contracts(count: int) -> str:
    return f"{count / 100:.2f}"


def ticker_message(ticker: str, bid: int, ask: int) -> Json:
    return {
        "market_ticker": ticker,
        "price_dollars": dollars(bid),
        "yes_bid_dollars": dollars(bid),
        "yes_ask_dollars": dollars(ask),
        "yes_bid_size_fp": "10.00",
        "yes_ask_size_fp": "10.00",
        "volume_fp": "100.00",
        "open_interest_fp": "50.00",
        "ts": int(time.time()),
        "ts_ms": int(time.time() * 1000),
    }


def fill_message(trade: str, ticker: str) -> Json:
    return {
        "trade_id": trade,
        "order_id": f"order-{trade}",
        "client_order_id": f"client-{trade}",
        "market_ticker": ticker,
        "exchange_index": 0,
        "is_taker": True,
        "outcome_side": "yes",
        "book_side": "bid",
        "yes_price_dollars": "0.4300",
        "count_fp": "7.25",
        "fee_cost": "0.124400",
        "post_position_fp": "7.25",
        "ts_ms": int(time.time() * 1000),
    }


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    """Until ``condition()`` is true; AssertionError when it does not become so in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen in time")
