"""A market as the catalogue lists it.

Its quotes may be 15 seconds old: never trade on them (docs/kalshi-protocol.md 5).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from kalbot.common.units import Count, Money, Price, UnitError, complement

from ..grid import PriceBand
from ..scalars import (
    ABSENT,
    COUNTS,
    PRICES,
    OptionalNumber,
    decimal,
    kept_object,
    level_price,
    moment,
    optional_count,
    optional_money,
    optional_price,
)
from ..sizes import Duration, EventTicker, KindWord, MarketTicker, Shard, ShortWord, StatusWord, Word
from ..vocabulary import COMBO_PREFIX, MarketResult, MarketStatus, MarketType, SettlementBounds, StrikeType
from .boundary import decoder_of


class BandWire(msgspec.Struct, gc=False, frozen=True):
    start: str
    end: str
    step: str


class MarketWire(msgspec.Struct, kw_only=True, gc=False):
    ticker: MarketTicker
    event_ticker: EventTicker
    market_type: KindWord
    status: StatusWord
    title: str | None = None
    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    created_time: str | None = None
    updated_time: str | None = None
    open_time: str | None = None
    close_time: str | None = None
    expected_expiration_time: str | None = None
    latest_expiration_time: str | None = None
    settlement_timer_seconds: Duration | None = None
    can_close_early: bool | None = None
    early_close_condition: str | None = None
    yes_bid_dollars: str | None = None
    yes_bid_size_fp: str | None = None
    yes_ask_dollars: str | None = None
    yes_ask_size_fp: str | None = None
    last_price_dollars: str | None = None
    volume_fp: str | None = None
    volume_24h_fp: str | None = None
    open_interest_fp: str | None = None
    notional_value_dollars: str | None = None
    result: str | None = None
    settlement_value_dollars: str | None = None
    settlement_ts: str | None = None
    settlement_bounds_type: KindWord | None = None
    settlement_floor_dollars: str | None = None
    expiration_value: str | None = None
    strike_type: ShortWord | None = None
    floor_strike: OptionalNumber = ABSENT
    cap_strike: OptionalNumber = ABSENT
    functional_strike: str | None = None
    custom_strike: dict[str, Any] | None = None
    rules_primary: str | None = None
    rules_secondary: str | None = None
    price_level_structure: Word | None = None
    price_ranges: list[BandWire] | None = None
    mve_collection_ticker: str | None = None
    mve_selected_legs: list[msgspec.Raw] | None = None
    fee_waiver_expiration_time: str | None = None
    is_provisional: bool | None = None
    exchange_index: Shard | None = None


class Market(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One market in our units. ``None`` means that the exchange did not say, or that the side is empty.

    Prices are Price, sizes and volumes Count, ``notional_value`` Money, strikes exact Decimals, times aware
    UTC. ``price_bands`` empty means an unknown grid, on which no price is valid. ``exchange_index`` absent
    means shard 0.
    """

    ticker: str
    event_ticker: str
    market_type: MarketType
    status: MarketStatus
    title: str
    yes_sub_title: str
    no_sub_title: str
    created_time: datetime | None
    updated_time: datetime | None
    open_time: datetime | None
    close_time: datetime | None
    expected_expiration_time: datetime | None
    latest_expiration_time: datetime | None
    settlement_timer_seconds: int | None
    can_close_early: bool
    early_close_condition: str
    yes_bid: Price | None
    yes_bid_size: Count
    yes_ask: Price | None
    yes_ask_size: Count
    last_price: Price | None
    volume: Count
    volume_24h: Count
    open_interest: Count
    notional_value: Money | None
    result: MarketResult
    settlement_value: Price | None
    settlement_time: datetime | None
    settlement_bounds_type: SettlementBounds | None
    settlement_floor: Price | None
    expiration_value: str
    strike_type: StrikeType | None
    floor_strike: Decimal | None
    cap_strike: Decimal | None
    functional_strike: str
    custom_strike: dict[str, Any] | None
    rules_primary: str
    rules_secondary: str
    price_level_structure: str
    price_bands: tuple[PriceBand, ...]
    mve_collection_ticker: str
    mve: bool
    fee_waiver_expiration_time: datetime | None
    is_provisional: bool
    exchange_index: int

    @property
    def no_bid(self) -> Price | None:
        """Best NO bid, whose size is ``yes_ask_size``."""
        return None if self.yes_ask is None else complement(self.yes_ask)

    @property
    def no_ask(self) -> Price | None:
        """Best NO ask, whose size is ``yes_bid_size``."""
        return None if self.yes_bid is None else complement(self.yes_bid)


