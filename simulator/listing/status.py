"""Whether one may trade: the exchange, each shard and each market, and the weekly maintenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from simulator.errors import ApiError

from .model import ACTIVE, INACTIVE, Market

_EASTERN = ZoneInfo("America/New_York")


@dataclass(slots=True)
class ExchangeState:
    """Pauses that are in force. An exchange pause stops cancels too; a trading pause does not."""

    exchange_paused: bool = False
    trading_paused: bool = False
    exchange_shards: set[int] = field(default_factory=set)
    trading_shards: set[int] = field(default_factory=set)
    resume_ms: int | None = None
    maintenance: bool = False
    """A window set by a fault, on top of Thursday's."""
    weekly: bool = False
    """Whether Thursday 03:00-05:00 ET pauses trading."""
    announced: list[tuple[int, int]] = field(default_factory=list)
    """Maintenance windows beside Thursday's, as (from, until)."""

    def exchange_active(self, shard: int | None = None) -> bool:
        return not self.exchange_paused and (shard is None or shard not in self.exchange_shards)

    def trading_active(self, now_ms: int, shard: int | None = None) -> bool:
        if self.trading_paused or self.maintenance or not self.exchange_active(shard):
            return False
        if self.weekly and in_weekly_maintenance(now_ms):
            return False
        return shard is None or shard not in self.trading_shards

    def check_cancel(self, shard: int) -> None:
        """409 when not even a cancel is taken."""
        if not self.exchange_active(shard):
            raise ApiError(409, "exchange_is_paused", "exchange is paused")

    def check_trade(self, market: Market, now_ms: int, inactive_status: int) -> None:
        """409 for a pause, ``market_inactive`` for a market that is not open."""
        self.check_cancel(market.shard)
        if not self.trading_active(now_ms, market.shard) or market.status == INACTIVE:
            raise ApiError(409, "trading_is_paused", "trading is paused")
        check_open(market, now_ms, inactive_status)


def check_open(market: Market, now_ms: int, inactive_status: int) -> None:
    """After the close every order operation is refused, cancels included (docs/kalshi-protocol.md 13)."""
    if market.status not in (ACTIVE, INACTIVE) or now_ms >= market.close_ms:
        raise ApiError(inactive_status, "market_inactive", "market is not open")


def in_weekly_maintenance(now_ms: int) -> bool:
    """Thursday 03:00 to 05:00 Eastern (docs/kalshi-protocol.md 14.1)."""
    local = datetime.fromtimestamp(now_ms / 1000, _EASTERN)
    return local.weekday() == 3 and 3 <= local.hour < 5


def next_weekly_window(now_ms: int) -> tuple[datetime, datetime]:
    """The coming (or running) Thursday window in UTC."""
    local = datetime.fromtimestamp(now_ms / 1000, _EASTERN)
    ahead = (3 - local.weekday()) % 7
    start = (local + timedelta(days=ahead)).replace(hour=3, minute=0, second=0, microsecond=0)
    if start + timedelta(hours=2) <= local:
        start += timedelta(days=7)
    return start.astimezone(UTC), (start + timedelta(hours=2)).astimezone(UTC)
