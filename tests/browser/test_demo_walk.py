"""The main jobs on a running demo: real workers, real stream, the simulated exchange, each role, on a wide screen and a phone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from kalbot.local.servers import free_port, wait_for_port
from tests.browser import pages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
ROOT = Path(__file__).resolve().parent.parent.parent
CLEAN = ("REDIS_URL", "DATABASE_URL", "KALBOT_STATE", "KALBOT_TEST_REDIS", "KALBOT_TEST_DATABASE", "LOG_LEVEL")
ROLES = {"vera": "viewer", "otto": "operator", "rita": "risk manager"}
PASSWORD = "let-me-in-please"
PEOPLE = f"""
from django.contrib.auth.models import Group, User
for name, role in {ROLES!r}.items():
    user, _ = User.objects.get_or_create(username=name, defaults=dict(is_staff=True))
    user.set_password({PASSWORD!r}); user.save(); user.groups.add(Group.objects.get(name=role))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a demo with people of each role; markets close slowly enough that positions are there to be exited."""
    state, port = tmp_path_factory.mktemp("demo"), free_port()
    environment = {name: value for name, value in os.environ.items() if name not in CLEAN}
    command = [
        sys.executable,
        "-m",
        "kalbot.local.demo",
        "--seconds",
        "900",
        "--speed",
        "400",
        "--turn-every",
        "0",
        "--port",
        str(port),
        "--state",
        str(state),
    ]
    with (state / "output").open("w") as output:
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for_port(port, running, seconds=240)
            subprocess.run(
                [sys.executable, "manage.py", "shell", "-c", PEOPLE],
                cwd=ROOT,
                check=True,
                capture_output=True,
                env={**environment, "KALBOT_STATE": str(state)},
            )
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            running.wait(150)


@pytest.fixture(params=[1440, 390])
def people(request: Any, browser: Any, demo: str) -> Iterator[dict[str, Any]]:
    """A page of each person, all of one width. In the end: nothing failed, nothing came from elsewhere."""
    wrong: list[str] = []
    found = {name: pages.open_page(browser, demo, request.param, wrong) for name in ROLES}
    for name, page in found.items():
        page.set_default_timeout(60_000)
        pages.log_in(page, name, PASSWORD)
    yield found
    for page in found.values():
        page.context.close()
    assert wrong == []


def test_the_main_jobs_of_each_role(people: dict[str, Any], screenshot: Any) -> None:
    viewer, operator, risk = people["vera"], people["otto"], people["rita"]
    address = an_open_position(operator)
    for name, where in {
        "dashboard": "/admin/",
        "why": "/admin/why/",
        "operate": "/admin/operate/",
        "position": address,
        "event": event_of(viewer, address),
    }.items():
        viewer.goto(where)
        beyond = viewer.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{name} is {beyond} px too wide"
        screenshot(viewer, f"demo-{name}")
    reads_why(viewer)
    edits_a_limit(risk)
    exits(operator)
    halts_and_resumes(operator, risk)
    reviews(risk, event_of(risk, address))


def an_open_position(page: Any) -> str:
    """Address of a position that is open now; waits for the bot to buy one."""
    for _ in range(60):
        page.goto("/admin/trading/position/?status__exact=open")
        links = page.locator('#result_list a[href*="/trading/position/"]')
        if links.count():
            return str(links.first.get_attribute("href")).partition("?")[0]
        page.wait_for_timeout(2_000)
    raise AssertionError("the demo bought nothing in two minutes")


def event_of(page: Any, position: str) -> str:
    """Address of the event that a position is on."""
    page.goto(position)
    return str(page.locator('.k-card-head a[href*="/markets/event/"]').first.get_attribute("href"))


def reads_why(page: Any) -> None:
    """From the funnel to the rows behind a count, to the sentence about one event."""
    page.goto("/admin/why/?profile=careful")
    step = page.locator(".k-funnel li:not(.k-funnel-end)").filter(has=page.locator(".k-bar")).nth(1)
    number = int(step.locator(".k-funnel-gone").inner_text().lstrip("−"))
    assert number > 0
    step.locator("a").first.click()
    page.wait_for_url("**/verdict/**")
    event = page.locator('#result_list a[href*="/markets/event/"]').first.inner_text()
    page.goto(f"/admin/why/{event}/")
    page.locator(".k-tag").get_by_text("rejected").first.wait_for()


def edits_a_limit(page: Any) -> None:
    """A bad value is refused in words, a good one is kept with its reason and called loosened."""
    page.goto("/admin/strategies/profile/?q=careful")
    page.locator("#result_list").get_by_role("link", name="careful", exact=True).first.click()
    page.get_by_role("tab", name="Limits").press("Enter")
    page.fill("#id_max_open_positions", "")
    page.fill("#id_max_per_event", "plenty")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("is not an amount of dollars; write digits such as 12.50").wait_for()
    before = 200 if page.viewport_size["width"] == 1440 else 300
    page.fill("#id_max_per_event", str(before + 100))
    page.fill("#id_max_open_positions", "20")
    page.fill("#id_reason", "larger events wanted")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text(re.compile(r"Loosened: Most in one event: .* → \$\d00\.00")).wait_for()


def exits(page: Any) -> None:
    """Force exit, double-clicked, and followed until the position has ended. Thin books may leave a rest that nobody wants yet, which
    is the market's doing: then the next position is tried, four at most."""
    for _ in range(4):
        if exited(page, an_open_position(page)):
            return
    raise AssertionError("four exits in a row did not come to their end")


