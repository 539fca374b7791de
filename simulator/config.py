"""Every choice of a run in one place, the open questions of docs/kalshi-protocol.md 15 among them."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.units import CENTICENT, DOLLAR

SHARDS = (0, 1, 2, 3)
SHARD_NAMES = {0: "Default", 1: "Exotics", 2: "Crypto and Commodities", 3: "Tennis, Baseball and Basketball"}


@dataclass(slots=True)
class SimulatorConfig:
    """Settings of one exchange. Times are milliseconds of real time unless the name says otherwise."""

    seed: int = 1
    speed: float = 1.0
    still: bool = False
    edge_every_s: float = 0.0
    turn_every: int = 0
    """Every how many planted coverage baskets the weather turns against one; 0: never."""
    maker_events: int = 0
    """How many weather events at once have a flow of single orders in every market, in which a resting leg pays."""
    tier: str = "basic"
    fee_grid: int = CENTICENT
    balance: int = 10_000 * DOLLAR
    balance_split: dict[int, int] = field(default_factory=lambda: {0: 40, 1: 10, 2: 20, 3: 30})
    """Percent of the balance on each shard."""

    # market life and flow
    flow_interval_ms: int = 200
    flow_events_per_step: int = 4
    taker_chance: float = 0.35
    scalar_rate: float = 0.0
    """Share of events that end scalar or void instead of with a winner."""
    determination_delay_ms: int = 1_500
    settlement_timer_s: int = 3
    roll: bool = True

    # what leaves the live listings
    markets_historical_ms: int = 3_600_000
    """So long after its settlement a market is in the historical listing alone (the exchange: about three months)."""
    account_historical_ms: int = 14 * 86_400_000
    """The same for ended orders, fills, settled positions, settlements and trades."""

    # the read side
    read_delay_ms: int = 0
    stale_cache_ms: int = 0
    """Age of cached market and series answers (the CDN keeps them 15 s)."""
    stale_books_ms: int = 0
    """Age of cached order books (one report says that they are cached too)."""
    stale_account_ms: int = 0
    """Age of cached answers about orders, fills, positions, settlements and balances."""
    latency_ms: int = 0

    # limits
    rate_limits: bool = True
    auth_window_ms: int = 10_000
    group_maximum: int = 100_000
    """Order groups of one user (docs/kalshi-protocol.md 9.8)."""

    # unknowns of docs/kalshi-protocol.md 15
    rebate_at_step: bool = True
    subscription_market_cap: int = 10_000
    batch_maximum: int = 0
    """0: whatever the write budget allows at once."""
    market_inactive_status: int = 400
    reserve_fee_for_resting: bool = True
    netting_default: bool = False
    netting_yes_counts: bool = False
    """Collateral return: whether YES positions count towards what is returned."""
    netting_whole_cents: bool = False
    """Whether what is returned is rounded down to cents."""
    netting_resting: bool = False
    """Whether a resting order sets aside only what it would take after its return."""
    netting_revenue_net: bool = False
    """Whether a settlement record shows the payout less what had been returned."""
    use_yes_price_default: bool = False
    stp_across_subaccounts: bool = True
    insufficient_balance_code: str = "insufficient_balance"
    wrong_shard_cancel_404: bool = True
    cancel_all_lingers: bool = True
    rate_limit_text_body: bool = False
    """429 as the documentation shows it, ``{"error": "<text>"}``, instead of as it was seen."""
    created_hidden_ms: int = 0
    """A market announced by ``created`` answers 404 this long (docs/kalshi-protocol.md 7)."""
    weekly_maintenance: bool = False

    # websocket
    ping_interval_s: float = 10.0
    buffer_limit_bytes: int = 8 * 1024 * 1024
    commands_per_second: int = 10_000

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError("speed must be above zero")
        if self.turn_every < 0:
            raise ValueError("turn_every must not be below zero")
        if self.maker_events < 0:
            raise ValueError("maker_events must not be below zero")
        if sum(self.balance_split.values()) != 100:
            raise ValueError("the percentages of the balance split must sum to 100")
