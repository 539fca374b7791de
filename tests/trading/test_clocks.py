"""Clocks that are set, or differ: nothing is frozen, nothing old passes for young, and no new risk is taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.prices import EventPrices
from strategies.models import Decision
from tests.trading import world
from tests.trading.struck import LIMITS, StruckTwin, execute
from trading import leases, sweeper
from trading.closing import exits
from trading.execution import executor
from trading.execution.orders import gate
from trading.models import Denial, Discrepancy, Order, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection
from trading.venues.protocol import Refused

HOUR = timedelta(hours=1)


def _decide(twin: StruckTwin) -> Decision:
    profile = world.add_profile("other", mode="live")
    return world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 100)


def _denial(decision: Decision) -> str:
    assert executor.execute(decision.pk) is None
    return str(Denial.objects.get(decision=decision).code)


def test_a_lease_and_a_step_from_before_a_clock_was_set_back_freeze_nothing(struck: StruckTwin) -> None:
    position = execute(struck)
    rows = Position.objects.filter(pk=position.pk)
    rows.update(status="exiting", lease_token="dead", lease_until=clock.now() + HOUR, next_step_at=clock.now() + HOUR)
    assert sweeper.due_positions() == [position.pk]
    with leases.lease(position.pk) as lease:
        assert lease is not None
    held = clock.now() + timedelta(seconds=leases.LEASE_SECONDS)
    rows.update(lease_token="alive", lease_until=held, next_step_at=clock.now() + timedelta(seconds=60))
    assert sweeper.due_positions() == []
    with leases.lease(position.pk) as lease:
        assert lease is None
    rows.update(lease_token="", lease_until=None)
    assert sweeper.due_positions() == [], "its time has not come"


def test_what_comes_from_the_future_has_no_known_age_and_is_not_acted_on(struck: StruckTwin) -> None:
    decision = _decide(struck)
    Decision.objects.update(created_at=clock.now() + HOUR)
    assert _denial(decision) == "expired"
    position = execute(struck)
    lost = world.decide(position.profile, struck.row, dict(zip(struck.markets, LIMITS, strict=True)), 100)
    for ahead, found in ((timedelta(), []), (HOUR, [lost.pk])):
        Decision.objects.filter(pk=lost.pk).update(created_at=clock.now() + ahead)
        assert sweeper.forgotten_decisions() == found, "its message was lost: it is denied, not left"
    order = position.orders.all()[0]
    Order.objects.filter(pk=order.pk).update(status="sending", created_at=clock.now() + HOUR)
    Position.objects.update(status="executing")
    with pytest.raises(Refused) as refused:
        gate.check(Order.objects.select_related("position", "profile").get(pk=order.pk))
    assert refused.value.code == "expired"
    now = clock.now_ms()
    assert EventPrices("KXT-1", "e", True, now + 60_000, {}).usable([], 15_000, now) == "stale"
    assert EventPrices("KXT-1", "e", True, now + 1_000, {}).usable([], 15_000, now) is None


@pytest.mark.parametrize("searched", [None, timedelta(hours=2), timedelta(hours=-1)])
def test_a_decision_that_nobody_took_up_while_the_machine_slept_is_denied(
    struck: StruckTwin, searched: timedelta | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = _decide(struck)
    Decision.objects.update(created_at=clock.now() - 12 * HOUR)
    monkeypatch.setattr(sweeper, "_searched_at", clock.now())
    assert sweeper.forgotten_decisions() == [], "it searched a moment ago"
    monkeypatch.setattr(sweeper, "_searched_at", None if searched is None else clock.now() - searched)
    assert sweeper.forgotten_decisions() == [decision.pk]
    assert sweeper.forgotten_decisions() == [decision.pk], "whoever found it may have died"
    sweeper.sweep()
    assert sweeper.forgotten_decisions() == []
    assert Denial.objects.get(decision=decision).code == "expired"


def test_a_clock_that_differs_from_the_exchanges_denies_new_live_baskets(struck: StruckTwin) -> None:
    struck.session.ahead = timedelta(seconds=9)
    assert _denial(_decide(struck)) == "clock_skew"
    struck.session.ahead = timedelta()  # set right
    assert _denial(_again(struck)) == "orders_per_minute"


def test_a_clock_that_nobody_has_measured_lately_is_measured_or_denies(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reconcile.run("live", "test").error == ""
    connection.use(struck.client())  # another worker, which has had no answer yet
    assert connection.clock_skew_ms() is None
    assert _denial(_again(struck)) == "orders_per_minute", "it is measured by one request"
    assert connection.clock_skew_ms() is not None
    struck.session.ahead = None
    monkeypatch.setattr(connection, "MEASURED_FOR", -1.0)
    assert _denial(_decide(struck)) == "clock_skew"


def test_an_order_that_a_dead_worker_left_in_sending_is_of_unknown_outcome(struck: StruckTwin) -> None:
    position = execute(struck)
    order = position.orders.all()[0]
    Position.objects.update(status="closed")
    position.claims.all().delete()
    Order.objects.filter(pk=order.pk).update(status="sending", sent_at=clock.now() - timedelta(seconds=30))
    assert _denial(_decide(struck)) == "order_unknown"
    Order.objects.filter(pk=order.pk).update(sent_at=clock.now())
    assert _denial(_again(struck)) != "order_unknown"


def _again(twin: StruckTwin) -> Decision:
    profile = world.add_profile("third", mode="live", max_orders_per_minute=0)
    return world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 100)


@pytest.mark.parametrize(("path", "name"), [("/portfolio/positions", "position"), ("/portfolio/fills", "fill")])
def test_one_unreadable_record_is_named_and_the_comparison_goes_on(struck: StruckTwin, path: str, name: str) -> None:
    execute(struck)
    key = {"position": "market_positions", "fill": "fills"}[name]
    struck.session.answers[path] = (
        b'{"cursor": "", "' + key.encode() + b'": [{"ticker": "KXT-1-0"}], "event_positions": []}'
    )
    with time_machine.travel(clock.now() + timedelta(seconds=60)):  # what is young is not missed anyway
        row = reconcile.run("live", "test")
    assert row.error == ""
    assert [row.code for row in Discrepancy.objects.all()] == ["unreadable"], "what is not listed may be that record"
    assert Discrepancy.objects.get().key.startswith(f"{name}:")


def _set_back(twin: StruckTwin, position: Position, times: int = 4) -> Position:
    """An hour is taken back from every clock; then sweeps, each on the books of its moment."""
    for number in range(1, times + 1):
        with time_machine.travel(clock.now() - HOUR + timedelta(seconds=8 * number)):
            twin.exchange.clock._last = 0  # type: ignore[attr-defined]
            twin.sync()
            sweeper.sweep()
    position.refresh_from_db()
    return position


def _exit(position: Position) -> None:
    least: dict[Any, int] = {(leg.market_id, leg.side): 2_000 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=least, below_floor="x")


def test_an_exit_requested_before_a_clock_was_set_back_sells(struck: StruckTwin) -> None:
    position = execute(struck)
    _exit(position)
    assert _set_back(struck, position).status == "closed"
    assert not position.orders.filter(status="rejected").exclude(error_code="request_withdrawn").exists()


def test_a_sale_of_before_a_clock_was_set_back_holds_up_no_next_one(struck: StruckTwin) -> None:
    position = execute(struck)
    for ticker in struck.markets:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 2_800, 300)
    struck.sync()
    _exit(position)
    executor.step(position.pk)
    assert set(struck.held().values()) == {700}
    for ticker in struck.markets:
        struck.quote(ticker, "bid", 2_700, 5_000)
    assert _set_back(struck, position).status == "closed"


def test_the_end_of_a_purchase_of_before_a_clock_was_set_back_is_final_by_and_by(
    struck: StruckTwin, settings: Any
) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 10.0
    last = struck.markets[2]

    def thin() -> None:
        struck.cancel_makers(last, "ask")
        struck.quote(last, "ask", 3_100, 300)

    struck.session.before = {3: thin}
    position = execute(struck)
    assert (position.status, position.residual_code) == ("completing", "order_unsettled")
    struck.quote(last, "ask", 3_100, 5_000)
    assert _set_back(struck, position, 6).status == "open"
    assert set(struck.held().values()) == {1_000}


def test_a_comparison_of_before_a_clock_was_set_back_counts_no_more(struck: StruckTwin) -> None:
    execute(struck)
    reconcile.run("live", "test")
    assert live_readiness.is_reconciled()
    with time_machine.travel(clock.now() - HOUR):
        sweeper.sweep()
        assert not live_readiness.is_reconciled(), "its cash would hide what is spent from now on"
