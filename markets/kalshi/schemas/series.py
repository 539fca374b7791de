"""Series with their settlement sources, and scheduled fee changes of series and events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from kalbot.common.units import Count, UnitError

from ..scalars import (
    ABSENT,
    Number,
    OptionalNumber,
    moment,
    optional_count,
    optional_multiplier,
    required_moment,
    required_multiplier,
)
from ..sizes import Address, EventTicker, Identifier, SeriesTicker, Shard, ShortWord, Word
from .boundary import Rejection, decoder_of


class SourceWire(msgspec.Struct, gc=False):
    name: str | None = None
    url: str | None = None


class SettlementSource(msgspec.Struct, frozen=True, gc=False):
    name: str
    url: str


class SeriesWire(msgspec.Struct, kw_only=True):
    ticker: SeriesTicker
    fee_type: Word
    fee_multiplier: Number
    title: str | None = None
    frequency: ShortWord | None = None
    category: Word | None = None
    categories: list[str] | None = None
    tags: list[str] | None = None
    settlement_sources: list[SourceWire] | None = None
    contract_url: str | None = None
    contract_terms_url: Address | None = None
    volume_fp: str | None = None
    last_updated_ts: str | None = None
    exchange_index: Shard | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One series. ``fee_type`` is the raw word and ``fee_multiplier`` exact: the fee module judges them."""

    ticker: str
    fee_type: str
    fee_multiplier: Decimal
    title: str
    frequency: str
    category: str
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    settlement_sources: tuple[SettlementSource, ...]
    contract_url: str
    contract_terms_url: str
    volume: Count
    last_updated: datetime | None
    exchange_index: int


class SeriesPage(msgspec.Struct, frozen=True):
    """All series of one answer; ``rejected`` holds those that were refused."""

    series: tuple[Series, ...]
    rejected: tuple[Rejection, ...]

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)


class SeriesFeeChangeWire(msgspec.Struct):
    id: Identifier
    series_ticker: SeriesTicker
    fee_type: Word
    fee_multiplier: Number
    scheduled_ts: str


class EventFeeChangeWire(msgspec.Struct):
    id: Identifier
    event_ticker: EventTicker
    series_ticker: SeriesTicker
    scheduled_ts: str
    fee_type_override: Word | None = None
    fee_multiplier_override: OptionalNumber = ABSENT


class ChangedWire(msgspec.Struct):
    """What names a fee change of which the rest cannot be read."""

    id: Identifier
    series_ticker: SeriesTicker
    event_ticker: EventTicker | None = None
    scheduled_ts: Any = None


UNREADABLE: Final = "unreadable"
"""The fee type of an announced change that could not be read: no fees are known by that name, so nothing is traded on it."""


class FeeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A fee change that takes effect at ``scheduled``, or from now on if that cannot be read (None). ``event_ticker`` is None for
    a whole series; for an event, ``fee_type`` None means that its override is cleared."""

    id: str
    series_ticker: str
    event_ticker: str | None
    fee_type: str | None
    fee_multiplier: Decimal | None
    scheduled: datetime | None


def build_series(w: SeriesWire) -> Series:
    """Wire to ours; refuses a fee multiplier that cannot be one."""
    return Series(
        ticker=w.ticker,
        fee_type=w.fee_type,
        fee_multiplier=required_multiplier(w.fee_multiplier),
        title=w.title or "",
        frequency=w.frequency or "",
        category=w.category or "",
        categories=tuple(w.categories or ()),
        tags=tuple(w.tags or ()),
        settlement_sources=build_sources(w.settlement_sources),
        contract_url=w.contract_url or "",
        contract_terms_url=w.contract_terms_url or "",
        volume=optional_count(w.volume_fp),
        last_updated=moment(w.last_updated_ts),
        exchange_index=w.exchange_index or 0,
    )


def build_unreadable_change(w: ChangedWire) -> FeeChange:
    """A change that stops all trading on what it names."""
    try:
        scheduled = moment(w.scheduled_ts) if isinstance(w.scheduled_ts, str) else None
    except UnitError:
        scheduled = None
    return FeeChange(
        id=w.id,
        series_ticker=w.series_ticker,
        event_ticker=w.event_ticker,
        fee_type=UNREADABLE,
        fee_multiplier=None,
        scheduled=scheduled,
    )


def build_series_fee_change(w: SeriesFeeChangeWire) -> FeeChange:
    """Wire to ours; refuses one without a time."""
    return FeeChange(
        id=w.id,
        series_ticker=w.series_ticker,
        event_ticker=None,
        fee_type=w.fee_type,
        fee_multiplier=required_multiplier(w.fee_multiplier),
        scheduled=required_moment(w.scheduled_ts),
    )


def build_event_fee_change(w: EventFeeChangeWire) -> FeeChange:
    """Wire to ours; refuses one without a time."""
    return FeeChange(
        id=w.id,
        series_ticker=w.series_ticker,
        event_ticker=w.event_ticker,
        fee_type=w.fee_type_override or None,
        fee_multiplier=optional_multiplier(w.fee_multiplier_override),
        scheduled=required_moment(w.scheduled_ts),
    )


def build_sources(wire: list[SourceWire] | None) -> tuple[SettlementSource, ...]:
    """Wire to ours; absent means none."""
    return tuple(SettlementSource(source.name or "", source.url or "") for source in wire or ())


SERIES = decoder_of(SeriesWire)
SERIES_FEE_CHANGE = decoder_of(SeriesFeeChangeWire)
EVENT_FEE_CHANGE = decoder_of(EventFeeChangeWire)
CHANGED = decoder_of(ChangedWire)
