"""Selling part of a position: counts and shares, what is kept, and what a guarantee does not allow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.models import Market
from tests.trading import world
from tests.trading.test_paper_basket import ASKS, LIMITS
from trading import sweeper
from trading.accounting import accounts, audit, balance_check
from trading.closing import exit_counts, exit_preview, exit_prices, exits, settlement
from trading.closing.exit_prices import LegKey
from trading.denials import DenialCode, Refusal
from trading.execution import executor
from trading.models import Denial, ExitRequest, Leg, Lock, Position
from trading.reconciliation import late_fills
from trading.selectors import held_now


@pytest.fixture
def position(redis_db: object, db: None) -> Position:
    """Ten guaranteed baskets on paper."""
    world.active()
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    found = executor.execute(world.decide(profile, event, LIMITS, 1_000).pk)
    assert found is not None, Denial.objects.values_list("code", "detail")
    assert (found.status, found.guaranteed) == ("open", True)
    return found


def _held(position: Position) -> list[int]:
    return [leg.held for leg in position.legs.all()]


def _share(position: Position, ppm: int) -> dict[LegKey, int]:
    return exit_counts.of_share(list(position.legs.all()), position.target_count, ppm, position.profile.count_step)


def _sell(position: Position, counts: dict[LegKey, int], words: str = "the cash is needed") -> Position:
    _after_the_pause(position)
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=counts, below_floor=words)
    return executor.step(position.pk)


def _after_the_pause(position: Position) -> None:
    """The last sale is long ago."""
    position.orders.filter(action="sell").update(sent_at="2026-01-01T00:00Z")


def _sound(position: Position) -> None:
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.totals(position.profile) == []
    assert accounts.legs_unlike_their_fills("sim") == []


def test_a_share_is_sold_of_every_leg_and_the_rest_keeps_its_grade(position: Position) -> None:
    before = held_now(position)
    counts = _share(position, 450_000)
    assert set(counts.values()) == {400}, "four whole baskets of ten, rounded down to the step"
    shown = exit_preview.preview(position, counts)
    position = _sell(position, counts)
    assert (position.status, position.residual, position.residual_code) == ("open", "", "")
    assert (_held(position), position.matched_count) == ([600] * 3, 600)
    assert position.proceeds == shown.proceeds
    assert position.realised == shown.proceeds - shown.cost
    assert (position.guaranteed, position.floor) == (True, before.floor * 6 // 10)
    assert shown.left is not None
    assert (shown.left.floor, shown.left.cost, shown.left.grade) == (
        position.floor,
        position.cost,
        held_now(position).grade,
    )
    request = position.exit_requests.get()
    assert (request.status, request.outcome) == ("done", "part")
    assert "6 yes KXT-1-0" in request.result
    assert sweeper.due_positions() == []
    assert (late_fills.reopen_all(), Lock.objects.count()) == (0, 0), "its sales are no fills that came late"
    _sound(position)


def test_what_is_shown_of_a_part_names_the_legs_of_that_part_alone(position: Position) -> None:
    shown = exit_preview.preview(position, {("KXT-1-1", "yes"): 300})
    assert [(one.leg.market_id, one.count) for one in shown.legs] == [("KXT-1-1", 300)]
    assert shown.cost == position.legs.get(market_id="KXT-1-1").open_cost * 300 // 1_000


@pytest.mark.parametrize("bid", [4_500, 2_000])
def test_proposed_prices_are_the_bids_less_the_tolerance_where_those_pay_the_floor(
    position: Position, bid: int
) -> None:
    event = position.event
    world.publish(event.ticker, world.quoted(event, [(bid, bid + 100)] * 3))
    shown = exit_preview.preview(position)
    assert shown.schedule is not None
    within = exit_prices.within_tolerance(shown.quoted())
    proposed = exits._accepted(position, None, None, False, False)
    pays = exit_prices.worth(shown.quoted(), within, shown.schedule) >= shown.floor
    assert pays is (bid == 4_500)
    assert (proposed == within) is pays
    assert exit_prices.worth(shown.quoted(), proposed, shown.schedule) >= shown.floor
    assert exits._accepted(position, None, None, True, False) == within, "words accept less"


def test_what_was_kept_settles_and_both_parts_make_the_result(position: Position) -> None:
    paid = position.cost
    position = _sell(position, _share(position, 500_000))
    for ticker, result in (("KXT-1-0", "no"), ("KXT-1-1", "yes"), ("KXT-1-2", "no")):
        value = 1_000_000 if result == "yes" else 0
        Market.objects.filter(ticker=ticker).update(status="finalized", result=result, settlement_value_e6=value)
    settlement.run()
    position.refresh_from_db()
    assert (position.status, position.payout) == ("settled", 5 * world.DOLLAR)
    assert position.realised == position.proceeds + position.payout - paid
    _sound(position)


def test_a_second_part_and_then_everything_ends_flat(position: Position) -> None:
    position = _sell(position, _share(position, 300_000))
    position = _sell(position, _share(position, 500_000))
    assert _held(position) == [400] * 3, "half of seven is three, in whole steps"
    position = _sell(position, _share(position, 1_000_000))
    assert (position.status, _held(position)) == ("closed", [0] * 3)
    assert [one.outcome for one in position.exit_requests.order_by("id")] == ["part", "part", "flat"]
    _sound(position)


def test_counts_that_break_the_guarantee_need_words_and_what_is_left_naked_says_so(position: Position) -> None:
    one_leg = {("KXT-1-0", "yes"): 300}
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=one_leg)
    assert refused.value.code is DenialCode.UNBALANCED
    shown = exit_preview.preview(position, one_leg)
    assert [leg.market_id for leg in shown.naked] == ["KXT-1-1", "KXT-1-2"]
    position = _sell(position, one_leg)
    assert (position.status, position.residual_code) == ("open", DenialCode.KEPT_ON_REQUEST)
    assert (_held(position), position.matched_count) == ([700, 1_000, 1_000], 700)
    assert late_fills.reopen_all() == 0, "what a person keeps is not unwound"
    assert shown.left is not None
    assert (position.floor, position.guaranteed) == (shown.left.floor, shown.left.grade != "conditional")
    _sound(position)


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {("KXT-1-0", "yes"): 0},
        {("KXT-1-0", "yes"): 1_001},
        {("KXT-1-0", "yes"): -100},
        {("KXT-1-0", "no"): 100},
        {("KXT-9-9", "yes"): 100},
    ],
)
def test_counts_that_cannot_be_sold_are_refused(position: Position, counts: dict[LegKey, int]) -> None:
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=counts, below_floor="words")
    assert refused.value.code is DenialCode.EXIT_COUNTS
    assert not ExitRequest.objects.exists()


def test_only_a_person_sells_in_parts_and_only_of_an_open_position(position: Position) -> None:
    half = _share(position, 500_000)
    with pytest.raises(exits.CannotExit):
        exits.request_exit(position_id=position.pk, actor="x", reason="r", source="triage", counts=half)
    Position.objects.filter(pk=position.pk).update(status="unwinding")
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="r", counts=half, below_floor="words")
    assert refused.value.code is DenialCode.NOT_IN_PARTS


def test_a_part_gives_up_only_its_own_share_of_the_floor(position: Position) -> None:
    half = _share(position, 500_000)
    assert exit_preview.preview(position, half).floor == exit_preview.preview(position).floor // 2
    low = {(leg.market_id, leg.side): 3_000 for leg in position.legs.all()}
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="r", counts=half, least_prices=low)
    assert refused.value.code is DenialCode.BELOW_FLOOR
    request = exits.request_exit(position_id=position.pk, actor="ann", reason="r", counts=half)
    assert sum(row["price"] for row in request.least_prices) >= 10_000
    position = executor.step(position.pk)
    assert (position.status, position.proceeds) == ("exiting", 0)


def test_whole_baskets_of_a_part_are_sold_where_the_bids_pay_the_floor(position: Position) -> None:
    world.publish(position.event_id, world.quoted(position.event, [(4_000, 4_100)] * 3, size=300))
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=_share(position, 500_000))
    position = executor.step(position.pk)
    assert (position.status, _held(position)) == ("exiting", [700] * 3), "as many whole baskets as the bids take"
    _after_the_pause(position)
    world.publish(position.event_id, world.quoted(position.event, [(4_000, 4_100)] * 3))
    position = executor.step(position.pk)
    assert (position.status, _held(position)) == ("open", [500] * 3), "and never more than was requested"
    _sound(position)


def test_a_person_takes_the_place_of_an_exit_under_way_and_triage_does_not(position: Position) -> None:
    high = {(leg.market_id, leg.side): 9_000 for leg in position.legs.all()}
    half = _share(position, 500_000)
    first = exits.request_exit(position_id=position.pk, actor="ann", reason="half", counts=half, least_prices=high)
    executor.step(position.pk)
    assert (
        exits.request_exit(position_id=position.pk, actor="t", reason="r", source="triage", least_prices=high) == first
    )
    again = exits.request_exit(position_id=position.pk, actor="bob", reason="half", counts=half, least_prices=high)
    assert again == first, "the same again is the same request"
    second = exits.request_exit(position_id=position.pk, actor="bob", reason="all of it", below_floor="words")
    assert second != first
    same = exits.request_exit(position_id=position.pk, actor="eve", reason="all of it", below_floor="other words")
    assert same == second, "it accepts no more than that under way"
    first.refresh_from_db()
    assert (first.status, first.result) == ("cancelled", "replaced by bob: all of it")
    position = executor.step(position.pk)
    assert (position.status, position.exit_requests.filter(status="open").count()) == ("closed", 0)


@pytest.mark.parametrize("in_part", [True, False])
@pytest.mark.parametrize("what", ["prices", "words", "books", "words taken back"])
def test_what_a_persons_second_request_accepts_otherwise_counts(position: Position, what: str, in_part: bool) -> None:
    prices = {(leg.market_id, leg.side): 9_000 for leg in position.legs.all()}
    terms: dict[str, Any] = {"least_prices": prices, "counts": _share(position, 500_000) if in_part else None}
    terms["below_floor"] = "words" if what in ("words taken back", "books") else ""
    otherwise: dict[str, dict[str, Any]] = {
        "prices": {"least_prices": dict.fromkeys(prices, 8_000)},
        "words": {"below_floor": "words"},
        "books": {"by_rest": True},
        "words taken back": {"below_floor": ""},
    }
    first = exits.request_exit(position_id=position.pk, actor="ann", reason="out", **terms)
    assert exits.request_exit(position_id=position.pk, actor="bob", reason="out", **terms) == first
    second = exits.request_exit(position_id=position.pk, actor="bob", reason="out", **terms | otherwise[what])
    assert second != first
    assert (bool(second.below_floor), second.by_rest) == (what in ("words", "books"), what == "books")
    assert {row["price"] for row in second.least_prices} == {8_000 if what == "prices" else 9_000}
    assert position.exit_requests.get(status="open") == second


def test_an_order_of_a_replaced_request_does_not_leave(position: Position) -> None:
    from kalbot.common import clock
    from trading.execution.orders import gate
    from trading.venues.protocol import Refused

    high = {(leg.market_id, leg.side): 9_000 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=high)
    order = position.orders.select_related("position", "profile").first()
    assert order is not None
    order.purpose, order.action, order.created_at = "exit", "sell", clock.now()
    type(order).objects.filter(pk=order.pk).update(status="sending")
    Position.objects.filter(pk=position.pk).update(status="exiting")
    gate.check(order)
    higher = {(leg.market_id, leg.side): 9_500 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="at a higher price", least_prices=higher)
    with pytest.raises(Refused) as refused:
        gate.check(order)
    assert refused.value.code == DenialCode.REQUEST_WITHDRAWN


def test_a_withdrawn_exit_leaves_the_position_as_it_is(position: Position) -> None:
    high = {(leg.market_id, leg.side): 9_000 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=high)
    assert executor.step(position.pk).status == "exiting"
    assert exits.withdraw(position.pk, actor="bob", reason="not now")
    assert not exits.withdraw(position.pk, actor="bob", reason="not now")
    position = executor.step(position.pk)
    assert (position.status, position.residual, _held(position)) == ("open", "", [1_000] * 3)
    assert position.exit_requests.get().result == "withdrawn by bob: not now"


def test_an_unwind_comes_before_a_part_and_an_end_closes_the_request(position: Position) -> None:
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="r", counts=_share(position, 500_000), below_floor="words"
    )
    Position.objects.filter(pk=position.pk).update(status="unwinding")
    position = executor.step(position.pk)
    assert (position.status, position.exit_requests.get().status) == ("open", "cancelled")
    exits.request_exit(position_id=position.pk, actor="ann", reason="r", below_floor="words")
    Market.objects.update(status="finalized", result="no", settlement_value_e6=0)
    settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert not ExitRequest.objects.filter(status="open").exists(), "nothing waits for a position that has ended"


def test_bids_that_are_too_few_end_a_part_with_its_residual_in_words(position: Position) -> None:
    Market.objects.update(status="closed")
    counts = _share(position, 500_000)
    position = _sell(position, counts)
    request = position.exit_requests.get()
    assert (position.status, request.outcome) == ("open", "residual")
    assert str(Refusal(DenialCode.MARKET_CLOSED)) in request.result
    assert position.residual_code == "", "what is left is whole baskets: nothing is stranded"


@given(
    targets=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    baskets_held=st.integers(1, 30),
    spare=st.lists(st.integers(0, 5), min_size=5, max_size=5),
    share=st.integers(1, 1_000_000),
    step=st.sampled_from([1, 100, 500]),
)
def test_any_share_keeps_the_rest_whole(
    targets: list[int], baskets_held: int, spare: list[int], share: int, step: int
) -> None:
    target = 3_000
    legs = [Leg(market_id=f"M{n}", side="yes", target_count=one * 100, bought_count=0) for n, one in enumerate(targets)]
    for leg, extra in zip(legs, spare, strict=False):
        leg.bought_count = -(-leg.target_count * baskets_held * 100 // target) + extra * 100
    counts = exit_counts.of_share(legs, target, share, step)
    assert all(0 < count <= leg.held for leg in legs if (count := counts.get(exit_counts.key(leg), 0)))
    assert exit_counts.leaves_naked(legs, target, counts) == []
    from trading.execution.sizing import baskets

    before = baskets.matched(legs, target)
    sold = before - exit_counts.left_baskets(legs, target, counts)
    assert sold * 1_000_000 <= before * share + target * 1_000_000 // min(leg.target_count for leg in legs)
    rows = exit_counts.stored(legs, counts)
    assert {exit_counts.key(leg): count for leg, count in exit_counts.to_sell(rows, legs)} == (
        counts if counts else {exit_counts.key(leg): leg.held for leg in legs if leg.held}
    )
