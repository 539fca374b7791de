"""What is listed: series, events and markets, as records that the state file keeps whole."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from simulator.matching.fees import FeeTerms
from simulator.units import ONE

ACTIVE, INACTIVE, INITIALIZED = "active", "inactive", "initialized"
CLOSED, DETERMINED, DISPUTED, AMENDED, FINALIZED = "closed", "determined", "disputed", "amended", "finalized"

STATUS_FILTER = {
    # filter word -> field words (docs/kalshi-protocol.md 13, lifecycle)
    "unopened": (INITIALIZED,),
    "open": (ACTIVE,),
    "paused": (INACTIVE,),
    "closed": (CLOSED, DETERMINED, DISPUTED, AMENDED),
    "settled": (FINALIZED,),
}
LINEAR_CENT = [[0, ONE, 100]]
STRUCTURES = {
    "linear_cent": LINEAR_CENT,
    "deci_cent": [[0, ONE, 10]],
    "tapered_deci_cent": [[0, 1000, 10], [1000, 9000, 100], [9000, ONE, 10]],
    "center_half_edge_deci_cent": [[0, 1000, 10], [1000, 9000, 50], [9000, ONE, 10]],
    "center_deci_edge_centi_cent": [[0, 100, 1], [100, 9900, 10], [9900, ONE, 1]],
}


class Series(msgspec.Struct):
    """A series; ``fee_multiplier`` in 1/10,000."""

    ticker: str
    title: str
    category: str
    tags: list[str]
    frequency: str
    fee_type: str
    fee_multiplier: int
    settlement_sources: list[dict[str, str]]
    shard: int
    updated_ms: int
    contract_terms_url: str = ""
    """Another address than the usual one."""


class Market(msgspec.Struct):
    """A market. Prices in 1/10,000 dollar, counts in 1/100 contract, money in micro-dollars, instants in ms of real time."""

    ticker: str
    event_ticker: str
    series_ticker: str
    market_id: str
    shard: int
    title: str
    yes_sub_title: str
    no_sub_title: str
    strike_type: str
    floor_strike: int | float | None
    cap_strike: int | float | None
    custom_strike: dict[str, str] | None
    rules_primary: str
    rules_secondary: str
    created_ms: int
    updated_ms: int
    open_ms: int
    close_ms: int
    expected_ms: int
    latest_ms: int
    settlement_timer_s: int
    status: str
    price_level_structure: str
    ranges: list[list[int]]
    volume: int
    volume_24h: int
    open_interest: int
    dollar_volume: int
    last_price: int
    quote_bid: int
    """The recorded YES bid around which the makers quote; 0 if there was none."""
    quote_ask: int
    """The recorded YES ask; ONE if there was none."""
    quote_size: int
    quoted: bool
    anchor: float
    """De-vigged probability when recorded."""
    result: str = ""
    settlement_value: int | None = None
    settled_ms: int | None = None
    determined_ms: int | None = None
    previous_price: int = 0
    previous_bid: int = 0
    previous_ask: int = 0
    last_trade_size: int = 0
    clock: int = 0
    can_close_early: bool = True
    early_close_condition: str = ""
    expiration_value: str = ""
    on_hold: bool = False
    """Taken off the timers by a fault: it is determined or finalised only by ``/twin/market/...``."""
    walk: float = 0.0
    """How far the fair probability has walked from the anchor, in log-odds."""

    def valid_price(self, price: int) -> bool:
        """Whether a price lies on the market's grid; 0 and 1 are not tradable (docs/kalshi-protocol.md 4)."""
        if not 0 < price < ONE:
            return False
        return any(start <= price <= end and (price - start) % step == 0 for start, end, step in self.ranges)

    def tick(self, price: int) -> int:
        """Grid step at a price."""
        return next((step for start, end, step in self.ranges if start <= price < end), self.ranges[-1][2])

    def floor_price(self, price: float) -> int:
        """Greatest grid price not above ``price`` (0 if none is tradable)."""
        whole = int(price // 1)
        if whole <= 0:
            return 0
        whole = min(whole, ONE - 1)
        start, _, step = next(r for r in self.ranges if r[0] <= whole < r[1])
        return start + (whole - start) // step * step

    def ceil_price(self, price: float) -> int:
        """Least grid price not below ``price`` (ONE if none is tradable)."""
        whole = -int(-price // 1)
        if whole >= ONE:
            return ONE
        whole = max(whole, 1)
        start, _, step = next(r for r in self.ranges if r[0] < whole <= r[1])
        return start - (start - whole) // step * step


class Event(msgspec.Struct):
    """An event. ``outcome`` is known to the simulator alone: a market's ticker, "" for none of the listed, "void", or "ladder"."""

    ticker: str
    series_ticker: str
    title: str
    sub_title: str
    category: str
    mutually_exclusive: bool
    collateral_return_type: str
    strike_ms: int | None
    strike_period: str | None
    shard: int
    markets: list[str]
    updated_ms: int
    life_ms: int
    """From opening to close in real time: how long the event that follows it will live."""
    outcome: str = ""
    ladder_draw: float = 0.0
    fee_type_override: str | None = None
    fee_multiplier_override: int | None = None
    generation: int = 0
    rolled: bool = False
    edge_until_ms: int = 0
    origin: str = ""
    """The recorded event this one was made after."""
    flow: str = ""
    """The kind of its flow of single orders; empty where makers quote it (``flow.maker_flow``)."""


@dataclass(slots=True)
class Edge:
    """A planted mispricing of an event; the simulator's own record of it, shown in ``/twin/truth``."""

    event_ticker: str
    kind: str
    from_ms: int
    until_ms: int
    prices: dict[str, int]
    sizes: dict[str, int]
    turns: bool = False
    """Whether the weather turns against it when the offer ends."""


def fee_terms(series: Series, event: Event) -> FeeTerms:
    """Fee terms in force: the event's override where present, else the series' (docs/kalshi-protocol.md 11.1)."""
    kind = event.fee_type_override if event.fee_type_override is not None else series.fee_type
    multiplier = event.fee_multiplier_override
    return FeeTerms(kind, series.fee_multiplier if multiplier is None else multiplier)
