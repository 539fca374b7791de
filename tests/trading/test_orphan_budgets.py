"""The budgets for what fills alone: of a day that ends while quotes rest, and limits that are lowered under them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from backtest.replay.clock import in_place
from kalbot.common import clock
from strategies.models import Decision, Profile
from tests.trading import quoted, world
from tests.trading.twin import Twin
from tests.trading.unhurried import UnhurriedClock
from trading.execution import executor
from trading.holdings import PositionHoldings
from trading.limits import day
from trading.models import Denial, Position
from trading.reconciliation import reconcile

pytestmark = pytest.mark.django_db(transaction=True)
ZONE = "Pacific/Auckland"


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Iterator[UnhurriedClock]:
    """Half a minute before midnight in the profile's zone."""
    slow = UnhurriedClock()
    with in_place(slow):
        monkeypatch.setattr(timezone, "now", clock.now)
        now = clock.now().astimezone(ZoneInfo(ZONE))
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        slow.sleep((midnight - now).total_seconds() - 30)
        yield slow


@pytest.fixture
def twin(settings: Any, time: UnhurriedClock) -> Twin:
    return quoted.begin(settings)


def _maker(**columns: Any) -> Profile:
    budgets = {"orphan_budget": 20 * world.DOLLAR, "orphan_budget_day": 30 * world.DOLLAR}
    return quoted.profile(day_zone=ZONE, **budgets | columns)


def _beside(twin: Twin, profile: Profile, event: str = "KXT-2") -> Decision:
    """A decision to quote another event that could leave $13."""
    other = Twin(event, beside=twin)
    for bid, ask in zip(quoted.NO_BIDS, quoted.NO_ASKS, strict=True):
        other.add_market([(10_000 - ask, quoted.DEPTH)], [(10_000 - bid, quoted.DEPTH)])
    other.sync()
    return quoted.decision(profile, other)


def _denied(decision: Decision) -> str:
    assert executor.execute(decision.pk) is None
    return Denial.objects.get(decision=decision).code


def test_a_quote_that_rests_across_midnight_counts_for_the_day_in_which_it_may_fill(
    twin: Twin, time: UnhurriedClock
) -> None:
    maker = _maker()
    position = quoted.begun(twin, maker)
    before = day.midnight(maker)
    time.sleep(40)
    position = quoted.step(twin, position)
    assert day.midnight(maker) > before > position.created_at - timedelta(days=1)
    assert (position.status, position.orphan_limit) == ("quoting", 20 * world.DOLLAR)
    assert _denied(_beside(twin, maker)) == "orphan_budget"


def test_what_filled_alone_after_midnight_counts_that_day_and_not_the_next(twin: Twin, time: UnhurriedClock) -> None:
    maker = _maker(orphan_budget_day=20 * world.DOLLAR, quote_count=3_000)
    position = quoted.begun(twin, maker, count=3_000)
    time.sleep(40)
    twin.sync()
    price, count = quoted.resting(position)[twin.markets[0]]
    quoted.sell_no(twin, 0, price, quoted.DEPTH + count)
    Profile.objects.update(quoting="none")
    for _ in range(3):
        position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("open", "orphans_held")
    assert 7 * world.DOLLAR < position.orphan_limit < 20 * world.DOLLAR
    Profile.objects.update(quoting="all_legs")
    maker.refresh_from_db()
    assert _denied(_beside(twin, maker)) == "orphan_budget"
    time.sleep(86_400)
    reconcile.run("live", "test")
    begun = executor.execute(_beside(twin, maker, "KXT-3").pk)
    assert begun is not None, Denial.objects.values_list("code", "detail")
    assert begun.status == "quoting"


@pytest.mark.parametrize("limit", ["orphan_budget_day", "max_quotes"])
def test_a_limit_that_is_lowered_withdraws_what_is_beyond_it(twin: Twin, time: UnhurriedClock, limit: str) -> None:
    maker = _maker(orphan_budget_day=60 * world.DOLLAR, max_quotes=3)
    first = quoted.begun(twin, maker)
    second = executor.execute(_beside(twin, maker).pk)
    assert second is not None
    assert second.status == "quoting"
    Profile.objects.update(**{limit: {"orphan_budget_day": 30 * world.DOLLAR, "max_quotes": 1}[limit]})
    code = {"orphan_budget_day": "orphan_budget", "max_quotes": "quotes_at_once"}[limit]
    second = quoted.step(twin, second)
    assert (second.status, second.close_code) == ("aborted", code)
    first = quoted.step(twin, first)
    assert first.status == "quoting", "what is left is inside"
    assert quoted.resting(first)
    quoted.agree(maker)


def test_a_basket_that_was_open_and_is_being_exited_takes_no_place_among_the_quotes(
    twin: Twin, time: UnhurriedClock
) -> None:
    maker = _maker(max_quotes=2, orphan_budget_day=60 * world.DOLLAR)
    position = quoted.begun(twin, maker)
    other = executor.execute(_beside(twin, maker).pk)
    assert other is not None
    Position.objects.filter(pk=other.pk).update(status="exiting", opened_at=clock.now())
    Profile.objects.update(max_quotes=1)
    assert PositionHoldings().committed(maker).now().quotes == 1
    position = quoted.step(twin, position)
    assert (position.status, position.close_code) == ("quoting", "")
