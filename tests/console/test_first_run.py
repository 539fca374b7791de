"""An empty installation says what is missing and how to get it; one that works does not speak of first steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from kalbot.common import cache, clock
from kalbot.console.ops import schedules
from kalbot.console.ops.health import heartbeats, status
from kalbot.console.pages.home import first_run
from markets.models import Scan
from strategies.models import Profile

Login = Callable[..., Client]


@pytest.fixture
def empty(db: None, redis_db: object, settings: Any) -> Any:
    """Nothing at all: no profile, no schedule, no key, no price."""
    cache.prices().flushdb()
    settings.KALSHI_KEY_ID = settings.KALSHI_PRIVATE_KEY_PATH = settings.KALSHI_PRIVATE_KEY = ""
    settings.KALSHI_REST_URL = "https://external-api.demo.kalshi.co/trade-api/v2"
    return settings


def home(client: Client) -> str:
    """The landing page, without what surrounds it."""
    page = client.get(reverse("admin:index")).content.decode()
    return page[page.index("k-page") :]


def undone() -> list[str]:
    """The titles of the steps that are not done."""
    return [step.title for step in first_run.steps() if not step.done]


def test_an_empty_installation_names_every_step_and_how_to_take_it(empty: Any, login: Login) -> None:
    page = home(login("viewer"))
    for words in (
        "Nothing has been seen or bought yet",
        "python manage.py seed",
        "KALSHI_KEY_ID=",
        "celery -A kalbot beat",
        "python manage.py stream",
        "bin/demo",
        "python manage.py backtest --tape",
        "Approved contract terms",
    ):
        assert words in page, words
    assert "part-positions" not in page, "no empty lists"
    assert len(undone()) == 7


def test_each_step_is_done_when_what_it_names_is_there(empty: Any) -> None:
    Profile.objects.create(name="careful")
    schedules.seed()
    empty.KALSHI_KEY_ID, empty.KALSHI_PRIVATE_KEY_PATH = "a-key", "/keys/a.pem"
    left = undone()
    assert left == ["Workers and beat", "Live prices", "The first scan", "Approved contract terms"]
    Scan.objects.create(started_at=clock.now(), status="failed", error="401 by the exchange")
    assert "401 by the exchange" in next(step.how for step in first_run.steps() if step.title == "The first scan")
    Scan.objects.create(started_at=clock.now(), status="done")
    assert "The first scan" not in undone()


def test_what_has_scanned_once_is_not_new(empty: Any, login: Login) -> None:
    client = login("viewer")
    Scan.objects.create(started_at=clock.now(), status="done")
    assert "first-run" not in home(client)
    page = client.get(reverse("admin:first_run")).content.decode()
    assert "Nothing has been seen" not in page
    assert "Not everything is in place yet" in page


def test_somebody_without_a_role_reads_that_alone(empty: Any) -> None:
    newcomer = Client()
    newcomer.force_login(User.objects.create_user("newcomer", is_staff=True))
    assert re.search("You have no role yet", home(newcomer))
    assert "first-run" not in home(newcomer)
    assert newcomer.get(reverse("admin:first_run")).status_code == 403


def test_without_a_key_the_status_says_that_nothing_is_bought(empty: Any) -> None:
    assert (status.key().state, "no live prices" in status.key().sentence) == (status.WARN, True)
    empty.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    assert status.key().state == status.OK


def test_workers_that_run_but_are_stuck_are_not_to_be_started_again(empty: Any, login: Login) -> None:
    client = login("viewer")
    assert "Now:" not in home(client), "nothing was started yet"
    heartbeats.show_life("default", worker="general@first")
    assert "Now: No sign of life on " in home(client)


def test_on_the_simulator_nobody_is_sent_to_the_demo(empty: Any, login: Login) -> None:
    client = login("viewer")
    assert "bin/demo" in home(client)
    empty.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    assert "bin/demo" not in home(client)
