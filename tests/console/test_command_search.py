"""Ctrl+K finds events, outcomes, positions and profiles by the words of their titles, and only what a person may view."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from kalbot.console.admin.lists.tickers import TickerAdmin
from kalbot.console.ui import search
from markets.models import Event, ExchangeMessage
from trading.models import Position

Login = Callable[..., Client]


def titles(client: Client, term: str) -> list[str]:
    """The titles of what is found for ``term``."""
    page = client.get(reverse("admin:search"), {"s": term, "extended": "1"}).content.decode()
    return re.findall(r'data-title="([^"]*)"', page)


@pytest.mark.parametrize("term", ["chicago", "CHICAGO temperature", "temperature chicago"])
def test_events_and_positions_are_found_by_their_title(term: str, sample: dict[str, Any], login: Login) -> None:
    found = titles(login("viewer"), term)
    assert any(one.startswith("#") and "Chicago" in one for one in found), "the position"
    assert any(one.startswith("Highest temperature in Chicago") for one in found), "the event"
    assert not [one for one in found if one.startswith("KX")], "no bare ticker"


def test_a_position_is_found_by_its_number_and_an_event_by_its_ticker(sample: dict[str, Any], login: Login) -> None:
    client, held = login("viewer"), sample["held"]
    assert any(one.startswith(f"#{held.pk} ") for one in titles(client, f"#{held.pk}"))
    assert any("New York" in one for one in titles(client, held.event_id.lower()))


def test_the_position_of_a_number_comes_before_all_that_have_it_in_a_name(sample: dict[str, Any], login: Login) -> None:
    """Every ticker of a day in 2026 has a 26 in it, every position of such an event too."""
    client, held = login("viewer"), sample["held"]
    Position.objects.filter(pk=held.pk).update(status="closed")
    Event.objects.update(title=f"Above {held.pk} degrees")
    found = titles(client, str(held.pk))
    assert found[0].startswith(f"#{held.pk} ")
    assert len([one for one in found if one.startswith("#")]) > 1
    listed = client.get(reverse("admin:trading_position_changelist"), {"q": f"#{held.pk}"}).context["cl"].result_list
    assert [one.pk for one in listed] == [held.pk]


def test_open_events_come_first_and_there_are_a_few_of_each(sample: dict[str, Any], login: Login) -> None:
    series = sample["events"][0].series
    Event.objects.bulk_create(
        Event(ticker=f"OLD-{n}", title=f"Boston {n}", series=series, is_open=False, volume=9) for n in range(40)
    )
    Event.objects.create(ticker="NEW-1", title="Rain in Boston", series=series, is_open=True)
    found = titles(login("viewer"), "boston")
    assert found[0] == "Rain in Boston"
    assert len(found) == search.MOST


def test_somebody_without_a_role_finds_nothing(sample: dict[str, Any]) -> None:
    newcomer = Client()
    newcomer.force_login(User.objects.create_user("newcomer", is_staff=True))
    assert titles(newcomer, "chicago") == []


def test_every_list_that_names_an_event_or_a_market_is_searched_by_titles_too(db: None) -> None:
    named = {"markets.Event", "markets.Market", "markets.Series", "trading.Position", "trading.Leg"}
    blind = []
    for model, shown in admin.site._registry.items():
        fields: list[Any] = list(model._meta.fields)
        related = {field.related_model._meta.label for field in fields if field.is_relation}
        names = bool(related & named) or any("ticker" in field.name for field in fields)
        by_title = any("title" in field for field in shown.search_fields) or isinstance(shown, TickerAdmin)
        if names and not by_title:
            blind.append(model._meta.label)
    assert blind == []


def test_a_row_that_knows_only_a_ticker_shows_and_is_found_by_the_title(sample: dict[str, Any], login: Login) -> None:
    ticker = sample["held"].legs.all()[0].market_id
    for number, name in enumerate((ticker, "KXGONE-1")):
        ExchangeMessage.objects.create(kind="lifecycle", key=f"k{number}", market_ticker=name, payload={})
    client, address = login("viewer"), reverse("admin:markets_exchangemessage_changelist")
    assert "81° to 82°: Highest temperature in New York City" in client.get(address).content.decode()
    found = client.get(address, {"q": "highest new york"}).context["cl"].result_list
    assert [row.market_ticker for row in found] == [ticker]
