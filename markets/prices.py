"""Live prices in Redis: the layout, and the reader. The one writer is ``markets.streaming.output.publisher``.

=======================  ========================================================================================
key                      what it holds
=======================  ========================================================================================
``px:lease:<partition>``     the living epoch and its last proof of life; expires when its writer dies
``px:e:<event>``         every watched market of one event: book, ticker quote, sequence, times (one packed record)
``px:q:<market>``        the ticker quote of one market (one packed record)
``px:leader:<partition>``    the fencing token of the one process that may write
``px:metrics:<partition>``   the stream's metrics, for people and ``/metrics``
=======================  ========================================================================================

Each key begins with ``REDIS_PREFIX``, which names the environment and the exchange: the prices of another exchange are other keys.

An **epoch** is one life of the WebSocket connection. Each record names the epoch that wrote it; the lease names the one
that lives. A record of any other epoch is history, whatever it says, and so is everything while there is no lease. A reader fetches
lease and records in one MGET, which Redis serves at one instant: legs are never from different moments by accident.

Prices are 1/10,000 dollar, counts 1/100 contract, times Unix milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import msgspec
import redis
from django.conf import settings

from kalbot.common import cache
from markets.book import Depth, Side

Levels = tuple[tuple[int, int], ...]
AHEAD_MS: Final = 5_000
"""A proof of life from further in the future than clocks may differ was given before a clock was set back: its age is unknown."""

EVENT_KEY: Final = cache.key("px:e:")
QUOTE_KEY: Final = cache.key("px:q:")
LEASE_KEY: Final = cache.key("px:lease:")
LEADER_KEY: Final = cache.key("px:leader:")
FENCE_KEY: Final = cache.key("px:fence:")
METRICS_KEY: Final = cache.key("px:metrics:")
CHANGED_CHANNEL: Final = cache.key("px:changed")
"""Pub/sub: after each flush the tickers of the events whose record changed, separated by spaces."""

PUBLISHED_LEVELS: Final = 40
"""Best levels of each side that a record carries. Deeper ones are left out, which can only make a basket smaller."""


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


class Lease(msgspec.Struct, array_like=True, frozen=True):
    """The living epoch of one stream process. ``alive_ms``: the last proof that its connection lives."""

    epoch: str
    alive_ms: int
    token: str


class Quote(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One market's ticker: the best prices as the exchange last announced them. None = nobody there."""

    epoch: str
    yes_bid: int | None
    yes_ask: int | None
    yes_bid_size: int
    yes_ask_size: int
    last_price: int | None
    exchange_ms: int
    receive_ms: int


class MarketRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One market inside an event's record. ``yes`` and ``no`` are bids, best first."""

    ticker: str
    status: str
    yes_bid: int | None
    yes_ask: int | None
    seq: int
    clock: int
    exchange_ms: int
    receive_ms: int
    suspect: bool
    has_book: bool
    yes: Levels = ()
    no: Levels = ()


class EventRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Every watched market of one event, as one value of one key."""

    epoch: str
    markets: tuple[MarketRecord, ...]


@dataclass(frozen=True, slots=True)
class MarketPrice:
    """What is known of one market. ``depth`` is None when there is no book; the quote is the ticker's."""

    ticker: str
    depth: Depth | None
    yes_bid: int | None
    yes_ask: int | None
    seq: int
    clock: int
    exchange_ms: int
    receive_ms: int
    suspect: bool
    status: str


