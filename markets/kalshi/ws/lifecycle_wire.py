"""The shapes of messages about the lives of markets and events; see ``wireframes``."""

from __future__ import annotations

from typing import Any

import msgspec

from markets.kalshi.schemas.market import BandWire

from ..scalars import ABSENT, OptionalNumber


class MetadataMsg(msgspec.Struct, kw_only=True):
    name: str | None = None
    title: str | None = None
    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    rules_primary: str | None = None
    rules_secondary: str | None = None
    can_close_early: bool | None = None
    event_ticker: str | None = None
    expected_expiration_ts: int | None = None
    strike_type: str | None = None
    floor_strike: OptionalNumber = ABSENT
    cap_strike: OptionalNumber = ABSENT
    custom_strike: dict[str, Any] | None = None


class LifecycleMsg(msgspec.Struct, kw_only=True):
    market_ticker: str
    event_type: str
    exchange_index: int | None = None
    open_ts: int | None = None
    close_ts: int | None = None
    determination_ts: int | None = None
    settled_ts: int | None = None
    result: str | None = None
    settlement_value: str | None = None
    is_deactivated: bool | None = None
    additional_metadata: MetadataMsg | None = None
    price_level_structure: str | None = None
    price_ranges: list[BandWire] | None = None
    strike_type: str | None = None
    floor_strike: OptionalNumber = ABSENT
    cap_strike: OptionalNumber = ABSENT
    custom_strike: dict[str, Any] | None = None
    yes_sub_title: str | None = None


class EventLifecycleMsg(msgspec.Struct, kw_only=True):
    event_ticker: str
    series_ticker: str
    exchange_index: int
    title: str
    subtitle: str
    collateral_return_type: str
    strike_date: int | None = None
    strike_period: str | None = None


class EventFeeMsg(msgspec.Struct):
    event_ticker: str
    fee_type_override: str | None
    fee_multiplier_override: OptionalNumber
