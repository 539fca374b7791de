"""Things that happen in another order than anybody planned: to a basket, to its orders, to the account beside it."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from kalbot.common import clock
from simulator.flow import second_actor
from tests.trading import world
from tests.trading.struck import LIMITS, StruckTwin, execute
from trading import sweeper
from trading.accounting import audit
from trading.closing import exits, settlement
from trading.execution import executor
from trading.models import Denial, Discrepancy, Order, Position
from trading.reconciliation import late_fills, reconcile
from trading.venues import connection
from trading.venues.live import LiveVenue


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _act(twin: StruckTwin, what: str, **terms: Any) -> None:
    assert second_actor.act(twin.exchange, what, terms, Random(1))["did"] == what


def _agrees(position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert audit.positions("live") == []


@pytest.mark.parametrize(("status", "code"), [(408, "insufficient_balance"), (504, "market_inactive")])
def test_a_known_code_under_a_status_that_proves_nothing_aborts_no_filled_basket(
    struck: StruckTwin, status: int, code: str
) -> None:
    struck.session.before = {
        2: lambda: struck.exchange.faults.add(kind="error", method="POST", when="after", status=status, code=code)
    }
    position = execute(struck)
    assert (position.status, struck.held()) == ("open", dict.fromkeys(struck.markets, 1_000))
    assert position.orders.count() == 3
    _agrees(position)


def test_a_person_sells_some_of_a_leg_while_its_exit_runs(struck: StruckTwin) -> None:
    position = execute(struck)
    reconcile.run("live", "test")
    first = struck.markets[0]
    for ticker in struck.markets:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 2_800, 400)
    struck.sync()
    least = {(leg.market_id, leg.side): 2_500 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=least, below_floor="cash")
    assert executor.step(position.pk).status == "exiting"
    assert set(struck.held().values()) == {600}
    struck.quote(first, "bid", 2_800, 5_000)
    _act(struck, "sell", tickers=[first], count=250)
    for ticker in struck.markets[1:]:
        struck.quote(ticker, "bid", 2_800, 5_000)
    for seconds in (2, 4, 6):
        with _later(seconds):
            struck.sync()
            reconcile.run("live", "test")
            position = executor.step(position.pk)
    assert (position.status, struck.held()) == ("closed", {}), "nothing is sold that is not held, and it ends"
    sold = sum(order.filled_count for order in position.orders.filter(action="sell", leg__market_id=first))
    assert sold == 750
    with _later(8):
        _agrees(position)


def test_a_fill_of_an_ended_position_that_only_the_listing_shows_is_acted_on(struck: StruckTwin) -> None:
    """The answer said nothing, no message came, the position was given up: the comparison of the books finds the fill."""
    struck.exchange.faults.add(kind="zero_answer", method="POST", delay_ms=2_000)
    for ticker in struck.markets[1:]:
        struck.cancel_makers(ticker, "ask")
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, struck.row, dict(zip(struck.markets, LIMITS, strict=True)), 1_000)
    struck.session.before = {1: struck.sync}
    executor.execute(decision.pk)
    position = Position.objects.filter(decision=decision).first()
    if position is None:
        pytest.fail(str(Denial.objects.values_list("code", "detail")))
    with _later(5):
        struck.exchange.advance()
        assert reconcile.run("live", "test").error == ""
        late_fills.reopen_all()
        position.refresh_from_db()
        held = struck.held()
        assert sum(leg.held for leg in position.legs.all()) == sum(held.values())
        assert not held or position.status in ("unwinding", "completing", "executing")


@pytest.mark.parametrize("what", ["deposit", "withdraw"])
def test_money_moved_while_a_basket_is_bought_is_no_difference(struck: StruckTwin, what: str) -> None:
    reconcile.run("live", "test")
    struck.session.before = {2: lambda: _act(struck, what, amount=5_000_000, shard=0)}
    position = execute(struck)
    assert position.status == "open"
    _agrees(position)


def test_three_profiles_promise_the_cash_of_a_shard_once(struck: StruckTwin) -> None:
    """Each basket needs $9.75 of the $12 there is; the events differ, so nothing but the cash is in the way."""
    account = (0, struck.shard)
    struck.exchange.ledger.credit(account, 12_000_000 - struck.exchange.ledger.available(account))
    reconcile.run("live", "test")
    codes = []
    for name in ("one", "two", "three"):
        profile = world.add_profile(name, mode="live", cooldown_seconds=0)
        decision = world.decide(profile, struck.row, dict(zip(struck.markets, LIMITS, strict=True)), 1_000)
        if executor.execute(decision.pk) is None:
            codes.append(decision.denial.code)
            continue
        Position.objects.filter(decision=decision).first().claims.all().delete()  # type: ignore[union-attr]
    assert codes == ["shard_cash", "shard_cash"]
    assert struck.exchange.ledger.available(account) >= 0


def test_a_market_that_settles_in_mid_unwind_pays_what_is_left_once(struck: StruckTwin) -> None:
    def vanish() -> None:
        for ticker in struck.markets:
            struck.cancel_makers(ticker, "ask")
            struck.cancel_makers(ticker, "bid")
        struck.quote(struck.markets[0], "bid", 2_900, 300)
        struck.sync()

    struck.session.before = {3: vanish}
    position = execute(struck)
    assert position.status == "unwinding"
    struck.finish(struck.markets[0])
    settlement.run()
    sweeper.sweep()
    position.refresh_from_db()
    leg = position.legs.get(market_id=struck.markets[0])
    assert (position.status, leg.held, leg.payout) == ("settled", 0, (1_000 - leg.sold_count) * 10_000)
    assert not Order.objects.exclude(status__in=("done", "rejected")).exists()
    _agrees(position)


def test_what_has_left_the_live_listing_is_found_in_the_history(struck: StruckTwin) -> None:
    """Of an order of yesterday neither its end nor its fills are listed any more; nor is its absence concluded from that."""
    position = execute(struck)
    order = position.orders.select_related("leg", "profile").first()
    assert order is not None
    struck.exchange.config.account_historical_ms = 60_000
    with _later(7_200):
        venue = LiveVenue()
        assert not any(one.order_id == order.exchange_order_id for one in connection.client().orders.list())
        found = venue.find(order)
        assert found is not None
        assert (found.fill_count, venue.fetch(order).fill_count) == (1_000, 1_000)
        assert sum(fill.count for fill in venue.fills(order)) == 1_000
        order.pk = uuid4()
        assert venue.find(order) is None
