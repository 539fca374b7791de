"""Contracts that leave the account without an order of ours break a basket: what is then alone is completed, sold or named, never left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.kalshi.rest.portfolio import Portfolio
from markets.kalshi.schemas.orders import Fill
from simulator.flow import second_actor
from strategies.models import Decision, Profile
from tests.trading import families, quoted, world
from tests.trading.twin import Twin
from trading import selectors, states, sweeper
from trading.accounting import audit, balance_check, ledger
from trading.closing import exits
from trading.denials import DenialCode
from trading.execution import executor
from trading.execution.sizing import baskets
from trading.models import Correction, Denial, Discrepancy, ExchangeAccount, Leg, Order, Position
from trading.reconciliation import late_fills, reconcile
from trading.safety import live_readiness, resolution
from trading.venues import connection

pytestmark = pytest.mark.alike

LIMITS = (3_000, 3_200, 3_100)
Code = Discrepancy.Code


def _buy(twin: Twin, **columns: Any) -> Position:
    profile = world.add_profile("live", mode="live", **columns)
    position = executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk)
    assert position is not None
    reconcile.run("live", "test")
    return position


def _person(twin: Twin, what: str, number: int, count: int, **terms: Any) -> None:
    did = second_actor.act(twin.exchange, what, {"tickers": [twin.markets[number]], "count": count} | terms, Random(1))
    assert did["did"] == what, did


def _books(twin: Twin, number: int, bid: int | None, ask: int | None) -> None:
    """Everybody else's orders of one market are replaced."""
    ticker = twin.markets[number]
    for side, price in (("bid", bid), ("ask", ask)):
        twin.cancel_makers(ticker, side)
        if price is not None:
            twin.quote(ticker, side, price, 10_000)
    twin.sync()


def _sweeps(position: Position, twins: Sequence[Twin], times: int = 3) -> Position:
    """Comparisons and sweeps, three seconds apart, until nothing changes any more."""
    before: object = None
    for _ in range(times):
        with time_machine.travel(clock.now() + timedelta(seconds=3)):
            live_readiness.require_reconciliation()
            for twin in twins:
                twin.sync()
            reconcile.run("live", "test")
            sweeper.sweep()
            position.refresh_from_db()
        now = (position.status, position.residual_code, _held(position))
        if now == before and position.status in ("open", "aborted", "closed"):
            break
        before = now
    return position


def _held(position: Position) -> list[int]:
    return [leg.held for leg in position.legs.all()]


def _sound(position: Position, twins: Sequence[Twin]) -> None:
    """Books, exchange and what is shown agree, and no leg is alone without a reason."""
    position.refresh_from_db()
    now = selectors.held_now(position)
    assert (position.matched_count, position.floor, position.cost) == (now.matched, now.floor, now.cost)
    assert position.guaranteed == (now.grade.value != "conditional")
    if position.status == "open" and not position.residual_code:
        legs = list(position.legs.all())
        assert [leg.held for leg in legs] == [
            baskets.needed(now.matched, leg.target_count, position.target_count) for leg in legs
        ]
    assert balance_check.summary(position.profile)["difference"] == 0
    assert (audit.totals(position.profile), audit.positions("live")) == ([], [])
    ours: dict[str, int] = {}
    for leg in Leg.objects.filter(position__mode="live"):
        ours[leg.market_id] = ours.get(leg.market_id, 0) + (leg.held if leg.side == "yes" else -leg.held)
    for ticker, count in ExchangeAccount.objects.get().foreign.items():
        ours[ticker] = ours.get(ticker, 0) + count
    theirs = {ticker: count for twin in twins for ticker, count in twin.held().items()}
    assert {ticker: count for ticker, count in ours.items() if count} == theirs


