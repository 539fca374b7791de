"""Best bids as a tape has them (``Kind.QUOTE``)."""

from __future__ import annotations

from typing import Final

import msgspec


class Best(msgspec.Struct, gc=False):
    """The best bids of a market; None where nobody bids, sizes where they were recorded."""

    yes_bid_dollars: str | None
    no_bid_dollars: str | None
    yes_bid_size_fp: str | msgspec.UnsetType | None = msgspec.UNSET
    no_bid_size_fp: str | msgspec.UnsetType | None = msgspec.UNSET


read_best: Final = msgspec.json.Decoder(Best).decode
"""Raises msgspec.MsgspecError for a payload of another shape."""
