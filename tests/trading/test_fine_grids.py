"""Markets whose prices step by a tenth of a cent near 0 and near a dollar: bought, half bought, left and compared like any other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.models import Market
from strategies.models import Profile
from tests.trading import live_twin, world
from tests.trading.struck import Striking, StruckTwin
from tests.trading.ties import ties
from trading import sweeper
from trading.closing import exits
from trading.execution import executor
from trading.models import Position
from trading.reconciliation import reconcile

TAPERED = [[0, 1_000, 10], [1_000, 9_000, 100], [9_000, 10_000, 10]]
LOW = ((10, 20), (20, 30), (9_600, 9_800))
"""Bids of 0.001, below which a rung and a tolerance would be nothing."""
LAST = ((0, 10), (0, 10), (9_910, 9_930))
"""Nobody bids for two of three, which cost the least price that there is."""


@pytest.fixture(autouse=True)
def now() -> Iterator[Any]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as found:
        yield found


def _twin(settings: Any, quotes: tuple[tuple[int, int], ...]) -> StruckTwin:
    twin = StruckTwin()
    twin.session = Striking(twin.exchange)
    for bid, ask in quotes:
        ticker = twin.add_market([], [])
        market = twin.exchange.markets[ticker]
        market.ranges, market.price_level_structure = TAPERED, "tapered_deci_cent"
        Market.objects.filter(pk=ticker).update(price_bands=TAPERED)
        for side, price in (("bid", bid), ("ask", ask)):
            if price:
                twin.quote(ticker, side, price, 2_000)
    live_twin.connect(settings, twin, ())
    reconcile.run("live", "test")
    twin.sync()
    return twin


def _bought(twin: StruckTwin, quotes: tuple[tuple[int, int], ...], count: int) -> Position:
    profile = Profile.objects.filter(name="live").first() or world.add_profile("live", mode="live", count_step=1)
    limits = {ticker: ask for ticker, (_, ask) in zip(twin.markets, quotes, strict=True)}
    position = executor.execute(world.decide(profile, twin.row, limits, count).pk)
    assert position is not None
    return position


def _goes_on(twin: StruckTwin, now: Any) -> Position:
    for _ in range(5):
        now.shift(timedelta(seconds=3))
        twin.sync()
        sweeper.sweep()
    return Position.objects.get()


def _agrees(position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    ties(position)


@pytest.mark.parametrize(("quotes", "left"), [(LOW, 0), (LAST, 2)])
@pytest.mark.parametrize("count", [37, 1_000])
def test_an_exit_sells_at_the_least_price_of_the_grid_and_never_at_nothing(
    settings: Any, now: Any, quotes: tuple[tuple[int, int], ...], left: int, count: int
) -> None:
    twin = _twin(settings, quotes)
    position = _bought(twin, quotes, count)
    assert (position.status, position.matched_count, position.guaranteed) == ("open", count, True)
    _agrees(position)
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="cash")
    position = _goes_on(twin, now)
    assert sorted(twin.held().values()) == [count] * left
    assert position.status == ("exiting" if left else "closed")
    sold = position.orders.filter(action="sell").values_list("leg__market_id", "price")
    assert dict(sold) == {t: bid for t, (bid, _) in zip(twin.markets, quotes, strict=True) if bid}
    _agrees(position)


def test_half_a_basket_is_unwound_at_the_least_price_of_the_grid(settings: Any, now: Any) -> None:
    twin = _twin(settings, LOW)
    third = twin.markets[2]
    twin.session.before = {twin.session.posts + 3: lambda: twin.cancel_makers(third, "ask")}
    position = _bought(twin, LOW, 137)
    assert position.status == "completing"
    for _ in range(3):
        position = _goes_on(twin, now)
    assert (position.status, twin.held()) == ("aborted", {})
    assert {one.price for one in position.orders.filter(action="sell")} == {10, 20}
    _agrees(position)
