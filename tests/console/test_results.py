"""Results: exact, equal to the ledger, by day, week, month and year, and nothing across modes."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from kalbot.common import clock
from trading.accounting import ledger, results

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
        assert found.realised == ledger.summary(sample[name])["realised"]
    live = results.result(sample["live"], None, clock.now())
    assert (live.ended, live.won, live.win_rate_ppm) == (3, 3, 1_000_000)
    assert live.realised == 3 * 592_500
    assert live.best is not None
    assert live.best[1] == 592_500


def test_groups_hold_every_ended_basket_once(sample: dict[str, Any]) -> None:
    whole = results.result(sample["live"], None, clock.now())
    for what in ("category", "kind", "hour"):
        groups = results.by(sample["live"], None, what)
        assert sum(one.ended for one in groups) == whole.ended
        assert sum(one.realised for one in groups) == whole.realised
    assert results.by(sample["live"], None, "category")[0].name == "Climate and Weather"


def test_the_page_and_its_csv_show_each_profile_by_itself(sample: dict[str, Any], login: Login) -> None:
    client, address = login("viewer"), reverse("admin:results")
    page = client.get(address, {"period": "all", "profile": "live"}).content.decode()
    for words in ("+$1.7775", "Climate and Weather", "never added up", "100.00 %"):
        assert words in page
    rows = list(csv.DictReader(client.get(address, {"period": "all", "format": "csv"}).content.decode().splitlines()))
    live = next(row for row in rows if row["profile"] == "live")
    assert (live["mode"], live["realised"], live["ended"]) == ("live", "1.777500", "3")
    assert client.get(address, {"period": "nonsense", "profile": "nobody"}).status_code == 200