def test_what_a_person_sold_of_an_open_basket_is_bought_again_where_that_pays(twin: Twin) -> None:
    position = _buy(twin)
    _person(twin, "sell", 0, 400)
    reconcile.run("live", "test")
    _sound_but_for_the_rest(position)
    assert late_fills.reopen_all() == 1
    named = Discrepancy.objects.get(resolved_at=None)
    assert (named.code, named.key) == (Code.LEGS_ALONE, str(position.pk))
    position.refresh_from_db()
    assert position.status == "unwinding"
    position = _sweeps(position, [twin])
    assert (position.status, _held(position)) == ("open", [1_000] * 3)
    assert (position.matched_count, position.guaranteed) == (1_000, True)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    _sound(position, [twin])


def _sound_but_for_the_rest(position: Position) -> None:
    """What is shown is true before anything has been done about it."""
    position.refresh_from_db()
    assert (position.status, position.matched_count, position.guaranteed) == ("open", 600, False)
    assert [(one.leg.market_id[-1], one.naked) for one in selectors.naked_legs([position])[position.pk]] == [
        ("1", 400),
        ("2", 400),
    ]


@pytest.mark.parametrize("sold", [1, 1_000])
def test_where_buying_again_does_not_pay_the_other_legs_are_sold(twin: Twin, sold: int) -> None:
    position = _buy(twin)
    _person(twin, "sell", 0, sold)
    _books(twin, 0, 2_400, 9_000)
    position = _sweeps(position, [twin])
    assert _held(position) == [1_000 - sold] * 3
    assert position.status == ("aborted" if sold == 1_000 else "open")
    assert position.realised >= -position.profile.leg_risk_budget
    _sound(position, [twin])


def test_a_leg_that_nobody_bids_for_is_named_until_somebody_does(twin: Twin) -> None:
    position = _buy(twin)
    _person(twin, "sell", 0, 1_000)
    for number in range(3):
        _books(twin, number, None, None)
    position = _sweeps(position, [twin], 3)
    assert (position.status, position.residual_code) == ("unwinding", DenialCode.NO_BID)
    assert Discrepancy.objects.filter(code=Code.LEGS_ALONE, resolved_at=None).exists()
    for number in range(3):
        _books(twin, number, 2_800, 9_900)
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        position = _sweeps(position, [twin])
    assert (position.status, _held(position)) == ("aborted", [0, 0, 0])
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    _sound(position, [twin])


def test_a_person_may_break_it_again_and_again(twin: Twin) -> None:
    position = _buy(twin)
    for _ in range(12):
        _person(twin, "sell", 0, 100)
        position = _sweeps(position, [twin], 2)
        assert _held(position) == [1_000] * 3, "each time the books offer it within the limits"
    _sound(position, [twin])


def test_it_is_not_bought_again_against_what_the_person_holds_by_now(twin: Twin) -> None:
    """They bought more of the other side than we held: our purchase would close theirs."""
    position = _buy(twin)
    _person(twin, "buy", 0, 1_500, side="ask", rest=False)
    position = _sweeps(position, [twin])
    assert (position.status, _held(position)) == ("aborted", [0, 0, 0])
    assert ExchangeAccount.objects.get().foreign == {twin.markets[0]: -500}
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    _sound(position, [twin])


def test_what_is_bought_again_costs_what_the_books_ask_under_the_policy_that_waits_too(twin: Twin) -> None:
    """Buying again was judged on the price that is offered: an order that rests at the plan's limit would only wait."""
    position = _buy(twin, on_partial=Profile.PartialPolicy.HOLD)
    _person(twin, "sell", 0, 400)
    _books(twin, 0, 2_400, 3_100)
    position = _sweeps(position, [twin])
    assert (position.status, _held(position)) == ("open", [1_000] * 3)
    again = Order.objects.filter(position=position, purpose=Order.Purpose.COMPLETE)
    assert [(one.price, one.count, one.filled_count) for one in again] == [(3_100, 400, 400)]
    _sound(position, [twin])


