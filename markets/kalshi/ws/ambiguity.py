"""Frames that could be read in two ways: a key that comes twice, a book under names that are not known."""

from __future__ import annotations

from typing import Final

import msgspec

from markets.kalshi.schemas.boundary import check_keys

from .wire import Delta, Ticker

_TICKER_KEYS: Final = (
    b'"sid"',
    b'"market_ticker"',
    b'"yes_bid_dollars"',
    b'"yes_ask_dollars"',
    b'"yes_bid_size_fp"',
    b'"yes_ask_size_fp"',
)
_DELTA_KEYS: Final = (b'"sid"', b'"seq"', b'"market_ticker"', b'"price_dollars"', b'"delta_fp"', b'"side"')
_DELTA_QUOTES: Final = 26
"""Quotation marks of the keys that every delta has (type, sid, seq, msg and four in it), and of the five texts behind them."""
_TICKER_QUOTES: Final = 40
"""The same of a ticker: eleven keys, nine texts."""
_DELTA_MORE: Final = ((b'"market_id":"', 4), (b'"ts":"', 4), (b'"sending_ts_ms":', 2))
_TICKER_MORE: Final = (
    (b'"market_id":"', 4),
    (b'"dollar_volume":', 2),
    (b'"dollar_open_interest":', 2),
    (b'"last_trade_size_fp":"', 4),
    (b'"time":"', 4),
    (b'"sending_ts_ms":', 2),
)
"""Fields that are not read, with the quotation marks that each adds at least."""
_SNAPSHOT_KEYS: Final = frozenset({"market_ticker", "market_id", "clock", "yes_dollars_fp", "no_dollars_fp"})


def check_delta(payload: bytes, message: Delta) -> None:
    """Raises ValueError if a key of a delta comes twice. ``payload`` is what ``message`` was decoded from.

    Cheap and exact: without a backslash every quotation mark delimits a key or a text. Those that the decoded fields need, each once,
    are counted; if the payload has no more of them, no key came twice. Otherwise the keys that are read are counted.
    """
    more = payload.count(b'"') - _DELTA_QUOTES
    if more:
        m = message.msg
        if m.ts_ms is not None:
            more -= 2
        if m.clock is not None:
            more -= 2
        if m.client_order_id is not None:
            more -= 4
        if more and not _explained(payload, more, _DELTA_MORE):
            _check_once(payload, _DELTA_KEYS)
            return
    if b"\\" in payload:
        _check_once(payload, _DELTA_KEYS)


def check_ticker(payload: bytes, message: Ticker) -> None:
    """``check_delta`` for a ticker."""
    m = message.msg
    more = payload.count(b'"') - _TICKER_QUOTES
    if m.ts_ms is not None:
        more -= 2
    if m.ts is not None:
        more -= 2
    if (more and not _explained(payload, more, _TICKER_MORE)) or b"\\" in payload:
        _check_once(payload, _TICKER_KEYS)


def _explained(payload: bytes, more: int, fields: tuple[tuple[bytes, int], ...]) -> bool:
    """Whether these fields, each once, account for exactly ``more`` quotation marks."""
    for start, marks in fields:
        if start in payload:
            more -= marks
            if not more:
                return True
    return False


def _check_once(payload: bytes, keys: tuple[bytes, ...]) -> None:
    """Counting is cheap; whatever is not plain is read in full."""
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
