"""Real servers on loopback that notifications are sent to: one HTTP, one SMTP."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Receiver:
    """What a server got. ``answer`` is the status with which HTTP answers, with ``headers``; what holds ``refused`` it answers with 400.
    ``answers`` is the body; ``drips``: it says one byte after the other without an end, until the connection is closed."""

    port: int = 0
    answer: int = 200
    refused: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    drips: bool = False
    answers: bytes = b""
    left: Event = field(default_factory=Event)
    messages: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    mails: list[Message] = field(default_factory=list)


@contextmanager
def http_receiver(certificate: Path | None = None) -> Iterator[Receiver]:
    """A web service that keeps the JSON it is sent, over TLS where it has a certificate."""
    got = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            got.paths.append(self.path)
            answer = 400 if got.refused and got.refused.encode() in body else got.answer
            if answer < 300:
                got.messages.append(json.loads(body))
            self.send_response(answer)
            for name, value in got.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(got.answers)
            if got.drips:
                self._drip()

        def _drip(self) -> None:
            pause = Event()
            try:
                while not pause.wait(0.05):
                    self.wfile.write(b"x")
            except OSError:
                got.left.set()

        def do_GET(self) -> None:
            got.paths.append(self.path)
            self.send_response(got.answer)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    got.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@contextmanager
def smtp_receiver() -> Iterator[Receiver]:
    """A mail server that keeps what it is sent."""
    got = Receiver()

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            got.mails.append(message_from_bytes(envelope.content))
            return "250 OK"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        got.port = probe.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=got.port)
    controller.start()
    try:
        yield got
    finally:
        controller.stop()
