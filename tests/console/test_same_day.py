"""One day live, on paper and replayed: what belongs to it, whose it is, and what may be compared."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from backtest import runs
from backtest.models import BacktestRun
from backtest.replay import session
from backtest.studies import same_day
from kalbot.common import clock
from kalbot.console.pages.results.same_day import chosen_day, lines
from markets.tape.coverage import coverage
from markets.tape.reader import Tape
from strategies.models import Profile
from tests.backtest.tapes import options, planted
from trading.models import Position


@pytest.fixture
def replayed(sample: dict[str, Any], tmp_path: Path) -> tuple[Profile, date]:
    """A profile with a kept replay of its name, and the day of that replay in UTC."""
    profile = sample["careful"]
    Profile.objects.filter(pk=profile.pk).update(day_zone="UTC")
    profile.refresh_from_db()
    tape = planted(tmp_path)
    kept = runs.save(session.run(options(tape)), coverage(Tape.open(tape)))
    BacktestRun.objects.filter(pk=kept.pk).update(profile=profile.name)
    return profile, kept.first_at.date()


def test_a_replay_stands_beside_what_was_traded_with_the_hours_that_it_covers(replayed: tuple[Profile, date]) -> None:
    profile, day = replayed
    found = {side.name: side for side in same_day.sides(profile, day)}
    side = found["replayed"]
    assert side.run is not None
    assert (side.baskets, side.profit, side.open) == (1, side.run.profit, 0)
    assert side.fees == side.run.fees
    assert 0 < (side.hours or 0) < 1
    assert found["paper"].baskets == 0
    assert [name for name in found if name == "live"] == []
    assert all(side.name != "replayed" for side in same_day.sides(profile, day + timedelta(days=1)))


def test_what_was_traded_is_counted_once_a_basket_and_by_the_day_of_its_beginning(sample: dict[str, Any]) -> None:
    position = Position.objects.filter(legs__bought_count__gt=0).first()
    assert position is not None
    profile = position.profile
    day = position.created_at.date()
    Profile.objects.filter(pk=profile.pk).update(day_zone="UTC")
    profile.refresh_from_db()
    since, until = same_day.bounds(profile, day)
    begun = Position.objects.filter(profile=profile, created_at__gte=since, created_at__lt=until)
    (side,) = (side for side in same_day.sides(profile, day) if side.profile == profile and side.run is None)
    assert side.profit == sum(one.realised for one in begun)
    assert side.fees == sum(one.fees for one in begun)
    assert side.spent == sum(leg.bought_cost for one in begun for leg in one.legs.all())
    assert side.baskets == sum(any(leg.bought_count for leg in one.legs.all()) for one in begun) > 0


def test_a_day_in_which_the_clocks_change_has_its_own_length(sample: dict[str, Any]) -> None:
    profile = sample["careful"]
    profile.day_zone = "America/New_York"
    lengths = [same_day.bounds(profile, day) for day in (date(2026, 3, 8), date(2026, 11, 1), date(2026, 7, 1))]
    assert [(end.timestamp() - start.timestamp()) / 3600 for start, end in lengths] == [23, 25, 24]


def test_profiles_with_other_settings_stand_not_beside_it(sample: dict[str, Any]) -> None:
    profile = sample["careful"]
    profile.refresh_from_db()
    twin = Profile.objects.get(pk=profile.pk)
    twin.pk, twin.name = None, "same"
    twin.save()
    assert {one.name for one in same_day.alike(profile)} >= {profile.name, "same"}
    Profile.objects.filter(pk=twin.pk).update(min_profit=profile.min_profit + 1)
    assert "same" not in {one.name for one in same_day.alike(profile)}


def test_the_page_shows_the_day_of_its_query_and_nothing_is_compared_without_baskets_on_both(
    replayed: tuple[Profile, date], login: Any
) -> None:
    profile, day = replayed
    client = login("viewer")
    shown = client.get(reverse("admin:same_day", args=[profile.pk]), {"day": str(day)}).content.decode()
    for text in (f"The same day of {profile.name}", "replayed", "not kept by day", "24 hours"):
        assert text in shown
    assert client.get(reverse("admin:same_day", args=[profile.pk]), {"day": "nonsense"}).status_code == 200
    assert dict(lines(same_day.sides(profile, day)))["Made more than the first"] == ["", ""]
    assert chosen_day("2026-02-30") == clock.now().date() - timedelta(days=1)


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01", "1970-01-01", "", "soon", "20260229", "2026-11-28 "])
def test_a_day_on_which_nobody_traded_is_yesterday(text: str) -> None:
    assert chosen_day(text) == clock.now().date() - timedelta(days=1)
