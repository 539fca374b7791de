"""Prices in Redis of markets that are over: the stream writes them without an end, because a time to live costs each write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from kalbot.common import cache, clock
from kalbot.common.db.batches import batched
from markets.kalshi.vocabulary import OPEN_STATUSES
from markets.models import Event, Market
from markets.prices import EVENT_KEY, QUOTE_KEY, PriceReader

BATCH: Final = 1_000
UNKNOWN_MS: Final = 86_400_000
"""A quote of a market that the catalogue does not know is kept for so long after it was received."""


def forget_settled() -> int:
    """Delete the quotes and books of markets and events that are no longer open. How many keys. Raises redis.RedisError."""
    return _forget(QUOTE_KEY, _open_markets) + _forget(EVENT_KEY, _open_events)


def _forget(prefix: str, kept: Callable[[list[str]], set[str]]) -> int:
    client, number = cache.prices(), 0
    keys = [key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*", count=BATCH)]
    for names in batched(keys, BATCH):
        gone = set(names) - kept(list(names))
        if gone:
            number += int(client.unlink(*(prefix + name for name in gone)))
    return number


def _open_markets(tickers: list[str]) -> set[str]:
    """Those that are open, and those that nobody knows yet."""
    known = dict(Market.objects.filter(pk__in=tickers).values_list("pk", "status"))
    fresh = _recent(ticker for ticker in tickers if ticker not in known)
    return {ticker for ticker, status in known.items() if status in OPEN_STATUSES} | fresh


def _recent(tickers: Iterable[str]) -> set[str]:
    quotes = PriceReader().tickers(list(tickers))
    return {ticker for ticker, quote in quotes.items() if clock.now_ms() - quote.receive_ms < UNKNOWN_MS}


def _open_events(tickers: list[str]) -> set[str]:
    """Those that are open, and those that nobody knows yet: the stream keeps no book of an event that is not in the catalogue."""
    known = dict(Event.objects.filter(pk__in=tickers).values_list("pk", "is_open"))
    return {ticker for ticker in tickers if known.get(ticker, True)}
