"""Queries take in what they are about and nothing beside it, and small rules say the same at each of their ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from markets.book import Side
from markets.fees import FeeSchedule
from strategies.models import Profile
from strategies.quoting.expectation import band_of, words_of
from strategies.quoting.synthetic import bid_cost
from tests.trading import world
from tests.trading.stopped import NOW, after
from trading.books import own_orders
from trading.closing import exits
from trading.execution.phases import exit as exit_phase
from trading.execution.phases import selling, unwind
from trading.limits import every_basket
from trading.models import Order, Position
from trading.quoted import idle, open_quotes


def test_bids_of_our_own_are_those_of_the_markets_that_were_named() -> None:
    for number, price in ((1, 3_000), (2, 4_000)):
        profile = world.add_profile(f"live {number}", mode="live")
        world.add_order(number, profile, status="resting", purpose="quote", price=price)
    assert own_orders.bids(["KXT-1-0"], "live") == {("KXT-1-0", Side.YES): 3_000}
    assert own_orders.bids(["KXT-1-0"], "sim") == {}
    assert len(own_orders.bids(["KXT-1-0", "KXT-2-0"], "live")) == 2


@pytest.mark.parametrize(
    ("columns", "is_idle"),
    [({}, True), ({"filled_count": 1}, False), ({"reported_fill_count": 1}, False), ({"reported_fill_count": 0}, True)],
)
def test_a_quote_of_which_something_filled_is_not_idle(columns: dict[str, int], is_idle: bool) -> None:
    order = world.add_order(1, status="resting", purpose="quote")
    Position.objects.filter(pk=order.position_id).update(status="quoting")
    other = world.add_order_of(order.position, 0, count=100)
    Order.objects.filter(pk=other.pk).update(**columns)
    assert list(idle.quotes(order.profile)) == ([order.position] if is_idle else [])


@pytest.mark.parametrize("status", ["pending", "executing", "open", "unwinding"])
def test_only_what_is_being_quoted_is_idle(status: str) -> None:
    order = world.add_order(1, status="resting", purpose="quote")
    Position.objects.filter(pk=order.position_id).update(status=status)
    assert not idle.quotes(order.profile).exists()


def test_an_order_concerns_a_profile_of_its_account_or_on_paper_its_own() -> None:
    def concerns(order: tuple[str, int, int | None], profile: tuple[str, int, int | None]) -> bool:
        (mode, owner, subaccount), (own_mode, pk, own) = order, profile
        row = Order(mode=mode, profile=Profile(pk=owner, mode=mode, subaccount=subaccount))
        return every_basket._concerns(row, Profile(pk=pk, mode=own_mode, subaccount=own))

    assert concerns(("sim", 1, None), ("sim", 1, None))
    assert not concerns(("sim", 2, None), ("sim", 1, None))
    assert not concerns(("live", 1, None), ("sim", 1, None))
    assert concerns(("live", 2, None), ("live", 1, None))
    assert concerns(("live", 2, 0), ("live", 1, None))
    assert concerns(("live", 2, 3), ("live", 1, 3))
    assert not concerns(("live", 2, 3), ("live", 1, None))
    assert not concerns(("sim", 1, None), ("live", 1, None))


def test_what_rests_is_valued_at_its_limit_with_the_fee_where_that_is_known() -> None:
    fees = FeeSchedule()
    markets: Any = {"A": SimpleNamespace(fees=fees)}
    leg: Any = SimpleNamespace(leg=SimpleNamespace(market_id="A"), bid=4_000, left=300)
    with_fee = open_quotes._resting_cost(leg, markets)
    assert with_fee == bid_cost(fees, 4_000, 300) >= 4_000 * 300
    assert open_quotes._resting_cost(leg, {}) == 4_000 * 300
    leg.bid = None
    assert open_quotes._resting_cost(leg, markets) == 0


def test_patience_with_few_bids_begins_with_the_first_question_and_ends_at_its_moment(half_bought: Position) -> None:
    position = half_bought
    assert exit_phase._is_patience_over(position) is False
    assert position.deadline_at == NOW + exit_phase.EXIT_PATIENCE
    assert exit_phase._is_patience_over(position) is False
    position.deadline_at = after(0)
    assert exit_phase._is_patience_over(position) is True


def test_words_name_everything_and_say_so_where_there_is_nothing() -> None:
    assert exits._words({}) == "nothing"
    assert exits._words({("A", "yes"): 150, ("B", "no"): 1}) == "1.5 yes A, 0.01 no B"
    assert words_of("") == ""
    assert words_of(band_of([10_000], 10**9)).startswith("spread above ")
    assert "h or less" in words_of(band_of([1], 1.0))


@pytest.mark.parametrize("others", [True, False], ids=["another leg may be sold", "nothing else may be sold"])
def test_a_sale_whose_end_is_not_known_holds_up_no_other_leg(
    half_bought: Position, others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = half_bought.legs.order_by("sequence")
    unsettled = world.add_order_of(half_bought, 0, action="sell", purpose="unwind", count=200, filled_count=0)
    sold: list[Any] = []
    monkeypatch.setattr(selling, "ready", lambda *rest: ([(second, 100)] if others else [], None))
    monkeypatch.setattr(unwind, "within_budget", lambda now, live, allowed: list(now))
    monkeypatch.setattr(unwind, "_still_lost", lambda *rest: 0)
    monkeypatch.setattr(selling, "sell", lambda position, lease, live, sales, **named: sold.extend(sales))
    legs, nothing = [first, second], cast(Any, None)
    refusal = unwind._sell_some(half_bought, nothing, legs, [(first, 200), (second, 100)], nothing, [unsettled])
    assert sold == ([(second, 100)] if others else [])
    assert (refusal is None) is others
    assert refusal is None or (refusal.code, refusal.detail) == ("order_unsettled", "KXT-1-0")
