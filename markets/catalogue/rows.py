"""From the exchange's structs to column values, and the hash that decides whether a row has to be written."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final

import msgspec

from kalbot.common import clock
from kalbot.common.units import format_price
from markets.kalshi.schemas import Event, FeeChange, Market, Series
from markets.kalshi.vocabulary import OPEN_STATUSES

LAYOUT: Final = b"3"
"""Part of every hash: raise it when the mapping below changes, and the next scan rewrites every row."""

FACTS_DIGITS: Final = 16

Row = dict[str, Any]


def multiplier_e6(value: Decimal) -> int:
    """A fee multiplier in millionths, exact; -1 (which the fee module refuses) for what is finer than that."""
    scaled = value * 1_000_000
    return int(scaled) if scaled == scaled.to_integral_value() and 0 <= scaled < 10**12 else -1


def series_row(series: Series) -> Row:
    """Columns of one series."""
    return {
        "ticker": series.ticker,
        "title": series.title[:300],
        "category": series.category,
        "tags": list(series.tags),
        "frequency": series.frequency,
        "fee_type": series.fee_type,
        "fee_multiplier_e6": multiplier_e6(series.fee_multiplier),
        "settlement_sources": [{"name": s.name, "url": s.url} for s in series.settlement_sources],
        "contract_terms_url": series.contract_terms_url,
        "exchange_index": series.exchange_index,
    }


def fee_change_row(change: FeeChange) -> Row:
    """Columns of one announced fee change; without a time it is in force."""
    multiplier = change.fee_multiplier
    return {
        "change_id": change.id,
        "series_id": change.series_ticker,
        "event_ticker": change.event_ticker or "",
        "fee_type": change.fee_type or "",
        "fee_multiplier_e6": None if multiplier is None else multiplier_e6(multiplier),
        "scheduled_at": change.scheduled or clock.now(),
    }


def event_row(event: Event) -> Row:
    """Columns of one event, sums over its markets included. ``is_open``: one of its markets can still trade."""
    open_markets = [m for m in event.markets if m.status in OPEN_STATUSES]
    override = event.fee_multiplier_override
    return {
        "ticker": event.event_ticker,
        "series_id": event.series_ticker,
        "title": event.title[:400],
        "sub_title": event.sub_title[:400],
        "category": event.category,
        "mutually_exclusive": event.mutually_exclusive,
        "collateral_return_type": event.collateral_return_type,
        "strike_period": event.strike_period[:64],
        "strike_date": event.strike_date,
        "product_metadata": event.product_metadata or {},
        "settlement_sources": [{"name": s.name, "url": s.url} for s in event.settlement_sources],
        "fee_type_override": event.fee_type_override or "",
        "fee_multiplier_override_e6": None if override is None else multiplier_e6(override),
        "exchange_index": event.exchange_index,
        "market_count": len(event.markets),
        "close_time": min((m.close_time for m in open_markets if m.close_time), default=None),
        "volume": sum(m.volume for m in event.markets),
        "open_interest": sum(m.open_interest for m in event.markets),
        "is_open": bool(open_markets),
    }


def market_row(market: Market) -> Row:
    """Columns of one market. Absent values become empty ones, never a price."""
    settled = market.settlement_value
    return {
        "ticker": market.ticker,
        "event_id": market.event_ticker,
        "status": str(market.status),
        "market_type": str(market.market_type),
        "yes_sub_title": market.yes_sub_title[:300],
        "rules_primary": market.rules_primary,
        "rules_secondary": market.rules_secondary,
        "other_texts": other_texts(market),
        "strike_type": str(market.strike_type or ""),
        "floor_strike": decimal_text(market.floor_strike),
        "cap_strike": decimal_text(market.cap_strike),
        "custom_strike": market.custom_strike or {},
        "open_time": market.open_time,
        "close_time": market.close_time,
        "expected_expiration_time": market.expected_expiration_time,
        "latest_expiration_time": market.latest_expiration_time,
        "settlement_timer_seconds": market.settlement_timer_seconds or 0,
        "can_close_early": market.can_close_early,
        "is_provisional": market.is_provisional,
        "notional_e6": 0 if market.notional_value is None else market.notional_value,
        "price_level_structure": market.price_level_structure,
        "price_bands": [[band.start, band.end, band.step] for band in market.price_bands],
        "settlement_bounds": str(market.settlement_bounds_type or ""),
        "exchange_index": market.exchange_index,
        "yes_bid": market.yes_bid,
        "yes_bid_size": market.yes_bid_size,
        "yes_ask": market.yes_ask,
        "yes_ask_size": market.yes_ask_size,
        "last_price": market.last_price,
        "volume": market.volume,
        "volume_24h": market.volume_24h,
        "open_interest": market.open_interest,
        "result": str(market.result),
        "settlement_value_e6": None if settled is None else settled * 100,
        "expiration_value": market.expiration_value[:200],
        "settled_at": market.settlement_time,
    }


def other_texts(market: Market) -> dict[str, str]:
    """What the exchange says of a market beside name and rules, where it says anything: certificates read it."""
    said = {
        "title": market.title,
        "no_sub_title": "" if market.no_sub_title == market.yes_sub_title else market.no_sub_title,
        "early_close_condition": market.early_close_condition,
        "functional_strike": market.functional_strike,
        "settlement_floor": "" if market.settlement_floor is None else format_price(market.settlement_floor),
        "collection": (market.mve_collection_ticker or "legs") if market.mve else "",
    }
    return {name: text for name, text in said.items() if text}


def decimal_text(value: Decimal | None) -> str:
    """A strike as the shortest exact decimal string, empty when there is none."""
    return "" if value is None else format(value.normalize(), "f")


_encoder = msgspec.msgpack.Encoder()


def content_hash(row: Row, facts: Collection[str]) -> str:
    """32 hex digits: the first ``FACTS_DIGITS`` over the columns named in ``facts``, the rest over every column, in order.

    Equal hashes mean that nothing has to be written; equal beginnings that nothing changed on which a certificate hangs.
    """
    named = _digest([value for name, value in row.items() if name in facts])
    return named + _digest(list(row.values()))


def same_facts(one: str, other: str) -> bool:
    """Whether two content hashes are of rows with the same facts. An empty hash is of no row."""
    return bool(one) and one[:FACTS_DIGITS] == other[:FACTS_DIGITS]


def _digest(values: list[Any]) -> str:
    return hashlib.blake2b(_encoder.encode(values), digest_size=FACTS_DIGITS // 2, key=LAYOUT).hexdigest()
