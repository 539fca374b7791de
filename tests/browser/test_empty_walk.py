"""A new installation in a real browser: every list and page of an empty database says what is missing and what fills it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import addresses
import pytest
import sample_rows
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse

from kalbot.common import cache
from kalbot.console.ui.empty_lists import FILLED_BY
from tests.browser import pages
from tests.browser.test_every_page import settled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OWN = {
    "why": "There is no profile yet",
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
