"""A real browser on a real server. Where its Chromium comes from: ``tests/chromium.py``; without one these tests say so and are skipped.

Screenshots go to ``KALBOT_SCREENSHOTS`` (say, docs/screenshots) when it is set, else to the test's own folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from tests import chromium
from tests.browser import pages

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "console"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all walks. It ends with them, because its event loop lives in this thread while it is open."""
    path = chromium.find()
    if not path:
        pytest.skip("no Chromium on this machine: run python -m tests.chromium, install one, or name it in CHROMIUM")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as driver:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the ORM's calls are plain beside that loop
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """What a process keeps for a moment (choices of filters, sums of the ledger) belongs to one test."""
    cache.clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """A second of key stretching for each login belongs to production."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def keep_alive(sample: dict[str, Any]) -> None:
    """Signs of life of every process, and prices, of now: a walk takes longer than they are believed."""
    import sample_markets

    from kalbot.common.messages import QUEUES
    from kalbot.console.ops.health import heartbeats

    for who in (*QUEUES, heartbeats.BEAT):
        heartbeats.show_life(who, worker=f"{who}@sample")
    for event in sample["events"]:
        sample_markets.publish(event)


@pytest.fixture
def sample(transactional_db: None, redis_db: object, settings: Any) -> dict[str, Any]:
    """Rows of every kind, people of every role, and prices in Redis."""
    import sample_rows

    from kalbot.console.ops import schedules

    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    made: dict[str, Any] = sample_rows.sample()
    schedules.seed()
    keep_alive(made)
    for name, role in (("chief", ""), ("viewer", "viewer"), ("operator", "operator"), ("risk", "risk manager")):
        sample_rows.person(name, role)
    return made


@pytest.fixture
def visit(browser: Any, live_server: Any, sample: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """``visit("operator", 390)`` gives a page of somebody logged in. In the end: no console error, no failed request, no other host."""
    opened: list[Any] = []
    wrong: list[str] = []

    def open_as(name: str, width: int = 1440) -> Any:
        page = pages.open_page(browser, live_server.url, width, wrong)
        opened.append(page)
        pages.log_in(page, name, "let-me-in-please")
        return page

    yield open_as
    for page in opened:
        page.context.close()
    assert wrong == []


@pytest.fixture
def screenshot(tmp_path: Path) -> Callable[[Any, str], None]:
    """Keeps a picture of the whole page, as tall as it is, so that nothing sticks over its middle."""
    folder = Path(os.environ.get("KALBOT_SCREENSHOTS", "") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Any, name: str) -> None:
        size = page.viewport_size
        height = min(4_000, page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
        page.wait_for_timeout(250)
        page.screenshot(path=str(folder / f"{name}-{size['width']}.png"))
        page.set_viewport_size(size)

    return take
