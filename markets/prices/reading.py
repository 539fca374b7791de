"""Reading live prices: the stream's in Redis, or whatever ``use`` put in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, cast

import msgspec
import redis
from django.conf import settings

from kalbot.common import cache
from markets.prices.layout import EVENT_KEY, LEASE_KEY, METRICS_KEY, QUOTE_KEY, Lease, Quote
from markets.prices.recorded import EventPrices, RecordedMarkets

_SUMMED: Final = (
    "messages",
    "per_second",
    "applied",
    "ignored",
    "rejected",
    "gaps",
    "suspected",
    "repairs",
    "over_limit",
    "connects",
    "disconnects",
    "flushes",
    "records",
    "redis_errors",
    "compared",
    "diverged",
    "events",
    "markets",
    "suspect",
    "rss_mb",
)


def partition_count() -> int:
    """How many stream processes share the events (setting ``STREAM_PARTITIONS``, default 1)."""
    return int(settings.STREAM_PARTITIONS)


_lease = msgspec.msgpack.Decoder(Lease)
_quote = msgspec.msgpack.Decoder(Quote)


class Prices(Protocol):
    """Where live prices come from: Redis, or a tape that is replayed."""

    def events(self, event_tickers: Sequence[str]) -> dict[str, EventPrices]:
        """The prices of these events, all of one instant. An event that nobody watches has no markets and is not live."""
        ...

    def tickers(self, market_tickers: Sequence[str]) -> dict[str, Quote]:
        """The living ticker quotes of these markets; a market without one, or with one of a dead epoch, is absent."""
        ...


_source: Prices | None = None


def reader() -> Prices:
    """The prices that this process goes by: those of the stream unless ``use`` put others in their place."""
    return _source if _source is not None else PriceReader()


@contextmanager
def use(source: Prices) -> Iterator[None]:
    """Go by ``source`` until the block ends."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before


class PriceReader:
    """Reads what the stream wrote. Every method is one round trip; a Redis that is away reads as no prices at all."""

    def __init__(self, client: redis.Redis | None = None, partitions: int | None = None) -> None:
        self._redis = client if client is not None else cache.prices()
        self._partitions = partitions or partition_count()

    def events(self, event_tickers: Sequence[str]) -> dict[str, EventPrices]:
        """The prices of these events, all of one instant. An event that nobody watches has no markets and is not live."""
        tickers = list(event_tickers)
        try:
            values = self._mget(self.keys(tickers))
        except redis.RedisError:
            values = [None] * (self._partitions + len(tickers))
        return self.made(tickers, values)

    def keys(self, event_tickers: Sequence[str]) -> list[str]:
        """Where the prices of these events are: for ``made``, by whoever reads something else with them, at one instant."""
        return self._leases() + [EVENT_KEY + ticker for ticker in event_tickers]

    def made(self, event_tickers: Sequence[str], values: Sequence[bytes | None]) -> dict[str, EventPrices]:
        """``events`` of the values of ``keys``."""
        leases, records = self._living(values), values[self._partitions :]
        return {t: _event_prices(t, value, leases) for t, value in zip(event_tickers, records, strict=True)}

    def tickers(self, market_tickers: Sequence[str]) -> dict[str, Quote]:
        """The living ticker quotes of these markets; a market without one, or with one of a dead epoch, is absent."""
        wanted = list(market_tickers)
        try:
            found_values = self._mget(self._leases() + [QUOTE_KEY + name for name in wanted])
        except redis.RedisError:
            return {}
        leases, values = self._living(found_values), found_values[self._partitions :]
        found = ((ticker, _quote.decode(value)) for ticker, value in zip(wanted, values, strict=True) if value)
        return {ticker: quote for ticker, quote in found if quote.epoch in leases}

    def stream_status(self) -> dict[str, Any]:
        """The stream's metrics: counters of all processes together, ``alive`` if each has a lease, ``alive_ms`` the oldest proof of
        life, the rest the first one's. ``partitions`` has them one by one."""
        try:
            values = self._mget(
                [f"{LEASE_KEY}{n}" for n in range(self._partitions)]
                + [f"{METRICS_KEY}{n}" for n in range(self._partitions)]
            )
        except redis.RedisError as error:
            return {"alive": False, "error": f"Redis does not answer: {error}", "partitions": []}
        partitions = [
            _partition_status(lease, metrics)
            for lease, metrics in zip(values[: self._partitions], values[self._partitions :], strict=True)
        ]
        whole = dict(partitions[0])
        whole |= {name: sum(partition.get(name, 0) for partition in partitions) for name in _SUMMED if name in whole}
        whole["alive"] = all(partition["alive"] for partition in partitions)
        if whole["alive"]:
            whole["alive_ms"] = min(partition["alive_ms"] for partition in partitions)
        whole["partitions"] = partitions
        return whole

    def _mget(self, keys: list[str]) -> list[bytes | None]:
        return cast("list[bytes | None]", self._redis.mget(keys))

    def _leases(self) -> list[str]:
        return [f"{LEASE_KEY}{n}" for n in range(self._partitions)]

    def _living(self, values: Sequence[bytes | None]) -> dict[str, Lease]:
        """The living epochs; ``values`` begin with the leases."""
        leases = [_lease.decode(value) for value in values[: self._partitions] if value]
        return {lease.epoch: lease for lease in leases}


def _event_prices(ticker: str, value: bytes | None, leases: Mapping[str, Lease]) -> EventPrices:
    if value is None:
        return EventPrices(ticker, "", False, 0, {})
    markets = _markets(ticker, value)
    for lease in leases.values():
        if markets.is_of(lease.epoch):
            return EventPrices(ticker, lease.epoch, True, lease.alive_ms, markets)
    return EventPrices(ticker, markets.epoch, False, 0, {})


_last: dict[str, tuple[bytes, RecordedMarkets]] = {}
_MOST_REMEMBERED: Final = 20_000


def _markets(ticker: str, value: bytes) -> RecordedMarkets:
    """The markets of a record. The same bytes give the same object as before: what has not changed is not read again, and who derives
    something from it sees that it need not."""
    known = _last.get(ticker)
    if known is not None and known[0] == value:
        return known[1]
    if len(_last) >= _MOST_REMEMBERED:
        _last.clear()
    markets = RecordedMarkets(value)
    _last[ticker] = (value, markets)
    return markets


def _partition_status(lease: bytes | None, metrics: bytes | None) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(metrics) if metrics else {}
    status["alive"] = lease is not None
    if lease is not None:
        living = _lease.decode(lease)
        status["epoch"], status["alive_ms"] = living.epoch, living.alive_ms
    return status
