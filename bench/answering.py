"""A plain HTTP server on loopback that answers GET with JSON bytes: the REST side of a bench's exchange."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(answer: Callable[[str, str], bytes]) -> tuple[ThreadingHTTPServer, str]:
    """Serve ``answer(route, query)`` from a thread. Returns the server and the API's address; ``shutdown`` ends it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            route, _, query = self.path.removeprefix("/trade-api/v2").partition("?")
            body = answer(route, query)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/trade-api/v2"
