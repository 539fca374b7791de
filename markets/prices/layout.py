"""The layout of live prices in Redis: keys and records (see the package)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from kalbot.common import cache

Levels = tuple[tuple[int, int], ...]

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


MAGIC: Final = b"\xc1"
"""Begins a record with a head; no packed record without one begins so."""
HEAD_BYTES: Final = 24
"""``MAGIC``, whether every market may be traded on, the number of markets (six bytes), digests of their tickers and of the epoch (eight
bytes each)."""
TOP_BYTES: Final = 16
"""Of each market behind the head: best YES bid and best NO bid, 64 bits each, 0 = nobody bids."""


def digest(*texts: str) -> bytes:
    """What a head says of the tickers of its markets, in their order, or of its epoch."""
    return blake2b("\n".join(texts).encode(), digest_size=8).digest()


def begin_of(names: bytes, count: int, *, sound: bool = True) -> bytes:
    """How the head of a record of ``count`` markets begins. ``names``: digest of their tickers. ``sound``: every market is active and has
    a book without a gap."""
    return MAGIC + bytes((sound,)) + count.to_bytes(6, "little") + names


def record_of(
    names: bytes, epoch: str, tops: Sequence[int], body: bytes, *, sound: bool, of_epoch: bytes | None = None
) -> bytes:
    """A whole record: head, best bids (YES and NO of each market), packed ``EventRecord``. ``of_epoch``: the digest of ``epoch``."""
    head = begin_of(names, len(tops) // 2, sound=sound) + (of_epoch or digest(epoch))
    return head + array("q", tops).tobytes() + body
