"""The capital page: what is locked by what until when, what idle money waits for, what locked money has earned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from kalbot.common import clock
from strategies.models import Hurdle, Verdict
from trading.accounting import balance_check, locked, results
from trading.models import ACTIVE, Position

Login = Callable[..., Client]
pytestmark = pytest.mark.django_db


def test_locked_and_free_are_all_of_the_capital(sample: dict[str, Any]) -> None:
    """Free, locked and realised of the ledger tie, less what was returned."""
    for profile in {position.profile for position in Position.objects.all()}:
        found = locked.capital_of(profile, clock.now())
        assert found.free + found.in_positions == found.total, profile
        assert {one.position.pk for one in found.locked} == set(
            Position.objects.filter(profile=profile, status__in=ACTIVE).values_list("pk", flat=True)
        )
        assert found.total == balance_check.summary(profile)["starting"] + balance_check.summary(profile)["realised"]


def test_an_average_is_shown_to_the_cent(sample: dict[str, Any], login: Any) -> None:
    rows = login("viewer").get(reverse("admin:capital")).context["rows"]
    averages = [week.locked for row in rows for _, week, _, _ in row["weeks"]]
    assert any(averages)
    assert all(average % 10_000 == 0 for average in averages)


def test_weeks_add_up_to_what_was_realised(sample: dict[str, Any]) -> None:
    for profile in {position.profile for position in Position.objects.all()}:
        found = locked.capital_of(profile, clock.now(), weeks=60)
        assert sum(week.realised for week in found.weeks) == balance_check.summary(profile)["realised"]


def test_the_page_says_what_waits_and_why(sample: dict[str, Any], login: Login) -> None:
    careful = sample["careful"]
    now = clock.now()
    Hurdle.objects.create(profile=careful, return_a_day=0.0123, opportunities=30, since=now - timedelta(days=3), at=now)
    verdict = Verdict.objects.filter(profile=careful).first()
    assert verdict is not None
    Verdict.objects.filter(pk=verdict.pk).update(live_constraint="hurdle", live_at=now)
    answer = login("viewer").get(reverse("admin:capital"))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "1.23" in text
    assert "1 in the last hour: it returns less than its capital is expected to earn elsewhere" in text
    assert "Expected back" in text
    assert "Waits for money" in text
    assert f'<small class="k-quiet">{verdict.event_id}</small></td><td>it returns less than' in text


def test_returns_of_a_young_installation_are_called_what_they_are(sample: dict[str, Any], login: Login) -> None:
    """Few ended baskets, or a week in which the first was bought: the page says that the return means little."""
    profile = Position.objects.filter(realised__gt=0).latest("id").profile
    weeks = [week for week in locked.capital_of(profile, clock.now()).weeks if week.realised or week.locked]
    assert weeks
    assert all(week.says_little for week in weeks)
    assert "The dimmed returns say little" in login("viewer").get(reverse("admin:capital")).content.decode()
    week = locked.Week(clock.now(), realised=1, locked=1, ended=results.FEW)
    assert not week.says_little
    assert replace(week, partly=True).says_little
    assert replace(week, ended=results.FEW - 1).says_little
