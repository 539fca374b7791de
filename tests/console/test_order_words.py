"""What became of an order, in words: whether it was filled, not only that it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from kalbot.common import clock
from kalbot.console.ui import order_words
from trading.models import Order, OrderError, OrderStatus, Position


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"filled_count": 400}, "filled"),
        ({"filled_count": 100, "rested_at": clock.now()}, "partly filled"),
        ({}, "not filled"),
        ({"rested_at": clock.now(), "expires_at": clock.now() + timedelta(hours=1)}, "cancelled"),
        ({"rested_at": clock.now(), "expires_at": clock.now() - timedelta(hours=1)}, "expired"),
        ({"status": OrderStatus.RESTING}, "resting"),
        ({"status": OrderStatus.BOOKING}, "booking"),
    ],
)
def test_the_word_says_what_happened(columns: dict[str, Any], word: str) -> None:
    order = Order(**{"count": 400, "status": OrderStatus.DONE, "ended_at": clock.now(), **columns})
    assert order_words.outcome(order) == word


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"filled_count": 400}, "no: all"),
        ({"status": OrderStatus.RESTING}, "yes: it has not ended"),
        ({}, "not known"),
        ({"is_final": True}, "no: the exchange confirmed"),
        ({"status": OrderStatus.REJECTED, "error_code": "insufficient_balance"}, "not known"),
        ({"status": OrderStatus.REJECTED, "error_code": OrderError.NOT_SENT}, "no: it did not reach"),
    ],
)
def test_whether_more_of_it_can_fill(columns: dict[str, Any], words: str) -> None:
    order = Order(**{"count": 400, "action": "buy", "status": OrderStatus.DONE, **columns})
    assert order_words.can_fill_more(order).startswith(words)


def test_lists_and_the_story_say_it(sample: dict[str, Any], login: Any) -> None:
    order = Order.objects.filter(status=OrderStatus.DONE).latest("created_at")
    Order.objects.filter(pk=order.pk).update(filled_count=0, rested_at=None)
    client = login("viewer")
    rows = client.get(reverse("admin:trading_order_changelist")).content.decode()
    assert order_words.ENDED["not filled"] in rows
    assert ">done<" not in rows
    own = client.get(reverse("admin:trading_order_change", args=[order.pk])).content.decode()
    assert order_words.ENDED["not filled"] in own
    page = client.get(reverse("admin:trading_position_change", args=[order.position_id])).content.decode()
    assert ": not filled, 0 of " in page
    assert "terminal" not in page


def test_yes_and_no_have_no_colour_for_whether_yes_is_good_differs(sample: dict[str, Any], login: Any) -> None:
    order = Order.objects.filter(status=OrderStatus.DONE).latest("created_at")
    client = login("risk manager")
    for address in (
        reverse("admin:trading_order_change", args=[order.pk]),
        reverse("admin:trading_fill_changelist"),
    ):
        page = client.get(address).content.decode()
        assert ">yes</span>" in page or ">no</span>" in page, address
        for icon in ("check_small", "close_small"):
            assert icon not in page, address


def test_a_list_of_positions_says_why_nothing_was_bought(sample: dict[str, Any], login: Any) -> None:
    position = Position.objects.latest("id")
    Position.objects.filter(pk=position.pk).update(status="aborted", close_code="quote_ended", residual_code="")
    client = login("viewer")
    rows = client.get(reverse("admin:trading_position_changelist")).content.decode()
    assert "The time for quoting this event is over." in rows
    assert "(aborted: quote ended)" in client.get(reverse("admin:strategies_decision_changelist")).content.decode()
