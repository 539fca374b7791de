"""A requests adapter whose sockets can be cut from outside.

``timeout`` of requests times each read: a server that sends a byte now and then, in its headers or in its body, is waited for as
long as it likes. An adapter that knows its sockets lets a clock of one's own end the wait, whatever is being read.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from threading import Timer
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class CutAdapter(HTTPAdapter):
    """For one ``requests.Session``, mounted for http and https."""

    def __init__(self) -> None:
        self._sockets: list[Any] = []
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        known = self._sockets

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                known.append(self.sock)

        class Encrypted(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                known.append(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}

    def cut(self) -> None:
        """End every connection now; whoever reads from one gets a connection error."""
        for open_socket in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(
                    open_socket, socket.SHUT_RDWR
                )  # under TLS too: no closing handshake with a server that does not answer

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut whatever is still open when the time is over."""
        clock = Timer(max(0.0, seconds), self.cut)
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
