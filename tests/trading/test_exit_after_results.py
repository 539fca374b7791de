"""An exit waits for its prices while markets of its basket end: what is left may be sure of more than when they were accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.models import Market
from tests.trading import live_twin, world
from tests.trading.ties import ties
from tests.trading.twin import Twin
from trading.closing import exits, settlement
from trading.execution import executor
from trading.models import Denial, Position

DOLLAR = world.DOLLAR
LEAST = (9_000, 6_000, 5_800)
"""Together they bring a little more than the two dollars a set that NO on all three is sure to pay."""


@pytest.fixture
def twin(settings: Any) -> Twin:
    return live_twin.connect(settings, Twin(), [(3_500, 3_600)] * 3, 5_000)


def _bought(twin: Twin, limits: Sequence[int] = (6_500, 6_500, 6_500)) -> Position:
    """A sure basket of NO on every outcome."""
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, limits, strict=True)), 1_000, "all_no", "no")
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert (position.status, position.floor, position.guaranteed) == ("open", 20 * DOLLAR, True)
    return position


def _leaving(twin: Twin, least: Sequence[int] = LEAST, below_floor: str = "") -> Position:
    """One for which nobody bids what a person wants."""
    position = _bought(twin)
    _request(position, dict(zip(twin.markets, least, strict=True)), below_floor)
    position = _stepped(twin, position, 1)
    assert (position.status, position.residual_code) == ("exiting", "no_bid")
    return position


def _request(position: Position, least: Mapping[str, int], below_floor: str = "") -> None:
    prices = {(ticker, "no"): price for ticker, price in least.items()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor=below_floor)


def _stepped(twin: Twin, position: Position, minutes: int) -> Position:
    with time_machine.travel(clock.now() + timedelta(minutes=minutes)):
        twin.sync()
        return executor.step(position.pk)


def _bid_no(twin: Twin, price: int, tickers: list[str]) -> None:
    for ticker in tickers:
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "ask", 10_000 - price, 5_000)


def test_what_is_sure_to_pay_more_since_a_leg_lost_is_not_sold_at_the_prices_of_before(twin: Twin) -> None:
    """One outcome has won, so NO on both others pays a dollar each, and the books are still those of before."""
    position = _leaving(twin)
    twin.settle(twin.markets[0], "yes")
    assert settlement.run("live") == 1
    _bid_no(twin, 6_000, twin.markets[1:])
    for minutes in (2, 3):
        position = _stepped(twin, position, minutes)
    assert (position.status, position.residual_code, position.floor) == ("exiting", "no_bid", 20 * DOLLAR)
    assert not position.orders.filter(action="sell").exists()
    for ticker in twin.markets[1:]:
        twin.settle(ticker, "no")
    assert settlement.run("live") == 2
    ties(position)
    assert (position.status, position.payout) == ("settled", 20 * DOLLAR)


def test_what_pays_no_more_than_before_is_sold_at_the_prices_that_were_accepted(twin: Twin) -> None:
    position = _leaving(twin)
    twin.settle(twin.markets[0], "no")
    assert settlement.run("live") == 1
    _bid_no(twin, 6_000, twin.markets[1:])
    position = _stepped(twin, position, 2)
    assert position.status == "closed"
    assert set(position.orders.filter(action="sell").values_list("price", flat=True)) == {6_000}


def test_who_accepted_less_in_words_gets_it(twin: Twin) -> None:
    position = _leaving(twin, (6_700, 6_700, 6_600), "I need the money")
    twin.settle(twin.markets[0], "yes")
    settlement.run("live")
    _bid_no(twin, 6_700, twin.markets[1:])
    assert _stepped(twin, position, 2).status == "closed"


def test_a_market_whose_leg_was_sold_before_it_ended_counts_too(settings: Any) -> None:
    """Two legs are left, which cost less than the dollar that one of them is sure to pay; the third, which was sold, wins: both pay."""
    twin = live_twin.connect(settings, Twin(), [(500, 600), (5_300, 5_400), (5_300, 5_400)], 5_000)
    position = _bought(twin, (9_500, 4_700, 4_700))
    gone = (twin.markets[0], "no")
    exits.request_exit(
        position_id=position.pk,
        actor="ann",
        reason="a part",
        counts={gone: 1_000},
        least_prices={gone: 9_000},
        below_floor="two legs are enough",
    )
    position = _stepped(twin, position, 1)
    assert (position.status, position.floor, position.guaranteed) == ("open", 10 * DOLLAR, True)
    _request(position, dict.fromkeys(twin.markets[1:], 5_300))
    Market.objects.filter(pk=twin.markets[0]).update(status="finalized", result="yes", settlement_value_e6=DOLLAR)
    settlement.run("live")
    _bid_no(twin, 5_400, twin.markets[1:])
    position = _stepped(twin, position, 3)
    assert (position.status, position.residual_code) == ("exiting", "no_bid")
    assert not position.orders.filter(action="sell", leg__market__in=twin.markets[1:]).exists()
