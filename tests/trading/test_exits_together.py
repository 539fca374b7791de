"""Several exits in one request, and what positions would bring if they were sold now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kalbot.common import clock
from markets.models import FeeChange
from strategies.models import Profile
from tests.trading import world
from trading.closing import exit_many, marks
from trading.denials import DenialCode
from trading.execution import executor
from trading.execution.sizing import walk
from trading.models import ExitRequest, Position

QUOTES = [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]


def _position(number: int, profile: Profile, count: int = 1_000) -> Position:
    event = world.add_event(f"KXT-{number}")
    world.publish(event.ticker, world.quoted(event, QUOTES))
    limits = {f"{event.ticker}-{n}": ask for n, (_, ask) in enumerate(QUOTES)}
    position = executor.execute(world.decide(profile, event, limits, count).pk)
    assert position is not None
    assert position.status == "open"
    return position


def _fresh(position: Position) -> Position:
    return Position.objects.select_related("profile", "event__series").get(pk=position.pk)


def test_each_exit_is_a_request_of_its_own_and_a_refused_one_holds_up_no_other() -> None:
    profile = world.add_profile()
    first, second, ended = (_position(number, profile) for number in (1, 2, 3))
    Position.objects.filter(pk=ended.pk).update(status="closed")
    assert [one.pk for one in exit_many.chosen([second.pk, ended.pk, first.pk, 999])] == [first.pk, second.pk]
    keys = [(leg.market_id, leg.side) for leg in first.legs.all()]
    found = exit_many.request(
        [ended, first],
        actor="ann",
        reason="out",
        least_prices={first.pk: dict.fromkeys(keys, 3_456)},
        below_floor="the money is needed",
        by_rest=True,
    )
    assert (found.requested, list(found.refused)) == ([first.pk], [ended.pk])
    assert found.refused[ended.pk].code == "ended"
    assert found.sentence.startswith("1 exit is on the way. #")
    assert DenialCode.ENDED.sentence in found.sentence
    assert exit_many.Outcome([1, 2]).sentence == "2 exits are on the way."
    assert exit_many.request([second], actor="ann", reason="out", below_floor="now").requested == [second.pk]
    one, two = ExitRequest.objects.order_by("position")
    assert (one.actor, one.reason, one.below_floor, one.by_rest, one.source) == (
        "ann",
        "out",
        "the money is needed",
        True,
        "person",
    )
    assert {row["price"] for row in one.least_prices} == {3_456}
    assert 3_456 not in {row["price"] for row in two.least_prices}
    assert one.counts == two.counts == []


def test_a_share_is_sold_of_each_and_less_than_one_step_is_refused() -> None:
    profile = world.add_profile(count_step=100)
    position = _position(1, profile)
    half = exit_many.part_of(position, 500_000)
    assert half == {(leg.market_id, "yes"): 500 for leg in position.legs.all()}
    assert exit_many.part_of(position, 1_000_000) is exit_many.part_of(position, 1_000_001) is None
    assert exit_many.part_of(position, 99_999) == {}
    tiny = exit_many.request([position], actor="ann", reason="out", share_ppm=99_999)
    assert tiny.refused[position.pk].code == "exit_counts"
    assert not ExitRequest.objects.exists()
    found = exit_many.request([position], actor="ann", reason="out", share_ppm=500_000)
    assert found.requested == [position.pk]
    assert {row["count"] for row in ExitRequest.objects.get().counts} == {500}


def test_positions_of_two_modes_too_many_or_none_are_not_exited_together() -> None:
    sim, live = Position(mode="sim"), Position(mode="live")
    assert exit_many.MOST == 200
    assert exit_many.why_not_together([sim] * 200) == exit_many.why_not_together([live]) == ""
    assert "201 positions are too many" in exit_many.why_not_together([sim] * 201)
    assert "live and paper" in exit_many.why_not_together([sim, live])
    assert exit_many.why_not_together([]) == "None of these positions is active."


def test_a_mark_is_what_the_bids_of_now_pay_after_fees_and_what_they_cannot_take_is_nothing() -> None:
    profile = world.add_profile()
    first, second = _position(1, profile), _position(2, profile)
    books = dict(world.quoted(second.event, QUOTES))
    books["KXT-2-0"] = (((2_900, 400), (2_500, 100)), books["KXT-2-0"][1])
    world.publish("KXT-2", books)
    found = marks.of([_fresh(first), _fresh(second)])
    full = [walk.sell([(bid, 10_000)], 1_000, 1, world.FEES).proceeds for bid, _ in QUOTES]
    part = walk.sell([(2_900, 400), (2_500, 100)], 1_000, 1, world.FEES)
    assert found[first.pk] == marks.Mark(sum(full))
    assert found[second.pk] == marks.Mark(part.proceeds + full[1] + full[2], 500)
    assert part.count == 500


def test_a_position_that_holds_nothing_is_worth_nothing_and_one_without_prices_or_fees_has_no_mark() -> None:
    profile = world.add_profile()
    first, second, empty = (_position(number, profile) for number in (1, 2, 3))
    empty.legs.update(sold_count=1_000)
    world.publish("KXT-2", world.quoted(second.event, QUOTES), statuses={"KXT-2-1": "inactive"})
    found = marks.of([_fresh(one) for one in (first, second, empty)])
    assert found[first.pk].proceeds is not None
    assert found[second.pk] == marks.Mark(None, unpriced=DenialCode.PRICE_NOT_ACTIVE)
    assert found[empty.pk] == marks.Mark(0)
    FeeChange.objects.create(
        series_id="KXT",
        fee_type="flat",
        change_id="1",
        fee_multiplier_e6=1_000_000,
        scheduled_at=clock.now() - timedelta(days=1),
    )
    assert marks.of([_fresh(first)])[first.pk] == marks.Mark(None, unpriced=DenialCode.FEE_UNKNOWN)


@pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(days=1)])
def test_a_change_of_fees_counts_from_its_moment_on(ahead: timedelta) -> None:
    position = _position(1, world.add_profile())
    FeeChange.objects.create(
        series_id="KXT", fee_type="flat", change_id="1", fee_multiplier_e6=1_000_000, scheduled_at=clock.now() + ahead
    )
    assert marks.of([_fresh(position)])[position.pk].proceeds is not None
