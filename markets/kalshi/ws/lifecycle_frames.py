"""Frames about the lives of markets and events; see ``frames``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kalbot.common.units import Price

from ..grid import PriceBand
from ..vocabulary import LifecycleEvent, MarketResult


class MarketMetadata(msgspec.Struct, kw_only=True):
    """What ``created`` and ``metadata_updated`` say about a market; None where nothing was said."""

    event_ticker: str | None = None
    name: str | None = None
    title: str | None = None
    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    rules_primary: str | None = None
    rules_secondary: str | None = None
    can_close_early: bool | None = None
    expected_expiration: datetime | None = None
    strike_type: str | None = None
    floor_strike: Decimal | None = None
    cap_strike: Decimal | None = None
    custom_strike: dict[str, Any] | None = None


class LifecycleFrame(msgspec.Struct, kw_only=True):
    """Something happened to a market; only what the event concerns is set. ``price_bands`` replace the grid
    when not None."""

    sid: int
    seq: int
    market_ticker: str
    event_type: LifecycleEvent
    exchange_index: int | None = None
    open_time: datetime | None = None
    close_time: datetime | None = None
    determination_time: datetime | None = None
    settled_time: datetime | None = None
    result: MarketResult = MarketResult.NONE
    settlement_value: Price | None = None
    is_deactivated: bool | None = None
    price_level_structure: str | None = None
    price_bands: tuple[PriceBand, ...] | None = None
    metadata: MarketMetadata | None = None


class EventLifecycleFrame(msgspec.Struct, kw_only=True):
    """A new event."""

    sid: int
    seq: int
    event_ticker: str
    series_ticker: str
    exchange_index: int
    title: str
    sub_title: str
    collateral_return_type: str
    strike_date: datetime | None = None
    strike_period: str | None = None


class EventFeeFrame(msgspec.Struct):
    """An event's fee override; both None means that it was cleared. ``fee_type`` is the raw word."""

    sid: int
    seq: int
    event_ticker: str
    fee_type_override: str | None
    fee_multiplier_override: Decimal | None
