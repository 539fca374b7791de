"""Whole answers of the public reads: pages with their cursor, lists, single records."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from ..errors import SchemaError
from .boundary import Records, decode_page, decoder_of, parse, parse_all, parse_each, parse_record
from .catalogue import EVENT, Event, EventPage, EventWire, MarketPage, build_event
from .market import MARKET, Market, MarketWire, build_market
from .orderbook import BOOK, BOOKS, Book, build_book
from .programmes import PROGRAMME, Programme, build_programme
from .series import (
    CHANGED,
    EVENT_FEE_CHANGE,
    SERIES,
    SERIES_FEE_CHANGE,
    FeeChange,
    Series,
    SeriesPage,
    SeriesWire,
    build_event_fee_change,
    build_series,
    build_series_fee_change,
    build_unreadable_change,
)
from .trades import TRADE, Trade, build_trade

W = TypeVar("W")


class _Events(msgspec.Struct):
    events: list[msgspec.Raw]
    cursor: str | None = None


class _EventAnswer(msgspec.Struct):
    event: EventWire
    markets: list[MarketWire] | None = None


class _Markets(msgspec.Struct):
    markets: list[msgspec.Raw]
    cursor: str | None = None


class _MarketAnswer(msgspec.Struct):
    market: MarketWire


class _SeriesList(msgspec.Struct):
    series: list[msgspec.Raw]


class _SeriesAnswer(msgspec.Struct):
    series: SeriesWire


class _Trades(msgspec.Struct):
    trades: list[msgspec.Raw]
    cursor: str | None = None


class _SeriesFees(msgspec.Struct):
    series_fee_change_arr: list[msgspec.Raw]


class _Programmes(msgspec.Struct):
    incentive_programs: list[msgspec.Raw]
    next_cursor: str | None = None


class _EventFees(msgspec.Struct):
    event_fee_changes: list[msgspec.Raw]
    cursor: str | None = None


_EVENTS, _MARKETS, _SERIES_LIST = decoder_of(_Events), decoder_of(_Markets), decoder_of(_SeriesList)
_EVENT_ANSWER, _MARKET_ANSWER = decoder_of(_EventAnswer), decoder_of(_MarketAnswer)
_SERIES_ANSWER, _TRADES = decoder_of(_SeriesAnswer), decoder_of(_Trades)
_PROGRAMMES = decoder_of(_Programmes)
_SERIES_FEES, _EVENT_FEES = decoder_of(_SeriesFees), decoder_of(_EventFees)


def parse_event_page(body: bytes) -> EventPage:
    """A page of GET /events.

    Events that the boundary refuses are in ``rejected``; a page that is none: SchemaError.
    """
    wire, records = decode_page(_EVENTS, lambda page: page.events, body)
    events, rejected = parse_each(EVENT, build_event, records)
    return EventPage(events, wire.cursor or "", rejected, tuple(wire.events))


def parse_market_page(body: bytes) -> MarketPage:
    """A page of GET /markets; see parse_event_page."""
    wire, records = decode_page(_MARKETS, lambda page: page.markets, body)
    markets, rejected = parse_each(MARKET, build_market, records)
    return MarketPage(markets, wire.cursor or "", rejected)


def parse_event(body: bytes) -> Event:
    """The answer of GET /events/{ticker}, whose markets stand inside the event or beside it."""
    return parse(_EVENT_ANSWER, _build_event_answer, body)


def _build_event_answer(answer: _EventAnswer) -> Event:
    if not answer.event.markets and answer.markets:
        answer.event.markets = answer.markets
    return build_event(answer.event)


def parse_series_list(body: bytes) -> SeriesPage:
    """The answer of GET /series."""
    _, records = decode_page(_SERIES_LIST, lambda page: page.series, body)
    series, rejected = parse_each(SERIES, build_series, records)
    return SeriesPage(series, rejected)


def parse_orderbook(body: bytes) -> Book:
    """The answer of GET /markets/{ticker}/orderbook."""
    return parse(BOOK, lambda wire: build_book(wire.orderbook_fp), body)


def parse_market(body: bytes) -> Market:
    """The answer of GET /markets/{ticker}."""
    return parse(_MARKET_ANSWER, lambda answer: build_market(answer.market), body)


def parse_series(body: bytes) -> Series:
    """The answer of GET /series/{ticker}."""
    return parse(_SERIES_ANSWER, lambda answer: build_series(answer.series), body)


def parse_orderbooks(body: bytes) -> dict[str, Book]:
    """The answer of GET /markets/orderbooks by ticker."""
    return parse(BOOKS, lambda w: {b.ticker: build_book(b.orderbook_fp) for b in w.orderbooks}, body)


def parse_series_fee_changes(body: bytes) -> tuple[FeeChange, ...]:
    """The answer of GET /series/fee_changes."""
    _, records = decode_page(_SERIES_FEES, lambda page: page.series_fee_change_arr, body)
    return _fee_changes(SERIES_FEE_CHANGE, build_series_fee_change, records)


def parse_trade_page(body: bytes) -> tuple[tuple[Trade, ...], str]:
    """A page of GET /markets/trades and its cursor."""
    wire, records = decode_page(_TRADES, lambda page: page.trades, body)
    return parse_all(TRADE, build_trade, records), wire.cursor or ""


def parse_programme_page(body: bytes) -> tuple[tuple[Programme, ...], str]:
    """A page of GET /incentive_programs and its cursor, which has a name of its own."""
    wire, records = decode_page(_PROGRAMMES, lambda page: page.incentive_programs, body)
    return parse_all(PROGRAMME, build_programme, records), wire.next_cursor or ""


def parse_event_fee_page(body: bytes) -> tuple[tuple[FeeChange, ...], str]:
    """A page of GET /events/fee_changes and its cursor."""
    wire, records = decode_page(_EVENT_FEES, lambda page: page.event_fee_changes, body)
    return _fee_changes(EVENT_FEE_CHANGE, build_event_fee_change, records), wire.cursor or ""


def _fee_changes(
    decoder: msgspec.json.Decoder[W], build: Callable[[W], FeeChange], records: Records
) -> tuple[FeeChange, ...]:
    """Every change; one that cannot be read stops what it names, and only one that names nothing raises SchemaError."""
    found = []
    for body in records.bodies:
        try:
            found.append(parse_record(decoder, build, body, records.suspect))
        except SchemaError:
            found.append(parse_record(CHANGED, build_unreadable_change, body, records.suspect))
    return tuple(found)
