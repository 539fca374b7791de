"""Events and pages of events and markets."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ..scalars import ABSENT, OptionalNumber, kept_object, moment, optional_multiplier
from ..sizes import EventTicker, SeriesTicker, Shard, ShortWord, Word
from .boundary import Rejection, decoder_of
from .market import Market, MarketWire, build_market
from .series import SettlementSource, SourceWire, build_sources


class EventWire(msgspec.Struct, kw_only=True, gc=False):
    event_ticker: EventTicker
    series_ticker: SeriesTicker
    mutually_exclusive: bool
    title: str | None = None
    sub_title: str | None = None
    collateral_return_type: ShortWord | None = None
    category: Word | None = None
    strike_date: str | None = None
    strike_period: str | None = None
    settlement_sources: list[SourceWire] | None = None
    product_metadata: dict[str, Any] | None = None
    last_updated_ts: str | None = None
    fee_type_override: Word | None = None
    fee_multiplier_override: OptionalNumber = ABSENT
    exchange_index: Shard | None = None
    markets: list[MarketWire] | None = None


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
    raw: tuple[msgspec.Raw, ...] = ()
    """The events' own bytes, refused ones among them."""


class MarketPage(msgspec.Struct, frozen=True):
    """One page of markets; see EventPage."""

    markets: tuple[Market, ...]
    cursor: str
    rejected: tuple[Rejection, ...]


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
        settlement_sources=build_sources(w.settlement_sources),
        product_metadata=kept_object(w.product_metadata),
        last_updated=moment(w.last_updated_ts),
        fee_type_override=w.fee_type_override or None,
        fee_multiplier_override=optional_multiplier(w.fee_multiplier_override),
        exchange_index=w.exchange_index or 0,
        markets=markets,
    )


EVENT = decoder_of(EventWire)
