"""What holds for one row and not for the one beside it: names that end, states, what waits for capital, requests that are sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.kalshi.rest.resolution import SIGNATURE_LIFE_MS, Outcome, Resolution
from markets.models import Market
from strategies.models import Profile, Verdict
from tests.trading import world
from tests.trading.test_pool import _two, _waits
from tests.trading.twin import Twin
from trading.accounting import pool
from trading.books import live_books
from trading.closing import unbooked
from trading.execution import executor
from trading.execution.sizing import fitting
from trading.models import Discrepancy, Leg, Order
from trading.reconciliation import overdue, reconcile
from trading.safety import contracts, discrepancies, halt
from trading.venues.live import LiveVenue
from trading.venues.protocol import Refused, Unresolved

Code = Discrepancy.Code


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Nothing gets old while the machine is busy."""
    with time_machine.travel(clock.now(), tick=False):
        yield


def test_the_name_of_one_order_ends_and_that_of_the_other_stays_the_same_row() -> None:
    first, second = (world.add_order(number, status="unknown") for number in (1, 2))
    Order.objects.update(created_at=clock.now() - timedelta(hours=1))
    overdue.act()
    before = {row.key: row.pk for row in Discrepancy.objects.filter(resolved_at=None)}
    assert before.keys() == {str(first.pk), str(second.pk)}
    Order.objects.filter(pk=first.pk).update(status="done")
    overdue.act()
    left = Discrepancy.objects.get(resolved_at=None)
    ended = Discrepancy.objects.get(pk=before[str(first.pk)])
    assert (left.pk, left.key) == (before[str(second.pk)], str(second.pk))
    assert ended.resolution == f"it has moved on ({discrepancies.ACTOR})"
    assert Discrepancy.objects.count() == 2


def test_what_waits_for_its_settlement_is_named_until_just_its_contracts_are_booked() -> None:
    held = world.add_order(1, world.add_profile("live", mode="live", subaccount=3))
    sold = world.add_order(2, world.add_profile("other", mode="live", subaccount=3))
    Leg.objects.filter(pk__in=[held.leg_id, sold.leg_id]).update(bought_count=100)
    Leg.objects.filter(pk=sold.leg_id).update(settled_count=100)
    keys = [f"3:{held.leg.market_id}", f"3:{sold.leg.market_id}", f"0:{held.leg.market_id}"]
    for key in keys:
        discrepancies.found(None, Code.SETTLEMENT_WAITING, key, tightens=False)
    unbooked.take_back_names()
    assert Discrepancy.objects.get(resolved_at=None).key == keys[0]
    ended = Discrepancy.objects.exclude(resolved_at=None).values_list("resolution", flat=True)
    assert set(ended) == {f"its contracts are booked ({discrepancies.ACTOR})"}


def test_a_profiles_own_state_binds_it_alone_and_the_global_one_binds_all() -> None:
    mine, other = world.add_profile("mine"), world.add_profile("other")
    halt.set_state(state="halted", actor="ann", reason="r", profile=mine)
    assert [halt.current(one) for one in (None, mine, other)] == ["active", "halted", "active"]
    halt.set_state(state="reducing", actor="ann", reason="r")
    assert [halt.current(one) for one in (None, mine, other)] == ["reducing", "halted", "reducing"]
    halt.set_state(state="active", actor="ann", reason="r", profile=mine)
    assert [halt.current(one) for one in (None, mine, other)] == ["reducing"] * 3


@pytest.mark.parametrize("changes", ["status", "age", "kind", "constraint", "profile"])
def test_only_a_sure_basket_that_waits_now_for_this_profiles_capital_is_lent_for(changes: str) -> None:
    _, taker = _two()
    _waits(taker)
    values: dict[str, dict[str, Any]] = {
        "status": {"status": Verdict.Status.NEAR_MISS},
        "age": {"live_at": clock.now() - pool.WAITING - timedelta(seconds=1)},
        "kind": {"kind": "coverage"},
        "constraint": {"live_constraint": "margin"},
        "profile": {"profile": world.add_profile("third")},
    }
    Verdict.objects.update(**values[changes])
    assert pool.run() == []
    Verdict.objects.update(
        status="candidate", live_at=clock.now(), kind="all_no", live_constraint="outranked", profile=taker
    )
    assert len(pool.run()) == 1


@pytest.mark.parametrize(
    ("step", "size", "count"), [(100, 151, 100), (1, 151, 151), (0, 151, 151), (100, 2_000, 1_000)]
)
def test_a_plan_holds_whole_steps_of_what_is_offered(step: int, size: int, count: int) -> None:
    event = world.add_event(outcomes=2)
    profile = world.add_profile(count_step=step)
    decision = world.decide(profile, event, {"KXT-1-0": 4_400, "KXT-1-1": 4_600})
    world.publish(event.ticker, world.quoted(event, [(4_000, 4_400), (4_200, 4_600)], size))
    assert fitting.plan_of(decision, fitting.legs_of(decision, live_books.read(event))).count == count


class Searching:
    """A client that only says whether a request would have been sent again."""

    def __init__(self) -> None:
        self.resent: list[tuple[bool, int]] = []

    def resolve_create(self, order: Any, sent_ms: int, *, resend: bool, check: Any) -> Resolution:
        self.resent.append((resend, order.count))
        return Resolution(Outcome.UNKNOWN)


def _refuses() -> None:
    raise Refused("halted")


@pytest.mark.parametrize(
    ("age_ms", "wanted", "known", "allowed", "resent"),
    [
        (SIGNATURE_LIFE_MS, True, True, True, (True, 1_000)),
        (SIGNATURE_LIFE_MS, False, True, True, (True, 1)),
        (SIGNATURE_LIFE_MS + 1, True, True, True, (False, 1_000)),
        (0, True, True, False, (False, 1_000)),
        (0, False, False, True, (False, 1_000)),
        (0, True, False, True, (True, 1_000)),
    ],
)
def test_a_request_is_sent_again_only_young_allowed_and_in_a_size_that_is_wanted_or_harmless(
    monkeypatch: pytest.MonkeyPatch, age_ms: int, wanted: bool, known: bool, allowed: bool, resent: tuple[bool, int]
) -> None:
    with time_machine.travel("2026-11-20T12:00:00+00:00", tick=False):
        sent = clock.now() - timedelta(milliseconds=age_ms)
        order = world.add_order(1, world.add_profile("live", mode="live"), sent_at=sent)
        if not known:
            Market.objects.update(price_bands=[])
        order = Order.objects.select_related("leg__market").get(pk=order.pk)
        client: Any = Searching()
        monkeypatch.setattr(LiveVenue, "_listed", lambda self, order: None)
        check = (lambda: None) if allowed else _refuses
        with pytest.raises(Unresolved):
            LiveVenue(client).resolve(order, wanted, check)
    assert client.resent == [resent]


def test_contracts_that_agree_by_now_are_left_as_they_are(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, (3_000, 3_200, 3_100), strict=True)))
    position = executor.execute(decision.pk)
    assert position is not None
    reconcile.run("live", "test")
    row = discrepancies.found(None, Code.POSITION, f"0:{twin.markets[0]}", ours="1", theirs="2", tightens=False)
    assert contracts.align(row, "ann", "seen") == "both agree by now"
    assert [leg.held for leg in position.legs.all()] == [1_000] * 3
    assert Profile.objects.count() == 1