def exited(page: Any, position: str) -> bool:
    """One force exit; whether it ended while it was watched."""
    number = position.rstrip("/").split("/")[-2]
    page.goto(f"/admin/act/force-exit/{number}/")
    dialog = page.locator("#dialog")
    dialog.get_by_text("Expected proceeds").wait_for()
    dialog.get_by_label("Reason").fill("the forecast changed")
    dialog.get_by_role("button", name="Exit this position").dblclick()
    page.wait_for_url(f"**/position/{number}/change/")
    page.locator("#part-progress").get_by_text("Exit requested by").wait_for()
    try:
        page.locator('[data-status="closed"], [data-status="settled"]').wait_for(timeout=45_000)
    except PlaywrightTimeout:
        return False
    return True


def halts_and_resumes(operator: Any, risk: Any) -> None:
    """An operator stops everything; only a risk manager lets it go on."""
    operator.goto("/admin/")
    operator.locator(".k-banner").get_by_role("link", name="Halt").click()
    dialog = operator.locator("#dialog")
    dialog.get_by_label("Halted, cancels only").check()
    dialog.get_by_label("Reason").fill("odd prices")
    dialog.get_by_role("button", name="Halt").click()
    operator.locator(".k-banner-halted").get_by_text("HALTED").wait_for()
    assert operator.locator(".k-banner").get_by_role("link", name="Resume").count() == 0
    risk.goto("/admin/")
    risk.locator(".k-banner").get_by_role("link", name="Resume").click()
    risk.locator("#dialog").get_by_label("Reason").fill("prices are sane again")
    risk.locator("#dialog").get_by_role("button", name="Resume").click()
    risk.locator(".k-banner-active, .k-banner-partly").get_by_text("ACTIVE").wait_for()


def reviews(page: Any, event: str) -> None:
    """A certificate is taken back and granted again, each with a reason."""
    page.goto(event)
    if page.get_by_role("link", name="Grant …").count() == 0:
        page.get_by_role("link", name="Revoke …").click()
        page.locator("#dialog").get_by_label("Reason").fill("read it again")
        page.locator("#dialog").get_by_role("button", name="Revoke").click()
        page.locator(".k-tag").get_by_text("revoked", exact=True).first.wait_for()
    page.get_by_role("link", name="Grant …").click()
    page.locator("#dialog").get_by_label("Reason").fill("the rules name every temperature")
    page.locator("#dialog").get_by_role("button", name="One of them must win").click()
    page.locator(".k-tag").get_by_text("certified", exact=True).wait_for()
