"""A quoted leg of a family in a real browser: from the page of quotes to its position, to its family, and withdrawn."""

from __future__ import annotations

from typing import Any

import pytest

from kalbot.console.ui import formats
from markets.models import Market
from tests.trading import families, test_family_quotes
from trading.quoted import open_quotes

pytestmark = pytest.mark.slow
QUOTES = ((1_500, 2_000), (2_000, 2_500), (3_800, 4_300), (7_800, 8_300), (3_500, 4_000))
"""As the scan reads them, of the books that ``families.pair`` makes."""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_a_quoted_leg_of_a_family_is_read_and_withdrawn(visit: Any, sample: dict[str, Any], screenshot: Any) -> None:
    ranges, thresholds = families.pair()
    held = test_family_quotes.begun((ranges, thresholds), mode="sim")
    for ticker, (bid, ask) in zip((*ranges.markets, *thresholds.markets), QUOTES, strict=True):
        sizes = dict.fromkeys(("yes_bid_size", "yes_ask_size"), families.DEPTH)
        Market.objects.filter(pk=ticker).update(yes_bid=bid, yes_ask=ask, **sizes)
    (quote,) = open_quotes.every()
    page = visit("operator", 1440)
    page.goto("/admin/quotes/")
    rests, taken = ranges.markets[2], thresholds.markets[1]
    for words in (rests, taken, formats.price(test_family_quotes.RESTS["no"]), formats.money(quote.keeps)):
        page.get_by_text(words).first.wait_for()
    screenshot(page, "family-quotes")
    page.locator(f'a[href="/admin/trading/position/{held.pk}/change/"]').first.click()
    page.get_by_role("heading", name="What is quoted, by the books of now").wait_for()
    page.get_by_text(formats.money(quote.pays, 4)).first.wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(TOO_WIDE) <= 0
    screenshot(page, "family-quote")
    page.get_by_role("link", name="events and atoms").click()
    page.wait_for_url("**/families/**")
    page.get_by_role("heading", name="Atoms").wait_for()
    page.get_by_role("heading", name="If one leg rested").wait_for()
    page.get_by_text(f"Position #{held.pk}").wait_for()
    assert page.evaluate(TOO_WIDE) <= 0
    screenshot(page, "family-quoted")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_text(f"Position #{held.pk}").click()
    page.get_by_role("link", name="Withdraw quotes").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Reason").fill("the other event is thin")
    dialog.get_by_role("button", name="Withdraw").click()
    page.get_by_text("the other event is thin").first.wait_for()
    held.refresh_from_db()
    assert held.quote_withdrawn == "operator: the other event is thin"
