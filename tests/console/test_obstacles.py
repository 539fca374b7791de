"""What stops everything is named first: on the banner of every page, on the dashboard, on *Why not?* and in the list of profiles."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from kalbot.common import cache, clock, messages
from kalbot.console.api import reads
from kalbot.console.ops import money_metrics, schedules
from kalbot.console.ops.health import exchange_status, heartbeats, status
from kalbot.console.pages.home import dashboard, obstacles
from kalbot.console.pages.home.reading import Reading
from markets import exchange_hours, prices
from markets.kalshi.schemas.exchange import ExchangeStatus, Schedule
from strategies.models import Profile
from tests.trading.world import exchange_open
from trading.accounting import ledger
from trading.models import Discrepancy, ExchangeAccount, Lock, ProfileBalance, Reconciliation
from trading.safety import halt

pytestmark = pytest.mark.alike

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


def test_the_page_from_which_trading_is_run_names_a_profile_s_lock_in_its_row(
    working: dict[str, Any], login: Login
) -> None:
    until = clock.now() + timedelta(minutes=5)
    Lock.objects.create(profile=working["careful"], code="loss_streak", reason="four in a row", until=until)
    page = login("risk manager").get(reverse("admin:operate")).content.decode()
    row = next(one for one in page.split("<tr>") if f">{working['careful']}</a>" in one)
    assert f"{working['careful'].name} is locked: " in row
    assert "four in a row" in row


def a_lock(sample: dict[str, Any]) -> None:
    Lock.objects.create(code="residual", reason="position #7: no bid", until=clock.now() + timedelta(minutes=5))


def a_halt(sample: dict[str, Any]) -> None:
    halt.set_state(state="halted", actor="rita", reason="odd prices")


def reducing(sample: dict[str, Any]) -> None:
    halt.set_state(state="reducing", actor="rita", reason="thin books")


def no_feed(sample: dict[str, Any]) -> None:
    cache.prices().delete(f"{prices.LEASE_KEY}0")


def a_pause(sample: dict[str, Any]) -> None:
    shut = ExchangeStatus(
        exchange_active=True, trading_active=False, transfers_active=True, estimated_resume=None, indexes=()
    )
    exchange_hours.keep(exchange_hours.Answer(clock.now_ms(), shut, Schedule((), ())))


def a_disabled_cycle(sample: dict[str, Any]) -> None:
    PeriodicTask.objects.filter(task=messages.RUN_CYCLE).update(enabled=False)


def no_worker(sample: dict[str, Any]) -> None:
    cache.prices().delete(f"{heartbeats.KEY}execution")


def no_profile(sample: dict[str, Any]) -> None:
    Profile.objects.update(is_active=False)


def no_beat(sample: dict[str, Any]) -> None:
    cache.prices().delete(f"{heartbeats.KEY}{heartbeats.BEAT}")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (a_lock, ["contracts could not be sold", "position #7: no bid", "a risk manager may lift it"]),
        (a_halt, ["odd prices", "HALTED"]),
        (reducing, ["thin books", "REDUCING"]),
        (no_feed, ["No prices"]),
        (a_pause, ["The exchange takes no orders", "shard 0 takes no orders"]),
        (a_disabled_cycle, ["Schedule “strategy cycle” is disabled"]),
        (no_worker, ["No sign of life of execution"]),
        (no_profile, ["No profile is switched on"]),
        (no_beat, ["No sign of life of beat"]),
    ],
)
def test_what_stops_everything_is_named_everywhere(
    cause: Callable[[dict[str, Any]], None], words: list[str], working: dict[str, Any], login: Login
) -> None:
    cause(working)
    client, first = login("viewer"), obstacles.found()[0]
    shown = banner(client)
    assert "ACTIVE<" not in shown
    for word in words:
        assert word in shown
    assert dashboard.safe(Reading())["detail"].count(first.title) == 1
    assert (dashboard.why_not(Reading())["state"], dashboard.why_not(Reading())["answer"]) == ("bad", first.title)
    why = client.get(reverse("admin:why"), {"profile": "careful"}).content.decode()
    assert "Stopped before any filter" in why
    if cause is not no_profile:
        assert first.title in client.get(reverse("admin:strategies_profile_changelist")).content.decode()
    assert reads.system().stops[0].title == first.title
    assert {one.stops[0].title for one in reads.profiles()} == {first.title}
    assert ({"code": str(first.code), "profile": ""}, 1.0) in stopped()
    out = io.StringIO()
    call_command("explain", working["events"][0].ticker, "--profile", "careful", stdout=out)
    assert out.getvalue().splitlines()[0].startswith(f"Stopped before any filter: {first.title} (")


def stopped() -> list[tuple[dict[str, str], float]]:
    """The samples of the metric."""
    return [(one.labels, one.value) for metric in money_metrics.stopped() for one in metric.samples]


def test_causes_together_are_named_in_one_order(working: dict[str, Any], login: Login) -> None:
    for cause in (no_feed, a_lock, a_disabled_cycle, no_worker, a_pause, reducing):
        cause(working)
    codes = ["reducing", "locked", "feed", "workers", "exchange", "schedule"]
    assert [str(one.code) for one in obstacles.found()] == codes
    assert [one.code for one in reads.system().stops] == codes
    shown = banner(login("viewer"))
    places = [shown.index(one.title) for one in obstacles.found() if one.code != "reducing"]
    assert places == sorted(places)


def spent(sample: dict[str, Any]) -> None:
    """Fifty cents are left: one contract of a basket that pays a dollar costs more."""
    ledger.ensure_funded(sample["careful"])
    balance = ledger.balance_of(sample["careful"])
    left = 500_000 - balance.capital - sample["careful"].working
    reserved = balance.reserved + balance.cash - left
    ProfileBalance.objects.filter(pk=balance.pk).update(cash=left, reserved=reserved)


def a_clock_behind(sample: dict[str, Any]) -> None:
    live(sample)
    exchange_status.keep(exchange_status.Outside(clock.now_ms(), skew_ms=-60_000))


def live(sample: dict[str, Any]) -> None:
    """The live profile is switched on, and its account was compared a moment ago."""
    Profile.objects.filter(mode="live").update(is_active=True)
    Discrepancy.objects.update(resolved_at=clock.now())
    now = clock.now()
    Reconciliation.objects.create(mode="live", started_at=now, finished_at=now)
    ExchangeAccount.objects.update_or_create(subaccount=0, defaults={"opening": 0, "balance": 10**9, "seen_at": now})
    exchange_open()


def an_empty_account(sample: dict[str, Any]) -> None:
    live(sample)
    ExchangeAccount.objects.update(balance=0)


@pytest.mark.parametrize(
    ("cause", "code", "name"),
    [
        (spent, "capital", "careful"),
        (a_clock_behind, "clock_skew", "live"),
        (an_empty_account, "shard_cash", "live"),
    ],
)
def test_what_denies_a_profile_every_basket_is_its_first_obstacle(
    cause: Callable[[dict[str, Any]], None], code: str, name: str, working: dict[str, Any], settings: Any
) -> None:
    settings.KALBOT_LIVE = True
    live(working)
    profile = Profile.objects.get(name=name)
    assert obstacles.found(profile) == []
    cause(working)
    assert [str(one.code) for one in obstacles.found(profile)] == [code]
    assert (name, code) in {(one["profile"], one["code"]) for one, _ in stopped()}


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


def test_a_schedule_that_runs_too_rarely_is_red_though_it_is_on(working: dict[str, Any]) -> None:
    """A sweep once a day is as good as none, and every screen was green."""
    day, _ = IntervalSchedule.objects.get_or_create(every=1, period="days")
    often, _ = IntervalSchedule.objects.get_or_create(every=5, period="minutes")
    rows = PeriodicTask.objects.filter(task=messages.SWEEP)
    rows.update(interval=often)
    assert part("schedules").state == "ok"
    rows.update(interval=day)
    assert part("schedules").sentence == "sweep is too rare."
    assert part("schedules").state == "bad"
    found = next(one for one in obstacles.found() if one.code == "schedule")
    assert found.why == "runs every 1 d, planned is every 2 s"


def part(name: str) -> status.Part:
    """One part of the status by its name."""
    return next(one for one in status.check() if one.name == name)


def test_a_lock_whose_reason_is_its_name_says_it_once(working: dict[str, Any]) -> None:
    until = clock.now() + timedelta(minutes=5)
    Lock.objects.create(code="feed_gap", reason="the price feed reconnected", until=until)
    (found,) = obstacles.found()
    assert (found.title, found.why) == ("Every profile is locked", "the price feed reconnected")


def test_profiles_that_the_same_thing_stops_share_a_line(working: dict[str, Any], login: Login) -> None:
    until = clock.now() + timedelta(minutes=5)
    for name in ("careful", "balanced"):
        Lock.objects.create(profile=Profile.objects.get(name=name), code="loss_streak", reason="lost", until=until)
        Profile.objects.filter(name=name).update(is_active=True)
    shown = banner(login("viewer"))
    assert "balanced, careful: is locked" in shown
    assert shown.count("is locked") == 1


def test_the_banner_is_not_green_while_one_of_several_profiles_is_stopped(
    working: dict[str, Any], login: Login
) -> None:
    client, until = login("viewer"), clock.now() + timedelta(minutes=5)
    Profile.objects.filter(name="balanced").update(is_active=True)
    count = Profile.objects.filter(is_active=True).count()
    assert "k-banner-active" in banner(client)
    Lock.objects.create(profile=working["careful"], code="loss_streak", reason="lost", until=until)
    shown = banner(client)
    assert f"ACTIVE, BUT 1 OF {count} PROFILES STOPPED" in shown
    assert "k-banner-partly" in shown
    for profile in Profile.objects.filter(is_active=True).exclude(name="careful"):
        Lock.objects.create(profile=profile, code="loss_streak", reason="lost", until=until)
    assert "ACTIVE, BUT STOPPED" in banner(client)
