"""Series with their settlement sources, and scheduled fee changes of series and events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from kalbot.common.units import Count

from ..scalars import ABSENT, Number, OptionalNumber, moment, optional_count, optional_multiplier, required_multiplier
from .boundary import Rejection, decoder_of


class SourceWire(msgspec.Struct, gc=False):
    name: str | None = None
    url: str | None = None


class SettlementSource(msgspec.Struct, frozen=True, gc=False):
    name: str
    url: str


class SeriesWire(msgspec.Struct, kw_only=True):
    ticker: str
    fee_type: str
    fee_multiplier: Number
    title: str | None = None
    frequency: str | None = None
    category: str | None = None
    categories: list[str] | None = None
    tags: list[str] | None = None
    settlement_sources: list[SourceWire] | None = None
    contract_url: str | None = None
    contract_terms_url: str | None = None
    volume_fp: str | None = None
    last_updated_ts: str | None = None
    exchange_index: int | None = None


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
    id: str
    series_ticker: str
    fee_type: str
    fee_multiplier: Number
    scheduled_ts: str


class EventFeeChangeWire(msgspec.Struct):
    id: str
    event_ticker: str
    series_ticker: str
    scheduled_ts: str
    fee_type_override: str | None = None
    fee_multiplier_override: OptionalNumber = ABSENT


class FeeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A fee change that takes effect at ``scheduled``. ``event_ticker`` is None for a whole series; for an
    event, ``fee_type`` None means that its override is cleared."""

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


def build_series_fee_change(w: SeriesFeeChangeWire) -> FeeChange:
    """Wire to ours."""
    return FeeChange(
        id=w.id,
        series_ticker=w.series_ticker,
        event_ticker=None,
        fee_type=w.fee_type,
        fee_multiplier=required_multiplier(w.fee_multiplier),
        scheduled=moment(w.scheduled_ts),
    )


def build_event_fee_change(w: EventFeeChangeWire) -> FeeChange:
    """Wire to ours."""
    return FeeChange(
        id=w.id,
        series_ticker=w.series_ticker,
        event_ticker=w.event_ticker,
        fee_type=w.fee_type_override or None,
        fee_multiplier=optional_multiplier(w.fee_multiplier_override),
        scheduled=moment(w.scheduled_ts),
    )


def build_sources(wire: list[SourceWire] | None) -> tuple[SettlementSource, ...]:
    """Wire to ours; absent means none."""
    return tuple(SettlementSource(source.name or "", source.url or "") for source in wire or ())


SERIES = decoder_of(SeriesWire)
SERIES_FEE_CHANGE = decoder_of(SeriesFeeChangeWire)
EVENT_FEE_CHANGE = decoder_of(EventFeeChangeWire)
