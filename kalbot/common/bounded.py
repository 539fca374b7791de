"""How long one answer may wait for its servers: a database or Redis that accepts and then says nothing must not hold it up for ever.

Inside ``bounded(seconds)`` each server has so many seconds of waiting in all. The connections ask for what is left before they wait, and
once nothing is, they refuse at once: the rest of the answer says what hangs, and goes by what the other servers say.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

DATABASE: Final = "database"
_left: ContextVar[_Seconds | None] = ContextVar("left", default=None)


class _Seconds:
    """Seconds of waiting that are left of each server, by its name or address."""

    def __init__(self, each: float, unbounded: Collection[str]) -> None:
        self.each = each
        self.unbounded = unbounded
        self.left: dict[str, float] = {}


@contextmanager
def bounded(seconds: float, unbounded: Collection[str] = ()) -> Iterator[None]:
    """Until the block ends wait at most ``seconds`` for each server but those. Inside of another such block that one holds."""
    if _left.get() is not None:
        yield
        return
    before = _left.set(_Seconds(seconds, unbounded))
    try:
        yield
    finally:
        _left.reset(before)


def left(server: str) -> float | None:
    """Seconds that may still be waited for this server, 0 or less when none are; None without a bound."""
    found = _left.get()
    return None if found is None or server in found.unbounded else found.left.get(server, found.each)


@contextmanager
def counted(server: str) -> Iterator[None]:
    """What the block takes was spent on waiting for this server."""
    found = _left.get()
    if found is None:
        yield
        return
    began = time.monotonic()
    try:
        yield
    finally:
        found.left[server] = found.left.get(server, found.each) - (time.monotonic() - began)


def give_up(server: str) -> None:
    """This server did not answer: until the block ends it is not tried again."""
    found = _left.get()
    if found is not None:
        found.left[server] = 0.0