@pytest.mark.parametrize("policy", [Profile.PartialPolicy.UNWIND, Profile.PartialPolicy.HOLD])
def test_sold_while_the_basket_is_being_completed(twin: Twin, policy: str) -> None:
    _books(twin, 2, 2_600, None)
    twin.quote(twin.markets[2], "ask", 3_100, 400)
    twin.sync()
    profile = world.add_profile("live", mode="live", on_partial=policy, complete_seconds=6, sending="all_at_once")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    position = executor.execute(decision.pk)
    assert position is not None
    held = next(one for one in twin.markets if twin.held().get(one, 0) > 0)
    _person(twin, "sell", twin.markets.index(held), 200)
    position = _sweeps(position, [twin], 5)
    assert Correction.objects.exists()
    assert position.status in ("open", "aborted")
    assert len(set(_held(position))) == 1
    _sound(position, [twin])


def test_what_a_person_kept_alone_waits_for_a_person_once_more_of_it_is_alone(twin: Twin) -> None:
    position = _buy(twin)
    kept = {(twin.markets[0], "yes"): 300}
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=kept, below_floor="hers")
    position = _sweeps(position, [twin], 2)
    assert (position.residual_code, _held(position)) == (DenialCode.KEPT_ON_REQUEST, [700, 1_000, 1_000])
    _person(twin, "sell", 1, 200)
    position = _sweeps(position, [twin], 1)
    assert (position.residual_code, position.status) == (DenialCode.KEPT_ON_REQUEST, "open"), "less of it is alone"
    _person(twin, "sell", 2, 400)
    position = _sweeps(position, [twin], 2)
    assert (position.residual_code, position.status) == (DenialCode.BASKET_BROKEN, "open")
    named = Discrepancy.objects.get(resolved_at=None)
    assert (named.code, named.key) == (Code.LEGS_ALONE, str(position.pk))
    _sound(position, [twin])
    resolution.resolve(named.pk, actor="ann", reason="deal with it")
    position = _sweeps(position, [twin])
    assert (position.status, len(set(_held(position)))) == ("open", 1)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    _sound(position, [twin])


def test_whole_baskets_that_an_exit_could_not_sell_are_dealt_with_once_they_break(twin: Twin) -> None:
    position = _buy(twin)
    Position.objects.update(residual="no bid at the least price or better", residual_code=DenialCode.NO_BID)
    _person(twin, "sell", 1, 200)
    position = _sweeps(position, [twin])
    assert (position.status, position.residual_code, len(set(_held(position)))) == ("open", "", 1)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    _sound(position, [twin])


def test_what_a_person_breaks_during_a_partial_exit_is_not_taken_for_kept(twin: Twin) -> None:
    position = _buy(twin)
    counts = {(ticker, "yes"): 300 for ticker in twin.markets}
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=counts, below_floor="hers")
    _person(twin, "sell", 0, 500)
    position = _sweeps(position, [twin])
    assert (position.status, position.residual_code, len(set(_held(position)))) == ("open", "", 1)
    _sound(position, [twin])


def test_more_alone_than_a_partial_exit_meant_waits_for_a_person(twin: Twin) -> None:
    position = _buy(twin)
    one = {(twin.markets[0], "yes"): 300}
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=one, below_floor="hers")
    _person(twin, "sell", 0, 800)
    position = _sweeps(position, [twin], 2)
    assert (position.status, position.residual_code) == ("open", DenialCode.BASKET_BROKEN)
    assert Discrepancy.objects.get(resolved_at=None).code == Code.LEGS_ALONE


def test_our_purchase_that_closed_a_persons_contracts_is_booked_as_that(twin: Twin) -> None:
    """Their trade was booked after our check and before our fill: a dollar a pair is nobody's until both are booked out."""
    profile = world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    _person(twin, "buy", 0, 1_000, side="ask", rest=False)
    reconcile.run("live", "test")
    theirs = ExchangeAccount.objects.get().foreign
    ExchangeAccount.objects.update(foreign={})  # as the check saw it
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    position = executor.execute(decision.pk)
    assert position is not None
    ExchangeAccount.objects.update(foreign=theirs)
    leg = position.legs.get(market_id=twin.markets[0])
    assert (leg.held, twin.held().get(leg.market_id, 0)) == (1_000, 0)
    reconcile.run("live", "test")
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert not ExchangeAccount.objects.get().foreign
    taken = Correction.objects.get()
    assert (taken.leg, taken.count, taken.proceeds) == (leg, 1_000, leg.open_cost - leg.open_fees)
    position = _sweeps(position, [twin])
    assert (position.status, len(set(_held(position)))) == ("open", 1)
    _sound(position, [twin])


