"""Collateral return while something happens that nobody planned: our books say what differs, and tie again after settlement."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from backtest.replay.clock import in_place
from kalbot.common import clock
from markets.models import Event
from simulator.flow import second_actor
from tests.trading import world
from tests.trading.struck import Striking
from tests.trading.ties import ties
from tests.trading.twin import Twin
from tests.trading.unhurried import UnhurriedClock
from trading.closing import exits, settlement
from trading.execution import executor
from trading.models import Denial, Discrepancy, ExchangeAccount, Position
from trading.reconciliation import reconcile
from trading.safety import halt, live_readiness
from trading.venues import connection

DEPTH = 10_000
BIDS = (1_700, 2_000, 1_800, 1_900, 2_100, 1_900)
"""YES bids: NO costs 4.86 and pays 5 at least."""
PAYS = 50 * world.DOLLAR


@pytest.fixture
def twin(settings: Any) -> Iterator[Twin]:
    settings.KALBOT_LIVE = True
    settings.KALBOT_FINAL_AFTER_SECONDS = 0
    with in_place(UnhurriedClock()):
        found = Twin()
        found.session = Striking(found.exchange)
        _list(found, "MECNET")
        connection.use(found.client())
        live_readiness.require_reconciliation()
        connection.client().portfolio.cash.set_netting(0, True)
        reconcile.run("live", "test")
        ExchangeAccount.objects.update(collateral="on")
        assert reconcile.run("live", "test").error == ""
        yield found


def _list(twin: Twin, group: str) -> None:
    for bid in BIDS:
        twin.add_market([(bid, DEPTH)], [(bid + 200, DEPTH)])
    Event.objects.filter(pk=twin.row.pk).update(collateral_return_type=group)
    twin.exchange.events[twin.event].collateral_return_type = group
    twin.row.refresh_from_db()
    twin.sync()


def _buy(twin: Twin, name: str = "live") -> Position | None:
    profile = world.add_profile(name, mode="live")
    limits = {ticker: 10_000 - bid for ticker, bid in zip(twin.markets, BIDS, strict=True)}
    return executor.execute(world.decide(profile, twin.row, limits, 1_000, "all_no", "no").pk)


def _cash(twin: Twin, amount: int) -> None:
    """The account has so much and no more, by the exchange's word and ours."""
    twin.exchange.ledger.credit((0, 0), amount - twin.exchange.ledger.available((0, 0)))
    ExchangeAccount.objects.all().delete()
    reconcile.run("live", "test")
    ExchangeAccount.objects.update(collateral="on")
    reconcile.run("live", "test")


def _steps(twin: Twin, position: Position, number: int = 12) -> Position:
    for _ in range(number):
        twin.sync()
        Position.objects.filter(pk=position.pk).update(next_step_at=clock.now())
        position = executor.step(position.pk)
    return position


def _settle_all(twin: Twin, winner: int) -> None:
    for number, ticker in enumerate(twin.markets):
        twin.settle(ticker, "yes" if number == winner else "no")
    settlement.run("live")


@pytest.mark.parametrize("order", [1, 3, 6])
def test_a_switch_flipped_at_the_exchange_in_mid_purchase_is_named_and_stops_new_risk(twin: Twin, order: int) -> None:
    assert isinstance(twin.session, Striking)
    at = twin.session.posts + order
    twin.session.before = {at: lambda: twin.exchange.ledger.set_option("netting:0", "0")}
    position = _buy(twin)
    assert position is not None
    assert (position.status, position.returned) == ("open", PAYS)
    row = reconcile.run("live", "test")
    assert row.balance_difference is not None
    assert row.balance_difference < 0, "what was not returned is missing"
    codes = set(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True))
    assert {"netting_on", "cash"} <= codes
    assert halt.current(position.profile) == "reducing"
    _settle_all(twin, winner=2)
    reconcile.run("live", "test")
    ties(position)
    assert (position.status, position.payout, position.returned) == ("settled", PAYS, 0)
    assert reconcile.run("live", "test").balance_difference == 0, "settled, both have the same again"


@pytest.mark.parametrize(("settled", "result"), [(4, "no"), (0, "yes")])
def test_what_is_left_after_one_market_has_settled_is_sold_with_the_funds_that_it_needs(
    twin: Twin, settled: int, result: str
) -> None:
    position = _buy(twin)
    assert position is not None
    twin.settle(twin.markets[settled], result)
    settlement.run("live")
    assert reconcile.run("live", "test").balance_difference == 0
    ties(position)
    prices = {(leg.market_id, leg.side): 1_000 for leg in position.legs.all() if leg.held}
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor="a market has settled"
    )
    position = _steps(twin, position)
    ties(position)
    assert reconcile.run("live", "test").balance_difference == 0
    assert (position.status, position.returned, twin.held()) == ("closed", 0, {})


def test_what_leaving_one_basket_needs_is_promised_to_no_other_profile_of_the_account(twin: Twin) -> None:
    other = Twin("KXU-1", beside=twin)
    _list(other, "MECNET")
    _cash(twin, 17 * world.DOLLAR)
    first = _buy(twin)
    assert first is not None, Denial.objects.values_list("code", "detail")
    assert _buy(other, "second") is None
    assert Denial.objects.get().code == "shard_cash"
    prices = {(leg.market_id, leg.side): 1_000 for leg in first.legs.all()}
    exits.request_exit(
        position_id=first.pk, actor="ann", reason="out", least_prices=prices, below_floor="everything out"
    )
    _steps(twin, first)
    assert not twin.held(), "the exit has the cash that it needs"
    assert reconcile.run("live", "test").balance_difference == 0


def test_cash_that_a_person_withdrew_is_what_an_exit_says_that_it_waits_for_and_it_goes_on_with_it(twin: Twin) -> None:
    """Our books still have it, so only the exchange knows."""
    position = _buy(twin)
    assert position is not None
    reconcile.run("live", "test")
    terms = {"amount": twin.exchange.ledger.available((0, 0))}
    assert second_actor.act(twin.exchange, "withdraw", terms, Random(1))["did"] == "withdraw"
    prices = {(leg.market_id, leg.side): 1_000 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor="cash")
    position = _steps(twin, position, 1)
    assert (position.status, position.residual_code) == ("exiting", "sale_needs_funds")
    assert set(twin.held().values()) == {-1_000}
    second_actor.act(twin.exchange, "deposit", {"amount": 60 * world.DOLLAR}, Random(1))
    position = _steps(twin, position)
    ties(position)
    assert reconcile.run("live", "test").balance_difference == 0
    assert (position.status, position.returned, twin.held()) == ("closed", 0, {})


def test_a_directional_group_beside_an_exclusive_one_locks_its_price(twin: Twin) -> None:
    other = Twin("KXU-1", beside=twin)
    _list(other, "DIRECNET")
    first, second = _buy(twin), _buy(other, "second")
    assert first is not None
    assert second is not None, Denial.objects.values_list("code", "detail")
    assert (first.returned, second.returned, second.collateral) == (PAYS, 0, None)
    assert reconcile.run("live", "test").balance_difference == 0
    for position in (first, second):
        ties(position)
