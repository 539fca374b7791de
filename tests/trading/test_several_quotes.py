"""Several legs rest in one order group: whichever fills first is hedged, and the exchange itself cancels the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets.kalshi.rest.order_groups import OrderGroups
from simulator.errors import ApiError
from simulator.matching import groups as matching
from simulator.matching import orders as by_hand
from strategies.models import Profile
from tests.trading import live_twin, quoted, world
from tests.trading.quoted import NO_ASKS, NO_BIDS
from tests.trading.twin import Twin
from trading import sweeper
from trading.closing import exits, settlement
from trading.execution import executor
from trading.execution.orders import quote
from trading.models import Denial, Position

pytestmark = pytest.mark.alike

BIDS = (5_600, 5_900, 6_500)
"""A tick above the best bids of others."""


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def profile(**columns: Any) -> Profile:
    wide = {"orphan_budget": 50 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    return quoted.profile(**{"quoting": "several", **wide, **columns})


def rests_there(twin: Twin) -> int:
    return quoted.rests_at_the_exchange(twin)


def test_the_leg_that_fills_first_is_hedged_at_once(twin: Twin, settings: Any) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 600
    maker = profile()
    position = quoted.begun(twin, maker)
    assert quoted.resting(position) == {m: (p, 1_000) for m, p in zip(twin.markets, BIDS, strict=True)}
    (group,) = twin.exchange.ledger.groups.values()
    assert (group.limit, group.group_id) == (1_100, position.order_group)
    assert all(order.group_id == group.group_id for order in matching.members(twin.exchange, group))
    quoted.sell_no(twin, 1, BIDS[1], 1_000)
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position), position.guaranteed) == ("open", [1_000] * 3, True)
    assert rests_there(twin) == 0
    sweeper.sweep()
    position.refresh_from_db()
    assert position.order_group == ""
    assert group.deleted
    quoted.agree(maker)


def test_once_more_than_one_leg_has_filled_the_exchange_cancels_the_rest(twin: Twin) -> None:
    maker = profile()
    position = quoted.begun(twin, maker)
    quoted.sell_no(twin, 1, BIDS[1], 1_000)
    assert rests_there(twin) == 2
    quoted.sell_no(twin, 0, BIDS[0], 100)
    assert rests_there(twin) == 0, "before anybody of us has heard of it"
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position), position.guaranteed) == ("open", [1_000] * 3, True)
    quoted.agree(maker)


def test_legs_that_filled_unequally_are_levelled_and_what_is_left_rests_again(twin: Twin) -> None:
    maker = profile()
    position = quoted.begun(twin, maker)
    quoted.sell_no(twin, 0, BIDS[0], 150)
    quoted.sell_no(twin, 2, BIDS[2], 401)
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position)) == ("quoting", [401] * 3)
    assert {count for _, count in quoted.resting(position).values()} == {599}
    assert len(twin.exchange.ledger.groups) == 1, "the same group, reset"
    assert position.guaranteed
    quoted.agree(maker)


@pytest.mark.parametrize(("dollars", "legs"), [(5, 0), (6, 1), (12, 2), (13, 3)])
def test_no_more_legs_rest_than_may_all_fill_inside_the_budget(twin: Twin, dollars: int, legs: int) -> None:
    maker = profile(orphan_budget=dollars * world.DOLLAR, count_step=1_000)
    position = executor.execute(quoted.decision(maker, twin, orphans=world.DOLLAR).pk)
    assert position is not None
    assert (position.status, rests_there(twin)) == ("quoting" if legs else "aborted", legs)
    assert position.close_code == ("" if legs else "orphan_budget")


@pytest.mark.parametrize("sizes", [(999, 999, 999), (400, 1_000, 1_000), (1, 1_000, 150)])
def test_while_nobody_listens_less_than_the_limit_and_one_order_fill(twin: Twin, sizes: tuple[int, ...]) -> None:
    maker = profile()
    position = quoted.begun(twin, maker)
    for number in (2, 0, 1):
        quoted.sell_no(twin, number, BIDS[number], sizes[number])
    assert 1_100 <= sum(-held for held in twin.held().values()) < 2_100
    position = quoted.step(twin, position)
    assert quoted.held(position) == [max(-held for held in twin.held().values())] * 3
    quoted.agree(maker)


def test_without_a_group_nothing_rests(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise ApiError(400, "invalid_parameters", "too many groups", "")

    monkeypatch.setattr(matching, "create", refuse)
    position = executor.execute(quoted.decision(profile(), twin).pk)
    assert position is not None
    assert (position.status, position.close_code, rests_there(twin)) == ("aborted", "no_order_group", 0)


def test_a_group_that_somebody_deleted_is_replaced(twin: Twin) -> None:
    position = quoted.begun(twin, profile())
    first = twin.exchange.ledger.groups[position.order_group]
    matching.delete(twin.exchange, first)
    for _ in range(3):
        position = quoted.step(twin, position)
    assert position.order_group != first.group_id
    assert rests_there(twin) == 3


def test_on_paper_the_others_are_cancelled_at_the_limit_too(twin: Twin) -> None:
    position = quoted.begun(twin, profile(mode="sim"))
    for number, count in enumerate((1_000, 150, 1_000)):  # NO is offered at all three bids
        twin.quote(twin.markets[number], "bid", 10_000 - BIDS[number], count)
    twin.sync()
    position = executor.step(position.pk)
    assert quoted.held(position) == [1_000] * 3
    filled = dict(position.orders.filter(purpose="quote").values_list("leg__market_id", "filled_count"))
    assert sorted(filled.values()) == [0, 150, 1_000], "the third was cancelled, its leg was taken"
    assert (position.status, position.guaranteed) == ("open", True)


def test_what_is_too_little_to_be_hedged_waits_for_more_while_the_rest_goes_on_resting(twin: Twin) -> None:
    maker = profile(count_step=100)
    position = quoted.begun(twin, maker)
    quoted.sell_no(twin, 0, BIDS[0], 37)
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position)) == ("quoting", [37, 0, 0])
    assert quoted.resting(position) == {
        m: (p, count) for m, p, count in zip(twin.markets, BIDS, (963, 1_000, 1_000), strict=True)
    }
    quoted.sell_no(twin, 1, BIDS[1], 60)
    assert quoted.held(quoted.step(twin, position)) == [37, 60, 0]
    quoted.sell_no(twin, 0, BIDS[0], 63)
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position)) == ("quoting", [100] * 3)
    quoted.agree(maker)


def test_what_stayed_too_little_is_held_when_the_time_is_over(twin: Twin) -> None:
    maker = profile(count_step=100)
    position = quoted.begun(twin, maker)
    quoted.sell_no(twin, 2, BIDS[2], 1)
    position = quoted.step(twin, position)
    exits.withdraw_quote(position.pk, actor="ann", reason="enough")
    position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("open", "orphans_held")
    assert (quoted.held(position), rests_there(twin)) == ([0, 0, 1], 0)
    quoted.agree(maker)


def test_no_more_quotes_rest_than_the_write_bucket_sends_beside_the_hedge(twin: Twin) -> None:
    wide = Twin("KXT-2", beside=twin)
    for _ in range(7):
        wide.add_market(
            [(10_000 - 8_500, 10_000)], [(10_000 - 7_900, 10_000)]
        )  # 6 x 0.86 and one at 0.79 for 6 dollars
    wide.sync()
    maker = profile(orphan_budget_day=200 * world.DOLLAR)
    limits = dict.fromkeys(wide.markets, 8_500) | {wide.markets[0]: 7_900}
    quote = {"way": "several", "leg": "", "until_ms": clock.now_ms() + 86_400_000, "orphans": world.DOLLAR}
    decision = world.decide(maker, wide.row, limits, 500, kind="all_no", side="no", quote=quote, max_cost=30_000_000)
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    # of the Basic tier's 100 tokens 60 stay for the other legs and 10 make the group
    assert rests_there(twin) == 3


@pytest.mark.parametrize("way", ["one_leg", "several"])
def test_a_hedge_that_leaves_the_margin_by_less_than_a_takers_fee_on_the_quote_is_taken(twin: Twin, way: str) -> None:
    thin = Twin("KXT-2", beside=twin)
    for _ in range(6):
        thin.add_market([(10_000 - 8_300, 10_000)], [(10_000 - 7_800, 10_000)])
    thin.sync()
    maker = profile(quoting=way)
    limits = dict.fromkeys(thin.markets, 8_300) | {thin.markets[0]: 7_900}
    leg = thin.markets[0] if way == "one_leg" else ""
    quote = {"way": way, "leg": leg, "until_ms": clock.now_ms() + 86_400_000, "orphans": world.DOLLAR}
    sums = {"cost": 29_930_000, "max_cost": 29_970_000, "guaranteed": True}
    decision = world.decide(maker, thin.row, limits, 600, kind="all_no", side="no", quote=quote, **sums)
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    quoted.sell_no(thin, 0, 7_900, 600)
    position = quoted.step(thin, position)
    assert (position.status, quoted.held(position), position.guaranteed) == ("open", [600] * 6, True)
    quoted.agree(maker)


@pytest.mark.parametrize("way", ["one_leg", "several", "all_legs"])
def test_markets_that_are_determined_while_quotes_rest_settle_what_had_filled(twin: Twin, way: str) -> None:
    maker = profile(quoting=way, count_step=100)
    position = quoted.begun(twin, maker)
    price = quoted.NO_BIDS[0] if way == "all_legs" else BIDS[0]
    quoted.sell_no(twin, 0, price, 37 + (quoted.DEPTH if way == "all_legs" else 0))
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position)) == ("quoting", [37, 0, 0])
    twin.finish(winner=twin.markets[1])
    settlement.run()
    for _ in range(3):
        position = quoted.step(twin, position)
        settlement.run()
    position.refresh_from_db()
    assert (position.status, rests_there(twin), position.reserved) == ("settled", 0, 0)
    assert position.realised == 37 * (10_000 - price)
    quoted.agree(maker)


def test_a_quote_that_a_person_cancelled_or_shrank_at_the_exchange_leaves_the_books_in_step(twin: Twin) -> None:
    maker = profile()
    position = quoted.begun(twin, maker)
    there = [o for o in twin.exchange.ledger.orders.values() if o.status == "resting"]
    by_hand.cancel(twin.exchange, there[0])
    by_hand.decrease(twin.exchange, there[1], 600, None)
    quoted.sell_no(twin, 1, BIDS[1], 5_000)  # all 400 that are left of it
    for _ in range(3):
        position = quoted.step(twin, position)
    assert len(set(quoted.held(position))) == 1
    assert quoted.held(position)[0] >= 400
    quoted.agree(maker)


@pytest.mark.parametrize(("behind_ms", "rested", "waits"), [(0, True, False), (5_000, True, True), (0, False, True)])
def test_what_the_exchange_cancelled_is_taken_once_reads_are_newer_than_its_end(
    twin: Twin, settings: Any, behind_ms: int, rested: bool, waits: bool
) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 600
    maker = profile()
    position = quoted.begun(twin, maker)
    quoted.sell_no(twin, 1, BIDS[1], 1_000)
    quoted.sell_no(twin, 0, BIDS[0], 100)
    position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("completing", "order_unsettled")
    ago = clock.now() - timedelta(seconds=2)
    orders = position.orders.filter(purpose="quote")
    orders.update(ended_at=ago, **({} if rested else {"rested_at": None}))
    twin.exchange.config.read_delay_ms = behind_ms
    position = quoted.step(twin, position)
    twin.exchange.config.read_delay_ms = 0
    if waits:
        assert (position.status, quoted.held(position)) == ("completing", [100, 1_000, 0])
    else:
        assert (position.status, quoted.held(position), position.guaranteed) == ("open", [1_000] * 3, True)
    quoted.agree(maker)


class Death(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("how", ["died before", "died after", "no answer"])
def test_a_group_that_was_made_and_never_stored_is_found_again_and_no_other_is_touched(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, how: str, others: int
) -> None:
    for _ in range(others):
        matching.create(twin.exchange, 0, 0, 1_100)
    theirs = set(twin.exchange.ledger.groups)
    create = OrderGroups.create

    def dying(*args: Any, **named: Any) -> str:
        if how == "died after":
            create(*args, **named)
        raise Death

    if how == "no answer":
        twin.exchange.faults.add(kind="timeout", when="after", method="POST", path="/portfolio/order_groups/create")
        position = executor.execute(quoted.decision(profile(), twin).pk)
        assert position is not None
    else:
        monkeypatch.setattr(OrderGroups, "create", dying)
        with pytest.raises(Death):
            executor.execute(quoted.decision(profile(), twin).pk)
        monkeypatch.setattr(OrderGroups, "create", create)
        Position.objects.update(lease_until=None)
        position = quoted.step(twin, Position.objects.get())
        assert (position.status, rests_there(twin)) == ("quoting", 3)
        exits.withdraw_quote(position.pk, actor="ann", reason="enough")
        quoted.step(twin, position)
    sweeper.sweep()
    left = {name for name, group in twin.exchange.ledger.groups.items() if not group.deleted}
    made = how != "died before"
    assert theirs <= left
    assert len(left - theirs) == (others if made else 0), "one that may be somebody else's is left alone"
    assert not Position.objects.exclude(order_group="").exists()


@pytest.mark.parametrize("ends", [False, True])
def test_a_group_that_another_basket_is_making_is_nobody_elses(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """The request of one died before it arrived, that of the other just after: its group has no orders and no name yet."""
    monkeypatch.setattr(OrderGroups, "create", _die)
    with pytest.raises(Death):
        executor.execute(quoted.decision(profile(), twin).pk)
    other = Twin("KXU-1", beside=twin)
    live_twin.listed(other, [(10_000 - ask, 10_000 - bid) for bid, ask in zip(NO_BIDS, NO_ASKS, strict=True)], 10_000)
    with pytest.raises(Death):
        executor.execute(quoted.decision(profile(name="other"), other).pk)
    monkeypatch.undo()
    theirs = matching.create(twin.exchange, 0, 0, 1_100)
    first, second = Position.objects.order_by("pk")
    assert {first.order_group, second.order_group} == {"making:0"}
    Position.objects.update(lease_until=None)
    if ends:
        exits.withdraw_quote(first.pk, actor="ann", reason="enough")
    first = quoted.step(twin, first)
    sweeper.sweep()
    assert first.order_group != theirs.group_id
    assert not theirs.deleted
    quote._checked.clear()
    second = quoted.step(other, second)
    assert (second.status, second.order_group) == ("quoting", theirs.group_id)
    assert first.order_group != second.order_group


def _die(*args: Any, **named: Any) -> str:
    raise Death
