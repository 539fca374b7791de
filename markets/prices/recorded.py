"""What is known of markets and events at one instant, and the record of an event as it came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from markets.book import Depth, Side
from markets.prices.layout import HEAD_BYTES, MAGIC, TOP_BYTES, EventRecord, MarketRecord, digest

AHEAD_MS: Final = 5_000
"""A proof of life from further in the future than clocks may differ was given before a clock was set back: its age is unknown."""


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

    @property
    def version(self) -> str:
        """Another one after each change of the book that was heard of."""
        return f"{self.receive_ms}-{self.seq}"


@dataclass(frozen=True, slots=True)
class EventPrices:
    """All watched markets of one event at one instant, and whether the connection that said so still lives."""

    event_ticker: str
    epoch: str
    live: bool
    alive_ms: int
    markets: Mapping[str, MarketPrice]

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
        silent = self.silent(max_age_ms, now_ms)
        if silent:
            return silent
        for ticker in tickers:
            reason = _unusable(self.markets.get(ticker), side)
            if reason:
                return reason
        return None

    def silent(self, max_age_ms: int, now_ms: int) -> str | None:
        """Why no market may be traded on whatever its book is: ``dead_epoch``, ``no_book`` or ``stale``; None if some may."""
        if not self.live:
            return "dead_epoch" if self.epoch else "no_book"
        if now_ms - self.alive_ms > max_age_ms or self.alive_ms > now_ms + AHEAD_MS:
            return "stale"
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


_event = msgspec.msgpack.Decoder(EventRecord)


class RecordedMarkets(Mapping[str, MarketPrice]):
    """The markets of one record, decoded when the first is wanted. ``value``: the record as it came, whose head
    (``layout``) has what a screen wants without that."""

    __slots__ = ("_decoded", "value")

    def __init__(self, value: bytes) -> None:
        self.value = value
        self._decoded: tuple[str, dict[str, MarketPrice]] | None = None

    @property
    def body(self) -> bytes:
        """The packed ``EventRecord`` behind the head."""
        value = self.value
        if not value.startswith(MAGIC):
            return value
        return value[HEAD_BYTES + TOP_BYTES * int.from_bytes(value[2:8], "little") :]

    def is_of(self, epoch: str) -> bool:
        """Whether the connection of ``epoch`` wrote the record."""
        value = self.value
        return value[16:HEAD_BYTES] == digest(epoch) if value.startswith(MAGIC) else self.epoch == epoch

    @property
    def epoch(self) -> str:
        """The connection that wrote the record."""
        return self._all()[0]

    def __getitem__(self, ticker: str) -> MarketPrice:
        return self._all()[1][ticker]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all()[1])

    def __len__(self) -> int:
        return len(self._all()[1])

    def _all(self) -> tuple[str, dict[str, MarketPrice]]:
        if self._decoded is None:
            record = _event.decode(self.body)
            self._decoded = record.epoch, {m.ticker: _price(m) for m in record.markets}
        return self._decoded


def _price(m: MarketRecord) -> MarketPrice:
    depth = Depth(m.yes, m.no) if m.has_book else None
    return MarketPrice(
        m.ticker, depth, m.yes_bid, m.yes_ask, m.seq, m.clock, m.exchange_ms, m.receive_ms, m.suspect, m.status
    )
