"""One watched market: its book, what the exchange last said of it, and its packed record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from markets.book import Book
from markets.prices import PUBLISHED_LEVELS

Encode = Callable[[Any], bytes]


class MarketState:
    """Times are Unix milliseconds; ``seq`` is the subscription's number, ``clock`` the market's own.

    ``packed`` is the market's part of its event's record (``markets.prices.MarketRecord``), ``packed_yes`` and ``packed_no`` the
    levels inside it; None where something changed since. ``yes_top`` and ``no_top``: best bids of what is packed, 0 = nobody bids.
    """

    __slots__ = (
        "book",
        "clock",
        "crossed_since",
        "event",
        "exchange_ms",
        "has_book",
        "no_top",
        "packed",
        "packed_no",
        "packed_yes",
        "receive_ms",
        "seq",
        "snapshot_clock",
        "status",
        "suspect",
        "ticker",
        "yes_ask",
        "yes_bid",
        "yes_top",
    )

    def __init__(self, ticker: str, event: str, status: str = "active") -> None:
        self.ticker = ticker
        self.event = event
        self.status = status
        self.book = Book()
        self.forget()

    def forget(self) -> None:
        """Back to knowing nothing: a new epoch."""
        self.book.apply_snapshot((), ())
        self.has_book = False
        self.suspect = False
        self.seq = self.clock = self.snapshot_clock = self.exchange_ms = self.receive_ms = self.crossed_since = 0
        self.yes_bid: int | None = None
        self.yes_ask: int | None = None
        self.packed: bytes | None = None
        self.packed_yes: bytes | None = None
        self.packed_no: bytes | None = None
        self.yes_top = self.no_top = 0

    @property
    def is_sound(self) -> bool:
        """Whether it may be traded on: active, with a book without gap or crossing."""
        return self.has_book and not self.suspect and not self.crossed_since and self.status in ("active", "")

    def pack(self, encode: Encode) -> bytes:
        """The record's bytes, kept until something changes. A side that did not change is not sorted again."""
        raw = msgspec.Raw
        if self.packed_yes is None:
            best = _best(self.book.yes)
            self.packed_yes, self.yes_top = encode(best), best[0][0] if best else 0
        if self.packed_no is None:
            best = _best(self.book.no)
            self.packed_no, self.no_top = encode(best), best[0][0] if best else 0
        self.packed = encode(
            (
                self.ticker,
                self.status,
                self.yes_bid,
                self.yes_ask,
                self.seq,
                self.clock,
                self.exchange_ms,
                self.receive_ms,
                self.suspect or self.crossed_since > 0,
                self.has_book,
                raw(self.packed_yes),
                raw(self.packed_no),
            )
        )
        return self.packed


def _best(levels: dict[int, int]) -> list[tuple[int, int]]:
    return sorted(levels.items(), reverse=True)[:PUBLISHED_LEVELS]
