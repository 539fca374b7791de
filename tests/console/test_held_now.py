"""Pages speak of what is held now: grade, floor and payoff follow sales and exits; the opening is history."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sample_positions
from django.test import Client
from django.urls import reverse

from kalbot.console.api import reads
from kalbot.console.pages.home import dashboard
from kalbot.console.pages.home.reading import Reading
from trading.models import Position

pytestmark = pytest.mark.alike

Login = Callable[..., Client]


def page_of(client: Client, position: Position) -> str:
    """The page of a position as text."""
    return client.get(reverse("admin:trading_position_change", args=[position.pk])).content.decode()


def row_of(client: Client, position: Position) -> str:
    """The position's row in the list."""
    page = client.get(reverse("admin:trading_position_changelist"), {"q": str(position.pk)}).content.decode()
    begin = page.index('id="result_list"')
    rows = page[begin : page.index("</table>", begin)].split("<tr")
    address = reverse("admin:trading_position_change", args=[position.pk])
    return next(row for row in rows if f'href="{address}' in row)


def test_a_whole_basket_carries_its_grade(sample: dict[str, Any], login: Login) -> None:
    client = login("viewer")
    page = page_of(client, sample["held"])
    assert "guaranteed if determined</span>" in page
    assert "naked legs" not in page
    assert "guaranteed if determined" in row_of(client, sample["held"])


def test_the_page_of_what_has_ended_speaks_of_the_past(sample: dict[str, Any], login: Login) -> None:
    settled = Position.objects.filter(status="settled").first()
    assert settled is not None
    client = login("viewer")
    page = page_of(client, settled)
    shown = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index('id="part-progress"') : page.index("As it was decided")])
    )
    assert "It was guaranteed if determined when it was opened. Nothing is held now." in shown
    assert "Paid, with fees $49.4075 Received $50.00" in shown
    for words in ("Whole baskets held", "What is held now", "pays at least", "Cost of what is held"):
        assert words not in shown, words
    assert "$0.00" not in row_of(client, settled)


def test_a_naked_leg_takes_the_word_from_page_list_and_dashboard(sample: dict[str, Any], login: Login) -> None:
    client, held = login("viewer"), sample["held"]
    sample_positions.sell(held, 0, 2_000, 5_000)
    page = page_of(client, held)
    progress = page[page.index('id="part-progress"') : page.index('id="part-held"')]
    assert "guaranteed" not in progress
    assert "naked legs" in progress
    assert "Conditional: it can lose" in progress
    assert "Decided as <strong>guaranteed if determined</strong>" in page
    assert "guaranteed if determined" not in row_of(client, held)
    part = client.get(reverse("admin:dashboard_part", args=["positions"])).content.decode()
    assert "naked legs" in part
    safe = dashboard.safe(Reading())
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


def exported(client: Client, position: Position) -> dict[str, str]:
    """The position's row of the list's export."""
    address = reverse("admin:trading_position_export") + f"?q={position.pk}"
    form = client.get(address).content.decode()
    names = re.findall(r'name="(positionresource_\w+)"', form)
    answer = client.post(address, {"format": "0", "resource": "0", **dict.fromkeys(names, "on")}).getvalue().decode()
    return next(row for row in csv.DictReader(io.StringIO(answer)) if row["id"] == str(position.pk))


def test_the_export_and_the_api_say_what_is_held_now_and_how_it_was_opened(
    sample: dict[str, Any], login: Login
) -> None:
    client, held = login("viewer"), sample["held"]
    row, said = exported(client, held), reads.positions([held])[0]
    assert (row["held_grade"], row["held_floor"], row["opened_as"]) == (
        *("guaranteed if determined", "50.000000", "guaranteed if determined"),
    )
    assert (said.grade, said.floor, said.naked) == ("guaranteed if determined", Decimal(50), False)
    for place in range(3):
        sample_positions.sell(held, place, 2_500, 6_000)
    Position.objects.filter(pk=held.pk).update(status="closed", close_type="exit")
    held.refresh_from_db()
    row, said = exported(client, held), reads.positions([held])[0]
    assert (row["held_grade"], row["held_floor"], row["opened_as"]) == ("", "", "guaranteed if determined")
    assert "guaranteed" not in row
    assert "floor" not in row
    assert (said.grade, said.floor, said.opened_as) == ("", None, "guaranteed if determined")


def test_naked_legs_take_the_word_from_the_export_and_the_api(sample: dict[str, Any], login: Login) -> None:
    held = sample["held"]
    sample_positions.sell(held, 0, 2_000, 5_000)
    held.refresh_from_db()
    row, said = exported(login("viewer"), held), reads.positions([held])[0]
    assert row["held_grade"] == said.grade == "conditional"
    assert said.naked
