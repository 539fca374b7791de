"""Candlesticks: what quotes and trades of a market did in a period. The live and the archived shape name their fields differently."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kalbot.common.units import Count, Price, UnitError

from ..scalars import PRICES, Micros, micros, moment_from_seconds, optional_price, positive_count
from ..sizes import MarketTicker, Seconds
from .boundary import decoder_of

PERIODS = (1, 60, 1440)
"""Minutes."""


class QuotesWire(msgspec.Struct, kw_only=True, rename=lambda name: f"{name}_dollars"):
    open: str
    low: str
    high: str
    close: str


class OldQuotesWire(msgspec.Struct, kw_only=True):
    open: str
    low: str
    high: str
    close: str


class TradesWire(msgspec.Struct, kw_only=True, rename=lambda name: f"{name}_dollars"):
    open: str | None = None
    low: str | None = None
    high: str | None = None
    close: str | None = None
    mean: str | None = None
    previous: str | None = None


class OldTradesWire(msgspec.Struct, kw_only=True):
    open: str | None
    low: str | None
    high: str | None
    close: str | None
    mean: str | None
    previous: str | None


class CandleWire(msgspec.Struct, kw_only=True):
    end_period_ts: Seconds
    yes_bid: QuotesWire
    yes_ask: QuotesWire
    price: TradesWire
    volume_fp: str
    open_interest_fp: str


class OldCandleWire(msgspec.Struct, kw_only=True):
    end_period_ts: Seconds
    yes_bid: OldQuotesWire
    yes_ask: OldQuotesWire
    price: OldTradesWire
    volume: str
    open_interest: str


class Span(msgspec.Struct, frozen=True):
    """Open, low, high and close of one price; an empty side of a book stands at 0 or at a dollar."""

    open: Price
    low: Price
    high: Price
    close: Price


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One period up to and including ``end``. ``traded`` and ``mean`` (1/1,000,000 dollar) are None without a trade in it,
    ``previous`` without a trade before it."""

    end: datetime
    yes_bid: Span
    yes_ask: Span
    traded: Span | None
    mean: Micros | None
    previous: Price | None
    volume: Count
    open_interest: Count


class CandlesWire(msgspec.Struct):
    ticker: MarketTicker
    candlesticks: list[CandleWire]


class OldCandlesWire(msgspec.Struct):
    ticker: MarketTicker
    candlesticks: list[OldCandleWire]


class EventCandlesWire(msgspec.Struct):
    market_tickers: list[str]
    market_candlesticks: list[list[CandleWire]]
    adjusted_end_ts: Seconds


class MarketCandlesWire(msgspec.Struct):
    market_ticker: MarketTicker
    candlesticks: list[CandleWire]


class BatchCandlesWire(msgspec.Struct):
    markets: list[MarketCandlesWire]


def build_candle(w: CandleWire | OldCandleWire) -> Candle:
    """Wire to ours; refuses a span whose low lies above its high, and a period without an end."""
    end = moment_from_seconds(w.end_period_ts)
    if end is None:
        raise UnitError("a candlestick without an end")
    price = w.price
    traded = None
    if price.open and price.low and price.high and price.close:
        traded = _span(price.open, price.low, price.high, price.close)
    return Candle(
        end=end,
        yes_bid=_span(w.yes_bid.open, w.yes_bid.low, w.yes_bid.high, w.yes_bid.close),
        yes_ask=_span(w.yes_ask.open, w.yes_ask.low, w.yes_ask.high, w.yes_ask.close),
        traded=traded,
        mean=micros(price.mean) if price.mean else None,
        previous=optional_price(price.previous),
        volume=positive_count(w.volume_fp if isinstance(w, CandleWire) else w.volume),
        open_interest=positive_count(w.open_interest_fp if isinstance(w, CandleWire) else w.open_interest),
    )


def _span(opened: str, low: str, high: str, close: str) -> Span:
    span = Span(PRICES[opened], PRICES[low], PRICES[high], PRICES[close])
    if not span.low <= min(span.open, span.close) <= max(span.open, span.close) <= span.high:
        raise UnitError(f"a candlestick from {low} to {high} that opens at {opened} and closes at {close}")
    return span


def build_candles(w: CandlesWire | OldCandlesWire) -> tuple[Candle, ...]:
    """The candlesticks of one market, ascending."""
    return tuple(build_candle(candle) for candle in w.candlesticks)


def build_event_candles(w: EventCandlesWire) -> dict[str, tuple[Candle, ...]]:
    """By ticker. ValueError unless there is one row for each."""
    rows = zip(w.market_tickers, w.market_candlesticks, strict=True)
    return {ticker: tuple(build_candle(candle) for candle in row) for ticker, row in rows}


def build_batch(w: BatchCandlesWire) -> dict[str, tuple[Candle, ...]]:
    """By ticker."""
    return {m.market_ticker: tuple(build_candle(candle) for candle in m.candlesticks) for m in w.markets}


CANDLES = decoder_of(CandlesWire)
OLD_CANDLES = decoder_of(OldCandlesWire)
EVENT_CANDLES = decoder_of(EventCandlesWire)
BATCH_CANDLES = decoder_of(BatchCandlesWire)
