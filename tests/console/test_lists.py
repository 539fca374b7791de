"""Lists: few queries however many rows, filters that work, near misses nearest first, a funnel that adds up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import sample_markets
import sample_positions
import sample_rows
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from kalbot.common import clock
from kalbot.console import tasks
from kalbot.console.admin.base import ReadOnlyAdmin
from kalbot.console.models import LogRecord, TaskRecord
from kalbot.console.ui import formats
from strategies.models import Cycle, NearMiss, Verdict
from trading.models import Fill, Position

BOUND = 20


def many(sample: dict[str, Any], number: int = 12) -> None:
    """More rows of what lists show, so that a query a row would be seen."""
    for day in range(number):
        event = sample_markets.weather_event("DEN", f"27JAN{day:02}")
        sample_positions.position(sample["careful"], event)
        sample_rows.near_miss(sample["live"], event, 9_000 + day)


def test_no_list_asks_a_query_a_row(sample: dict[str, Any], login: Any) -> None:
    many(sample)
    client, seen = login(), {}
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")
        client.get(address)  # fills caches of content types and filter choices
        with CaptureQueriesContext(
            connection,
        ) as sent:
            client.get(address)
        seen[model._meta.label_lower] = len(sent)
    assert {name: number for name, number in seen.items() if number > BOUND} == {}


def test_near_misses_stand_nearest_first_and_ended_ones_are_a_filter_away(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:strategies_nearmiss_changelist")
    NearMiss.objects.filter(profile=sample["live"]).update(ended_at=clock.now())
    rows = list(client.get(address).context["cl"].result_list)
    assert [row.distance_ppm for row in rows] == sorted(row.distance_ppm for row in rows)
    assert {row.profile_id for row in rows} == {sample["careful"].pk, sample["coverage"].pk}
    assert len(client.get(address, {"is_open": "ended"}).context["cl"].result_list) == 2
    assert len(client.get(address, {"is_open": "all"}).context["cl"].result_list) == 6


@pytest.mark.parametrize(
    ("name", "query", "number"),
    [
        ("trading_position", {"held": "active"}, 3),
        ("trading_position", {"mode__exact": "live"}, 4),
        ("trading_position", {"q": "KXHIGHMIA"}, 1),
        ("strategies_verdict", {"status__exact": "candidate"}, 3),
        ("strategies_verdict", {"constraint": "volume"}, 3),
        ("strategies_decision", {"became": "denied"}, 1),
        ("markets_event", {"category": "Climate and Weather"}, 6),
        ("console_logrecord", {"level": "ERROR"}, 1),
    ],
)
def test_filters_and_search_find_what_they_say(
    name: str, query: dict[str, str], number: int, sample: dict[str, Any], login: Any
) -> None:
    answer = login("viewer").get(reverse(f"admin:{name}_changelist"), query)
    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == number


def test_the_funnel_adds_up_and_each_count_is_a_link_to_that_many_rows(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    page = client.get(reverse("admin:why"), {"profile": "careful"})
    shown = page.context
    assert (
        shown["universe"]
        == 6
        == sum(step["refused"] for step in shown["steps"]) + shown["near_total"] + shown["candidates"]
    )
    assert shown["steps"][-1]["left"] == shown["near_total"] + shown["candidates"]
    for step in shown["steps"]:
        assert len(client.get(step["url"]).context["cl"].result_list) == step["refused"]
    assert len(client.get(shown["near_verdicts"]).context["cl"].result_list) == shown["near_total"]
    assert len(client.get(shown["candidates_url"]).context["cl"].result_list) == shown["candidates"]


def test_amounts_on_pages_are_dollars_not_columns(sample: dict[str, Any], login: Any) -> None:
    page = login("viewer").get(reverse("admin:trading_position_change", args=[sample["held"].pk])).content.decode()
    text = re.sub(r"<[^>]+>", " ", page)
    assert "$49.4075" in text
    assert str(sample["held"].cost) not in text
    assert "What is held pays at least $50.00 in every listed state; it cost $49.4075." in text


def test_balances_are_read_the_way_people_count(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    page = client.get(reverse("admin:trading_profilebalance_changelist")).content.decode()
    balance = sample["live"].balance
    page += client.get(reverse("admin:trading_profilebalance_change", args=[balance.pk])).content.decode()
    assert page.count("$10,000.00") == 2
    assert "+$1.7775" in page
    assert "-$" not in page
    paid = sum(fill.fee for fill in Fill.objects.filter(order__profile=sample["live"]))
    assert paid > 0
    assert formats.money(paid) in page  # all that was paid, not what is in open positions
    assert "$10,001.7775" in page


def test_every_row_of_money_is_read_only() -> None:
    models = {model for model in admin.site._registry if model._meta.app_label in ("trading", "triage")}
    assert all(isinstance(admin.site._registry[model], ReadOnlyAdmin) for model in models)
    assert Fill in models


def test_prune_forgets_old_noise_and_never_money(sample: dict[str, Any]) -> None:
    long_ago = clock.now() - timedelta(days=400)
    for model, column in (
        (LogRecord, "at"),
        (TaskRecord, "started_at"),
        (Cycle, "started_at"),
        (Verdict, "updated_at"),
        (Position, "created_at"),
    ):
        model.objects.update(**{column: long_ago})
    positions, verdicts = Position.objects.count(), Verdict.objects.filter(event__is_open=True).count()
    deleted = tasks.prune()
    assert deleted["log"] == 2
    assert (LogRecord.objects.count(), TaskRecord.objects.count()) == (0, 0)
    assert Cycle.objects.count() == Cycle.objects.filter(decisions=1).count() == 1
    assert Verdict.objects.count() == verdicts
    assert Position.objects.count() == positions


def test_an_export_holds_the_filtered_rows_with_exact_decimals(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:trading_position_export")
    assert client.get(address).status_code == 200
    fields = {
        "resource": "0",
        "format": "0",
        **{f"positionresource_{name}": "on" for name in ("id", "mode", "cost", "target_count")},
    }
    answer = client.post(
        f"{address}?mode__exact=live", {**fields, **dict.fromkeys(("id", "mode", "cost", "target_count"), "on")}
    )
    lines = answer.content.decode().strip().splitlines()
    assert len(lines) == 1 + 4
    assert any(line.startswith(str(sample["held"].pk)) and "49.407500" in line and "25.00" in line for line in lines)


def test_candidates_that_were_not_bought_say_why_on_live_prices(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    groups = client.get(reverse("admin:why"), {"profile": "careful"}).context["live"]
    assert [(row["code"], row["number"]) for row in groups] == [("margin", 1)]
    assert len(client.get(groups[0]["url"]).context["cl"].result_list) == 1


def test_an_events_whole_story_is_shown_for_a_profile(sample: dict[str, Any], login: Any) -> None:
    event = sample["events"][0]
    page = login("viewer").get(reverse("admin:why_event", args=[event.pk]), {"profile": "careful"})
    assert page.context["story"][0] == f"{event.ticker}: {event.title}"
    assert "The whole story for careful" in page.content.decode()
