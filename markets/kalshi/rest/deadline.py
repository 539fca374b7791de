"""A deadline for a whole answer: head, body and all. The libraries' timeouts begin again with every byte that comes."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, cast

import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

LARGEST_ANSWER: Final = 64 << 20
"""Bytes; the largest known, the list of all series, has 2.3 million."""


class Allowance:
    """What one answer may cost: until when (monotonic seconds), and how many bytes."""

    def __init__(self, seconds: float, size: int = LARGEST_ANSWER) -> None:
        self.until = time.monotonic() + seconds
        self.size = size


_allowance: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Every answer read in here has to be complete in time: TimeoutError, which requests turns into its own."""
    token = _allowance.set(Allowance(seconds))
    try:
        yield
    finally:
        _allowance.reset(token)


class _Reads(io.RawIOBase):
    """The bytes of a socket, as long as there is an allowance for them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        allowance = _allowance.get()
        if allowance is None:
            return self._raw.readinto(buffer)
        left = allowance.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        usual = self._sock.gettimeout()
        self._sock.settimeout(left if usual is None else min(left, usual))
        try:
            count = self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(usual)
        allowance.size -= count or 0
        if allowance.size < 0:
            raise OSError(f"an answer of more than {LARGEST_ANSWER} bytes")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Watched:
    """A connected socket whose file is read under the allowance; everything else is the socket's."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str, *args: Any, **kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self._sock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Plain(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _Watched(self.sock))


class _Secure(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _Watched(self.sock))


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """Connections whose answers obey ``within``."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """See HTTPAdapter."""
        super().init_poolmanager(connections, maxsize, block, **more)
        manager: urllib3.PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
