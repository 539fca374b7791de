"""Candlesticks, the historical listings, metadata, programmes and funding against the simulated exchange."""

from __future__ import annotations

import time

import pytest

from kalbot.common.units import Money
from markets.kalshi.errors import NotFound
from markets.kalshi.order_entry import Buy
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Market
from markets.kalshi.schemas.funding import FundingStatus
from markets.kalshi.vocabulary import MarketResult, Side
from tests.simulator.served import Served

from ..bodies import present
from .steps import order

pytestmark = pytest.mark.timeout(60)


def test_candlesticks_show_a_trade(client: KalshiClient, market: Market) -> None:
    client.orders.create(order(Buy, market, Side.YES, 4300, 500))
    series = market.event_ticker.partition("-")[0]
    now = int(time.time())
    (candle,) = client.history.candlesticks(series, market.ticker, now - 120, now + 120, 1)
    assert (present(candle.traded).close, candle.volume, candle.mean) == (4300, 500, 430_000)
    assert (candle.yes_bid.close, candle.yes_ask.close) == (4000, 4300)
    (hour,) = client.history.event_candlesticks(series, market.event_ticker, now - 120, now + 7_200, 60)[market.ticker]
    assert hour.volume == 500
    batch = client.history.candlesticks_of([market.ticker, "NOPE"], now - 120, now + 90_000, 1440)
    assert [len(found) for found in batch.values()] == [1]
    later = client.history.candlesticks(
        series, market.ticker, now + 7_200, now + 7_260, 1, include_latest_before_start=True
    )
    assert [(c.traded, c.previous, c.volume) for c in later] == [(None, 4300, 0)]


def test_a_market_that_left_the_live_listing_is_found_in_the_historical_one(
    twin: Served, client: KalshiClient, market: Market
) -> None:
    client.orders.create(order(Buy, market, Side.YES, 4300, 500))
    now = int(time.time())
    twin.control("settings", markets_historical_ms=1, account_historical_ms=1)
    try:
        twin.control("market/determine", ticker=market.ticker, result="yes")
        twin.control("market/finalize", ticker=market.ticker)
        time.sleep(0.05)
        with pytest.raises(NotFound):
            client.catalogue.market(market.ticker)
        assert list(client.portfolio.fills(ticker=market.ticker)) == []
        old = client.history.market(market.ticker)
        assert (old.result, old.settlement_value) == (MarketResult.YES, 10_000)
        (page,) = client.catalogue.historical_markets(tickers=[market.ticker])
        assert page.markets == (old,)
        assert client.history.old_candlesticks(market.ticker, now - 120, now + 120, 1)[-1].volume == 500
        assert [trade.count for page in client.history.trades(market.ticker) for trade in page] == [500]
        assert [fill.count for fill in client.portfolio.historical_fills(ticker=market.ticker)] == [500]
        assert market.ticker in {o.ticker for o in client.orders.historical(ticker=market.ticker)}
        assert [p.ticker for p in client.portfolio.historical_positions(ticker=market.ticker)] == [market.ticker]
        assert present(client.exchange.historical_cutoff().market_settled) > present(old.settlement_time)
    finally:
        twin.control("settings", markets_historical_ms=3_600_000, account_historical_ms=1_209_600_000)


def test_metadata_programmes_and_funding(twin: Served, client: KalshiClient, market: Market) -> None:
    assert client.catalogue.event_metadata(market.event_ticker).settlement_sources
    twin.control("incentive", ticker=market.ticker, period_reward=12_345, for_ms=600_000, target_size="300.00")
    (programme,) = [p for page in client.catalogue.programmes() for p in page if p.market_ticker == market.ticker]
    assert (programme.reward, programme.target_size, programme.most) == (1_234_500, 30_000, None)
    assert not [p for page in client.catalogue.programmes("closed") for p in page]
    twin.control("deposit", shard=0, amount=25_000_000)
    twin.control("deposit", shard=0, amount=-5_000_000)
    deposit, withdrawal = next(client.portfolio.cash.deposits()), next(client.portfolio.cash.withdrawals())
    assert (deposit.amount, deposit.status) == (Money(25_000_000), FundingStatus.APPLIED)
    assert withdrawal.amount == Money(5_000_000)
