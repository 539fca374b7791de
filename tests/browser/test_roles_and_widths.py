"""The pages that people live by, for every role, on a phone, a tablet and a desk, light and dark: nothing sticks out, everything can be
read, and no button is offered to somebody whom it would then refuse."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import addresses
import pytest
import sample_rest
from django.contrib.auth.models import User
from django.urls import reverse

from backtest.models import BacktestRun
from tests.browser.test_every_page import settled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
WIDTHS: Final = (390, 820, 1280)
CONTRAST: Final = {"runOnly": ["color-contrast", "button-name", "link-name", "label"]}
CUT: Final = """() => [...document.querySelectorAll("#content *, main *")].filter((one) => {
    const style = getComputedStyle(one);
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    return own && one.offsetParent && style.overflowX === "hidden" && style.textOverflow !== "ellipsis"
        && one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.tagName + " " + one.textContent.trim().slice(0, 60))"""
"""Elements whose own text goes on beyond an edge that hides it, without a sign that it does. One that is a pixel wide is for those who
listen to the page."""
SIDEWAYS: Final = """() => [...document.querySelectorAll(".k-scroll")].filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.getAttribute("aria-label") + " by " + (one.scrollWidth - one.clientWidth) + " px")"""
"""Tables that have to be moved sideways to be read."""
OFFERED: Final = """() => [...document.querySelectorAll("a[href], [hx-get], button[formaction]")]
    .filter((one) => one.offsetParent !== null)
    .map((one) => one.getAttribute("hx-get") || one.getAttribute("formaction") || one.getAttribute("href"))"""


def pages(sample: dict[str, Any]) -> dict[str, str]:
    """The pages of this walk, by a name for the report."""
    run = BacktestRun.objects.order_by("pk").first()
    event = sample["events"][0].pk
    found = {
        "home": reverse("admin:index"),
        "positions": reverse("admin:open_positions"),
        "position": reverse("admin:trading_position_change", args=[sample["held"].pk]),
        "why": reverse("admin:why") + "?profile=careful",
        "funnel's list": reverse("admin:strategies_verdict_changelist"),
        "event": reverse("admin:why_event", args=[event]),
        "quotes": reverse("admin:quotes"),
        "capital": reverse("admin:capital"),
        "results": reverse("admin:results") + "?period=all",
        "operate": reverse("admin:operate"),
        "backtests": reverse("admin:backtests"),
        "holes in the tape": reverse("admin:markets_tapegap_changelist"),
        "orders": reverse("admin:trading_order_changelist"),
    }
    return found | ({"backtest": reverse("admin:backtest", args=[run.pk])} if run else {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("who", ["viewer", "operator", "risk", "chief"])
def test_every_role_on_every_screen(who: str, scheme: str, visit: Any, sample: dict[str, Any], screenshot: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    sample_rest.rows(sample)
    person, wrong = User.objects.get(username=who), []
    for width in WIDTHS:
        page = visit(who, width)
        page.emulate_media(color_scheme=scheme)
        for name, path in pages(sample).items():
            here = f"{name} at {width}"
            if addresses.ask(person, "GET", path.partition("?")[0]) == addresses.REFUSED:
                continue
            answer = page.goto(path)
            if answer.status != 200:
                wrong.append(f"{here}: {answer.status}")
                continue
            settled(page)
            beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            wrong += [f"{here}: {beyond} px too wide"] if beyond > 0 else []
            wrong += [f"{here}: cut off: {text}" for text in (*page.evaluate(CUT), *page.evaluate(SIDEWAYS))]
            wrong += unreadable(page, axe, here) if who == "chief" else []  # who sees everything that the others see
            wrong += [f"{here}: offers {refused}" for refused in refused_offers(page, person)]
            screenshot(page, f"roles-{who}-{scheme}-{name.replace(' ', '-')}")
    assert wrong == [], "\n".join(wrong)


def unreadable(page: Any, axe: Any, here: str) -> list[str]:
    """What axe says of contrast and names on this page."""
    return [
        f"{here}: {found['id']}: {found['nodes'][0]['html'][:160]}"
        for found in axe.run(page, options=CONTRAST).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]


def refused_offers(page: Any, person: User) -> list[str]:
    """Addresses of our own that can be clicked on this page and would refuse ``person``."""
    found = set()
    for href in page.evaluate(OFFERED):
        _, _, path, query, _ = urlsplit(href)
        if not path.startswith("/admin/") or "logout" in path:
            continue
        said = addresses.ask(person, "GET", path, **dict(parse_qsl(query)))
        if said in (addresses.REFUSED, addresses.MISSING, addresses.FAILED):
            found.add(f"{path}: {said}")
    return sorted(found)
