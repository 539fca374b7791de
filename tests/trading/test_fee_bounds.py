"""What the exchange may keep back for fees of orders that rest: by what is announced for their markets, and said where nothing is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kalbot.common import clock
from markets.fees import FeeSchedule, most_fees
from markets.models import Event, FeeChange, Series
from tests.trading import world
from trading.accounting import accounts, fee_bounds
from trading.models import ExchangeAccount

RESTS = ("KXT-1-0", 5_000, 1_000)
USUAL = most_fees(FeeSchedule(), [(5_000, 1_000)])


@pytest.fixture
def event(db: None) -> Event:
    return world.add_event()


def _most(multiplier_e6: int) -> int:
    return most_fees(FeeSchedule(multiplier_e6=multiplier_e6), [(5_000, 1_000)])


def test_the_bound_is_the_highest_fee_of_the_market_however_high_that_is(event: Event) -> None:
    assert fee_bounds.of_resting([]) == fee_bounds.Bound(0, ())
    assert fee_bounds.of_resting([RESTS, RESTS]) == fee_bounds.Bound(2 * USUAL, ())
    assert USUAL < 1_000 * fee_bounds.GUESS
    Event.objects.update(fee_multiplier_override_e6=2_000_000)
    assert fee_bounds.of_resting([RESTS]).most == _most(2_000_000) > 1_000 * fee_bounds.GUESS
    Event.objects.update(fee_multiplier_override_e6=0)
    Series.objects.update(fee_type="quadratic_with_maker_fees")
    assert fee_bounds.of_resting([RESTS]).most == 0


@pytest.mark.parametrize(
    ("hours", "of", "kind", "multiplier", "counts"),
    [
        (1, "", "quadratic", 3_000_000, True),
        (-1, "", "quadratic", 3_000_000, True),
        (1, "KXT-1", "", 3_000_000, True),
        (1, "KXT-2", "quadratic", 3_000_000, False),
        (1, "", "quadratic", None, False),
        (1, "", "unheard of", 3_000_000, False),
    ],
)
def test_what_is_announced_counts_before_it_is_in_force_and_after(
    event: Event, hours: int, of: str, kind: str, multiplier: int | None, counts: bool
) -> None:
    FeeChange.objects.create(
        change_id="c",
        series_id="KXT",
        event_ticker=of,
        fee_type=kind,
        fee_multiplier_e6=multiplier,
        scheduled_at=clock.now() + timedelta(hours=hours),
    )
    assert fee_bounds.of_resting([RESTS]).most == (_most(3_000_000) if counts else USUAL)


def test_a_fee_of_which_nothing_is_known_is_guessed_and_its_market_is_named() -> None:
    profile = world.add_profile("live", mode="live")
    world.add_order(1, profile, status="resting")
    Series.objects.update(fee_type="unheard of")
    found = fee_bounds.of_resting([RESTS, ("KXOTHER", 100, 300)])
    assert found == fee_bounds.Bound(1_300 * fee_bounds.GUESS, ("KXOTHER", "KXT-1-0"))
    assert accounts.of_unknown_fee(0, [profile]) == ("KXT-1-0",)


def test_cash_that_a_high_fee_explains_while_an_order_rests_is_no_difference() -> None:
    profile = world.add_profile("live", mode="live")
    world.add_order(1, profile, status="resting", price=5_000, count=1_000)
    Event.objects.update(fee_multiplier_override_e6=2_000_000)
    for lacks, found in ((5_000_000 + _most(2_000_000), 0), (5_000_001 + _most(2_000_000), -1)):
        account = ExchangeAccount(opening=10_000_000, balance=10_000_000 - lacks)
        assert accounts.difference_beside_resting(account, [profile]) == found
