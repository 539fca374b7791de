"""An exchange of the tests behind a socket, in threads of this process, for workers that run beside it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

ROOT = "/trade-api/v2"


class Address:
    """Where the exchange is reached: its address is known before there is one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        """One request is answered at a time, and none while somebody else has this."""
        self.exchange: Any = None


@contextlib.contextmanager
def opened() -> Iterator[Address]:
    """The address of an exchange that is put there later."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            from simulator.rest.app import handle

            with address.lock:
                status, answer = handle(address.exchange, self.command, path, query, {}, body)
            content = b"" if answer is None else answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do_PUT = answer

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    address = Address(f"http://127.0.0.1:{server.server_address[1]}{ROOT}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
