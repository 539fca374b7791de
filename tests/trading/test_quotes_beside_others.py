"""Quotes beside what else the account rests in the same markets: another subaccount's quotes, a person's bids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from simulator.flow import second_actor
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.books import others_books
from trading.closing import exits
from trading.models import Position
from trading.reconciliation import reconcile

OTHER = 5


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Nothing expires while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False):
        yield


@pytest.fixture
def twin(settings: Any) -> Twin:
    found = quoted.begin(settings)
    found.exchange.ledger.credit((OTHER, 0), 1_000 * world.DOLLAR)
    return found


def _profile(name: str, way: str, **columns: Any) -> Any:
    wide = {"orphan_budget": 50 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    return quoted.profile(name=name, quoting=way, **{**wide, **columns})


def _prices(position: Position) -> list[int]:
    return [price for price, _ in quoted.resting(position).values()]


@pytest.mark.parametrize("way", ["one_leg", "several", "all_legs"])
def test_quotes_of_two_subaccounts_never_outbid_each_other(twin: Twin, way: str, settings: Any) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 0
    first_profile, second_profile = _profile("one", way), _profile("two", way, subaccount=OTHER)
    one = quoted.begun(twin, first_profile)
    first = _prices(one)
    twin.sync()
    two = quoted.begun(twin, second_profile)
    for _ in range(4):
        twin.sync()
        one.orders.update(created_at=clock.now() - timedelta(seconds=10))
        two.orders.update(created_at=clock.now() - timedelta(seconds=10))
        one, two = quoted.step(twin, one), quoted.step(twin, two)
    assert _prices(one) == first
    assert _prices(two) == first


@pytest.mark.parametrize(("way", "left"), [("one_leg", []), ("several", [2])])
def test_a_quote_does_not_count_on_offers_behind_a_bid_of_the_account_itself(
    twin: Twin, way: str, left: list[int]
) -> None:
    position = quoted.begun(twin, _profile("one", way))
    assert twin.markets[0] in quoted.resting(position)
    # A person bids for YES of the last leg, before all others: what they bid is what NO is offered for there.
    terms = {"tickers": [twin.markets[2]], "side": "bid", "price": 2_900, "count": 500, "rest": True}
    assert second_actor.act(twin.exchange, "buy", terms, Random(1))["did"] == "buy"
    reconcile.run("live", "test")
    for _ in range(2):
        position = quoted.step(twin, position)
    assert list(quoted.resting(position)) == [twin.markets[n] for n in left], "the exchange would stop the hedge"


@pytest.mark.parametrize(("seconds", "counts"), [(1.9, True), (2.1, False)])
def test_a_quote_of_another_basket_counts_as_long_as_a_book_may_show_it(
    twin: Twin, seconds: float, counts: bool
) -> None:
    one = quoted.begun(twin, _profile("one", "all_legs"))
    profile = _profile("two", "all_legs", subaccount=OTHER)
    reconcile.run("live", "test")
    twin.sync()
    two = quoted.begun(twin, profile)
    assert len(others_books.reading(two).now().orders) == 3
    exits.withdraw_quote(one.pk, actor="ann", reason="enough")
    assert quoted.step(twin, one).status == "aborted"
    one.orders.update(ended_at=clock.now() - timedelta(seconds=seconds))
    assert bool(others_books.reading(two).now().orders) is counts
