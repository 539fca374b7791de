"""A basket on paper from decision to settlement or exit, and the ledger that must not lose a micro-dollar."""

from __future__ import annotations

from typing import Any

import pytest

from markets.models import Market
from strategies.models import Profile
from tests.trading import world
from trading.accounting import audit, balance_check
from trading.closing import exit_preview, exits, settlement
from trading.execution import executor
from trading.models import Denial, Order, Position

ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


def _bought(count: int = 1_000, size: int = 10_000, **columns: Any) -> Position:
    profile, event = world.add_profile(**columns), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS, size))
    position = executor.execute(world.decide(profile, event, LIMITS, count).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def _sound(profile: Profile) -> dict[str, int]:
    summary = balance_check.summary(profile)
    assert summary["difference"] == 0, summary
    assert audit.totals(profile) == []
    return summary


def test_decision_becomes_an_open_basket_whose_cost_is_what_the_asks_cost() -> None:
    position = _bought()
    assert position.status == "open"
    assert position.matched_count == 1_000
    assert [leg.held for leg in position.legs.all()] == [1_000] * 3
    paid = (3_000 + 3_200 + 3_100) * 1_000
    assert position.cost == paid + position.fees
    assert position.guaranteed
    assert position.reserved == 0
    summary = _sound(position.profile)
    assert summary["open_cost"] == position.cost
    assert summary["cash"] == 1_000 * world.DOLLAR - position.cost


def test_settlement_pays_the_winner_and_the_ledger_agrees() -> None:
    position = _bought()
    cost = position.cost
    for ticker, result in (("KXT-1-0", "no"), ("KXT-1-1", "yes"), ("KXT-1-2", "no")):
        Market.objects.filter(ticker=ticker).update(
            status="finalized", result=result, settlement_value_e6=1_000_000 if result == "yes" else 0
        )
        settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.payout == 10 * world.DOLLAR
    assert position.realised == 10 * world.DOLLAR - cost
    summary = _sound(position.profile)
    assert summary["realised"] == position.realised
    assert summary["open_cost"] == 0


def test_determined_is_not_final() -> None:
    position = _bought()
    Market.objects.update(status="determined", result="yes", settlement_value_e6=1_000_000)
    assert settlement.run() == 0
    position.refresh_from_db()
    assert position.status == "open"


def test_exit_sells_into_the_bids_after_fees() -> None:
    position = _bought()
    cost = position.cost
    preview = exit_preview.preview(position)
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    position = executor.step(position.pk)
    assert position.status == "closed"
    assert position.proceeds == preview.proceeds
    assert position.realised == preview.proceeds - cost
    assert {(o.action, o.price) for o in position.orders.filter(purpose="exit")} == {
        ("sell", 2_400),
        ("sell", 2_800),
        ("sell", 2_600),
    }
    assert dict(position.orders.values_list("purpose", "actor")) == {"entry": "kalbot", "exit": "ann"}
    assert position.exit_requests.get().outcome == "flat"
    _sound(position.profile)


def test_basket_shrinks_to_the_thin_leg_without_an_unwind() -> None:
    profile, event = world.add_profile(), world.add_event()
    books = dict(world.quoted(event, ASKS, 10_000))
    world.publish(event.ticker, books)
    decision = world.decide(profile, event, LIMITS, 1_000)
    books["KXT-1-1"] = (((2_800, 10_000),), ((6_800, 400),))
    world.publish(event.ticker, books)
    position = executor.execute(decision.pk)
    assert position is not None
    assert position.status == "open"
    assert position.matched_count == 400
    assert not position.orders.filter(action=Order.Action.SELL).exists()
    _sound(profile)


def test_denied_decision_leaves_no_trace_but_the_denial() -> None:
    profile, event = world.add_profile(max_per_position=1), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    decision = world.decide(profile, event, LIMITS)
    assert executor.execute(decision.pk) is None
    assert decision.denial.code == "max_per_position"
    assert not Position.objects.exists()
    assert _sound(profile)["cash"] == profile.capital


@pytest.mark.parametrize("again", [1, 3])
def test_executing_a_decision_again_buys_nothing_twice(again: int) -> None:
    position = _bought()
    for _ in range(again):
        executor.execute(position.decision_id)
        executor.step(position.pk)
    assert Position.objects.count() == 1
    assert Order.objects.count() == 3
