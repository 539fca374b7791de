"""The whole catalogue's views, kept as long as nothing of theirs has changed: for who knows of every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

Views = dict[str, Any]


class _Kept:
    """``version`` changes with every row that views are made of."""

    def __init__(self, version: Callable[[], int]) -> None:
        self._version = version
        self._known: tuple[int, Views] | None = None

    def views(self, load: Callable[[], Views], go_by_the_clock: Callable[[], bool]) -> Views:
        version = self._version()
        if self._known is None or self._known[0] != version:
            found, self._known = load(), None
            if connection.in_atomic_block or go_by_the_clock():  # the first may be taken back
                return found
            self._known = version, found
        return dict(self._known[1])


_kept: list[_Kept] = []


@contextmanager
def while_unchanged(version: Callable[[], int]) -> Iterator[None]:
    """Until the block ends the whole catalogue is read again only when ``version`` is another one: for the only process that writes to
    its database."""
    _kept.append(_Kept(version))
    try:
        yield
    finally:
        _kept.pop()


def views(load: Callable[[], Views], go_by_the_clock: Callable[[], bool]) -> Views:
    """What ``load`` returns, or did while nothing has changed since; never where that changes with time alone."""
    return _kept[-1].views(load, go_by_the_clock) if _kept else load()
