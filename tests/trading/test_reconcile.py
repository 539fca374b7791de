"""Reconciliation: what the exchange explains is repaired in one pass, the rest is named and reduces trading."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import dollars
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading import selectors
from trading.accounting import account_ledger, accounts, balance_check, shard_cash
from trading.execution import executor
from trading.execution.orders import inflight, submit
from trading.models import Discrepancy, ExchangeAccount, Fill, Leg, Order, Position, Reconciliation
from trading.reconciliation import reconcile
from trading.safety import halt, live_readiness
from trading.venues import connection
from trading.venues.protocol import Unresolved

DEPTH = 10_000
LIMITS = (3_000, 3_200, 3_100)


def _buy(twin: Twin, profile: Profile | None = None) -> Position:
    profile = profile or world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    position = executor.execute(decision.pk)
    assert position is not None
    return position


def _codes() -> set[str]:
    return set(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True))


def test_lost_fills_and_answers_are_repaired_in_one_pass(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*args: object, **kwargs: object) -> None:
        raise Unresolved("nobody answers")

    from trading.venues.live import LiveVenue

    with monkeypatch.context() as patch:
        patch.setattr(LiveVenue, "fills", lost)
        patch.setattr(LiveVenue, "resolve", lost)
        twin.exchange.faults.add(kind="timeout", method="POST", when="after", count=1, skip=1)
        position = _buy(twin)
    assert {o.status for o in position.orders.all()} == {"booking", "unknown"}
    assert not Fill.objects.exists()
    row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)
    assert row.repaired >= 3
    again = reconcile.run("live", "test")
    assert (again.repaired, again.differences) == (0, 0)
    assert {o.status for o in position.orders.all()} == {"done"}
    assert executor.step(position.pk).status == "open"
    assert reconcile.run("live", "test").balance_difference == 0


def test_contracts_that_nothing_explains_are_named_and_reduce_the_profile(twin: Twin) -> None:
    position = _buy(twin)
    key = (0, twin.markets[0])
    twin.exchange.ledger.positions[key].count -= 100
    row = reconcile.run("live", "test")
    assert row.differences == 1
    assert _codes() == {"position"}
    assert halt.current(position.profile) == "reducing"
    twin.exchange.ledger.positions[key].count += 100
    assert reconcile.run("live", "test").differences == 0
    assert _codes() == set()
    assert halt.current(position.profile) == "reducing", "a machine never loosens"


def _bought_but_not_listed(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> Position:
    """The first leg is filled and neither its order nor its fill is listed yet, while the positions show it already."""
    from markets.kalshi.rest.orders import Orders
    from markets.kalshi.rest.portfolio import Portfolio

    monkeypatch.setattr(Orders, "list", lambda self, **terms: iter(()))
    monkeypatch.setattr(Portfolio, "fills", lambda self, **terms: iter(()))
    twin.exchange.faults.add(kind="timeout", method="POST", when="after", count=1)
    return _buy(twin)


def test_a_fill_that_is_not_listed_yet_is_no_difference_while_its_order_is_in_flight(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        position = _bought_but_not_listed(twin, patch)
        assert {o.status for o in position.orders.all()} <= {"unknown", "booking"}
        assert twin.held(), "the exchange has filled something"
        assert not Fill.objects.exists()
        row = reconcile.run("live", "test")
        assert (row.error, row.differences) == ("", 0)
        assert halt.current(position.profile) == "active"
    reconcile.run("live", "test")
    executor.step(position.pk)
    assert reconcile.run("live", "test").balance_difference == 0
    assert not Discrepancy.objects.exists()


def test_an_order_in_flight_explains_no_more_than_it_can_fill(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        position = _bought_but_not_listed(twin, patch)
        order = position.orders.get()
        twin.exchange.ledger.positions[(0, order.leg.market_id)].count = order.count + 100
        assert reconcile.run("live", "test").differences == 1
        assert _codes() == {"position"}
        twin.exchange.ledger.positions[(0, order.leg.market_id)].count = order.count
        reconcile.run("live", "test")
        assert _codes() == {"position"}, "an open question closes nothing"


def test_a_comparison_during_which_something_moved_closes_no_difference(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _buy(twin)
    twin.exchange.ledger.positions[(0, twin.markets[0])].count -= 100
    reconcile.run("live", "test")
    moves = iter(range(100))
    monkeypatch.setattr(accounts, "mark", lambda profiles: (next(moves),))
    reconcile.run("live", "test")
    assert _codes() == {"position"}


def test_one_difference_is_one_row_however_often_it_is_seen(twin: Twin) -> None:
    _buy(twin)
    twin.exchange.ledger.credit((0, 0), -123)
    for _ in range(3):
        assert reconcile.run("live", "test").balance_difference == -123
    assert Discrepancy.objects.count() == 1
    assert selectors.exchange_difference() == -123


def test_collateral_return_must_be_off_because_our_books_do_not_know_it(twin: Twin) -> None:
    _buy(twin)
    connection.client().portfolio.cash.set_netting(0, True)
    reconcile.run("live", "test")
    assert "netting_on" in _codes()
    assert halt.current(Profile.objects.get(name="live")) == halt.State.REDUCING
    connection.client().portfolio.cash.set_netting(0, False)
    reconcile.run("live", "test")
    assert not Discrepancy.objects.filter(code="netting_on", resolved_at=None).exists()


def test_a_listing_that_breaks_off_concludes_nothing(twin: Twin) -> None:
    position = _buy(twin)
    twin.exchange.faults.add(kind="error", method="GET", path="/portfolio/positions", status=503, count=0)
    row = reconcile.run("live", "test")
    assert row.error != ""
    assert Discrepancy.objects.count() == 0
    assert halt.current(position.profile) == "active"


def test_no_live_order_before_a_comparison_has_ended_well(twin: Twin) -> None:
    twin.exchange.faults.add(kind="error", method="GET", path="/portfolio/balance", status=503, count=0)
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    assert executor.execute(decision.pk) is None
    assert decision.denial.code == "not_reconciled"
    assert not twin.exchange.ledger.orders
    twin.exchange.faults.clear()
    live_readiness.require_reconciliation()
    assert (
        executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk) is not None
    )
    assert Reconciliation.objects.filter(trigger="start", error="").count() == 1


def test_own_books_are_audited(twin: Twin) -> None:
    position = _buy(twin)
    Leg.objects.filter(position=position).update(open_cost=0, open_fees=0)
    row = reconcile.run("live", "test")
    assert row.differences > 0
    assert "ledger_positions" in _codes()
    assert balance_check.summary(position.profile)["difference"] != 0


def test_order_of_unknown_outcome_is_never_sent_under_a_new_id(twin: Twin) -> None:
    twin.exchange.faults.add(kind="timeout", method="POST", when="after", count=1)
    position = _buy(twin)
    assert position.status == "open"
    ids = [body["client_order_id"] for method, _, body in twin.session.sent if method == "POST"]
    assert len(set(ids)) == Order.objects.count() == 3
    assert sum(o.initial for o in twin.exchange.ledger.orders.values()) == 3 * 1_000


def test_order_that_never_arrived_is_sent_again_under_the_same_id(twin: Twin) -> None:
    twin.exchange.faults.add(kind="timeout", method="POST", when="before", count=1)
    position = _buy(twin)
    assert position.status == "open"
    ids = [body["client_order_id"] for method, _, body in twin.session.sent if method == "POST"]
    assert len(ids) == 4
    assert len(set(ids)) == 3


def test_an_unclear_order_that_is_not_wanted_any_more_spends_its_id_harmlessly(twin: Twin) -> None:
    twin.exchange.faults.add(kind="timeout", method="POST", when="before", count=1)
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    from trading.execution import admission
    from trading.leases import lease

    reconcile.ensure_reconciled()
    position = admission.admit(decision)
    assert position is not None
    leg = position.legs.all()[0]
    Position.objects.filter(pk=position.pk).update(status="executing")
    with lease(position.pk) as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr(submit, "resolve", lambda order, wanted: False)
        assert own is not None
        order = submit.place(
            own, position, leg, action="buy", purpose="entry", price=leg.limit_price, count=leg.target_count
        )
    assert order.status == "unknown"
    assert inflight.advance(order, wanted=False, cancel=False)
    assert (order.status, order.filled_count) == ("done", 0)
    assert twin.held() == {}
    posts = [body for method, _, body in twin.session.sent if method == "POST"]
    assert [body["client_order_id"] for body in posts] == [str(order.pk)] * 2
    assert (posts[1]["price"], posts[1]["count"]) == ("0.0100", "0.01")


def test_cash_moved_between_shards_is_no_difference_and_moves_what_is_expected_there(twin: Twin) -> None:
    _buy(twin)
    reconcile.run("live", "first")
    before = dict(ExchangeAccount.objects.get().opening_shards)
    cash = twin.exchange.ledger.cash
    cash[(0, 0)] -= 7_000_000
    cash[(0, 2)] += 7_000_000
    row = reconcile.run("live", "test")
    assert (row.differences, row.balance_difference) == (0, 0)
    account = ExchangeAccount.objects.get()
    assert account.opening_shards == before | {"0": before["0"] - 7_000_000, "2": before["2"] + 7_000_000}
    profiles = list(Profile.objects.filter(mode="live"))
    assert accounts.differences_by_shard(account, profiles) == {}
    assert (shard_cash.free(0, 0) or 0) < cash[(0, 0)], "what was spent a moment before the reading may not be in it"
    ExchangeAccount.objects.update(seen_at=clock.now() + shard_cash.READ_LAG)
    assert shard_cash.free(0, 0) == cash[(0, 0)]
    assert shard_cash.free(0, 2) == cash[(0, 2)]


def test_a_difference_of_cash_names_its_shard(twin: Twin) -> None:
    _buy(twin)
    reconcile.run("live", "first")
    twin.exchange.ledger.cash[(0, 0)] -= 3_000_000
    reconcile.run("live", "test")
    found = Discrepancy.objects.get(code="cash")
    assert found.theirs == f"{dollars(-3_000_000)} more than ours: {dollars(-3_000_000)} on shard 0"
    assert account_ledger.accept_cash("taken out") == -3_000_000
    row = reconcile.run("live", "again")
    assert (row.differences, row.balance_difference) == (0, 0)
    assert accounts.differences_by_shard(ExchangeAccount.objects.get(), list(Profile.objects.all())) == {}


@pytest.mark.parametrize(("ask", "posts"), [(100, 1), (200, 2)])
def test_an_id_is_not_spent_where_somebody_asks_the_lowest_price_of_the_grid(twin: Twin, ask: int, posts: int) -> None:
    """0.01 contract bought there could not be sold to anybody: its position would wait until it settles."""
    ticker = twin.markets[0]
    for side in ("bid", "ask"):
        twin.cancel_makers(ticker, side)
    twin.quote(ticker, "ask", ask, 5_000)
    twin.sync()
    twin.exchange.faults.add(kind="timeout", method="POST", when="before", count=1)
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, (ask, 3_200, 3_100), strict=True)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submit, "resolve", lambda order, wanted: False)
        position = executor.execute(decision.pk)
    assert position is not None
    assert [one.status for one in position.orders.all()] == ["unknown"]
    halt.tighten(state=halt.State.REDUCING, actor="ann", reason="enough")
    for seconds in (2, 40, 45):
        with time_machine.travel(clock.now() + timedelta(seconds=seconds)):
            twin.sync()
            position = executor.step(position.pk)
    assert (position.status, twin.held()) == ("aborted", {})
    assert len([body for method, _, body in twin.session.sent if method == "POST"]) == posts
