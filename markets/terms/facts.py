"""What the question "must one of these outcomes win?" is decided on: an event's facts as plain data, and their hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from markets.kalshi.vocabulary import MarketStatus

FACTS_VERSION: Final = 3
"""Part of the hash: a new way to read the facts voids every certificate given under the old one."""

UNREADABLE: Final = "what is stored cannot be read"
"""Stands for columns that are not what a scan writes: no reading lets it pass, and no other event is the worse for it."""
_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """One listed market. Strikes as exact decimals in the unit of the rules; texts as the exchange gives them.

    ``unusual``: what it pays other than nothing or one dollar, in words ("" = that). ``ends``: when it closes and expires, to be
    compared with the other markets of its event.
    """

    ticker: str
    status: str = MarketStatus.ACTIVE.value
    strike_type: str = ""
    floor_strike: Decimal | None = None
    cap_strike: Decimal | None = None
    yes_sub_title: str = ""
    rules_primary: str = ""
    rules_secondary: str = ""
    market_type: str = "binary"
    result: str = ""
    custom_strike: str = ""
    is_provisional: bool = False
    is_combo: bool = False
    title: str = ""
    no_sub_title: str = ""
    early_close_condition: str = ""
    functional_strike: str = ""
    unusual: str = ""
    ends: str = ""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One event with every market known to belong to it, settled and absent ones included."""

    event_ticker: str
    series_ticker: str
    mutually_exclusive: bool
    collateral_return_type: str
    markets: tuple[MarketFacts, ...]
    title: str = ""
    sub_title: str = ""
    sources: tuple[str, ...] = ()
    """Name and address of each settlement source that the exchange lists, of the event and its series."""
    strike_period: str = ""
    strike_date: str = ""
    """Its day, "2026-07-17" (UTC)."""
    metadata: tuple[tuple[str, str], ...] = ()


def rules_hash(event: EventFacts) -> str:
    """sha256 over exclusivity, the set of markets and each market's rules, strikes and whether it can still be traded.

    The order of the markets does not matter. Prices and sizes are not part of it; of the times only
    whether all markets have the same.
    """
    markets = sorted(
        [
            m.ticker,
            "" if m.status == MarketStatus.ACTIVE else m.status or "none",
            m.result,
            m.market_type,
            m.strike_type,
            _plain(m.floor_strike),
            _plain(m.cap_strike),
            m.custom_strike,
            m.yes_sub_title,
            m.rules_primary,
            m.rules_secondary,
            m.is_provisional,
            m.is_combo,
            m.title,
            m.no_sub_title,
            m.early_close_condition,
            m.functional_strike,
            m.unusual,
        ]
        for m in event.markets
    )
    facts = [
        FACTS_VERSION,
        event.event_ticker,
        event.series_ticker,
        event.mutually_exclusive,
        event.collateral_return_type,
        event.title,
        event.sub_title,
        sorted(event.sources),
        event.strike_period,
        event.strike_date,
        event.metadata,
        len({m.ends for m in event.markets}),
        markets,
    ]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def _plain(strike: Decimal | None) -> str:
    """A strike independent of how it was written: 84, 84.0 and 8.4E+1 are one."""
    if strike is None:
        return ""
    usual = strike.is_finite() and abs(strike.adjusted()) < _DIGITS
    return format(strike.normalize(), "f") if usual else str(strike)