def test_a_persons_trade_waits_for_what_our_own_sale_did(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our sale took the contracts; its fills are not listed yet, so theirs would look like the sale of them."""
    position = _buy(twin)
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="hers")
    with monkeypatch.context() as patch:
        lag = Portfolio.fills
        patch.setattr(Portfolio, "fills", lambda self, **terms: [f for f in lag(self, **terms) if not _is_sale(f)])
        executor.step(position.pk)
        assert set(position.orders.filter(action="sell").values_list("status", flat=True)) == {"booking"}
        _person(twin, "buy", 0, 700, side="ask", rest=False)
        assert reconcile.run("live", "test").error == ""
        assert not Discrepancy.objects.exists()
        assert not Correction.objects.exists()
    position = _sweeps(position, [twin])
    assert (position.status, ExchangeAccount.objects.get().foreign) == ("closed", {twin.markets[0]: -700})
    assert not Discrepancy.objects.exists()
    _sound(position, [twin])


def _is_sale(fill: Fill) -> bool:
    return Order.objects.filter(exchange_order_id=fill.order_id, action="sell").exists()


def test_a_family_basket(settings: Any) -> None:
    settings.KALBOT_LIVE = True
    ranges, thresholds = families.pair()
    connection.use(ranges.client())
    live_readiness.require_reconciliation()
    profile = world.add_profile("live", mode="live", kinds=["family"])
    position = executor.execute(families.decide(profile, ranges, thresholds).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    reconcile.run("live", "test")
    assert position.status == "open"
    _person(ranges, "sell", 0, 250)
    position = _sweeps(position, [ranges])
    assert (position.status, len(set(_held(position)))) == ("open", 1)
    assert Correction.objects.exists()


@pytest.mark.parametrize(("budget", "held"), [(20, [300, 100, 300]), (1, [100, 100, 100])])
def test_what_is_alone_of_a_quoted_basket_is_weighed_as_orphans(settings: Any, budget: int, held: list[int]) -> None:
    twin = quoted.begin(settings)
    position = quoted.begun(twin, quoted.profile(orphan_budget=13 * world.DOLLAR))
    for number, price in enumerate(quoted.NO_BIDS):
        quoted.sell_no(twin, number, price, quoted.DEPTH + 300)
        twin.quote(twin.markets[number], "ask", 10_000 - price + 200, 5_000)
    position = quoted.step(twin, position)
    Decision.objects.filter(pk=position.decision_id).update(quote=position.decision.quote | {"until_ms": 0})
    position = quoted.step(twin, position)
    assert (position.status, _held(position)) == ("open", [300] * 3)
    Profile.objects.update(orphan_budget=budget * world.DOLLAR)
    _person(twin, "sell", 1, 200)
    position = _sweeps(position, [twin])
    assert (position.status, _held(position)) == ("open", held)
    assert position.residual_code == ("" if len(set(held)) == 1 else "orphans_held")
    _sound(position, [twin])


def test_a_worker_that_wakes_up_late_sets_nothing_aside_for_a_basket_that_is_whole_by_now(twin: Twin) -> None:
    position = _buy(twin)
    Position.objects.filter(pk=position.pk).update(status="completing")
    position.refresh_from_db()
    Position.objects.filter(pk=position.pk).update(status="open")
    with pytest.raises(states.Overtaken):
        ledger.reserve_up_to(position, world.DOLLAR)
    _sound(position, [twin])
    assert position.reserved == 0
