"""What a dialog cannot do is said in it: a session of another login, a role that was taken away, a fault of the server, no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.browser import pages
from trading.models import TradingState

HALT = "**/act/halt/"


@pytest.fixture
def page(browser: Any, live_server: Any, sample: dict[str, Any]) -> Iterator[Any]:
    """A page of an operator on which requests fail."""
    opened = pages.open_page(browser, live_server.url, 1440, [])
    pages.log_in(opened, "operator", "let-me-in-please")
    yield opened
    opened.context.close()


def the_switch(page: Any) -> Any:
    """The dialog of the switch, filled in."""
    page.locator(".k-banner").get_by_role("link", name="Halt").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Reason").fill("odd prices")
    return dialog


def state() -> str:
    return TradingState.objects.get(scope="global").state


def test_a_confirmation_that_fails_says_so_and_may_be_repeated(page: Any) -> None:
    dialog, submit = the_switch(page), page.locator("#dialog").get_by_role("button", name="Halt")
    kept = page.context.cookies()
    page.context.clear_cookies(name="csrftoken")
    submit.click()
    dialog.get_by_role("alert").get_by_text("This form is out of date").wait_for()
    assert dialog.get_by_role("alert").inner_text().endswith("Nothing was done.")
    page.context.add_cookies(kept)
    page.route(HALT, lambda route: route.abort("connectionreset"))
    submit.click()
    dialog.get_by_role("alert").get_by_text(
        "The console does not answer. It may have been done all the same"
    ).wait_for()
    assert state() == "active"
    page.unroute(HALT)
    submit.click()
    page.wait_for_url("**/operate/")
    assert state() == "reducing"


def test_an_answer_that_was_lost_is_not_acted_on_twice(page: Any) -> None:
    dialog, submit = the_switch(page), page.locator("#dialog").get_by_role("button", name="Halt")

    def lose(route: Any) -> None:
        route.fetch()
        route.abort("connectionreset")

    page.route(HALT, lose)
    submit.click()
    dialog.get_by_role("alert").wait_for()
    assert state() == "reducing"
    page.unroute(HALT)
    submit.click()
    page.wait_for_url("**/operate/")
    page.get_by_text("This was confirmed before.").wait_for()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "The console does not answer."),
        (503, "The console answered 503."),
        (403, "This is not yours to see or do."),
    ],
)
def test_a_dialog_that_cannot_be_opened_says_why_and_shows_no_other(page: Any, answer: int | None, words: str) -> None:
    dialog = the_switch(page)
    page.keyboard.press("Escape")
    dialog.get_by_label("Reason").wait_for(state="hidden")
    if answer == 403:
        User.objects.get(username="operator").groups.clear()
    else:
        page.route(HALT, lambda route: route.abort() if answer is None else route.fulfill(status=answer, body="down"))
    page.locator(".k-banner").get_by_role("link", name="Halt").click()
    dialog.get_by_role("heading", name="This could not be opened").wait_for()
    assert words in dialog.get_by_role("alert").inner_text()
    assert dialog.get_by_label("Reason").count() == 0
