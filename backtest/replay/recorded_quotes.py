"""Best bids as a tape has them (``Kind.QUOTE``)."""

from __future__ import annotations

from typing import Final

import msgspec

from kalbot.common.units import Count, Price, complement
from markets.kalshi.ws.frames import TickerFrame

Touch = tuple[Price, Count] | None
"""The best bid of a side and what is wanted there; None where nobody bids."""
_NOTHING: Final = Count(0)
_NOBODY: Final = (None, _NOTHING)


class Best(msgspec.Struct, gc=False):
    """The best bids of a market; None where nobody bids, sizes where they were recorded."""

    yes_bid_dollars: str | None
    no_bid_dollars: str | None
    yes_bid_size_fp: str | msgspec.UnsetType | None = msgspec.UNSET
    no_bid_size_fp: str | msgspec.UnsetType | None = msgspec.UNSET


read_best: Final = msgspec.json.Decoder(Best).decode
"""Raises msgspec.MsgspecError for a payload of another shape."""


def ticker_of(ticker: str, yes: Touch, no: Touch, at: int) -> TickerFrame:
    """The ticker message that says the same of a market; ``at``: Unix milliseconds."""
    yes_bid, yes_size = yes or _NOBODY
    no_bid, no_size = no or _NOBODY
    ask = None if no_bid is None else complement(no_bid)
    return TickerFrame(0, ticker, None, yes_bid, yes_size, ask, no_size, _NOTHING, _NOTHING, at)
