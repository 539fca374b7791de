"""Contracts of ours that a person sold before their market was over, and that a comparison reads of only after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random

import pytest
import time_machine

from kalbot.common import clock
from markets.kalshi.rest.portfolio import Portfolio
from simulator.flow import second_actor
from tests.trading import world
from tests.trading.twin import Twin
from trading import sweeper
from trading.accounting import audit, balance_check
from trading.closing import settlement
from trading.execution import executor
from trading.models import Correction, Discrepancy, ExchangeAccount, Leg, Position, Reconciliation
from trading.reconciliation import foreign, reconcile, window
from trading.safety import halt, resolution

LIMITS = (3_000, 3_200, 3_100)


def _buy(twin: Twin) -> Position:
    profile = world.add_profile("live", mode="live")
    position = executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk)
    assert position is not None
    return position


def _sold(twin: Twin, count: int) -> None:
    assert second_actor.act(twin.exchange, "sell", {"tickers": [twin.markets[0]], "count": count}, Random(1))["did"]


def _agrees(position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.totals(position.profile) == []


def _is_aligned(position: Position, sold: int) -> None:
    leg = Leg.objects.get(position=position, market_id=position.legs.order_by("market_id")[0].market_id)
    correction = Correction.objects.get()
    assert (leg.held, leg.settled_count, correction.count) == (0, 1_000 - sold, sold)
    assert correction.proceeds == 2_400 * sold - correction.fees, "what the sale brought, not what the market paid"
    assert not ExchangeAccount.objects.get().foreign
    position.refresh_from_db()
    assert position.status in ("settled", "closed")


@contextmanager
def later(**how: float) -> Iterator[None]:
    with time_machine.travel(clock.now() + timedelta(**how)):
        yield


@pytest.mark.parametrize("sold", [400, 1_000])
def test_the_window_reaches_back_to_the_first_read_where_a_clock_was_set_back(twin: Twin, sold: int) -> None:
    position = _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, sold)
    with later(minutes=-2):
        sweeper.take_future_for_now()
    assert not Reconciliation.objects.filter(error="").exists(), "no comparison counts any more"
    twin.finish(twin.markets[0])
    with later(minutes=8):
        reconcile.run("live", "test")
        assert not Discrepancy.objects.exists()
        _agrees(position)
        _is_aligned(position, sold)


def test_a_trade_that_waits_stays_in_the_window_however_often_the_books_are_compared(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, 1_000)
    twin.finish(twin.markets[0])
    with monkeypatch.context() as patch:
        patch.setattr(foreign, "_is_unclear", lambda ticker: True)
        for minutes in (1, 6, 9):
            with later(minutes=minutes):
                assert reconcile.run("live", "test").waits_from is not None
        assert not Correction.objects.exists()
    with later(minutes=9.5):
        assert reconcile.run("live", "test").waits_from is None
        _agrees(position)
        _is_aligned(position, 1_000)


def test_a_trade_that_waits_for_too_long_explains_no_difference(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, 400)
    monkeypatch.setattr(foreign, "_is_unclear", lambda ticker: True)
    assert reconcile.run("live", "test").differences == 0
    with later(minutes=11):
        reconcile.run("live", "test")
    assert set(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True)) == {"position", "cash"}


def _without_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trade is older than what a comparison lists."""
    monkeypatch.setattr(window, "begin", lambda row: row.started_at + timedelta(seconds=1))


@pytest.mark.parametrize(("sold", "has_ended"), [(400, True), (1_000, True), (400, False), (1_000, False)])
def test_an_older_trade_is_found_where_the_exchange_shows_other_contracts(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, sold: int, has_ended: bool
) -> None:
    position = _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, sold)
    _without_window(monkeypatch)
    if has_ended:
        twin.finish(twin.markets[0])
    reconcile.run("live", "test")
    _agrees(position)
    assert Correction.objects.get().count == sold
    assert halt.current(position.profile) == "active", "what was named is booked, and both agree"
    if has_ended:
        _is_aligned(position, sold)


def test_an_older_trade_is_found_beside_one_that_is_booked_already(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    position = _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, 300)
    reconcile.run("live", "test")
    _sold(twin, 200)
    _without_window(monkeypatch)
    reconcile.run("live", "test")
    _agrees(position)
    assert sorted(Correction.objects.values_list("count", flat=True)) == [200, 300]


def test_what_no_trade_explains_waits_for_a_record_and_is_then_named_with_a_way_out(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing lacks the trade, or has another count: nothing is booked by it. A settlement record may still come."""
    position = _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, 1_000)
    _without_window(monkeypatch)
    fills = Portfolio.fills
    monkeypatch.setattr(Portfolio, "fills", lambda self, **terms: iter([]))
    twin.finish(twin.markets[0])
    reconcile.run("live", "test")
    leg = Leg.objects.get(position=position, market_id=twin.markets[0])
    assert (leg.held, leg.payout) == (1_000, 0), "neither aligned nor settled"
    with later(minutes=11):
        reconcile.run("live", "test")
        named = Discrepancy.objects.get(code="settlement_count", resolved_at=None)
        assert (named.amount, named.theirs) == (-1_000, "0")
        monkeypatch.setattr(Portfolio, "fills", fills)
        reconcile.run("live", "test")
        named.refresh_from_db()
        assert named.resolution.startswith("a later comparison agreed: others' trades explain it")
        settlement.run("live")
        _agrees(position)
        _is_aligned(position, 1_000)


def test_a_trade_that_a_person_has_answered_already_is_not_booked_again(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = _buy(twin)
    reconcile.run("live", "test")
    _sold(twin, 400)
    _without_window(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Portfolio, "fills", lambda self, **terms: iter([]))
        reconcile.run("live", "test")
        for row in Discrepancy.objects.filter(resolved_at=None).order_by("code"):
            resolution.resolve(row.pk, actor="ann", reason="sold by hand")
    _agrees(position)
    _sold(twin, 600)
    twin.finish(twin.markets[0])
    reconcile.run("live", "test")
    assert Correction.objects.get().proceeds == 0, "both trades are more than what is missing: neither is booked"
    with later(minutes=11):
        reconcile.run("live", "test")
        assert Discrepancy.objects.get(code="settlement_count", resolved_at=None).amount == -600
        assert Leg.objects.get(position=position, market_id=twin.markets[0]).held == 600
