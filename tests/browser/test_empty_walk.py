"""A new installation in a real browser: every page of an empty database says what is missing, and from there to the first profile, the
first scan of the simulated exchange and the first candidate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import addresses
import pytest
import sample_rows
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse

from kalbot.common import cache
from kalbot.console.ui.empty_lists import FILLED_BY
from strategies.models import Profile, Verdict
from strategies.screening import screening
from tests.browser import pages
from tests.browser.test_every_page import settled
from tests.simulator.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OWN = {
    "why": "No profile is active",
    "open_positions": "No open position",
    "results": "",
    "exports": "",
    "quotes": "",
    "families": "",
    "scoreboard": "",
    "shadows": "",
    "capital": "",
    "operate": "",
    "backtests": "",
    "profile_compare": "",
    "first_run": "Nothing has been seen or bought yet",
}
"""Our own pages, by name, and words that they must have on an empty database; each has at least one sentence in place of its rows."""


@pytest.fixture
def empty(transactional_db: None, redis_db: object, settings: Any) -> Any:
    """Nothing but a person: no profile, no key, no price."""
    cache.prices().flushdb()
    settings.KALSHI_KEY_ID = settings.KALSHI_PRIVATE_KEY_PATH = settings.KALSHI_PRIVATE_KEY = ""
    call_command("migrate", verbosity=0)
    sample_rows.person("chief")
    return settings


@pytest.fixture
def chief(browser: Any, live_server: Any, empty: Any) -> Iterator[Any]:
    """The first person's page. In the end: no console error, no failed request, no other host."""
    wrong: list[str] = []
    page = pages.open_page(browser, live_server.url, 1440, wrong)
    pages.log_in(page, "chief", "let-me-in-please")
    yield page
    page.context.close()
    assert wrong == []


def test_every_list_and_page_of_an_empty_database_says_what_fills_it(chief: Any, screenshot: Any) -> None:
    missing = []
    for words in ("Nothing has been seen or bought yet", "manage.py seed", "bin/demo", "manage.py backtest --tape"):
        assert chief.get_by_text(re.compile(re.escape(words))).count(), words
    screenshot(chief, "empty-landing")
    lists = {
        reverse(f"admin:{one._meta.label_lower.replace('.', '_')}_changelist"): one for one in admin.site._registry
    }
    for address, model in lists.items():
        chief.goto(address)
        if model._default_manager.exists():
            continue
        sentence = FILLED_BY[model._meta.label_lower]
        if sentence not in chief.locator("#content, main").first.inner_text():
            missing.append(f"{model._meta.label_lower}: not {sentence!r}")
    for name, words in OWN.items():
        chief.goto(reverse(f"admin:{name}"))
        settled(chief)
        text = chief.locator("body").inner_text()
        if words not in text:
            missing.append(f"{name}: not {words!r} in {text[-1500:]!r}")
        beyond = chief.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        missing += [f"{name}: {beyond} px too wide"] if beyond > 0 else []
        screenshot(chief, f"empty-{name}")
    assert missing == [], "\n".join(missing)
    named = {one.name for one in addresses.every()}
    assert set(OWN) <= named


def test_from_nothing_to_the_first_candidate(chief: Any, empty: Any, tmp_path: Path, screenshot: Any) -> None:
    chief.goto("/admin/")
    undone = chief.locator("body").inner_text()
    assert "Profiles and roles" in undone
    call_command("seed", verbosity=0)
    chief.goto("/admin/strategies/profile/add/?preset=paper-trial")
    chief.fill("#id_name", "first-try")
    chief.locator("[name=_save]").first.click()
    chief.wait_for_url("**/admin/strategies/profile/")
    assert Profile.objects.get(name="first-try").mode == "sim"
    assert chief.get_by_text("first-try").count()
    screenshot(chief, "empty-first-profile")
    twin = Served(tmp_path, "--no-rate-limits", "--seed", "7", "--port", "0")
    try:
        empty.KALSHI_REST_URL, empty.KALSHI_WS_URL = twin.ready["rest"], twin.ready["ws"]
        call_command("scan")
    finally:
        twin.kill()
    screening.screen()
    mine = Verdict.objects.filter(profile__name="first-try")
    assert mine.exists()
    candidate = mine.filter(status="candidate").first()
    assert candidate is not None, "the simulator's planted events have some"
    chief.goto("/admin/why/?profile=first-try")
    settled(chief)
    assert "candidate" in chief.locator("body").inner_text().lower()
    screenshot(chief, "empty-first-candidate")
    chief.goto(reverse("admin:why_event", args=[candidate.event_id]) + "?profile=first-try")
    settled(chief)
    assert candidate.event_id in chief.locator("body").inner_text()
    chief.goto("/admin/")
    assert "Nothing has been seen or bought yet" not in chief.locator("body").inner_text()
    chief.goto("/admin/first-steps/")
    text = chief.locator("body").inner_text()
    assert "Not everything is in place yet" in text
    assert "python manage.py stream" in text, "no prices yet, and how to get them"
    screenshot(chief, "empty-left-to-do")
