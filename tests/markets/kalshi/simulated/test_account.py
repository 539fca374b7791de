"""Reads, limits, keys and cash against the simulated exchange."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from kalbot.common.units import CONTRACT, Money
from markets.kalshi import errors
from markets.kalshi.clock_skew import now_ms
from markets.kalshi.environment import from_settings
from markets.kalshi.order_entry import Buy
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Market
from markets.kalshi.signing import Signer
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.session import Session
from tests.simulator.served import Served

from ..bodies import present
from .steps import order, signer_of

pytestmark = pytest.mark.timeout(60)


def test_the_whole_catalogue_is_read_and_nothing_refused(client: KalshiClient) -> None:
    pages = list(client.catalogue.events())
    assert sum(len(page.rejected) for page in pages) == 0
    events = [event for page in pages for event in page.events]
    assert len(events) == 322
    assert sum(len(event.markets) for event in events) == 1630
    assert len({event.event_ticker for event in events}) == 322
    assert all(market.price_bands for event in events for market in event.markets)
    listed = [m.ticker for page in client.catalogue.markets("open", limit=500) for m in page.markets]
    assert sorted(listed) == sorted(m.ticker for event in events for m in event.markets)
    series = client.catalogue.series_list()
    assert {event.series_ticker for event in events} <= {s.ticker for s in series}
    assert series.rejected == ()


def test_status_schedule_limits_costs_and_keys(client: KalshiClient) -> None:
    assert client.exchange.status().can_trade(0)
    assert client.exchange.schedule().weeks
    assert client.learn_limits().usage_tier == "basic"
    key = client.account.api_keys().get(present(client.transport.signer).key_id)
    assert present(key).allows("write::trade")
    assert abs(present(client.clock_skew_ms)) < 1500


def test_reads_get_through_errors_and_rate_limits(twin: Served, client: KalshiClient) -> None:
    twin.control("faults", kind="error", status=502, method="GET", path="/portfolio/balance", count=2)
    twin.control("faults", kind="rate_limit", method="GET", path="/exchange/schedule", count=2)
    assert client.portfolio.balance().on_shard(0) is not None
    assert client.exchange.schedule().weeks


def test_cash_moves_between_shards(client: KalshiClient) -> None:
    before = client.portfolio.balance()
    transfer = client.portfolio.cash.transfer_between_shards(0, 2, Money(1_000_000), str(uuid.uuid4()))
    end = time.monotonic() + 60
    while not client.portfolio.cash.shard_transfer(transfer).is_complete and time.monotonic() < end:
        time.sleep(0.1)
    after = client.portfolio.balance()
    assert present(after.on_shard(2)) - present(before.on_shard(2)) == 1_000_000
    assert present(before.on_shard(0)) - present(after.on_shard(0)) == 1_000_000


def test_a_wrong_clock_and_a_wrong_key_are_refused(twin: Served, client: KalshiClient) -> None:
    late = KalshiClient(client.environment, signer_of(twin), clock=lambda: now_ms() - 60_000)
    with late, pytest.raises(errors.Unauthorised, match="header_timestamp_expired"):
        late.account.limits()
    assert 58_000 < present(late.clock_skew_ms) < 62_000
    unknown = Signer(str(uuid.uuid4()), signer_of(twin)._key)
    with KalshiClient(client.environment, unknown) as stranger, pytest.raises(errors.Unauthorised):
        stranger.account.limits()
    with pytest.raises(errors.Unauthorised):
        Session(client.environment, unknown).connect()


def test_an_ed25519_key_is_understood_too(tmp_path: Path) -> None:
    running = Served(tmp_path, "--still", "--key-type", "ed25519", "--port", "0")
    try:
        environment = from_settings(running.ready["rest"], running.ready["ws"])
        with KalshiClient(environment, signer_of(running)) as client:
            assert client.portfolio.balance().available > 0
        session = Session(environment, signer_of(running))
        session.connect()
        session.close()
    finally:
        running.stop()


def test_without_tokens_in_the_exchanges_bucket_a_write_waits_its_turn(
    twin: Served, client: KalshiClient, markets: list[Market]
) -> None:
    twin.control("settings", rate_limits=True)
    try:
        chosen = markets.pop()
        for _ in range(14):
            client.orders.create(order(Buy, chosen, Side.YES, 100, CONTRACT))
    finally:
        twin.control("settings", rate_limits=False)
