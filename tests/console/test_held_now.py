"""Pages speak of what is held now: grade, floor and payoff follow sales and exits; the opening is history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sample_positions
from django.test import Client
from django.urls import reverse

from kalbot.console.pages import dashboard
from trading.models import Position

Login = Callable[..., Client]


def page_of(client: Client, position: Position) -> str:
    """The page of a position as text."""
    return client.get(reverse("admin:trading_position_change", args=[position.pk])).content.decode()


def row_of(client: Client, position: Position) -> str:
    """The position's row in the list."""
    page = client.get(reverse("admin:trading_position_changelist"), {"q": str(position.pk)}).content.decode()
    begin = page.index('id="result_list"')
    return page[begin : page.index("</table>", begin)]


def test_a_whole_basket_carries_its_grade(sample: dict[str, Any], login: Login) -> None:
    client = login("viewer")
    page = page_of(client, sample["held"])
    assert "guaranteed if determined</span>" in page
    assert "naked legs" not in page
    assert "guaranteed if determined" in row_of(client, sample["held"])


def test_a_naked_leg_takes_the_word_from_page_list_and_dashboard(sample: dict[str, Any], login: Login) -> None:
    client, held = login("viewer"), sample["held"]
    sample_positions.sell(held, 0, 2_000, 5_000)
    page = page_of(client, held)
    progress = page[page.index('id="part-progress"') : page.index('id="part-held"')]
    assert "guaranteed" not in progress
    assert "naked legs" in progress
    assert "Conditional: it can lose" in progress
    assert "Opened as <strong>guaranteed if determined</strong>" in page
    assert "guaranteed if determined" not in row_of(client, held)
    part = client.get(reverse("admin:dashboard_part", args=["positions"])).content.decode()
    assert "naked legs" in part
    safe = dashboard.safe()
    assert (safe["answer"], safe["state"]) == ("No", "bad")
    assert "naked legs in 1 position" in safe["detail"]


def test_a_flat_position_promises_nothing(sample: dict[str, Any], login: Login) -> None:
    client, held = login("viewer"), sample["paper"]
    for place in range(3):
        sample_positions.sell(held, place, 2_500, 6_000)
    Position.objects.filter(pk=held.pk).update(status="closed", close_type="exit")
    page = page_of(client, held)
    progress = page[page.index('id="part-progress"') : page.index('id="part-timeline"')]
    assert "It was guaranteed if determined when it was opened. Nothing is held now." in progress
    assert "$50.00" not in progress
    assert "$50.00" not in row_of(client, held)


def test_a_position_of_which_nothing_was_bought_pays_nothing(sample: dict[str, Any], login: Login) -> None:
    held = sample["paper"]
    held.legs.update(bought_count=0, bought_cost=0, fees=0, open_cost=0, open_fees=0)
    Position.objects.filter(pk=held.pk).update(status="aborted", cost=0, floor=0, close_type="not_bought")
    page = page_of(login("viewer"), held)
    progress = page[page.index('id="part-progress"') : page.index('id="part-timeline"')]
    assert "Nothing was bought." in progress
    assert "$50.00" not in progress


def test_what_a_payoff_without_states_is_stays_unknown(sample: dict[str, Any], login: Login) -> None:
    held = sample["held"]
    Position.objects.filter(pk=held.pk).update(states=[])
    page = page_of(login("viewer"), held)
    assert "What it pays is not known" in page


def test_the_whole_page_follows_an_exit(sample: dict[str, Any], login: Login) -> None:
    client, held = login("viewer"), sample["paper"]
    sample_positions.sell(held, 0, 1_000, 5_000)
    part = client.get(reverse("admin:position_progress", args=[held.pk])).content.decode()
    for fragment in (
        'id="part-progress"',
        'id="part-held" hx-swap-oob="true"',
        'id="part-timeline" hx-swap-oob="true"',
    ):
        assert fragment in part
    assert "sell 10 NO" in part
