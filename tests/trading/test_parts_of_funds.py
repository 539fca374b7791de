"""How much of each leg is sold where only a share is, or can be, and what is measured once of a purchase."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import pytest

from kalbot.common import clock, counters
from tests.trading import world
from trading.accounting import locked
from trading.accounting.sale_funds import Priced, SaleFunds
from trading.closing import exit_counts, exits
from trading.denials import DenialCode, Denied
from trading.execution import admission, executor
from trading.models import Denial, Leg

Commits = Callable[..., AbstractContextManager[Any]]
ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


@pytest.mark.parametrize(
    ("held", "most", "sold"),
    [
        ((1_000, 1_000), 1_200, [600, 600]),
        ((1_000, 100), 550, [1_000, 100]),
        ((1_000, 150), 550, [400, 74]),
    ],
)
def test_a_share_that_leaves_a_leg_out_is_none(
    monkeypatch: pytest.MonkeyPatch, held: tuple[int, int], most: int, sold: list[int]
) -> None:
    """The leg that would be left out is tried whole, and so are the others."""
    monkeypatch.setattr(SaleFunds, "_left", lambda self, one, count: 0)
    monkeypatch.setattr(SaleFunds, "_covers", lambda self, wanted, counts: sum(counts) <= most)
    wanted = [Priced(Leg(bought_count=count), count, 5_000, cast(Any, None)) for count in held]
    assert SaleFunds(cast(Any, None), cast(Any, None), 0, 0).share(wanted) == sold


def test_the_time_from_decision_to_order_is_measured_once_as_the_purchase_begins(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commits
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(counters, "observe", lambda name, *values: seen.append(name))
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    with django_capture_on_commit_callbacks(execute=True):
        position = executor.execute(world.decide(profile, event, LIMITS, 1_000).pk)
        assert position is not None
        assert position.status == "open"
        exits.request_exit(position_id=position.pk, actor="ann", reason="enough", below_floor="I accept less")
        assert executor.step(position.pk).status == "closed"
    assert seen.count("decision_to_order") == 1


def test_a_share_is_of_whole_contracts_of_the_legs_that_hold_only_such() -> None:
    legs = [Leg(market_id=f"M{held}", side="yes", bought_count=held, target_count=1_000) for held in (1_000, 1_050)]
    assert exit_counts.of_share(legs, 1_000, 333_000, 1) == {("M1000", "yes"): 300, ("M1050", "yes"): 350}


def test_a_denial_that_comes_after_another_worker_took_the_decision_up_is_that_ones_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    decision = world.decide(profile, event, LIMITS, 1_000)
    position = admission.admit(decision)

    def late(*given: object) -> None:
        raise Denied(DenialCode.MARGIN_GONE, "too late")

    monkeypatch.setattr(admission, "_tried", late)
    assert position is not None
    assert admission.admit(decision) == position
    assert not Denial.objects.exists()
    assert admission.admit(world.decide(profile, event, LIMITS, 500)) is None


def test_a_basket_counts_in_the_week_in_which_it_ended() -> None:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    position = executor.execute(world.decide(profile, event, LIMITS, 1_000).pk)
    assert position is not None
    exits.request_exit(position_id=position.pk, actor="ann", reason="enough", below_floor="I accept less")
    assert executor.step(position.pk).status == "closed"
    weeks = locked.capital_of(profile, clock.now(), weeks=3).weeks
    assert [week.ended for week in weeks] == [0, 0, 1]
