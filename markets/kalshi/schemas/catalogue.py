"""Events, series, fee changes and public trades."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from kalbot.common.units import DOLLAR_PRICE, Count, Price, UnitError

from ..scalars import level_price, moment, optional_count, positive_count
from ..vocabulary import Side
from .boundary import Rejection, decoder_of
from .market import Market, MarketWire, build_market


class SourceWire(msgspec.Struct, gc=False):
    name: str | None = None
    url: str | None = None


class EventWire(msgspec.Struct, kw_only=True, gc=False):
    event_ticker: str
    series_ticker: str
    mutually_exclusive: bool
    title: str | None = None
    sub_title: str | None = None
    collateral_return_type: str | None = None
    category: str | None = None
    strike_date: str | None = None
    strike_period: str | None = None
    settlement_sources: list[SourceWire] | None = None
    product_metadata: dict[str, Any] | None = None
    last_updated_ts: str | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
    exchange_index: int | None = None
    markets: list[MarketWire] | None = None


class SettlementSource(msgspec.Struct, frozen=True, gc=False):
    name: str
    url: str


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event with its nested markets, if they were requested.

    ``mutually_exclusive`` says that at most one market resolves YES, never that one must (docs/kalshi-protocol.md 13).
    ``fee_type_override`` is the raw word: the fee module refuses what it does not know. An event of which a
    single market cannot be read is refused as a whole, because a basket over the rest would be a basket with
    a missing leg.
    """

    event_ticker: str
    series_ticker: str
    mutually_exclusive: bool
    title: str
    sub_title: str
    collateral_return_type: str
    category: str
    strike_date: datetime | None
    strike_period: str
    settlement_sources: tuple[SettlementSource, ...]
    product_metadata: dict[str, Any] | None
    last_updated: datetime | None
    fee_type_override: str | None
    fee_multiplier_override: Decimal | None
    exchange_index: int
    markets: tuple[Market, ...]


class EventPage(msgspec.Struct, frozen=True):
    """One page: ``cursor`` leads to the next ("" on the last), ``rejected`` holds the events that were
    refused."""

    events: tuple[Event, ...]
    cursor: str
    rejected: tuple[Rejection, ...]


class MarketPage(msgspec.Struct, frozen=True):
    """One page of markets; see EventPage."""

    markets: tuple[Market, ...]
    cursor: str
    rejected: tuple[Rejection, ...]


class SeriesPage(msgspec.Struct, frozen=True):
    """All series of one answer; see EventPage."""

    series: tuple[Series, ...]
    rejected: tuple[Rejection, ...]

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)


class SeriesWire(msgspec.Struct, kw_only=True):
    ticker: str
    fee_type: str
    fee_multiplier: Decimal
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


class SeriesFeeChangeWire(msgspec.Struct):
    id: str
    series_ticker: str
    fee_type: str
    fee_multiplier: Decimal
    scheduled_ts: str


class EventFeeChangeWire(msgspec.Struct):
    id: str
    event_ticker: str
    series_ticker: str
    scheduled_ts: str
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class FeeChange(msgspec.Struct, frozen=True, kw_only=True):
    """A fee change that takes effect at ``scheduled``. ``event_ticker`` is None for a whole series; for an
    event, ``fee_type`` None means that its override is cleared."""

    id: str
    series_ticker: str
    event_ticker: str | None
    fee_type: str | None
    fee_multiplier: Decimal | None
    scheduled: datetime | None


class TradeWire(msgspec.Struct, kw_only=True):
    trade_id: str
    ticker: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str
    taker_outcome_side: str
    created_time: str
    is_block_trade: bool = False


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A public trade. ``taker_side`` is the outcome that the taker bought."""

    trade_id: str
    ticker: str
    count: Count
    yes_price: Price
    taker_side: Side
    created: datetime | None
    is_block_trade: bool


def build_event(w: EventWire) -> Event:
    """Wire to ours; refuses the event when one of its markets is refused or belongs to another event."""
    markets = tuple(build_market(market) for market in w.markets or ())
    for market in markets:
        if market.event_ticker != w.event_ticker:
            raise ValueError(f"market {market.ticker} of {market.event_ticker} inside event {w.event_ticker}")
    if len({market.ticker for market in markets}) != len(markets):
        raise ValueError(f"a market is listed twice in event {w.event_ticker}")
    return Event(
        event_ticker=w.event_ticker,
        series_ticker=w.series_ticker,
        mutually_exclusive=w.mutually_exclusive,
        title=w.title or "",
        sub_title=w.sub_title or "",
        collateral_return_type=w.collateral_return_type or "",
        category=w.category or "",
        strike_date=moment(w.strike_date),
        strike_period=w.strike_period or "",
        settlement_sources=_sources(w.settlement_sources),
        product_metadata=w.product_metadata,
        last_updated=moment(w.last_updated_ts),
        fee_type_override=w.fee_type_override or None,
        fee_multiplier_override=w.fee_multiplier_override,
        exchange_index=w.exchange_index or 0,
        markets=markets,
    )


def build_series(w: SeriesWire) -> Series:
    """Wire to ours."""
    return Series(
        ticker=w.ticker,
        fee_type=w.fee_type,
        fee_multiplier=w.fee_multiplier,
        title=w.title or "",
        frequency=w.frequency or "",
        category=w.category or "",
        categories=tuple(w.categories or ()),
        tags=tuple(w.tags or ()),
        settlement_sources=_sources(w.settlement_sources),
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
        fee_multiplier=w.fee_multiplier,
        scheduled=moment(w.scheduled_ts),
    )


def build_event_fee_change(w: EventFeeChangeWire) -> FeeChange:
    """Wire to ours."""
    return FeeChange(
        id=w.id,
        series_ticker=w.series_ticker,
        event_ticker=w.event_ticker,
        fee_type=w.fee_type_override or None,
        fee_multiplier=w.fee_multiplier_override,
        scheduled=moment(w.scheduled_ts),
    )


def build_trade(w: TradeWire) -> Trade:
    """Wire to ours; refuses a trade whose two prices are not one dollar together."""
    yes, no = level_price(w.yes_price_dollars), level_price(w.no_price_dollars)
    if yes + no != DOLLAR_PRICE:
        raise UnitError(f"prices {w.yes_price_dollars} and {w.no_price_dollars} of one trade are not a dollar")
    return Trade(
        trade_id=w.trade_id,
        ticker=w.ticker,
        count=positive_count(w.count_fp),
        yes_price=yes,
        taker_side=Side(w.taker_outcome_side),
        created=moment(w.created_time),
        is_block_trade=w.is_block_trade,
    )


def _sources(wire: list[SourceWire] | None) -> tuple[SettlementSource, ...]:
    return tuple(SettlementSource(s.name or "", s.url or "") for s in wire or ())


EVENT = decoder_of(EventWire)
SERIES = decoder_of(SeriesWire)
SERIES_FEE_CHANGE = decoder_of(SeriesFeeChangeWire)
EVENT_FEE_CHANGE = decoder_of(EventFeeChangeWire)
TRADE = decoder_of(TradeWire)
