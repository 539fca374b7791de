"""A page that is watched: console errors, failed requests and other hosts are written down for the test to refuse."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

WIDTHS = {1440: 900, 1280: 800, 820: 1180, 390: 844, 320: 568}
"""Width and height of two desks' screens, a tablet's, a phone's, and of 400 per cent of zoom on 1,280 pixels."""
OVERTAKEN = ("htmx:sendAbort", "htmx:afterRequest")
"""What htmx says of a request that a person's next click has overtaken; one that fails is written down by its answer."""


def open_page(browser: Any, base_url: str, width: int, wrong: list[str]) -> Any:
    """A page of a fresh context whose troubles go into ``wrong``."""
    own = urlsplit(base_url).netloc
    context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, base_url=base_url)
    page = context.new_page()
    page.set_default_timeout(45_000)
    page.on(
        "console",
        lambda message: (
            wrong.append(f"console: {message.text}")
            if message.type in ("error", "warning") and not message.text.startswith(OVERTAKEN)
            else None
        ),
    )
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on(
        "request",
        lambda request: (
            wrong.append(f"other host: {request.url}") if urlsplit(request.url).netloc not in (own, "") else None
        ),
    )
    page.on(
        "requestfailed",
        lambda request: (
            wrong.append(f"failed: {request.url} {request.failure}")
            if "ERR_ABORTED" not in str(request.failure)
            else None
        ),
    )
    return page


def log_in(page: Any, name: str, password: str) -> None:
    """Through the login form, as a person does."""
    page.goto("/admin/login/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
