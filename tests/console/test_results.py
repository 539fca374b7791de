"""Results: exact, equal to the ledger, by day, week, month and year, and nothing across modes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import sample_rows
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from kalbot.common import clock
from kalbot.console.api import tokens
from kalbot.console.pages.results import curves
from kalbot.console.pages.results import results as results_page
from strategies.models import Profile
from trading.accounting import balance_check, result_groups, results
from trading.models import Position

Login = Callable[..., Client]
T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("day", datetime(2026, 3, 4, 5, tzinfo=UTC)),
        ("week", datetime(2026, 3, 2, 5, tzinfo=UTC)),
        ("month", datetime(2026, 3, 1, 5, tzinfo=UTC)),
        ("year", datetime(2026, 1, 1, 5, tzinfo=UTC)),
        ("all", None),
    ],
)
def test_times_begin_at_midnight_in_new_york(period: str, expected: datetime | None) -> None:
    now = datetime(2026, 3, 5, 3, 59, tzinfo=UTC)  # still the fourth in New York
    assert results.begin(period, now) == expected


def test_another_period_is_refused() -> None:
    with pytest.raises(ValueError, match="decade"):
        results.begin("decade", T0)


def test_drawdown_is_the_greatest_fall_from_a_high() -> None:
    assert results.drawdown([5, -3, 4, -9, 2, -1]) == 9
    assert results.drawdown([-2, -3]) == 5
    assert results.drawdown([1, 2]) == 0


def test_capital_days_count_what_was_held_inside_the_time_only() -> None:
    steps = [(T0, 10_000_000), (T0 + timedelta(days=2), -4_000_000), (T0 + timedelta(days=5), -6_000_000)]
    now = T0 + timedelta(days=7)
    assert results.capital_days(steps, None, now) == 10_000_000 * 2 + 6_000_000 * 3
    assert results.capital_days(steps, T0 + timedelta(days=1), now) == 10_000_000 + 6_000_000 * 3
    assert results.capital_days(steps, T0 + timedelta(days=6), now) == 0
    assert results.capital_days(steps[:1], None, now) == 10_000_000 * 7


def test_results_of_all_time_are_the_ledgers(sample: dict[str, Any]) -> None:
    for name in ("careful", "coverage", "live"):
        found = results.result(sample[name], None, clock.now())
        assert found.realised == balance_check.summary(sample[name])["realised"]
    live = results.result(sample["live"], None, clock.now())
    assert (live.ended, live.won, live.win_rate_ppm) == (3, 3, 1_000_000)
    assert live.realised == 3 * 592_500
    assert live.best is not None
    assert live.best[1] == 592_500


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"from": "2026-12-05", "to": "2026-11-01"}, "The first day is after the last one"),
        ({"from": "2150-01-01"}, "These days have not begun yet"),
        ({"from": "5.11.2026"}, "The day “5.11.2026” was not understood"),
        ({"to": "2026-02-30"}, "The day “2026-02-30” was not understood"),
        ({"from": "2026-01-01", "to": "2026-01-01"}, ""),
    ],
)
def test_days_that_hold_nothing_say_why(query: dict[str, str], says: str, sample: dict[str, Any], login: Login) -> None:
    page = login("viewer").get(reverse("admin:results"), query).content.decode()
    assert says in page if says else "k-refusal" not in page


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-12-31", 24), ("2024-02-29", 24)]
)
def test_a_day_is_as_long_as_new_york_makes_it(day: str, hours: int) -> None:
    first = date.fromisoformat(day)
    since, until = results.days(first, first, datetime(2030, 1, 1, tzinfo=UTC))
    assert since is not None
    assert results.elapsed(since, until) == timedelta(hours=hours, microseconds=-1)
    assert results.days(first + timedelta(days=1), None, T0)[0] == until + timedelta(microseconds=1)


def curve(profile: Profile, since: datetime, until: datetime) -> dict[str, str]:
    """The first curve of the page, of one profile."""
    return curves.realised([profile], curves.gains_of([profile], since, until), since, until)


def test_the_curve_of_days_that_are_past_ends_with_them(sample: dict[str, Any]) -> None:
    """A week of last month was a corner of the weeks since."""
    profile, now = sample["live"], clock.now()
    since, until = now - timedelta(days=9), now - timedelta(days=3)
    options = json.loads(curve(profile, since, until)["curve_options"])
    points = json.loads(curve(profile, since, until)["curve_chart"])["datasets"][0]["data"]
    assert options["scales"]["x"]["title"]["text"] == "days ago"
    assert options["scales"]["x"]["min"] == pytest.approx(3, abs=0.01) == points[-1]["x"]
    assert json.loads(curve(profile, since, clock.now())["curve_options"])["scales"]["x"]["min"] == 0


def test_groups_hold_every_ended_basket_once(sample: dict[str, Any]) -> None:
    whole = results.result(sample["live"], None, clock.now())
    found = result_groups.by(sample["live"], None, clock.now())
    assert set(found) == {"category", "kind", "hour"}
    for groups in found.values():
        assert sum(one.ended for one in groups) == whole.ended
        assert sum(one.realised for one in groups) == whole.realised
    assert found["category"][0].name == "Climate and Weather"


def test_the_page_reads_the_ended_baskets_once_for_all_its_groups(sample: dict[str, Any], login: Login) -> None:
    client = login("viewer")
    with CaptureQueriesContext(connection) as ran:
        client.get(reverse("admin:results"), {"period": "all", "profile": "live"})
    assert sum("event__category" in query["sql"] for query in ran.captured_queries) == 1


def test_the_page_and_its_csv_show_each_profile_by_itself(sample: dict[str, Any], login: Login) -> None:
    client, address = login("viewer"), reverse("admin:results")
    page = client.get(address, {"period": "all", "profile": "live"}).content.decode()
    for words in ("+$1.7775", "Climate and Weather", "never added up", "100.00 %"):
        assert words in page
    with time_machine.travel(clock.now(), tick=False):
        answer = client.get(address, {"period": "all", "format": "csv"})
        by_api = {row["profile"]: row for row in api_results(sample, "?period=all")}
    rows = list(csv.DictReader(answer.content.decode().splitlines()))
    live = next(row for row in rows if row["profile"] == "live")
    assert (live["mode"], live["realised"], live["baskets"]) == ("live", "1.777500", "3")
    for row in rows:
        same = by_api[row["profile"]]
        for name in row.keys() - {"until"}:
            assert (str(same[name]) if same[name] is not None else "") == row[name].replace("+00:00", "Z"), name
    assert client.get(address, {"period": "nonsense", "profile": "nobody"}).status_code == 200


def test_without_a_choice_the_profile_that_ended_something_is_shown_in_detail(
    sample: dict[str, Any], login: Login
) -> None:
    Profile.objects.create(name="aaa", mode="live", is_active=True)
    page = login("viewer").get(reverse("admin:results"), {"period": "all"}).content.decode()
    assert "Realised profit of live" in page
    assert "Realised profit of aaa" not in page


def api_results(sample: dict[str, Any], query: str) -> Any:
    """The answer of the API to a viewer's token."""
    _, secret = tokens.make(sample_rows.person("reader", "viewer"), "script", "viewer", 1)
    answer = Client().get(f"/api/v1/results{query}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_days_are_chosen_profiles_stand_side_by_side_and_a_group_leads_to_its_rows(
    sample: dict[str, Any], login: Login
) -> None:
    client, address = login("viewer"), reverse("admin:results")
    today = clock.now().astimezone(results.DAY_ZONE).date()
    page = client.get(
        address, {"from": str(today - timedelta(days=30)), "to": str(today), "profile": ["live", "careful"]}
    )
    shown = page.content.decode()
    for words in (f"to {today}", "live: by category", "careful: by hour", "live (live)", "+$1.7775"):
        assert words in shown, words
    long_ago = client.get(address, {"from": "2020-01-01", "to": "2020-12-31", "profile": "live"}).content.decode()
    assert "Nothing was realised in this time" in long_ago
    link = re.search(r'href="([^"]*of=live&amp;group=category[^"]*)"', shown)
    assert link is not None
    rows = client.get(address + unescape(link[1]).partition("#")[0]).content.decode()
    assert "3 baskets, +$1.7775" in rows
    assert "that made most" not in rows
    assert rows.count("/admin/trading/position/") >= 3
    ended = re.search(r'href="([^"]*held=ended[^"]*)">3</a>', shown)
    assert ended is not None
    assert len(client.get(unescape(ended[1])).context["cl"].result_list) == 3
    Position.objects.filter(mode="live", status="settled").update(ended_at=clock.now() - timedelta(days=400))
    assert list(client.get(unescape(ended[1])).context["cl"].result_list) == []
    for strange in ({"from": "yesterday"}, {"to": "9999-99-99"}, {"of": "nobody", "group": "x", "name": "y"}):
        assert client.get(address, strange).status_code == 200, strange
    assert api_results(sample, "?first=2020-01-01&last=2020-12-31&profile=live")[0]["baskets"] == 0


def test_a_group_that_is_cut_says_so(sample: dict[str, Any], login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_page, "MOST_MEMBERS", 2)
    query = {"period": "all", "profile": "live", "of": "live", "group": "kind", "name": "all no"}
    shown = login("viewer").get(reverse("admin:results"), query).content.decode()
    assert "3 baskets, +$1.7775; the 2 that made most" in shown
