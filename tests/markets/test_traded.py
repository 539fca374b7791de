"""What traded lately, counted once and by the side whose bid was hit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from pytest_django import Settings

from kalbot.common import cache, clock
from kalbot.common.units import Count, Price
from markets import traded
from markets.book import Side
from markets.kalshi.schemas.trades import Trade
from markets.kalshi.vocabulary import Side as WireSide

START_MS = 1_800_000_000_000
A, B = ("M-A", Side.NO), ("M-A", Side.YES)


@pytest.fixture(params=["a server", "a replay's own store"], autouse=True)
def _store(request: pytest.FixtureRequest, redis_db: object) -> Iterator[None]:
    """A replay counts as the product does."""
    with nullcontext() if request.param == "a server" else cache.isolated():
        yield


def _trade(number: int, taker: str, count: int, *, is_block: bool = False) -> Trade:
    return Trade(
        trade_id=f"t{number}",
        ticker="M-A",
        count=Count(count),
        yes_price=Price(4_000),
        taker_side=WireSide(taker),
        created=None,
        is_block_trade=is_block,
    )


def test_each_trade_counts_once_for_the_bid_that_it_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START_MS
    monkeypatch.setattr(clock, "now_ms", lambda: now)
    assert traded.rates([A]) is None, "nobody has counted yet"
    first, second = _trade(1, "yes", 300), _trade(2, "no", 50)
    assert traded.count([first, second, _trade(3, "yes", 9_999, is_block=True)]) == [first, second]
    assert traded.count([first, _trade(4, "yes", 200)]) == [_trade(4, "yes", 200)]
    now += 4_000
    assert traded.rates([A]) is None, "too short to say anything"
    now += 6_000
    assert traded.rates([A, B, ("M-B", Side.NO)]) == {A: 50.0, B: 5.0, ("M-B", Side.NO): 0.0}


def test_what_traded_long_ago_or_before_a_pause_of_the_counting_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START_MS
    monkeypatch.setattr(clock, "now_ms", lambda: now)
    traded.count([_trade(1, "yes", 300)])
    for _ in range(12):
        now += 100_000
        traded.count([])
    assert traded.rates([A]) == {A: 0.0}
    traded.count([_trade(2, "yes", 600)])
    now += 50_000
    cache.prices().delete(cache.key("traded:since"))
    traded.count([_trade(3, "yes", 100)])
    now += 10_000
    assert traded.rates([A]) == {A: 10.0}


def test_without_redis_nothing_is_known(settings: Settings) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    if not cache.is_isolated():
        assert traded.count([_trade(1, "yes", 300)]) == []
    assert traded.rates([A]) is None
