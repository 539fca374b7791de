"""Every page and dialog of the site in a real browser: it answers, fits, is quiet, and axe finds nothing serious in it.

The addresses come from the site itself, so that a new page cannot be forgotten; each list and dialog has a row of its own.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import addresses
import pytest
import sample_rest
from addresses import Address
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from playwright.sync_api import TimeoutError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
NO_PAGES: Final = {
    *("login", "logout", "home", "healthz", "metrics", "jsi18n", "autocomplete", "search", "view_on_site", None),
    *("dashboard_part", "profile_matches", "position_progress", "event_books", "exports_download"),
    *("what_if_start", "backtest_vary"),
}
"""Addresses that lead elsewhere, are parts of pages, answer machines, or are only posted to."""
ROWLESS: Final = {"backtest", "family"}
"""Pages that the samples have no row for: their own tests make one."""
TABS: Final = 60
"""More than any dialog has of what the keyboard stops at."""


def shown(one: Address) -> bool:
    """Whether an address is a page for people with something to show: dialogs of rows only with their row, histories of one model."""
    name = one.name or ""
    if one.name in NO_PAGES or name in ROWLESS or not one.has_row:
        return False
    if name.endswith("_add"):
        return may_add(one)
    if name.endswith(("_history", "_delete")):
        return one.model == "strategies.profile" and name.endswith("_change_history")
    if name.startswith("act_") and not name.endswith("_one"):
        return name in ("act_halt", "act_resume")
    return True


def may_add(one: Address) -> bool:
    """Whether anybody may add a row to this list: most are written by services alone."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    lists = {model._meta.label_lower: shown for model, shown in admin.site._registry.items()}
    return lists[one.model].has_add_permission(request)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_and_dialog(scheme: str, width: int, visit: Any, sample: dict[str, Any], screenshot: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    sample_rest.rows(sample)
    page, wrong = visit("chief", width), []
    page.emulate_media(color_scheme=scheme)
    pages = [one for one in addresses.every() if shown(one)]
    assert len(pages) > 120
    for one in pages:
        answer = page.goto(one.path)
        if answer.status != 200 or "text/html" not in answer.headers.get("content-type", ""):
            wrong.append(f"{one.name} {one.path}: {answer.status}")
            continue
        settled(page)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wrong += [f"{one.name}: {beyond} px too wide"] if beyond > 0 else []
        found = axe.run(page).response["violations"]
        wrong += [
            f"{one.name}: {v['id']}: {v['nodes'][0]['html'][:160]}"
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        wrong += [f"{one.name}: {said}" for said in (*covered(page), *out_of_reach(page), *cut_off(page))]
        screenshot(page, f"every-{scheme}-{one.name}")
    assert wrong == [], "\n".join(wrong)


def settled(page: Any) -> None:
    """Until nothing is on its way. Where a machine answers more slowly than a page asks again something always is: then as it is after a
    while."""
    with suppress(TimeoutError):
        page.wait_for_load_state("networkidle", timeout=15_000)


def covered(page: Any) -> list[str]:
    """Values that begin below the sign before them: "$1000" would be read as "$000"."""
    found = page.evaluate(
        """() => [...document.querySelectorAll("input")].filter((one) => {
            const before = one.parentElement.querySelector(":scope > span.absolute.left-3");
            const begins = one.getBoundingClientRect().left + parseFloat(getComputedStyle(one).paddingLeft);
            return before && one.offsetParent && before.getBoundingClientRect().right > begins;
        }).map((one) => one.id)"""
    )
    return [f"the sign before {name} covers its value" for name in found]


def cut_off(page: Any) -> list[str]:
    """Tables that have to be moved sideways to be read, though the screen is a desk's."""
    if page.viewport_size["width"] < 1440:
        return []
    found = page.evaluate(
        """() => [...document.querySelectorAll(".k-scroll")].filter((one) => one.scrollWidth > one.clientWidth)
            .map((one) => (one.getAttribute("aria-label") || "") + " by " + (one.scrollWidth - one.clientWidth) + " px")"""
    )
    return [f"a table is cut off: {name}" for name in found]


def out_of_reach(page: Any) -> list[str]:
    """What of a dialog the keyboard does not reach from its first field: the button that confirms it, if it may be confirmed."""
    submit = page.locator("#dialog button[type=submit]")
    if submit.count() == 0:
        return []
    page.locator("#dialog :is(input:not([type=hidden]), select, textarea, a)").first.focus()
    for _ in range(TABS):
        if submit.first.evaluate("one => one === document.activeElement"):
            return []
        page.keyboard.press("Tab")
    return ["the keyboard does not reach its button"]
