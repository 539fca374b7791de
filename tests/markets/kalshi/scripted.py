"""An HTTP server on loopback with scripted answers that records the requests it received."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from markets.kalshi.environment import Environment, from_settings


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def route(self) -> str:
        return self.path.removeprefix("/trade-api/v2")


@dataclass
class Answer:
    """One answer. ``hang_up`` closes the connection without a byte, ``wait`` seconds before answering."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    wait: float = 0.0

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Rule = Callable[[Request], Answer | None]


class Script:
    """Answers in order; the last one is repeated. ``rule`` may answer by request instead."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.rule: Rule | None = None

    def say(self, *answers: Answer) -> None:
        self.answers = list(answers)

    def next(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.rule is not None and (answer := self.rule(request)) is not None:
            return answer
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def scripted_exchange() -> Iterator[Script]:
    """A running server; ``script.environment`` leads to it."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = parse_qsl(parts.query, keep_blank_values=True)
            port = self.client_address[1]
            answer = script.next(Request(self.command, parts.path, query, dict(self.headers), body, port))
            stop.wait(answer.wait)
            if answer.hang_up:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            payload = b"" if answer.status == 204 else answer.payload
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port = server.server_address[1]
    script = Script(from_settings(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
