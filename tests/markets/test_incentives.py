"""Programmes that pay for resting orders: read from the exchange, bounded, never more than they say."""

from __future__ import annotations

import pytest

from kalbot.common import cache, clock
from markets import incentives
from markets.incentives import Incentive
from tests.trading.twin import Twin

HOUR = 3_600_000


def _programme(now: int, **columns: object) -> Incentive:
    plain = {"ticker": "M", "reward": 8_000_000, "most": None, "target": 1_000, "start_ms": now - HOUR}
    return Incentive(**(plain | {"end_ms": now + 3 * HOUR, "description": ""} | columns))  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("count", "hours", "columns", "earned"),
    [
        (1_000, 2, {}, 4_000_000),
        (5_000, 2, {}, 4_000_000),
        (250, 2, {}, 1_000_000),
        (250, 9, {}, 1_500_000),
        (250, 2, {"target": 0}, 4_000_000),
        (1_000, 2, {"most": 700_000}, 700_000),
        (1_000, -1, {}, 0),
        (0, 2, {}, 0),
    ],
)
def test_the_bound_is_the_share_of_the_time_and_of_the_target(
    monkeypatch: pytest.MonkeyPatch, count: int, hours: int, columns: dict[str, object], earned: int
) -> None:
    now = 1_800_000_000_000
    monkeypatch.setattr(clock, "now_ms", lambda: now)
    assert _programme(now, **columns).bound(count, now + hours * HOUR) == earned


@pytest.mark.django_db
def test_active_programmes_for_resting_orders_are_read_from_the_exchange_now_and_then(redis_db: object) -> None:
    twin = Twin()
    ticker = twin.add_market([(4_000, 100)], [(6_000, 100)])
    now = twin.exchange.now()
    for kind, start in (("liquidity", now - 1_000), ("volume", now - 1_000), ("liquidity", now + HOUR)):
        twin.exchange.incentives.append(
            {
                "id": f"{kind} {start}",
                "market_id": ticker,
                "market_ticker": ticker,
                "incentive_type": kind,
                "incentive_description": "near the touch",
                "start_ms": start,
                "end_ms": now + 2 * HOUR,
                "period_reward": 50_000,
                "paid_out": False,
                "discount_factor_bps": None,
                "target_size": 30_000,
                "max_reward_per_account": None,
            }
        )
    assert incentives.of([ticker]) == []
    assert incentives.refresh(twin.client()) == 1
    (found,) = incentives.of([ticker, "other"])
    assert (found.reward, found.target, found.most) == (5_000_000, 30_000, None)
    assert incentives.of(["other"]) == []
    assert incentives.refresh(twin.client()) == 0, "read a moment ago"
    cache.prices().set(cache.key("incentives"), b"")
    assert incentives.of([ticker]) == []
