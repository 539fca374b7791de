"""Views of the catalogue, kept as long as nothing of theirs has changed: for who knows of every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

Views = dict[str, Any]


class _Kept:
    """``version`` changes with every row that views are made of."""

    def __init__(self, version: Callable[[], int]) -> None:
        self._version = version
        self._known: tuple[int, Views] | None = None
        self._few: tuple[int, Views] = (-1, {})

    def views(self, load: Callable[[], Views], go_by_the_clock: Callable[[], bool]) -> Views:
        version = self._version()
        if self._known is None or self._known[0] != version:
            found, self._known = load(), None
            if _may_change(go_by_the_clock):
                return found
            self._known = version, found
        return dict(self._known[1])

    def unchanged_since(self) -> int | None:
        version = self._version()
        return version if self._known is not None and self._known[0] == version else None

    def few(
        self, tickers: Sequence[str], load: Callable[[Sequence[str]], Views], go_by_the_clock: Callable[[], bool]
    ) -> Views:
        version = self._version()
        known = self._few[1] if self._few[0] == version else {}
        missing = [ticker for ticker in tickers if ticker not in known]
        if missing:
            found = load(missing)
            known = known | {ticker: found.get(ticker) for ticker in missing}
            if not _may_change(go_by_the_clock):
                self._few = version, known
        return {ticker: known[ticker] for ticker in tickers if known[ticker] is not None}


def _may_change(go_by_the_clock: Callable[[], bool]) -> bool:
    """Whether views may change without a row that does: what a transaction wrote may be taken back."""
    return connection.in_atomic_block or go_by_the_clock()


_kept: list[_Kept] = []


@contextmanager
def while_unchanged(version: Callable[[], int]) -> Iterator[None]:
    """Until the block ends the whole catalogue, and what is remembered of few events, is read again only when ``version`` is another one:
    for the only process that writes to its database."""
    _kept.append(_Kept(version))
    try:
        yield
    finally:
        _kept.pop()


def views(load: Callable[[], Views], go_by_the_clock: Callable[[], bool]) -> Views:
    """What ``load`` returns, or did while nothing has changed since; never where that changes with time alone."""
    return _kept[-1].views(load, go_by_the_clock) if _kept else load()


def unchanged_since() -> int | None:
    """A number that is the same as long as what ``views`` returned last is what it returns; None where that is not known."""
    return _kept[-1].unchanged_since() if _kept else None


def few(tickers: Sequence[str], load: Callable[[Sequence[str]], Views], go_by_the_clock: Callable[[], bool]) -> Views:
    """The same of these events; those that are not open are missing, here too."""
    return _kept[-1].few(tickers, load, go_by_the_clock) if _kept else load(tickers)
