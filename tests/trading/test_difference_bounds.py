"""Which differences are the same, whom they bind, what is overdue, and what a trading state stops: on a stopped clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import messages
from tests.trading import world
from tests.trading.stopped import NOW, after, ended
from trading.accounting.accounts import of_subaccount
from trading.closing import finals
from trading.closing.finals import FinalResult
from trading.models import Discrepancy, Order, Position, PositionEvent, Reconciliation, TradingState
from trading.reconciliation import comparison, overdue, window
from trading.safety import discrepancies, halt

HOUR = timedelta(hours=1)
Code = Discrepancy.Code


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(
    ("code", "known", "now", "same"),
    [
        ("cash", ("1", "2", 5), ("8", "9", 5), True),
        ("cash", ("1", "2", 5), ("1", "2", 6), False),
        ("cash", ("1", "2", None), ("1", "2", 6), True),
        ("cash", ("1", "2", 5), ("1", "3", None), False),
        ("cash", ("1", "2", None), ("0", "2", None), False),
        ("late_fill", ("1", "2", None), ("0", "2", None), True),
        ("late_fill", ("1", "2", None), ("1", "3", None), False),
        ("position_waiting", ("1", "2", 5), ("3", "4", 6), True),
    ],
)
def test_a_difference_is_the_same_by_its_amount_else_by_its_texts(
    code: str, known: tuple[str, str, int | None], now: tuple[str, str, int | None], same: bool
) -> None:
    row = Discrepancy(code=code, ours=known[0], theirs=known[1], amount=known[2])
    assert discrepancies._is_same(row, *now) is same


def test_a_difference_is_counted_named_and_ended_under_its_own_key() -> None:
    run = Reconciliation.objects.create(started_at=NOW, mode="sim", trigger="test")
    keys = ("1:A", "1:AB", "1:C", "2:A")
    for key in keys:
        discrepancies.found(run, Code.CASH, key, ours="1", theirs="2", tightens=False)
    discrepancies.found(run, Code.POSITION, "1:A", ours="1", theirs="2", tightens=False)
    assert run.differences == 5
    Discrepancy.objects.filter(key="2:A").update(accepted=True, resolved_at=NOW)
    discrepancies.found(run, Code.CASH, "2:A", ours="1", theirs="2", tightens=False)
    assert run.differences == 5, "a person knows of it"
    discrepancies.found(run, Code.CASH, "2:A", ours="1", theirs="3", tightens=False)
    assert run.differences == 6
    assert set(Discrepancy.objects.values_list("mode", flat=True)) == {"sim"}
    discrepancies.resolved(Code.CASH, "1:", ["AB"])
    still = Discrepancy.objects.filter(resolved_at=None).order_by("id")
    assert [(row.code, row.key) for row in still] == [("cash", "1:AB"), ("position", "1:A"), ("cash", "2:A")]
    assert discrepancies.open_ones() == list(still.order_by("-id"))
    assert discrepancies.open_ones("live") == []


@pytest.mark.parametrize(
    ("code", "age", "loosens"),
    [
        ("cash", 900, True),
        ("cash", 901, False),
        ("ledger", 9_999, True),
        ("position", 1, False),
        ("settlement_count", 9_999, True),
        ("fill_impossible", 9_999, True),
    ],
)
def test_what_proves_false_while_it_is_young_is_taken_back_whole(code: str, age: int, loosens: bool) -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    with time_machine.travel(after(-age), tick=False):
        row = discrepancies.found(None, Code(code), "k", ours="1", theirs="2", profile=profile)
        halt.set_state(state="reducing", actor="ann", reason="mine", profile=other)
    assert halt.current(profile) == "reducing"
    discrepancies.disproved(row)
    assert (halt.current(profile), halt.current(other)) == ("active" if loosens else "reducing", "reducing")
    row.refresh_from_db()
    assert row.resolution == "a later comparison agreed (reconciliation)"


def test_what_agrees_closes_its_own_row_and_no_other_whose_name_begins_alike() -> None:
    """Cash of subaccount 1 that agreed closed the difference of subaccount 12."""
    profile = world.add_profile()
    for key in ("1", "12"):
        discrepancies.found(None, Code.CASH, key, ours="1", theirs="2", profile=profile)
    discrepancies.agreed(Code.CASH, "1")
    discrepancies.agreed(Code.CASH, "2")
    assert Discrepancy.objects.get(resolved_at=None).key == "12"


def test_a_record_that_is_not_listed_any_more_takes_back_nothing() -> None:
    profile = world.add_profile()
    row = discrepancies.found(None, Code.SETTLEMENT_COUNT, "0:A", ours="1", theirs="2", profile=profile)
    discrepancies.agreed(Code.SETTLEMENT_COUNT, "0:A", is_known=False)
    row.refresh_from_db()
    assert (row.resolved_at is not None, halt.current(profile)) == (True, "reducing")


def test_a_state_in_which_another_difference_has_a_part_stays() -> None:
    profile = world.add_profile()
    cases: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"profile": profile}, False),
        ({"profile": None}, False),
        ({"profile": world.add_profile("other")}, True),
        ({"profile": profile, "mode": "live"}, True),
        ({"profile": profile, "resolved_at": NOW, "resolution": "known (ann)"}, False),
        ({"profile": profile, "resolved_at": NOW, "resolution": discrepancies.AGREED}, True),
        ({"profile": profile, "resolved_at": after(-5), "resolution": "known (ann)"}, True),
    )
    for number, (columns, loosens) in enumerate(cases):
        TradingState.objects.exclude(scope="global").delete()
        row = discrepancies.found(None, Code.CASH, f"k{number}", ours="1", theirs="2", profile=profile)
        beside = Discrepancy.objects.create(**({"code": "position", "key": f"x{number}", "mode": "sim"} | columns))
        discrepancies.disproved(row)
        assert (halt.current(profile) == "active") is loosens, columns
        beside.delete()


def test_a_difference_binds_its_profile_its_mode_and_its_account() -> None:
    profile = world.add_profile("mine", mode="live", subaccount=3)
    beside, apart, paper = (
        world.add_profile("beside", mode="live", subaccount=3),
        world.add_profile("apart", mode="live", subaccount=4),
        world.add_profile("paper"),
    )
    owners = (profile, beside, apart, paper)
    cases: tuple[tuple[dict[str, Any], tuple[bool, ...]], ...] = (
        ({"profile": profile, "code": "ledger"}, (True, False, False, False)),
        ({"profile": profile, "code": "position"}, (True, True, False, False)),
        ({"profile": None, "code": "cash"}, (True, True, True, False)),
        ({"profile": None, "code": "cash", "mode": "sim"}, (False, False, False, True)),
        ({"profile": paper, "code": "position", "mode": "sim"}, (False, False, False, True)),
        ({"profile": profile, "code": "position", "resolved_at": NOW}, (False,) * 4),
    )
    for columns, wanted in cases:
        row = Discrepancy.objects.create(**({"mode": "live", "key": "k"} | columns))
        row = Discrepancy.objects.select_related("profile").get(pk=row.pk)
        found = [discrepancies.binding(one.pk, one.mode, of_subaccount(one.subaccount or 0)).exists() for one in owners]
        assert tuple(found) == wanted, columns
        if row.resolved_at is None:
            assert tuple(discrepancies.binds(row, one) for one in owners) == wanted, columns
        row.delete()


# ---- what is overdue


def test_what_waits_longer_than_its_limit_is_named_once_and_what_moved_on_is_not(settings: Any) -> None:
    changes: dict[str, Any]
    settings.KALBOT_WAITING_LIMIT_SECONDS, settings.KALBOT_UNKNOWN_LIMIT_SECONDS = 100, 50
    profile = world.add_profile()
    found = ended(profile, 0, status="exiting", ended_at=None)
    rows = Position.objects.filter(pk=found.pk)
    rows.update(created_at=after(-101))
    assert [one.pk for one in overdue._waiting()] == [found.pk]
    for changes in ({"created_at": after(-100)}, {"status": "open"}, {"status": "quoting"}, {"status": "closed"}):
        rows.update(**changes)
        assert overdue._waiting() == [], changes
        rows.update(created_at=after(-101), status="exiting")
    event = PositionEvent.objects.create(
        position=found, from_status="exiting", to_status="exiting", actor="kalbot", reason="another reason to wait"
    )
    for changes, waits in (
        ({}, True),
        ({"actor": "ann"}, False),
        ({"from_status": "open"}, False),
        ({"from_status": "open", "at": after(-100)}, False),
        ({"from_status": "open", "at": after(-101)}, True),
    ):
        PositionEvent.objects.filter(pk=event.pk).update(
            **({"actor": "kalbot", "from_status": "exiting", "at": NOW} | changes)
        )
        assert bool(overdue._waiting()) is waits, changes
    order = world.add_order(5, profile, status="unknown")
    Order.objects.filter(pk=order.pk).update(position=found)
    for changes, waits in (
        ({"created_at": after(-100)}, False),
        ({"created_at": after(-101)}, True),
        ({"filled_count": 0}, True),
        ({"filled_count": 0, "status": "resting"}, False),
        ({"filled_count": 0, "status": "rejected"}, True),
    ):
        Order.objects.filter(pk=order.pk).update(**({"created_at": NOW, "status": "done", "filled_count": 1} | changes))
        assert bool(overdue._waiting()) is waits, changes
    for changes, late in (
        ({"moved_at": after(-51)}, True),
        ({"moved_at": after(-50)}, False),
        ({"moved_at": None, "sent_at": after(-51)}, True),
        ({"moved_at": None, "sent_at": None, "created_at": after(-51)}, True),
        ({"moved_at": after(-51), "status": "done"}, False),
    ):
        Order.objects.filter(pk=order.pk).update(**({"created_at": NOW, "sent_at": NOW, "status": "unknown"} | changes))
        assert bool(overdue._older(overdue.UNCLEAR, 50)) is late, changes
    Order.objects.filter(pk=order.pk).update(status="rejected")
    assert overdue.act() == 0
    named = Discrepancy.objects.filter(resolved_at=None)
    assert {(row.code, row.key) for row in named} == {("position_waiting", str(found.pk))}
    rows.update(status="open")
    overdue.act()
    assert not named.all().exists()


# ---- the trading state


def test_a_stop_wakes_what_rests_of_its_profile_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(messages, "send_on_commit", lambda name, *args: sent.append((name, *args)))
    profile, other = world.add_profile(), world.add_profile("other")
    rests, done, theirs = (
        world.add_order(n, owner, status=status)
        for n, (owner, status) in enumerate(((profile, "resting"), (profile, "done"), (other, "resting")))
    )
    assert done.position_id != rests.position_id
    halt.set_state(state="reducing", actor="ann", reason="r", profile=profile)
    assert sent == []
    halt.set_state(state="halted", actor="ann", reason="r", profile=profile, cancel_resting=True)
    assert sent == [(messages.EXIT_POSITION, rests.position_id)]
    halt.set_state(state="active", actor="ann", reason="r", cancel_resting=True)
    assert len(sent) == 1
    halt.set_state(state="halted", actor="ann", reason="r", cancel_resting=True)
    assert set(sent[1:]) == {(messages.EXIT_POSITION, one.position_id) for one in (rests, theirs)}


def test_a_state_is_set_for_a_reason_and_a_stricter_one_is_not_loosened_by_halting() -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    with pytest.raises(ValueError, match="needs a reason"):
        halt.set_state(state="halted", actor="ann", reason="  ")
    halt.set_state(state="halted", actor="ann", reason="r", profile=profile)
    for state, allowed in (("reducing", False), ("active", False), ("halted", True)):
        if allowed:
            halt.set_state(state=state, actor="ann", reason="again", profile=profile, may_loosen=False)
        else:
            with pytest.raises(halt.WouldLoosen, match="HALTED already"):
                halt.set_state(state=state, actor="ann", reason="r", profile=profile, may_loosen=False)
    assert [(one.pk, own.state, held) for one, own, held in halt.of_each([profile, other])] == [
        (profile.pk, "halted", "halted"),
        (other.pk, "active", "active"),
    ]
    assert halt.row_of(other).reason == ""
    halt.set_state(state="reducing", actor="ann", reason="all")
    assert [held for _, _, held in halt.of_each([profile, other])] == ["halted", "reducing"]
    TradingState.objects.filter(scope="global").delete()
    assert [held for _, _, held in halt.of_each([profile, other])] == ["halted", "halted"]
    assert (halt.row_of().state, halt.row_of().actor) == ("halted", "kalbot")
    assert not halt.tighten(state="halted", actor="bot", reason="r", profile=profile)
    assert halt.tighten(state="reducing", actor="bot", reason="r", profile=other)
    assert not halt.tighten(state="reducing", actor="bot", reason="r", profile=other)


def test_lists_are_read_from_the_last_comparison_that_ended_well_and_from_every_order_that_is_open() -> None:
    """One that failed half-way, has not ended or was of paper has read nothing: what happened since the one before is listed again."""

    def ran(minutes: int, **columns: Any) -> Reconciliation:
        at = after(-60 * minutes)
        values = {"started_at": at, "finished_at": at, "mode": "live", "trigger": "test"} | columns
        return Reconciliation.objects.create(**values)

    first = ran(90)
    assert window.begin(first) == after(-90 * 60) - window.OVERLAP
    for columns in ({"error": "no answer"}, {"finished_at": None}, {"mode": "sim"}):
        ran(30, **columns)
        assert window.begin(ran(0, error="this one")) == after(-90 * 60) - window.OVERLAP, columns
    ran(20)
    assert window.begin(ran(0, error="this one")) == after(-20 * 60) - window.OVERLAP
    order = world.add_order(1, world.add_profile("live", mode="live"))
    for status, minutes in (("done", 20), ("unknown", 200)):
        Order.objects.filter(pk=order.pk).update(status=status, created_at=after(-200 * 60))
        assert window.begin(ran(0, error="this one")) == after(-minutes * 60) - window.OVERLAP, status


@pytest.mark.parametrize(
    ("more", "explained"), [(0, False), (1, True), (10_000_000, True), (10_000_001, False), (-1, False)]
)
def test_cash_that_a_settlement_under_way_explains(monkeypatch: pytest.MonkeyPatch, more: int, explained: bool) -> None:
    monkeypatch.setattr(finals, "known_finals", lambda tickers: {"A": FinalResult("yes", 1_000_000)})
    assert comparison._is_settlement_in_flight(more, {"A": 1_000}, 0) is explained