@dataclass(frozen=True, slots=True)
class EventPrices:
    """All watched markets of one event at one instant, and whether the connection that said so still lives."""

    event_ticker: str
    epoch: str
    live: bool
    alive_ms: int
    markets: dict[str, MarketPrice]

    def age_ms(self, now_ms: int) -> int:
        """Milliseconds since the last proof that the connection lives. On a live connection without gaps a quiet book
        is a fresh book: its own last change says nothing about its age."""
        return max(0, now_ms - self.alive_ms)

    def usable(self, tickers: Iterable[str], max_age_ms: int, now_ms: int, side: Side | None = None) -> str | None:
        """None when every ticker may be traded on, else why not.

        ``dead_epoch`` the connection that wrote this is gone; ``stale`` no proof of life within ``max_age_ms``;
        ``no_book`` no order book is kept; ``suspect`` a gap or contradiction is being repaired; ``not_active`` the market cannot be
        traded; ``no_side`` nobody offers ``side`` (without ``side``: nobody bids on either side).
        """
        if not self.live:
            return "dead_epoch" if self.epoch else "no_book"
        if self.age_ms(now_ms) > max_age_ms or self.alive_ms > now_ms + AHEAD_MS:
            return "stale"
        for ticker in tickers:
            reason = _unusable(self.markets.get(ticker), side)
            if reason:
                return reason
        return None


def _unusable(market: MarketPrice | None, side: Side | None) -> str | None:
    if market is None or (market.depth is None and not market.suspect):
        return "no_book"
    if market.suspect or market.depth is None:
        return "suspect"
    if market.status not in ("active", ""):
        return "not_active"
    if side is None:
        return None if market.depth.yes_bids or market.depth.no_bids else "no_side"
    return None if market.depth.bids(side.other) else "no_side"


_lease = msgspec.msgpack.Decoder(Lease)
_event = msgspec.msgpack.Decoder(EventRecord)
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
        leases, values = self._fetch(EVENT_KEY, tickers)
        return {ticker: _event_prices(ticker, value, leases) for ticker, value in zip(tickers, values, strict=True)}

    def tickers(self, market_tickers: Sequence[str]) -> dict[str, Quote]:
        """The living ticker quotes of these markets; a market without one, or with one of a dead epoch, is absent."""
        wanted = list(market_tickers)
        leases, values = self._fetch(QUOTE_KEY, wanted)
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

    def _fetch(self, prefix: str, names: list[str]) -> tuple[dict[str, Lease], list[bytes | None]]:
        keys = [f"{LEASE_KEY}{n}" for n in range(self._partitions)]
        try:
            values = self._mget(keys + [prefix + name for name in names])
        except redis.RedisError:
            return {}, [None] * len(names)
        leases = [_lease.decode(value) for value in values[: self._partitions] if value]
        return {lease.epoch: lease for lease in leases}, values[self._partitions :]


def _event_prices(ticker: str, value: bytes | None, leases: Mapping[str, Lease]) -> EventPrices:
    if value is None:
        return EventPrices(ticker, "", False, 0, {})
    epoch, markets = _decoded(ticker, value)
    lease = leases.get(epoch)
    if lease is None:
        return EventPrices(ticker, epoch, False, 0, {})
    return EventPrices(ticker, epoch, True, lease.alive_ms, markets)


_last: dict[str, tuple[bytes, str, dict[str, MarketPrice]]] = {}
_MOST_REMEMBERED: Final = 20_000


def _decoded(ticker: str, value: bytes) -> tuple[str, dict[str, MarketPrice]]:
    """(epoch, markets) of a record. The same bytes give the same objects as before: what has not changed is not read again, and who
    derives something from it sees that it need not."""
    known = _last.get(ticker)
    if known is not None and known[0] == value:
        return known[1], known[2]
    record = _event.decode(value)
    markets = {
        m.ticker: MarketPrice(
            m.ticker,
            Depth(m.yes, m.no) if m.has_book else None,
            m.yes_bid,
            m.yes_ask,
            m.seq,
            m.clock,
            m.exchange_ms,
            m.receive_ms,
            m.suspect,
            m.status,
        )
        for m in record.markets
    }
    if len(_last) >= _MOST_REMEMBERED:
        _last.clear()
    _last[ticker] = (value, record.epoch, markets)
    return record.epoch, markets


def _partition_status(lease: bytes | None, metrics: bytes | None) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(metrics) if metrics else {}
    status["alive"] = lease is not None
    if lease is not None:
        living = _lease.decode(lease)
        status["epoch"], status["alive_ms"] = living.epoch, living.alive_ms
    return status
