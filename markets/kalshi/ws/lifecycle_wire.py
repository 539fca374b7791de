"""The shapes of messages about the lives of markets and events; see ``wireframes``."""

from __future__ import annotations

from typing import Any

import msgspec

from markets.kalshi.schemas.market import BandWire

from ..scalars import ABSENT, OptionalNumber
from ..sizes import ClientId, EventTicker, MarketTicker, Seconds, SeriesTicker, Shard, ShortWord, Word


class MetadataMsg(msgspec.Struct, kw_only=True):
    name: str | None = None
    title: str | None = None
    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    rules_primary: str | None = None
    rules_secondary: str | None = None
    can_close_early: bool | None = None
    event_ticker: ClientId | None = None
    expected_expiration_ts: Seconds | None = None
    strike_type: ShortWord | None = None
    floor_strike: OptionalNumber = ABSENT
    cap_strike: OptionalNumber = ABSENT
    custom_strike: dict[str, Any] | None = None


class LifecycleMsg(msgspec.Struct, kw_only=True):
    market_ticker: MarketTicker
    event_type: Word
    exchange_index: Shard | None = None
    open_ts: Seconds | None = None
    close_ts: Seconds | None = None
    determination_ts: Seconds | None = None
    settled_ts: Seconds | None = None
    result: str | None = None
    settlement_value: str | None = None
    is_deactivated: bool | None = None
    additional_metadata: MetadataMsg | None = None
    price_level_structure: Word | None = None
    price_ranges: list[BandWire] | None = None
    strike_type: ShortWord | None = None
    floor_strike: OptionalNumber = ABSENT
    cap_strike: OptionalNumber = ABSENT
    custom_strike: dict[str, Any] | None = None
    yes_sub_title: str | None = None


class EventLifecycleMsg(msgspec.Struct, kw_only=True):
    event_ticker: EventTicker
    series_ticker: SeriesTicker
    exchange_index: Shard
    title: str
    subtitle: str
    collateral_return_type: ShortWord
    strike_date: Seconds | None = None
    strike_period: str | None = None


class EventFeeMsg(msgspec.Struct):
    event_ticker: EventTicker
    fee_type_override: Word | None
    fee_multiplier_override: OptionalNumber