def build_market(w: MarketWire) -> Market:
    """Wire to ours.

    Raises ValueError for a value that cannot be held exactly or a result that is not known.
    """
    yes_bid, yes_bid_size = quote(w.yes_bid_dollars, w.yes_bid_size_fp)
    yes_ask, yes_ask_size = quote(w.yes_ask_dollars, w.yes_ask_size_fp)
    if yes_bid is not None and yes_ask is not None and yes_bid >= yes_ask:
        raise UnitError(f"crossed quotes: bid {w.yes_bid_dollars}, ask {w.yes_ask_dollars}")
    return Market(
        ticker=w.ticker,
        event_ticker=w.event_ticker,
        market_type=MarketType.of(w.market_type),
        status=MarketStatus.of(w.status),
        title=w.title or "",
        yes_sub_title=w.yes_sub_title or "",
        no_sub_title=w.no_sub_title or "",
        created_time=moment(w.created_time),
        updated_time=moment(w.updated_time),
        open_time=moment(w.open_time),
        close_time=moment(w.close_time),
        expected_expiration_time=moment(w.expected_expiration_time),
        latest_expiration_time=moment(w.latest_expiration_time),
        settlement_timer_seconds=w.settlement_timer_seconds,
        can_close_early=bool(w.can_close_early),
        early_close_condition=w.early_close_condition or "",
        yes_bid=yes_bid,
        yes_bid_size=yes_bid_size,
        yes_ask=yes_ask,
        yes_ask_size=yes_ask_size,
        last_price=optional_price(w.last_price_dollars) or None,
        volume=optional_count(w.volume_fp),
        volume_24h=optional_count(w.volume_24h_fp),
        open_interest=optional_count(w.open_interest_fp),
        notional_value=optional_money(w.notional_value_dollars) or None,
        result=MarketResult(w.result) if w.result else MarketResult.NONE,
        settlement_value=optional_price(w.settlement_value_dollars),
        settlement_time=moment(w.settlement_ts),
        settlement_bounds_type=SettlementBounds.of(w.settlement_bounds_type) if w.settlement_bounds_type else None,
        settlement_floor=optional_price(w.settlement_floor_dollars),
        expiration_value=w.expiration_value or "",
        strike_type=StrikeType.of(w.strike_type) if w.strike_type else None,
        floor_strike=decimal(w.floor_strike),
        cap_strike=decimal(w.cap_strike),
        functional_strike=w.functional_strike or "",
        custom_strike=kept_object(w.custom_strike),
        rules_primary=w.rules_primary or "",
        rules_secondary=w.rules_secondary or "",
        price_level_structure=w.price_level_structure or "",
        price_bands=build_bands(w.price_ranges),
        mve_collection_ticker=w.mve_collection_ticker or "",
        mve=bool(w.mve_collection_ticker or w.mve_selected_legs or w.ticker.startswith(COMBO_PREFIX)),
        fee_waiver_expiration_time=moment(w.fee_waiver_expiration_time),
        is_provisional=bool(w.is_provisional),
        exchange_index=w.exchange_index or 0,
    )


def quote(price: str | None, size: str | None) -> tuple[Price | None, Count]:
    """A side exists iff its size is above zero; the price of an empty side is one of several sentinels
    (docs/kalshi-protocol.md 7)."""
    count = COUNTS[size] if size else Count(0)
    if count < 0:
        raise UnitError(f"negative size: {size!r}")
    if count == 0:
        return None, Count(0)
    if price is None:
        raise UnitError(f"a size of {size!r} without a price")
    return level_price(price), count


def build_bands(ranges: list[BandWire] | None) -> tuple[PriceBand, ...]:
    """Price bands, lowest first. Raises ValueError for an impossible one."""
    return _bands(tuple(ranges)) if ranges else ()


@lru_cache(maxsize=256)
def _bands(ranges: tuple[BandWire, ...]) -> tuple[PriceBand, ...]:
    """A handful of grids serves all markets."""
    bands = [PriceBand(PRICES[r.start], PRICES[r.end], PRICES[r.step]) for r in ranges]
    return tuple(sorted(bands, key=lambda band: band.start))


MARKET = decoder_of(MarketWire)

__all__ = ["MARKET", "BandWire", "Market", "MarketWire", "build_bands", "build_market", "quote"]
