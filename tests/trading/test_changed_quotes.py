"""What a person changes of a profile while its quotes rest holds for these too; and fills that come by the exchange's lists alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strategies.models import Profile
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.execution import executor
from trading.execution.orders import quote
from trading.execution.phases import selling
from trading.models import Position
from trading.reconciliation import reconcile

pytestmark = pytest.mark.alike
WIDE: dict[str, Any] = {"orphan_budget": 20 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


@pytest.mark.parametrize(
    ("way", "columns", "code"),
    [
        ("all_legs", {"quoting": "one_leg"}, "quote_ended"),
        ("one_leg", {"quoting": "all_legs"}, "quote_ended"),
        ("several", {"quoting": "one_leg"}, "quote_ended"),
        ("all_legs", {"quote_sides": "yes"}, "quote_ended"),
        ("all_legs", {"kinds": ["all_yes"]}, "kind"),
        ("all_legs", {"quote_min_margin_ppm": 500_000}, "margin_gone"),
        ("all_legs", {"max_per_position": 5 * world.DOLLAR}, "max_per_position"),
        ("all_legs", {"max_quotes": 0}, "quotes_at_once"),
        ("all_legs", {"max_per_leg": 1 * world.DOLLAR}, "max_per_leg"),
    ],
)
def test_what_a_new_quote_would_be_refused_for_withdraws_what_rests(
    twin: Twin, way: str, columns: dict[str, Any], code: str
) -> None:
    position = quoted.begun(twin, quoted.profile(quoting=way, **WIDE))
    assert quoted.rests_at_the_exchange(twin)
    Profile.objects.update(**columns)
    position = quoted.step(twin, position)
    assert quoted.rests_at_the_exchange(twin) == 0
    assert (position.status, position.close_code) == ("aborted", code)
    quoted.agree(position.profile)


@pytest.mark.parametrize("side", ["no", "both"])
def test_a_side_that_is_still_quoted_stays(twin: Twin, side: str) -> None:
    position = quoted.begun(twin, quoted.profile(**WIDE))
    Profile.objects.update(quote_sides=side)
    assert quoted.step(twin, position).status == "quoting"


@pytest.mark.parametrize("way", ["all_legs", "several"])
def test_fewer_baskets_in_an_event_are_quoted_from_the_next_step_on(twin: Twin, way: str) -> None:
    position = quoted.begun(twin, quoted.profile(quoting=way, **WIDE))
    Profile.objects.update(quote_count=300)
    for _ in range(3):
        position = quoted.step(twin, position)
    assert position.status == "quoting"
    assert max(count for _, count in quoted.resting(position).values()) <= 300
    quoted.agree(position.profile)


@pytest.mark.parametrize("way", ["one_leg", "several", "all_legs"])
def test_fills_that_come_by_lists_alone_are_hedged_and_booked(twin: Twin, way: str) -> None:
    """The stream is silent; what rests is read now and then."""
    maker = quoted.profile(quoting=way, **WIDE)
    position = quoted.begun(twin, maker)
    ticker, (price, _) = next(iter(quoted.resting(position).items()))
    number = twin.markets.index(ticker)
    quoted.sell_no(twin, number, price, 400 + (quoted.DEPTH if price == quoted.NO_BIDS[number] else 0))
    for _ in range(8):
        twin.sync()
        quote._checked.clear()
        position = executor.step(position.pk)
    held = quoted.held(position)
    assert held[number] == 400
    assert held == ([400] * 3 if way != "all_legs" else held)
    reconcile.run("live", "test")
    quoted.agree(maker)


def test_fills_that_come_by_lists_alone_are_unwound(twin: Twin, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 0
    monkeypatch.setattr(selling, "RUNG_PAUSE", timedelta())
    maker = quoted.profile(quoting="one_leg", orphans="sell", on_partial="unwind_on_partial", **WIDE)
    position = quoted.begun(twin, maker)
    ticker, (price, _) = next(iter(quoted.resting(position).items()))
    for other in twin.markets:
        if other != ticker:
            twin.cancel_makers(other, "bid")
    number = twin.markets.index(ticker)
    quoted.sell_no(twin, number, price, 400 + (quoted.DEPTH if price == quoted.NO_BIDS[number] else 0))
    for _ in range(12):
        twin.sync()
        quote._checked.clear()
        Position.objects.update(next_step_at=None)
        position = executor.step(position.pk)
    assert quoted.rests_at_the_exchange(twin) == 0
    assert (position.status, quoted.held(position)) == ("aborted", [0, 0, 0]), position.residual
    quoted.agree(maker)


def test_what_is_whole_opens_when_the_profile_quotes_fewer_by_now(twin: Twin) -> None:
    """Two baskets of ten were bought; one is wanted in an event from now on."""
    position = quoted.begun(twin, quoted.profile(**WIDE))
    for number, bid in enumerate(quoted.NO_BIDS):
        quoted.sell_no(twin, number, bid, quoted.DEPTH + 200)
    position = quoted.step(twin, position)
    assert (position.status, quoted.held(position)) == ("quoting", [200] * 3)
    Profile.objects.update(quote_count=100)
    position = quoted.step(twin, position)
    assert (position.status, position.guaranteed) == ("open", True)
    assert "the profile quotes 1 basket in an event now" in position.events.latest("id").reason
    assert quoted.rests_at_the_exchange(twin) == 0
