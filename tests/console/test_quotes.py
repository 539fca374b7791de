"""The page of quotes and the position page of a quoted basket: its arithmetic, its records, why there is none, what it made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from django.urls import reverse

from kalbot.common import cache, clock
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from markets import incentives
from strategies.models import QuoteRecord, Verdict
from tests.trading import families, quoted, test_family_quotes
from trading.models import Position
from trading.safety import live_readiness
from trading.venues import connection


@pytest.fixture
def position(db: None, settings: Any) -> Position:
    """Quoted on every leg, 3 contracts of one filled."""
    twin = quoted.begin(settings)
    position = quoted.begun(twin, quoted.profile())
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    found = quoted.step(twin, position)
    series = twin.row.series_id
    marks = {"fills": 25, "mark_1": -5_000, "mark_10": -12_000, "mark_60": -19_300}
    QuoteRecord.objects.create(
        series_id=series, mode="live", side="no", wanted=1_000, complete=250, at=clock.now(), **marks
    )
    seen = {"live_constraint": "quote_pair", "since": clock.now(), "updated_at": clock.now()}
    Verdict.objects.create(profile=found.profile, event=found.event, status="candidate", **seen)
    return found


def test_the_page_shows_what_rests_with_its_arithmetic_and_why_nothing_else_does(
    position: Position, login: Any
) -> None:
    answer = login("viewer").get(reverse("admin:quotes"))
    text = answer.content.decode()
    (quote,) = answer.context["quotes"]
    assert quote.position == position
    for leg in quote.legs:
        assert f">{leg.left / 100:g}<" in text
    assert "The best bids of all legs together" not in text
    assert "the best bids of all legs together leave less than the margin" in text
    assert formats.gain(-19_300, 4) in text, "after 60 s"
    assert formats.share(250_000) in text, "sets complete of those wanted"
    (made,) = answer.context["made"]
    assert (made.way, made.open) == ("all_legs", 1)
    (hedge,) = answer.context["hedges"]
    assert (hedge.fills, hedge.contracts) == (1, 300)


def test_the_page_of_a_quoted_position_shows_the_same_and_offers_to_withdraw(position: Position, login: Any) -> None:
    operator = login("operator")
    text = operator.get(page_url("trading.position", position.pk)).content.decode()
    assert "What is quoted, by the books of now" in text
    assert "Withdraw quotes" in text
    Position.objects.filter(pk=position.pk).update(quote_withdrawn="ann: enough")
    text = operator.get(page_url("trading.position", position.pk)).content.decode()
    assert "Withdrawn by ann: enough" in text
    assert "withdraw_quote" not in text


def test_programmes_of_quoted_markets_are_shown(position: Position, login: Any) -> None:
    now = clock.now_ms()
    kept = [
        incentives.Incentive(ticker, 5_000_000, None, 30_000, now - 1_000, now + 60_000, "near the touch")
        for ticker in (position.legs.latest("pk").market_id, "OTHER")
    ]
    cache.prices().set(cache.key("incentives"), msgspec.msgpack.encode(kept), ex=60)
    answer = login("viewer").get(reverse("admin:quotes"))
    assert [one.ticker for _, one in answer.context["incentives"]] == [kept[0].ticker]
    assert "Programmes that pay for resting orders" in answer.content.decode()


@pytest.mark.parametrize(("fills", "shown"), [(25, ["wide days"]), (20, ["", "wide days"])])
def test_a_series_with_one_band_stands_once(position: Position, login: Any, fills: int, shown: list[str]) -> None:
    """Unless quotes without a band have filled too."""
    (whole,) = QuoteRecord.objects.all()
    whole.pk, whole.band, whole.fills = None, "wide days", fills
    whole.save()
    answer = login("viewer").get(reverse("admin:quotes"))
    assert [one["row"].band for one in answer.context["records"]] == shown


def test_without_quotes_the_page_says_so(db: None, login: Any) -> None:
    text = login("viewer").get(reverse("admin:quotes")).content.decode()
    assert "No profile quotes" in text


def test_a_quote_of_a_family_shows_the_legs_of_both_events_and_can_be_withdrawn(settings: Any, login: Any) -> None:
    settings.KALBOT_LIVE = True
    pair = families.pair()
    connection.use(pair[0].client())
    live_readiness.require_reconciliation()
    found = test_family_quotes.begun(pair)
    operator = login("operator")
    page = operator.get(page_url("trading.position", found.pk)).content.decode()
    every = operator.get(reverse("admin:quotes"))
    rests, taken = pair[0].markets[2], pair[1].markets[1]
    for text in (page, every.content.decode()):
        assert rests in text
        assert taken in text
        assert families.FAMILY in text
        assert formats.price(test_family_quotes.RESTS["no"]) in text
    (quote,) = every.context["quotes"]
    assert formats.money(quote.pays) in page
    assert formats.money(quote.most_orphans) in page
    assert "What is quoted, by the books of now" in page
    assert "Withdraw quotes" in page
