"""Markets that are listed beside a recorded event: quoted at once around a chance, and never traded before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.randomness import named_id
from simulator.units import CONTRACT, ONE

from .model import ACTIVE, LINEAR_CENT, Event, Market

if TYPE_CHECKING:
    from simulator.core import ExchangeCore

HALF_SPREAD: Final = 150
DEPTH: Final = 300 * CONTRACT


def market_of(exchange: ExchangeCore, event: Event, ticker: str, name: str, anchor: float, **terms: Any) -> Market:
    """A market of ``event``. ``anchor``: the chance of Yes around which it is quoted; ``terms``: the other columns of ``Market``."""
    columns: dict[str, Any] = {
        "strike_type": "custom",
        "floor_strike": None,
        "cap_strike": None,
        "custom_strike": None,
        "settlement_timer_s": exchange.config.settlement_timer_s,
        "price_level_structure": "linear_cent",
        "ranges": LINEAR_CENT,
    } | terms
    market = Market(
        ticker=ticker,
        event_ticker=event.ticker,
        series_ticker=event.series_ticker,
        market_id=named_id("market", ticker),
        shard=event.shard,
        title=event.title,
        yes_sub_title=name,
        no_sub_title=name,
        created_ms=exchange.now(),
        updated_ms=exchange.now(),
        open_ms=exchange.now(),
        status=ACTIVE,
        volume=0,
        volume_24h=0,
        open_interest=0,
        dollar_volume=0,
        last_price=0,
        quote_bid=0,
        quote_ask=ONE,
        quote_size=DEPTH,
        quoted=True,
        anchor=anchor,
        **columns,
    )
    market.quote_bid = market.floor_price(anchor * ONE - HALF_SPREAD)
    market.quote_ask = market.ceil_price(anchor * ONE + HALF_SPREAD)
    return market


def levels(market: Market) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Its first bids and asks of YES; a side at the end of the scale has none."""
    bids = [(market.quote_bid, DEPTH)] if market.quote_bid > 0 else []
    return bids, [(market.quote_ask, DEPTH)] if market.quote_ask < ONE else []
