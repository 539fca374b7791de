"""From nothing to the first result in a real browser: a person who does what the pages say comes to no dead end.

What a page says to type is typed (in this process); the exchange is the twin, with one event that costs less than it pays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse

from kalbot.common import cache
from kalbot.common.messages import QUEUES
from kalbot.console.ops.health import heartbeats
from markets.catalogue.scan import scan
from markets.models import Certificate, Event, Market, Scan, Series
from strategies.cycle import cycle
from strategies.models import Decision, Profile, Verdict
from strategies.screening import screening
from tests.browser import pages
from tests.browser.test_every_page import settled
from tests.markets.exchange import NOTE, RULE
from tests.trading import world
from tests.trading.twin import Twin
from trading.closing import settlement
from trading.execution import executor
from trading.models import Position

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SERIES = "KXHIGHMIA"
PASSWORD = "let-me-in-please"
STRIKES = (
    ("less", None, 80, "79° or below", "less than 80°"),
    ("between", 80, 81, "80° to 81°", "between 80-81°"),
    ("greater", 81, None, "82° or above", "greater than 81°"),
)


@pytest.fixture
def twin(transactional_db: None, redis_db: object, settings: Any) -> Twin:
    """The exchange of a new installation: a day's temperature whose outcomes cost 96 cents together. Nothing of it is known here."""
    cache.prices().flushdb()
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    call_command("migrate", verbosity=0)
    found = Twin(f"{SERIES}-26JUL16")
    listed = found.exchange.events[found.event]
    listed.series_ticker = SERIES
    series = found.exchange.series[SERIES] = found.exchange.series.pop("KXT")
    series.ticker = SERIES
    listed.title, listed.category = "Highest temperature in Miami?", "Climate and Weather"
    close = found.exchange.now() + 2 * 86_400_000
    for kind, low, high, name, rule in STRIKES:
        ticker = found.add_market([(2_900, 10_000)], [(3_000, 10_000)])
        market = found.exchange.markets[ticker]
        market.strike_type, market.floor_strike, market.cap_strike = kind, low, high
        market.series_ticker, market.title = SERIES, ""
        market.close_ms = market.expected_ms = market.latest_ms = close
        market.yes_sub_title = market.no_sub_title = name
        market.rules_primary, market.rules_secondary = RULE.format(rule), NOTE
    for model in (Certificate, Market, Event, Series):
        model.objects.all().delete()
    return found


@pytest.fixture
def page(browser: Any, live_server: Any, twin: Twin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The first person's page. In the end: no console error, no failed request, no other host."""
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", username="first", email="first@example.org", verbosity=0)
    assert User.objects.count() == 1
    wrong: list[str] = []
    found = pages.open_page(browser, live_server.url, 1440, wrong)
    pages.log_in(found, "first", PASSWORD)
    yield found
    found.context.close()
    assert wrong == []


def _step(page: Any) -> tuple[str, str]:
    """Title and command of the step that is to be done now; empty when all are done."""
    page.goto(reverse("admin:first_run"))
    settled(page)
    now = page.locator("#first-run li.k-now")
    if not now.count():
        return "", ""
    command = now.locator("pre")
    return now.locator("strong").inner_text(), command.inner_text() if command.count() else ""


def _leads_on(page: Any) -> None:
    """A page in its own words with a way on beside the menu, and no wider than the screen."""
    settled(page)
    content = page.locator("#main, main, #content").first
    assert content.locator("a:visible, button:visible, pre:visible").count(), page.url
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, page.url


def _do_what_is_said(page: Any, twin: Twin) -> list[str]:
    """Take the steps of a new installation in the order of the page; returns their titles."""
    taken: list[str] = []
    while len(taken) < 10:
        title, command = _step(page)
        if not title or title in taken or title == "Approved contract terms":
            return taken
        taken.append(title)
        match command.split("\n")[0]:
            case "python manage.py seed" | "python manage.py seed_schedules":
                call_command(command.split()[-1], verbosity=0)
            case line if line.startswith("celery -A kalbot worker"):
                for who in (*QUEUES, heartbeats.BEAT):
                    heartbeats.show_life(who, worker=f"{who}@first")
            case "python manage.py stream":
                world.publish("nothing yet", {})
            case "python manage.py scan":
                assert scan(twin.client()).status == Scan.Status.DONE
            case other:
                raise AssertionError(f"{title}: nobody knows what to do with {other!r}")
    return taken


def _first_profile(page: Any) -> Profile:
    """A profile of one's own by a preset, switched on, from the list that the first step leads to."""
    page.goto(reverse("admin:first_run"))
    page.locator("#first-run").get_by_role("link", name="Profiles and roles").click()
    page.get_by_role("link", name=re.compile("Add profile")).first.click()
    page.get_by_role("link", name="Paper trial").click()
    page.wait_for_url("**preset=paper-trial")
    page.locator("#id_name").fill("mine")
    page.locator("#id_is_active").check()
    page.locator("#id_reason").fill("to see what it does")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/profile/")
    assert page.get_by_text("mine").count()
    return Profile.objects.get(name="mine")


def test_who_does_what_the_pages_say_comes_from_nothing_to_a_first_result(
    page: Any, twin: Twin, screenshot: Any
) -> None:
    assert page.get_by_text("Nothing has been seen or bought yet").count()
    screenshot(page, "first-landing")
    taken = _do_what_is_said(page, twin)
    assert taken == ["Profiles and roles", "Workers and beat", "Live prices", "The first scan"]
    profile = _first_profile(page)
    Profile.objects.exclude(pk=profile.pk).update(is_active=False)

    world.exchange_open()
    twin.sync()
    screening.screen(Scan.objects.latest("pk").pk)
    verdict = Verdict.objects.get(profile=profile)
    assert verdict.status == "candidate", list(Certificate.objects.values("status", "kind", "reason", "grade"))
    for name in ("admin:index", "admin:why"):
        page.goto(reverse(name))
        _leads_on(page)
    page.goto(reverse("admin:why"))
    page.get_by_role("link", name="watched on live prices").click()
    _leads_on(page)
    page.get_by_role("link", name=re.compile("Highest temperature in Miami")).first.click()
    _leads_on(page)
    screenshot(page, "first-candidate")

    cycle.run()
    position = executor.execute(Decision.objects.get(profile=profile).pk)
    assert position is not None
    page.goto(reverse("admin:index"))
    settled(page)
    page.get_by_role("link", name=re.compile("Highest temperature in Miami")).first.click()
    _leads_on(page)
    assert page.get_by_text("Open", exact=True).count()
    screenshot(page, "first-position")

    twin.finish(twin.markets[1])
    Market.objects.filter(pk=twin.markets[1]).update(status="finalized", result="yes", settlement_value_e6=world.DOLLAR)
    Market.objects.exclude(pk=twin.markets[1]).update(status="finalized", result="no", settlement_value_e6=0)
    assert settlement.run()
    gained = Position.objects.get(pk=position.pk).realised
    assert gained > 0
    page.goto(reverse("admin:results"))
    _leads_on(page)
    assert page.get_by_role("heading", name="Realised profit of mine").count()
    empty_cells = page.locator("td.k-no-value")
    assert empty_cells.count() > 3
    assert empty_cells.first.evaluate("one => getComputedStyle(one).borderLeftWidth") == "0px", "a figure has no frame"
    assert page.get_by_text(f"${gained / 1_000_000:.2f}").count()
    screenshot(page, "first-results")
