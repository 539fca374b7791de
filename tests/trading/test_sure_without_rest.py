"""Legs of NO in an exclusive event pay all but one of them: what pays more than it cost is kept without the rest, never sold at a loss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import world
from tests.trading.stopped import refusal_of
from tests.trading.struck import StruckTwin
from trading import sweeper
from trading.accounting import booking
from trading.books import live_books
from trading.closing import exit_counts, exit_preview, exit_prices, exits, settlement
from trading.denials import DenialCode
from trading.execution import executor
from trading.execution.phases import exit as exit_phase
from trading.models import Position
from trading.reconciliation import late_fills

NO_ASKS = (4_000, 4_500, 6_000)
"""Two of them cost 0.85 and pay a dollar in every state; with the third all three cost 1.45 and pay two."""


@pytest.fixture
def twin(struck: StruckTwin) -> StruckTwin:
    """NO offered at 0.40, 0.45 and 0.60, and bid for ten cents below."""
    for ticker, ask in zip(struck.markets, NO_ASKS, strict=True):
        for side in ("bid", "ask"):
            struck.cancel_makers(ticker, side)
        struck.quote(ticker, "bid", 10_000 - ask, 2_000)
        struck.quote(ticker, "ask", 11_000 - ask, 2_000)
    struck.sync()
    return struck


def _begin(twin: StruckTwin, before: dict[int, Callable[[], object]]) -> Position:
    twin.session.before = before
    profile = world.add_profile("live", mode="live", leg_risk_budget=50 * world.DOLLAR)
    limits = dict(zip(twin.markets, NO_ASKS, strict=True))
    position = executor.execute(world.decide(profile, twin.row, limits, 1_000, "all_no", "no").pk)
    assert position is not None
    return position


def _gone(twin: StruckTwin, number: int) -> Callable[[], None]:
    def gone() -> None:
        for ticker in twin.markets[number:]:
            twin.cancel_makers(ticker, "bid")
        twin.sync()

    return gone


def test_two_legs_that_pay_more_than_they_cost_are_kept_when_the_third_is_gone(twin: StruckTwin) -> None:
    position = _begin(twin, {3: _gone(twin, 2)})
    assert (position.status, position.residual_code, position.guaranteed) == ("open", "held_for_floor", True)
    assert sorted(twin.held().values()) == [-1_000, -1_000]
    assert position.floor - position.cost > 0
    assert not position.orders.filter(action="sell").exists()
    assert (late_fills.reopen_all(), sweeper.sweep()) == (0, 0)
    twin.finish(winner=twin.markets[0])
    settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.realised > 0


def test_one_leg_alone_pays_nothing_for_sure_and_is_sold(twin: StruckTwin) -> None:
    position = _begin(twin, {2: _gone(twin, 1)})
    assert (position.status, position.close_type) == ("aborted", "unwound")
    assert twin.held() == {}


def test_where_a_sale_brings_more_than_what_is_sure_it_is_sold(twin: StruckTwin) -> None:
    def higher_bids() -> None:
        _gone(twin, 2)()
        for ticker in twin.markets[:2]:
            twin.cancel_makers(ticker, "bid")
            twin.cancel_makers(ticker, "ask")
            twin.quote(ticker, "ask", 3_000, 2_000)  # NO is bid for at 0.70
        twin.sync()

    position = _begin(twin, {3: higher_bids})
    assert (position.status, twin.held()) == ("aborted", {})
    assert position.realised > 0


def _at_a_loss(twin: StruckTwin, bid: int, **columns: Any) -> Position:
    """Two legs are held at 0.55, which pay one dollar whatever happens, so ten cents are lost; they are bid for at ``bid`` then."""
    for ticker in twin.markets[:2]:
        for side in ("bid", "ask"):
            twin.cancel_makers(ticker, side)
        twin.quote(ticker, "bid", 4_500, 2_000)
        twin.quote(ticker, "ask", 5_500, 2_000)
    twin.sync()

    def lower_bids() -> None:
        _bid(twin, bid)
        _gone(twin, 2)()

    twin.session.before = {3: lower_bids}
    profile = world.add_profile("live", mode="live", **{"leg_risk_budget": 50 * world.DOLLAR} | columns)
    limits = dict(zip(twin.markets, (5_500, 5_500, 6_000), strict=True))
    position = executor.execute(world.decide(profile, twin.row, limits, 1_000, "all_no", "no").pk)
    assert position is not None
    return position


def _bid(twin: StruckTwin, price: int) -> None:
    """NO of both markets is bid for at ``price``."""
    for ticker in twin.markets[:2]:
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "ask", 10_000 - price, 2_000)
    twin.sync()


def _after(twin: StruckTwin, position: Position, seconds: float) -> Position:
    with time_machine.travel(clock.now() + timedelta(seconds=seconds)):
        twin.sync()
        return executor.step(position.pk)


@pytest.mark.parametrize("bid", [100, 4_000, 4_900])
def test_legs_that_lose_are_not_sold_for_less_than_they_are_sure_to_pay(twin: StruckTwin, bid: int) -> None:
    position = _at_a_loss(twin, bid)
    assert (position.status, position.residual_code) == ("unwinding", "no_bid"), "the bids may come back"
    position = _after(twin, position, 6)
    assert (position.status, position.residual_code, position.guaranteed) == ("open", "held_for_floor", False)
    assert position.floor == 10 * world.DOLLAR
    assert "lose at most $1." in position.residual
    assert not position.orders.filter(action="sell").exists()
    assert late_fills.reopen_all() == 0


def test_legs_that_lose_are_sold_where_that_brings_more_than_is_sure(twin: StruckTwin) -> None:
    position = _at_a_loss(twin, 5_400)
    assert (position.status, twin.held()) == ("aborted", {})
    assert position.realised > -1_500_000


def test_bids_that_were_gone_for_a_moment_are_sold_to(twin: StruckTwin) -> None:
    position = _at_a_loss(twin, 100)
    _bid(twin, 5_400)
    position = _after(twin, position, 2)
    assert (position.status, twin.held()) == ("aborted", {})


def test_legs_that_may_lose_more_than_the_budget_are_sold_within_it(twin: StruckTwin) -> None:
    position = _at_a_loss(twin, 4_000)
    Profile.objects.update(leg_risk_budget=800_000)
    position = _after(twin, position, 6)
    assert position.status == "unwinding"
    assert position.orders.filter(action="sell", filled_count__gt=0).exists()
    assert -800_000 <= position.realised < 0


def test_what_is_left_after_somebody_sold_one_of_the_kept_legs_is_dealt_with(twin: StruckTwin) -> None:
    position = _begin(twin, {3: _gone(twin, 2)})
    leg = position.legs.get(market=twin.markets[0])
    booking.correct(leg.pk, count=leg.held, proceeds=3_000_000, key="sold", evidence={}, actor="ann", reason="sold it")
    position.refresh_from_db()
    assert (position.residual_code, position.guaranteed) == ("", False)
    assert late_fills.reopen_all() == 1
    position.refresh_from_db()
    assert position.status == "unwinding"


def _thin(twin: StruckTwin, number: int, price: int, count: int) -> None:
    """Nobody bids for NO of this market but for ``count`` at ``price``."""
    ticker = twin.markets[number]
    for side in ("bid", "ask"):
        twin.cancel_makers(ticker, side)
    twin.quote(ticker, "ask", 10_000 - price, count)
    twin.sync()


def _exit(position: Position, least: tuple[int, int], words: str = "", **columns: Any) -> str:
    """The code of what refuses the exit of the two kept legs at these least prices; empty where nothing does."""
    legs = list(position.legs.order_by("market_id"))[:2]
    prices = {exit_counts.key(leg): price for leg, price in zip(legs, least, strict=True)}
    return refusal_of(
        lambda: exits.request_exit(
            position_id=position.pk, actor="ann", reason="r", least_prices=prices, below_floor=words, **columns
        )
    )


def test_two_kept_legs_are_not_sold_for_less_than_they_are_sure_to_pay(twin: StruckTwin) -> None:
    """Ten of each pay ten dollars whatever happens, although no whole basket is there."""
    position = _begin(twin, {3: _gone(twin, 2)})
    assert (position.matched_count, position.floor) == (0, 10 * world.DOLLAR)
    assert exit_preview.preview(position).floor == 10 * world.DOLLAR
    assert _exit(position, (3_000, 3_500)) == DenialCode.BELOW_FLOOR
    assert _exit(position, (5_100, 5_000)) == DenialCode.BELOW_FLOOR, "fees included"
    assert _exit(position, (5_300, 5_300)) == ""
    exits.withdraw(position.pk, actor="ann", reason="r")
    exits.request_exit(position_id=position.pk, actor="ann", reason="at the bids of now")
    stored = exit_prices.loaded(position.exit_requests.get(status="open").least_prices)
    assert sum(stored.values()) > 10_000, "what is not named is not below the floor either"
    exits.withdraw(position.pk, actor="ann", reason="r")
    assert _exit(position, (3_000, 3_500), words="the cash is needed") == ""


def test_one_of_two_kept_legs_is_not_sold_alone_without_words(twin: StruckTwin) -> None:
    position = _begin(twin, {3: _gone(twin, 2)})
    first, second = list(position.legs.order_by("market_id"))[:2]
    for counts, code in (
        ({exit_counts.key(first): 1_000}, DenialCode.UNBALANCED),
        ({exit_counts.key(first): 400, exit_counts.key(second): 100}, DenialCode.UNBALANCED),
        ({exit_counts.key(first): 400, exit_counts.key(second): 400}, ""),
    ):
        assert _exit(position, (9_900, 9_900), counts=counts) == code
    exits.withdraw(position.pk, actor="ann", reason="r")
    assert _exit(position, (9_900, 9_900), words="the cash is needed", counts={exit_counts.key(first): 1_000}) == ""


def test_what_is_left_of_two_kept_legs_is_sure_to_pay_as_much_however_few_bid_for_one(twin: StruckTwin) -> None:
    position = _begin(twin, {3: _gone(twin, 2)})
    _thin(twin, 0, 5_500, 300)
    _thin(twin, 1, 5_500, 5_000)
    assert _exit(position, (5_300, 5_300)) == ""
    position = executor.step(position.pk)
    assert sorted(twin.held().values()) == [-700, -700]
    assert position.guaranteed


def test_legs_beside_whole_baskets_are_sold_in_equal_shares_too_where_they_pay_for_themselves(twin: StruckTwin) -> None:
    """Four whole baskets, and six more of two legs, which pay six dollars more."""
    position = _begin(twin, {3: lambda: _few(twin)})
    with time_machine.travel(clock.now() + timedelta(seconds=2)):
        twin.sync()
        position = executor.step(position.pk)
    assert (position.matched_count, position.floor) == (400, 14 * world.DOLLAR)
    assert exit_preview.preview(position).floor == 14 * world.DOLLAR
    _thin(twin, 0, 9_000, 300)
    _thin(twin, 1, 9_000, 5_000)
    _thin(twin, 2, 9_000, 5_000)
    exits.request_exit(position_id=position.pk, actor="ann", reason="r")
    position = executor.step(position.pk)
    assert sorted(twin.held().values()) == [-700, -700, -400]
    assert position.guaranteed


def _few(twin: StruckTwin) -> None:
    """NO of the third outcome is offered for four contracts only."""
    twin.cancel_makers(twin.markets[2], "bid")
    twin.quote(twin.markets[2], "bid", 4_000, 400)
    twin.sync()


def test_what_filled_after_the_request_is_not_sold_below_what_it_is_sure_to_pay_either(twin: StruckTwin) -> None:
    """The least prices were accepted before the two legs paid together."""
    position = _begin(twin, {3: _gone(twin, 2)})
    legs = list(position.legs.select_related("market"))
    live = live_books.read(position.event)
    low = {exit_counts.key(leg): 3_000 for leg in legs}
    raised = exit_phase._not_below_floor(position, legs, low, live)
    assert sum(raised[exit_counts.key(leg)] for leg in legs if leg.held) > 10_000
    enough = {exit_counts.key(leg): 5_500 for leg in legs}
    assert exit_phase._not_below_floor(position, legs, enough, live) == enough
