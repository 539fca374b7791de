"""One port on loopback: REST, WebSocket and the simulator's own ``/twin/...``, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import signal
from collections.abc import Callable

import msgspec
from aiohttp import WSMsgType, web

from simulator.control import admin
from simulator.errors import ApiError, RequestTimedOut
from simulator.exchange import Exchange
from simulator.flow.flood import Flood
from simulator.listing.terms import DOCUMENTS
from simulator.persistence.replay import Player, Tape
from simulator.rest.app import PREFIX, handle
from simulator.ws.commands import receive
from simulator.ws.session import Session

WS_PATH = "/trade-api/ws/v2"
STEP_S = 0.02
_HOLD_S = 60.0
_HIGH_WATER = 1 << 20
_CHUNK = 1 << 18


class ListenError(Exception):
    """The port cannot be had; the message is one sentence for a person."""


async def serve(
    exchange: Exchange,
    port: int,
    ready: Callable[[int], None],
    *,
    save_every_s: float = 5.0,
    tape: Tape | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until a signal (or ``stop``). ``ready`` is called with the port once the simulator listens."""
    stop = stop or asyncio.Event()
    player = Player(exchange, tape) if tape is not None else None
    handlers = _Handlers(exchange, player)
    app = web.Application(client_max_size=16 << 20)
    app.router.add_get(WS_PATH, handlers.websocket)
    app.router.add_route("*", "/twin/{tail:.*}", handlers.control)
    app.router.add_get("/terms/{name}", handlers.terms)
    app.router.add_route("*", PREFIX + "/{tail:.*}", handlers.rest)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.3, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise ListenError(f"port {port} is in use" if taken else f"port {port} cannot be opened: {error}") from None
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
    tasks = [asyncio.create_task(_drive(exchange)), asyncio.create_task(handlers.flood.run())]
    if exchange.file is not None:
        tasks.append(asyncio.create_task(_save(exchange, save_every_s)))
    if player is not None:
        tasks.append(asyncio.create_task(player.run()))
    exchange.documents_at = f"http://127.0.0.1:{runner.addresses[0][1]}"
    ready(int(runner.addresses[0][1]))
    await stop.wait()
    for task in tasks:
        task.cancel()
    exchange.hub.disconnect(1001)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(runner.cleanup(), 1.2)
    exchange.commit()
    if exchange.file is not None:
        exchange.file.save(exchange)
        exchange.file.close()


async def _drive(exchange: Exchange) -> None:
    """Do what is due, many times a second."""
    while True:
        if not exchange.clock.manual:
            exchange.advance()
            exchange.commit()
        await asyncio.sleep(STEP_S)


async def _save(exchange: Exchange, every_s: float) -> None:
    while True:
        await asyncio.sleep(max(0.2, every_s))
        if exchange.file is not None:
            exchange.commit()
            exchange.file.save(exchange)


class _Handlers:
    """The request handlers of one server."""

    def __init__(self, exchange: Exchange, player: Player | None) -> None:
        self.exchange = exchange
        self.player = player
        self.flood = Flood(exchange)

    async def rest(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        url = request.rel_url
        try:
            status, answer = handle(
                self.exchange, request.method, url.raw_path, request.query_string, dict(request.headers), body
            )
        except RequestTimedOut:
            await asyncio.sleep(_HOLD_S)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=504)
        if self.exchange.config.latency_ms:
            await asyncio.sleep(self.exchange.config.latency_ms / 1000)
        if answer is None:
            return web.Response(status=status)
        headers = (
            {"cache-control": "public, max-age=15"}
            if request.method == "GET" and url.raw_path == f"{PREFIX}/markets"
            else None
        )
        return web.Response(
            status=status, body=msgspec.json.encode(answer), content_type="application/json", headers=headers
        )

    async def terms(self, request: web.Request) -> web.StreamResponse:
        """A contract terms document."""
        text = DOCUMENTS.get(request.path)
        return web.Response(status=404) if text is None else web.Response(text=text)

    async def control(self, request: web.Request) -> web.StreamResponse:
        """The admin endpoint: loopback only, unsigned."""
        if request.remote not in ("127.0.0.1", "::1"):
            return web.json_response({"error": "loopback only"}, status=403)
        raw = await request.read()
        name = request.match_info["tail"].strip("/")
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            return web.json_response({"error": "the body is not JSON"}, status=400)
        if name == "flood" and request.method == "POST":
            status, answer = self.flood.set(body)
        elif name == "replay" and request.method == "POST":
            status, answer = self.player.command(body) if self.player else (404, {"error": "no --replay was given"})
        else:
            status, answer = admin.handle(self.exchange, request.method, name, dict(request.query), body)
        return web.Response(status=status, body=msgspec.json.encode(answer), content_type="application/json")

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        exchange = self.exchange
        if exchange.keys is not None:
            lower = {name.lower(): value for name, value in request.headers.items()}
            try:
                exchange.keys.check(lower, "GET", request.rel_url.raw_path, exchange.now())
                if exchange.state.maintenance or exchange.now() < exchange.down_until_ms:
                    raise ApiError(503, "service_unavailable", "exchange maintenance")
            except ApiError as error:
                return web.json_response(error.body(), status=error.status)
        socket = web.WebSocketResponse(compress=False, max_msg_size=64 << 20, timeout=0.5)
        await socket.prepare(request)
        wake = asyncio.Event()
        session = exchange.hub.connect(wake.set)
        assert request.transport is not None
        pump = asyncio.create_task(_pump(session, wake, socket, request.transport))
        ping = asyncio.create_task(_ping(exchange, socket))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not session.closed:
                    exchange.advance()
                    receive(session, message.data)
                    exchange.commit()
        finally:
            session.close()
            ping.cancel()
            pump.cancel()
        return socket


async def _ping(exchange: Exchange, socket: web.WebSocketResponse) -> None:
    """A ping with the payload ``heartbeat`` every 10 s (docs/kalshi-protocol.md 12.1)."""
    while True:
        await asyncio.sleep(exchange.config.ping_interval_s)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.ping(b"heartbeat")


async def _pump(
    session: Session, wake: asyncio.Event, socket: web.WebSocketResponse, transport: asyncio.Transport
) -> None:
    """Write what waits, many frames at a time, as long as the reader keeps up."""
    while True:
        await wake.wait()
        wake.clear()
        while session.out and not transport.is_closing():
            if transport.get_write_buffer_size() > _HIGH_WATER:
                await asyncio.sleep(0.002)
                continue
            transport.write(b"".join(_framed(session.take(_CHUNK))))
            await asyncio.sleep(0)
        if session.closed:
            if session.close_code == 1011:
                transport.abort()
            else:
                await socket.close(code=session.close_code)
            return


def _framed(frames: list[bytes]) -> list[bytes]:
    """Text frames of RFC 6455 as a server sends them: whole, unmasked."""
    parts: list[bytes] = []
    for frame in frames:
        size = len(frame)
        if size < 126:
            parts.append(bytes((0x81, size)))
        elif size < 65_536:
            parts.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            parts.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        parts.append(frame)
    return parts
