"""``manage.py explain``: one live event in words, with the arithmetic."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from markets.models import Event
from strategies.cycle import cycle
from strategies.models import Decision
from strategies.screening import screening
from tests.strategies.world import add_event, add_profile, add_scan, books_of, publish

pytestmark = pytest.mark.django_db

PAYING = [(5200, 5300), (5300, 5400)]


def _explain(ticker: str, profile: str = "careful") -> str:
    out = io.StringIO()
    call_command("explain", ticker, "--profile", profile, stdout=out)
    return out.getvalue()


def test_a_paying_event_is_explained_with_its_legs_cost_and_every_settlement() -> None:
    add_profile()
    add_event("E1", PAYING)
    screening.screen(add_scan().pk)
    publish("E1", books_of("E1", PAYING))
    text = _explain("E1")
    assert "candidate" in text
    assert "buy 100.00 NO Outcome 0 (E1-0) at 0.4800 or better" in text
    assert "Cost: $" in text
    assert "no listed outcome wins" in text
    assert "Guaranteed: floor" in text
    assert not Decision.objects.exists()


def test_a_refused_event_is_explained_with_the_filter_the_price_and_the_missing_certificate() -> None:
    add_profile(min_volume=1_000, near_miss_ppm=100_000)
    add_event("E1", [(4800, 5300), (4900, 5400)], volume=950)
    screening.screen(add_scan().pk)
    publish("E1", books_of("E1", [(4800, 5300), (4900, 5400)]))
    text = _explain("E1")
    assert "near miss" in text
    assert "MISSED  volume: 9.50 contracts, required at least 10.00 contracts, 5.00 % away" in text
    assert "exclusive      passes" in text
    assert "all_no: 2 NO legs, price and fee: 0.5375 + 0.5275 = $1.0650; pays $1.0000" in text
    assert "Not bought (NO on several outcomes): price" in text
    assert "Certificate v1 (exclusive): at most one outcome wins, and none may." in text


def test_a_certified_event_names_its_evidence() -> None:
    add_profile()
    add_event("E1", PAYING, certified=True)
    assert "Certificate v1 (reviewed): one of the listed outcomes must win. for the test" in _explain("E1")


def test_prices_that_cannot_be_used_and_an_open_basket_are_said() -> None:
    add_profile()
    add_event("E1", PAYING)
    screening.screen(add_scan().pk)
    assert "No decision is possible now: no_book" in _explain("E1")
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    text = _explain("E1")
    assert "would not decide on this event now: the profile has a basket of this event already" in text
    assert "decided" in text


def test_an_unknown_or_closed_event_and_an_unknown_profile_are_one_sentence() -> None:
    add_profile()
    add_event("E1", PAYING)
    with pytest.raises(CommandError, match="NOPE is not known here"):
        _explain("NOPE")
    with pytest.raises(CommandError, match='no profile "nobody"'):
        _explain("E1", "nobody")
    Event.objects.update(is_open=False)
    with pytest.raises(CommandError, match="E1 is closed"):
        _explain("E1")
