"""Frames that could be read in two ways: a key that comes twice, a book under names that are not known."""

from __future__ import annotations

from typing import Final

import msgspec

from markets.kalshi.schemas.boundary import check_keys

TICKER_KEYS: Final = (
    b'"sid"',
    b'"market_ticker"',
    b'"yes_bid_dollars"',
    b'"yes_ask_dollars"',
    b'"yes_bid_size_fp"',
    b'"yes_ask_size_fp"',
)
DELTA_KEYS: Final = (b'"sid"', b'"seq"', b'"market_ticker"', b'"price_dollars"', b'"delta_fp"', b'"side"')
_SNAPSHOT_KEYS: Final = frozenset({"market_ticker", "market_id", "clock", "yes_dollars_fp", "no_dollars_fp"})


def check_once(payload: bytes, keys: tuple[bytes, ...]) -> None:
    """Raises ValueError if one of these keys comes twice. Counting is cheap; whatever is not plain is read in full."""
    count = payload.count
    for key in keys:
        if count(key) != 1:
            check_keys(payload)
            return
    if b"\\" in payload:  # a key may be spelt in another way
        check_keys(payload)


def check_sides(payload: bytes) -> None:
    """A snapshot without a side has an empty one only if nothing else in it could be that side: ValueError."""
    for name, value in msgspec.json.decode(payload)["msg"].items():
        if name not in _SNAPSHOT_KEYS and isinstance(value, list):
            raise ValueError(f"a book without a side, and levels under the unknown name {name!r}")
