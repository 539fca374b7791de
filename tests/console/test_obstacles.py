"""What stops everything is named first: on the banner of every page, on the dashboard, on *Why not?* and in the list of profiles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from kalbot.common import cache, clock, messages
from kalbot.console.ops import exchange_status, heartbeats, schedules, status
from kalbot.console.pages import dashboard, obstacles
from kalbot.console.pages.reading import Reading
from markets import prices
from strategies.models import Profile
from trading.models import Lock
from trading.safety import halt

Login = Callable[..., Client]


@pytest.fixture
def working(sample: dict[str, Any]) -> dict[str, Any]:
    """The sample with every schedule in place and somebody at work on every queue, so that nothing stops trading."""
    schedules.seed()
    for who in (*messages.QUEUES, heartbeats.BEAT):
        heartbeats.show_life(who, worker=f"{who}@sample")
    Profile.objects.filter(mode="live").update(is_active=False)
    return sample


def banner(client: Client) -> str:
    """The banner of a page."""
    page = client.get(reverse("admin:time_zone")).content.decode()
    return page[page.index("k-banner") : page.index("k-banner-end")]


def test_nothing_stops_a_sound_installation(working: dict[str, Any], login: Login) -> None:
    assert obstacles.found() == []
    assert "ACTIVE<" in banner(login("viewer"))
    assert dashboard.why_not(Reading())["state"] == "ok"


def a_lock(sample: dict[str, Any]) -> None:
    Lock.objects.create(code="residual", reason="position #7: no bid", until=clock.now() + timedelta(minutes=5))


def a_halt(sample: dict[str, Any]) -> None:
    halt.set_state(state="halted", actor="rita", reason="odd prices")


def reducing(sample: dict[str, Any]) -> None:
    halt.set_state(state="reducing", actor="rita", reason="thin books")


def no_feed(sample: dict[str, Any]) -> None:
    cache.prices().delete(f"{prices.LEASE_KEY}0")


def a_pause(sample: dict[str, Any]) -> None:
    exchange_status.keep(exchange_status.Outside(clock.now_ms(), trading=False))


def a_disabled_cycle(sample: dict[str, Any]) -> None:
    PeriodicTask.objects.filter(task=messages.RUN_CYCLE).update(enabled=False)


def no_worker(sample: dict[str, Any]) -> None:
    cache.prices().delete(f"{heartbeats.KEY}execution")


def no_beat(sample: dict[str, Any]) -> None:
    cache.prices().delete(f"{heartbeats.KEY}{heartbeats.BEAT}")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (a_lock, ["contracts could not be sold", "position #7: no bid", "a risk manager may lift it"]),
        (a_halt, ["odd prices", "HALTED"]),
        (reducing, ["thin books", "REDUCING"]),
        (no_feed, ["No prices"]),
        (a_pause, ["The exchange has stopped trading"]),
        (a_disabled_cycle, ["Schedule “strategy cycle” is disabled"]),
        (no_worker, ["No sign of life of execution"]),
        (no_beat, ["No sign of life of beat"]),
    ],
)
def test_what_stops_everything_is_named_everywhere(
    cause: Callable[[dict[str, Any]], None], words: list[str], working: dict[str, Any], login: Login
) -> None:
    cause(working)
    client = login("viewer")
    shown = banner(client)
    assert "ACTIVE<" not in shown
    for word in words:
        assert word in shown
    assert dashboard.why_not(Reading())["state"] == "bad"
    why = client.get(reverse("admin:why"), {"profile": "careful"}).content.decode()
    assert "Stopped before any filter" in why
    assert "stopped" in client.get(reverse("admin:strategies_profile_changelist")).content.decode()


def test_a_lock_of_one_profile_is_named_with_it(working: dict[str, Any], login: Login) -> None:
    until = clock.now() + timedelta(minutes=5)
    Lock.objects.create(profile=working["careful"], code="loss_streak", reason="four in a row", until=until)
    client = login("viewer")
    assert "careful is locked: one loss after another" in banner(client)
    assert dashboard.why_not(Reading())["state"] == "warn"
    page = client.get(reverse("admin:strategies_profile_changelist")).content.decode()
    assert "careful is locked" in page


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_open_positions": 2}, "careful buys nothing new: The profile has as many positions as it may"),
        ({"max_open_positions": 3}, ""),
    ],
)
def test_a_limit_that_denies_every_basket_is_named_with_its_profile(
    limit: dict[str, int], words: str, working: dict[str, Any], login: Login
) -> None:
    Profile.objects.filter(name="careful").update(**limit)
    client = login("viewer")
    shown = [
        banner(client),
        client.get(reverse("admin:why"), {"profile": "careful"}).content.decode(),
        client.get(reverse("admin:strategies_profile_changelist")).content.decode(),
    ]
    assert all(words in one if words else "buys nothing new" not in one for one in shown)
    assert dashboard.why_not(Reading())["state"] == ("warn" if words else "ok")


def test_it_is_not_simply_safe_under_a_lock(working: dict[str, Any]) -> None:
    assert dashboard.safe(Reading())["answer"] == "No"  # the sample holds an unexplained difference
    working["held"].profile.discrepancies.model.objects.update(resolved_at=clock.now())
    assert dashboard.safe(Reading())["answer"] == "Yes"
    a_lock(working)
    assert dashboard.safe(Reading())["answer"] == "Limited"


def test_schedules_that_do_not_run_are_red(working: dict[str, Any]) -> None:
    assert part("schedules").state == status.OK
    PeriodicTask.objects.filter(task=messages.SWEEP).update(enabled=False)
    assert (part("schedules").state, part("schedules").sentence) == (status.BAD, "sweep is disabled.")
    PeriodicTask.objects.filter(task=messages.SWEEP).delete()
    assert part("schedules").sentence == "sweep is missing."


def part(name: str) -> status.Part:
    """One part of the status by its name."""
    return next(one for one in status.check() if one.name == name)
