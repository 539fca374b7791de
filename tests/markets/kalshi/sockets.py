"""A WebSocket server on loopback that a test speaks through by hand."""

from __future__ import annotations

import http
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from markets.kalshi.environment import Environment, from_settings


class FakeSocketServer:
    """``upgrades`` holds the handshake requests, ``heard`` the commands; ``say`` sends to the newest connection."""

    def __init__(self) -> None:
        self.environment: Environment
        self.upgrades: list[Request] = []
        self.heard: queue.Queue[Any] = queue.Queue()
        self.refuse: tuple[int, bytes] | None = None
        self._connections: queue.Queue[ServerConnection] = queue.Queue()
        self._connection: ServerConnection | None = None

    @property
    def connection(self) -> ServerConnection:
        while self._connection is None or not self._connections.empty():
            self._connection = self._connections.get(timeout=30)
        return self._connection

    def say(self, *messages: Any) -> None:
        for message in messages:
            self.connection.send(message if isinstance(message, str) else json.dumps(message))

    def command(self) -> Any:
        """The next command of the client."""
        return self.heard.get(timeout=30)

    def on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.upgrades.append(request)
        if self.refuse is None:
            return None
        status, body = self.refuse
        response = connection.respond(http.HTTPStatus(status), "")
        response.body = body
        response.headers["Content-Length"] = str(len(body))
        return response

    def on_connection(self, connection: ServerConnection) -> None:
        self._connections.put(connection)
        for message in connection:
            self.heard.put(json.loads(message))


@contextmanager
def socket_server() -> Iterator[FakeSocketServer]:
    """A running server; ``environment`` leads to it."""
    fake = FakeSocketServer()
    with serve(
        fake.on_connection,
        "127.0.0.1",
        0,
        process_request=fake.on_request,
        ping_interval=None,
        compression=None,
        max_size=None,
    ) as server:
        port = server.socket.getsockname()[1]
        fake.environment = from_settings(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join(timeout=5)
