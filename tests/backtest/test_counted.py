"""Trades count from when they were read, as they did for whoever read them while the tape was recorded."""

from __future__ import annotations

from backtest.replay.clock import SECOND, SimulatedClock, in_place
from backtest.replay.counted import Counted
from kalbot.common import cache
from kalbot.common.units import Count, Price
from markets import traded
from markets.book import Side
from markets.kalshi.schemas.trades import Trade
from markets.kalshi.vocabulary import Side as WireSide

START = 1_800_000_000 * SECOND
HIT = [("M", Side.NO)]


def _trade(name: str) -> Trade:
    return Trade(
        trade_id=name,
        ticker="M",
        count=Count(600),
        yes_price=Price(4_000),
        taker_side=WireSide.YES,
        created=None,
        is_block_trade=False,
    )


def test_a_rate_is_known_as_long_after_the_first_trade_as_in_the_product_whenever_tasks_ran() -> None:
    counted, clock = Counted(), SimulatedClock(START)
    counted.is_wanted = True
    with cache.isolated(), in_place(clock):
        counted.add(_trade("1"))
        counted.was_listed()
        clock.set(START + 4 * SECOND)
        counted.before_task()
        assert traded.rates(HIT) is None, "four seconds say too little"
        clock.set(START + 6 * SECOND)
        assert traded.rates(HIT) == {HIT[0]: 100.0}, "600 in six seconds"


def test_after_a_long_silence_it_begins_again_with_the_next_trade() -> None:
    counted, clock = Counted(), SimulatedClock(START)
    counted.is_wanted = True
    silent = (traded.BUCKET_SECONDS + 1) * SECOND
    with cache.isolated(), in_place(clock):
        counted.add(_trade("1"))
        counted.before_task()
        clock.set(START + silent)
        counted.add(_trade("2"))
        counted.was_listed()
        clock.set(START + silent + 6 * SECOND)
        counted.before_task()
        assert traded.rates(HIT) == {HIT[0]: 100.0}, "without the trade of before the silence"


def test_nothing_is_counted_where_nobody_chooses_by_it() -> None:
    counted, clock = Counted(), SimulatedClock(START)
    with cache.isolated(), in_place(clock):
        counted.add(_trade("1"))
        counted.before_task()
        clock.set(START + 6 * SECOND)
        assert traded.rates(HIT) is None
