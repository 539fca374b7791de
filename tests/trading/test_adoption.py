"""After an older dump was restored: baskets bought since become rows again, to the micro-dollar, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import transaction

from kalbot.common import clock
from strategies.models import Decision, Kind, Profile
from tests.trading import live_twin, world
from tests.trading.twin import Twin
from trading.accounting import accounts, audit, balance_check
from trading.closing import exits, settlement
from trading.execution import executor
from trading.execution.orders import client_ids, submit
from trading.execution.orders.client_ids import ClientId
from trading.models import (
    AccountTransaction,
    Discrepancy,
    ExchangeAccount,
    Fill,
    ForeignOrder,
    Leg,
    Order,
    Position,
)
from trading.reconciliation import adoption, lost_baskets, reconcile, window
from trading.reconciliation.adopted_rows import CannotAdopt
from trading.safety import halt, live_readiness, resolution

DEPTH = 10_000
LIMITS = (3_000, 3_200, 3_100)


@pytest.fixture
def twin(settings: object) -> Twin:
    found = live_twin.connect(settings, Twin(), live_twin.WIDE, DEPTH)
    world.add_profile("live", mode="live")
    return found


@contextmanager
def lost() -> Iterator[None]:
    """What is written inside is gone afterwards, as in a dump from before; the exchange keeps it."""
    point = transaction.savepoint()
    yield
    transaction.savepoint_rollback(point)
    live_readiness.require_reconciliation()


def _profile() -> Profile:
    return Profile.objects.get(name="live")


def _buy(twin: Twin) -> Position:
    limits = dict(zip(twin.markets, LIMITS, strict=True))
    position = executor.execute(world.decide(_profile(), twin.row, limits).pk)
    assert position is not None
    return position


def _adopt() -> list[Position]:
    return [adoption.adopt(one, actor="ann", reason="the dump was older") for one in lost_baskets.find()]


def _agrees(twin: Twin) -> None:
    for _ in range(2):
        row = reconcile.run("live", "test")
        assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    summary = balance_check.summary(_profile())
    assert summary["difference"] == 0
    assert (audit.totals(_profile()), audit.positions("live")) == ([], [])
    assert accounts.legs_unlike_their_fills("live") == []
    account = ExchangeAccount.objects.get()
    assert accounts.expected_cash(account, [_profile()]) == twin.cash() == account.balance
    assert account.foreign == {}


def _shape(position: Position) -> dict[str, object]:
    """What of a position must come back as it was."""
    position.refresh_from_db()
    legs = Leg.objects.filter(position=position).order_by("market_id")
    orders = Order.objects.filter(position=position).order_by("pk")
    return {
        "position": (position.kind, position.status, position.cost, position.fees, position.realised, position.floor),
        "grade": (position.grade, position.guaranteed, position.matched_count, position.states),
        "legs": list(
            legs.values_list(
                "market_id", "side", "limit_price", "bought_count", "bought_cost", "open_cost", "sold_count"
            )
        ),
        "orders": list(
            orders.values_list("pk", "action", "purpose", "side", "price", "count", "status", "exchange_order_id")
        ),
        "fills": sorted(Fill.objects.filter(order__position=position).values_list("trade_id", "price", "count", "fee")),
    }


@pytest.mark.parametrize("before", [True, False], ids=["compared before the dump", "never compared before"])
def test_a_basket_bought_since_is_named_and_adopted_as_it_was(twin: Twin, before: bool) -> None:
    if before:
        assert reconcile.run("live", "before").differences == 0
    with lost():
        was = _shape(_buy(twin))
    row = reconcile.run("live", "after")
    named = Discrepancy.objects.get(resolved_at=None)
    assert (row.differences, named.code, named.profile) == (1, Discrepancy.Code.LOST_BASKET, _profile())
    assert halt.current(_profile()) == "reducing"
    (position,) = _adopt()
    assert _shape(position) == was
    assert ForeignOrder.objects.count() == 0
    _agrees(twin)
    assert lost_baskets.find() == [] == _adopt()


def test_what_was_sold_and_settled_since_is_booked_too(twin: Twin) -> None:
    beside = Twin("KXT-2", beside=twin)
    for bid, ask in ((2_400, 3_000), (2_800, 3_200), (2_600, 3_100)):
        beside.add_market([(bid, DEPTH)], [(ask, DEPTH)])
    beside.sync()
    reconcile.run("live", "before")
    with lost():
        settles = _buy(twin)
        sold = _buy(beside)
        exits.request_exit(position_id=sold.pk, actor="ann", reason="out", below_floor="a person said so")
        assert executor.step(sold.pk).status == "closed"
        was = {twin.event: _shape(settles), beside.event: _shape(sold)}
    twin.finish(winner=twin.markets[1])
    assert reconcile.run("live", "after").differences == 2
    ended = {position.event_id: position for position in _adopt()}
    assert _shape(ended[beside.event]) == was[beside.event]
    settlement.run("live")
    position = Position.objects.get(event_id=twin.event)
    assert (position.status, position.payout) == ("settled", 1_000 * 10_000)
    _agrees(twin)


def test_an_exit_since_the_dump_of_a_basket_that_the_dump_has_is_one_correction_and_no_lost_basket(twin: Twin) -> None:
    position = _buy(twin)
    reconcile.run("live", "before")
    with lost():
        exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="a person said so")
        assert executor.step(position.pk).status == "closed"
    assert reconcile.run("live", "after").differences == 0
    position.refresh_from_db()
    assert (position.status, lost_baskets.find()) == ("closed", [])
    _agrees(twin)


def test_legs_bought_since_belong_to_the_position_that_the_dump_has(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile.run("live", "before")
    sent: list[object] = []

    def until_second(order: Order, keep_back: int = 0, beside: Any = None) -> None:
        if len(sent) == 1:
            sent.append(transaction.savepoint())
        elif not sent:
            sent.append(None)
        send(order, keep_back, beside)

    send = submit.send
    monkeypatch.setattr(submit, "send", until_second)
    position = _buy(twin)
    assert (position.status, len(sent)) == ("open", 2)
    transaction.savepoint_rollback(str(sent[1]))
    live_readiness.require_reconciliation()
    assert position.orders.count() == 2  # the second is stored and was never seen to leave
    assert reconcile.run("live", "after").error == ""
    (adopted,) = _adopt()
    assert (adopted.pk, adopted.orders.count(), adopted.status) == (position.pk, 3, "executing")
    Position.objects.update(lease_token="", lease_until=None)
    assert executor.step(position.pk).status == "open"
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    _agrees(twin)


def test_half_a_basket_is_unwound_and_not_called_whole(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    send = submit.send

    def only_first(order: Order, keep_back: int = 0, beside: Any = None) -> None:
        if order.position.orders.count() == 1:
            send(order, keep_back, beside)

    reconcile.run("live", "before")
    with lost():
        monkeypatch.setattr(submit, "send", only_first)
        _buy(twin)
    monkeypatch.undo()
    reconcile.run("live", "after")
    (position,) = _adopt()
    assert (position.status, position.matched_count, position.legs.count()) == ("unwinding", 0, 3)
    assert twin.held() == {twin.markets[0]: 1_000}
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)


def test_an_order_that_got_a_part_is_adopted_for_all_that_it_wanted(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = submit.send

    def only_first_in_part(order: Order, keep_back: int = 0, beside: Any = None) -> None:
        if order.position.orders.count() == 1:
            twin.cancel_makers(order.leg.market_id, "ask")
            twin.quote(order.leg.market_id, "ask", order.price, 400)
            send(order, keep_back, beside)

    reconcile.run("live", "before")
    with lost():
        monkeypatch.setattr(submit, "send", only_first_in_part)
        _buy(twin)
    monkeypatch.undo()
    reconcile.run("live", "after")
    (position,) = _adopt()
    assert list(position.orders.values_list("count", "filled_count", "status")) == [(1_000, 400, "done")]


def test_a_person_beside_us_is_not_adopted(twin: Twin) -> None:
    reconcile.run("live", "before")
    with lost():
        _buy(twin)
    for client_id in ("", str(uuid4()), "mine-1"):
        ForeignOrder.objects.create(
            exchange_order_id=client_id or "x",
            client_order_id=client_id,
            ticker=twin.markets[0],
            side="yes",
            price=1,
            count=1,
            filled_count=1,
        )
    reconcile.run("live", "after")
    assert sum(len(one.orders) for one in lost_baskets.find()) == 3


def test_a_position_of_the_event_that_is_active_is_in_the_way(twin: Twin) -> None:
    reconcile.run("live", "before")
    with lost():
        _buy(twin)
    reconcile.run("live", "after")
    decision = world.decide(_profile(), twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    other = Position.objects.create(
        profile=_profile(), mode="live", decision=decision, event=twin.row, kind="all_yes", target_count=1
    )
    with pytest.raises(CannotAdopt, match=f"position #{other.pk} is active in KXT-1"):
        _adopt()
    assert (Position.objects.count(), AccountTransaction.objects.filter(kind="adopted").count()) == (1, 0)


def basket_key() -> str:
    """The name of the one lost basket."""
    return Discrepancy.objects.get(code=Discrepancy.Code.LOST_BASKET, resolved_at=None).key


def test_a_lost_profile_is_a_refusal_that_names_it(twin: Twin) -> None:
    reconcile.run("live", "before")
    with lost():
        other = world.add_profile("other", mode="live")
        limits = dict(zip(twin.markets, LIMITS, strict=True))
        executor.execute(world.decide(other, twin.row, limits).pk)
    reconcile.run("live", "after")
    (basket,) = lost_baskets.find()
    assert basket.refusal == "its profile is not in this database, or trades on another subaccount"
    with pytest.raises(CannotAdopt):
        adoption.adopt(basket, actor="ann", reason="try")
    call_command("adopt", leave=basket_key(), reason="its profile was deleted on purpose", stdout=StringIO())
    for _ in range(2):
        assert reconcile.run("live", "later").differences == 0
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    with pytest.raises(CommandError, match="is lost"):
        call_command("adopt", leave="0:KXT-1:9:9", reason="no such")


def test_the_dialogs_action_shows_and_adopts(twin: Twin) -> None:
    reconcile.run("live", "before")
    with lost():
        cost = _buy(twin).cost
    reconcile.run("live", "after")
    row = Discrepancy.objects.get(resolved_at=None)
    shown = dict(resolution.action_for(row).preview(row))
    assert (shown["Position"], shown["Orders"]) == ("a new one, all_yes", "3, 3 fills")
    assert Position.objects.count() == 0
    assert "adopted as position" in resolution.resolve(row.pk, actor="rita", reason="older dump")
    assert Position.objects.get().cost == cost
    _agrees(twin)


def test_orders_of_an_older_version_are_adopted_for_the_profile_that_a_person_names(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_ids, "make", lambda meant: uuid4())
    reconcile.run("live", "before")
    with lost():
        first = _buy(twin)
        exits.request_exit(position_id=first.pk, actor="ann", reason="out", below_floor="a person said so")
        assert executor.step(first.pk).status == "closed"
        twin.sync()
        second = _shape(_buy(twin))
    said = StringIO()
    call_command("adopt", stdout=said)
    assert said.getvalue() == "Nothing is lost.\n"
    call_command("adopt", event=twin.event, profile="live", confirm=True, reason="older dump", stdout=said)
    assert "2 baskets adopted; differences now: 0, cash $0.00 apart" in said.getvalue()
    ended, holds = Position.objects.order_by("created_at")
    assert ended.status == "closed"
    found = _shape(holds)
    assert (found["position"], found["legs"], found["fills"]) == (second["position"], second["legs"], second["fills"])
    _agrees(twin)


def test_the_command_makes_nothing_without_confirmation_and_nothing_twice(twin: Twin) -> None:
    reconcile.run("live", "before")
    with lost():
        _buy(twin)
    said = StringIO()
    call_command("adopt", stdout=said)
    assert (Position.objects.count(), "Nothing was made." in said.getvalue()) == (0, True)
    with pytest.raises(CommandError, match="need --reason"):
        call_command("adopt", confirm=True)
    for _ in range(2):
        call_command("adopt", confirm=True, reason="older dump", stdout=said)
    assert said.getvalue().endswith("differences now: 0, cash $0.00 apart\nNothing is lost.\n")
    assert Position.objects.count() == Decision.objects.count() == 1


@pytest.mark.parametrize("kind", client_ids.KINDS)
@pytest.mark.parametrize("numbers", [(1, 1, 2), (65_535, 2**32 - 1, 511)])
def test_an_id_says_what_it_is_for_and_a_changed_one_says_nothing(kind: Kind, numbers: tuple[int, int, int]) -> None:
    for action, purpose, side in zip(["buy", "sell"] * 2, client_ids.PURPOSES, ["yes", "no"] * 2, strict=True):
        meant = ClientId(*numbers, kind, Order.Action(action), purpose, side)
        made = client_ids.make(meant)
        assert (client_ids.read(str(made)), made.version, made.variant) == (meant, 8, "specified in RFC 4122")
        changed = f"{int(str(made)[:3], 16) ^ 1:03x}{str(made)[3:]}"
        assert client_ids.read(changed) is None
        assert len({client_ids.make(meant) for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "text", ["", "x", "0323feac-ed4a-4402-9e8a-0e0df540ea38", "00000000-0000-8000-8000-000000000000", "8" * 36]
)
def test_what_is_none_of_our_ids_says_nothing(text: str) -> None:
    assert client_ids.read(text) is None


@pytest.mark.parametrize("numbers", [(65_536, 1, 2), (1, 2**32, 2), (1, 1, 512)])
def test_numbers_too_large_for_an_id_make_one_that_says_nothing(numbers: tuple[int, int, int]) -> None:
    made = client_ids.make(ClientId(*numbers, Kind.ALL_NO, Order.Action.BUY, Order.Purpose.ENTRY, "no"))
    assert (made.version, client_ids.read(str(made))) == (4, None)


def test_what_was_bought_long_before_the_account_was_first_read_is_taken_out_of_its_opening_balance(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only trades of its last minutes are written down one by one when an account is first read."""
    with lost():
        was = _shape(_buy(twin))
    monkeypatch.setattr(window, "OVERLAP", timedelta(hours=2))
    with time_machine.travel(clock.now() + timedelta(minutes=30)):
        reconcile.run("live", "after")
        assert not AccountTransaction.objects.filter(kind="trade").exists()
        (position,) = _adopt()
        assert _shape(position) == was
        _agrees(twin)
