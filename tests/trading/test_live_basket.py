"""The same executor over the real client against the simulated exchange: orders, fills, cash and positions must agree."""

from __future__ import annotations

from django.db import transaction

from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading import selectors
from trading.accounting import balance_check
from trading.closing import exits, settlement
from trading.execution import executor
from trading.models import Denial, Discrepancy, LiveEventClaim, Order, Position
from trading.reconciliation import inbox, reconcile

DEPTH = 10_000


def _profile(**columns: object) -> Profile:
    return world.add_profile("live", mode="live", **columns)


def _decision(profile: Profile, twin: Twin, count: int = 1_000) -> Decision:
    limits = dict(zip(twin.markets, (3_000, 3_200, 3_100), strict=True))
    return world.decide(profile, twin.row, limits, count)


def _bought(twin: Twin, **columns: object) -> Position:
    position = executor.execute(_decision(_profile(**columns), twin).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def _agree(twin: Twin, profile: Profile) -> None:
    row = reconcile.run("live", "test")
    assert row.error == ""
    assert list(Discrepancy.objects.values_list("code", "key", "ours", "theirs")) == []
    assert row.balance_difference == 0
    assert selectors.exchange_difference() == 0
    assert balance_check.summary(profile)["difference"] == 0


def test_live_basket_is_what_the_exchange_says(twin: Twin) -> None:
    position = _bought(twin)
    assert position.status == "open"
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    spent = 10_000 * world.DOLLAR - twin.cash()
    assert position.cost == spent
    _agree(twin, position.profile)


def test_fills_from_the_websocket_and_from_rest_are_booked_once(twin: Twin) -> None:
    position = _bought(twin)
    assert twin.send_fills() == 3
    assert inbox.apply_waiting() == 3
    position.refresh_from_db()
    assert [leg.held for leg in position.legs.all()] == [1_000] * 3
    _agree(twin, position.profile)


def test_live_settlement_waits_for_the_exchange_and_agrees_in_cash(twin: Twin) -> None:
    position = _bought(twin)
    assert settlement.run() == 0
    twin.finish(winner=twin.markets[1])
    assert settlement.run() == 3
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.realised == twin.cash() - 10_000 * world.DOLLAR
    _agree(twin, position.profile)


def test_live_exit_sells_only_what_is_held(twin: Twin) -> None:
    position = _bought(twin)
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    position = executor.step(position.pk)
    assert position.status == "closed"
    assert twin.held() == {}
    sells = [body for method, path, body in twin.session.sent if method == "POST" and body["side"] == "ask"]
    assert len(sells) == 3
    assert all(body["reduce_only"] for body in sells)
    _agree(twin, position.profile)


def test_without_the_switch_of_the_environment_nothing_is_sent(twin: Twin, settings: object) -> None:
    settings.KALBOT_LIVE = False  # type: ignore[attr-defined]
    decision = _decision(_profile(), twin)
    assert executor.execute(decision.pk) is None
    assert decision.denial.code == "live_off"
    assert not [body for method, _, body in twin.session.sent if method == "POST"]


def test_ids_are_committed_before_the_request_leaves(twin: Twin) -> None:
    _bought(twin)
    sent = {body["client_order_id"] for method, _, body in twin.session.sent if method == "POST"}
    assert sent == {str(pk) for pk in Order.objects.values_list("pk", flat=True)}


def test_a_second_live_profile_of_one_account_is_denied_an_event_that_is_held(twin: Twin) -> None:
    first = _bought(twin)
    sent = Order.objects.count()
    other = world.add_profile("other", mode="live")
    decision = _decision(other, twin)
    assert executor.execute(decision.pk) is None
    assert Denial.objects.get(decision=decision).code == "event_taken"
    assert Order.objects.count() == sent
    assert balance_check.summary(other)["cash"] == other.capital, "nothing stays reserved"
    apart = world.add_profile("apart", mode="live", subaccount=5)
    claims = LiveEventClaim.objects.filter(event=twin.row)
    assert [(claim.subaccount, claim.position_id) for claim in claims] == [(0, first.pk)]
    with transaction.atomic():  # another subaccount may hold the same event: its contracts are its own
        position = Position.objects.create(
            profile=apart, mode="live", decision=_decision(apart, twin), event=twin.row, kind="all_yes", target_count=1
        )
        LiveEventClaim.objects.create(event=twin.row, subaccount=5, position=position)
