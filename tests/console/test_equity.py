"""Equity: what profiles are worth, kept once an hour, and its curve, which the ledger carries where nothing was kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sample_rows
import time_machine
from django.db import transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from test_metrics import scraped

from kalbot.common import cache, clock
from kalbot.console import tasks
from kalbot.console.api import tokens
from kalbot.console.models import EquitySample
from kalbot.console.ops import equity
from kalbot.console.ops.retention import retention
from kalbot.console.ui.plots import fewer
from strategies.models import Profile
from trading.accounting import ledger, results
from trading.models import Account, Position, ProfileBalance

Login = Callable[..., Client]
T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def kept(profile: Profile, at: datetime, unrealised: int, **columns: int) -> EquitySample:
    """A sample of a moment with the booked sums of now."""
    row = ProfileBalance.objects.get(profile=profile)
    return EquitySample.objects.create(
        profile=profile,
        mode=profile.mode,
        at=at,
        hour=int(at.timestamp()) // 3_600,
        unrealised=unrealised,
        **{"capital": -row.capital, "realised": -row.realised, "unpriced": 0, **columns},
    )


def worth(profile: Profile) -> int:
    """Capital, realised profit and what selling would make, from the rows themselves."""
    made = sum(Position.objects.filter(profile=profile).values_list("realised", flat=True))
    return profile.capital + made + (equity.unrealised_of([profile])[profile.pk][0] or 0)


def test_an_hour_has_one_row_for_each_profile_with_booked_capital(sample: dict[str, Any]) -> None:
    Profile.objects.create(name="unfunded", mode="sim")
    with time_machine.travel(T0, tick=False):
        funded = {one.profile.name: one for one in ProfileBalance.objects.exclude(capital=0)}
        assert tasks.sample_equity() == len(funded) >= 2
        assert tasks.sample_equity() == 0
    with time_machine.travel(T0 + timedelta(minutes=59), tick=False):
        assert tasks.sample_equity() == 0
    with time_machine.travel(T0 + HOUR, tick=False):
        assert tasks.sample_equity() == len(funded)
    assert set(EquitySample.objects.values_list("profile__name", flat=True)) == set(funded)


def test_a_sample_is_capital_and_profit_realised_and_at_the_bids(sample: dict[str, Any]) -> None:
    tasks.sample_equity()
    found = EquitySample.objects.get(profile=sample["live"])
    open_, unpriced = equity.unrealised_of([sample["live"]])[sample["live"].pk]
    assert (found.mode, found.capital, found.realised) == ("live", sample["live"].capital, 3 * 592_500)
    assert open_
    assert (found.unrealised, found.unpriced) == (open_, unpriced)
    assert found.equity == worth(sample["live"])


def test_what_has_no_live_book_counts_at_its_cost_and_is_named(sample: dict[str, Any]) -> None:
    cache.prices().flushdb()
    tasks.sample_equity()
    found = EquitySample.objects.get(profile=sample["live"])
    assert (found.unrealised, found.unpriced) == (0, 1)
    assert found.equity == found.capital + found.realised


def test_a_profile_that_books_while_it_is_valued_is_valued_again(
    sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sold between the two readings would count twice or not at all."""
    valued, runs = equity.unrealised_of, []

    def sold_meanwhile(profiles: Any) -> Any:
        found = valued(list(profiles))
        runs.append(set(found))
        if len(runs) <= most:
            row = ProfileBalance.objects.filter(profile=sample["live"])
            row.update(cash=F("cash") + 5, realised=F("realised") - 5)
        return found

    monkeypatch.setattr(equity, "unrealised_of", sold_meanwhile)
    both, most = {sample["live"], sample["careful"]}, 1
    found = equity.now(both)
    assert [len(one) for one in runs] == [2, 1]
    assert {one.profile for one in found} == both
    runs, most = [], equity.TRIES
    assert {one.profile for one in equity.now(both)} == {sample["careful"]}, "nothing is better than half of a sale"


def test_booked_equity_goes_back_to_the_first_deposit_and_counts_each_basket_once(sample: dict[str, Any]) -> None:
    profile, now = sample["live"], clock.now()
    steps = results.equity_steps(profile, None, now)
    assert [level - profile.capital for _, level in steps] == [0, 592_500, 2 * 592_500, 3 * 592_500]
    later = results.equity_steps(profile, steps[1][0] + HOUR, now)
    assert later == [(steps[1][0] + HOUR, steps[1][1]), *steps[2:]]
    assert results.equity_steps(profile, None, steps[0][0] - HOUR) == []
    assert results.equity_steps(profile, steps[0][0] - 2 * HOUR, steps[0][0] - HOUR) == []
    ledger.deposit(profile, 1_000_000, "owner")
    assert results.equity_steps(profile, None, clock.now())[-1][1] == steps[-1][1] + 1_000_000


BOOKED = [(T0, 100), (T0 + 3 * HOUR, 110), (T0 + 10 * HOUR, 130)]


@pytest.mark.parametrize(
    ("kept_at", "since", "expected"),
    [
        ({}, None, [(0, 100), (3, 110), (10, 130)]),
        ({4: 95}, None, [(0, 100), (3, 110), (4, 95), (6, 110), (10, 130)]),
        ({2: 90, 3: 95, 4: 96}, None, [(0, 100), (2, 90), (3, 95), (4, 96), (6, 110), (10, 130)]),
        ({9.5: 120, 10.5: 121}, None, [(0, 100), (3, 110), (9.5, 120), (10.5, 121)]),
        ({9.5: 120}, None, [(0, 100), (3, 110), (9.5, 120), (11.5, 130)]),
        ({1: 90, 2.5: 95}, 2, [(2, 90), (2.5, 95), (4.5, 110), (10, 130)]),
    ],
)
def test_samples_hold_for_two_hours_and_the_ledger_has_the_rest(
    kept_at: dict[float, int], since: float | None, expected: list[tuple[float, int]]
) -> None:
    samples = [(T0 + at * HOUR, level) for at, level in kept_at.items()]
    begin = None if since is None else T0 + since * HOUR
    booked = BOOKED if begin is None else [(begin, 100), *BOOKED[1:]]
    found = equity.joined(booked, samples, begin, T0 + 12 * HOUR)
    assert [((at - T0) / HOUR, level) for at, level in found] == expected


def drawn(page: Any) -> dict[str, list[float]]:
    """Of each profile that has a plot of equity: its heights."""
    charts = {one["profile"].name: one["equity_chart"] for one in page.context["equities"]}
    lines = {name: json.loads(chart)["datasets"] for name, chart in charts.items() if chart}
    return {name: [point["y"] for point in line["data"]] for name, (line,) in lines.items()}


def test_the_curve_joins_ledger_samples_and_now(sample: dict[str, Any], login: Login) -> None:
    profile, client, address = sample["live"], login("viewer"), reverse("admin:results")
    kept(profile, clock.now() - 3 * HOUR, -7_000_000, unpriced=1)
    kept(profile, clock.now() - 2 * HOUR, 4_000_000)
    page = client.get(address, {"period": "all", "profile": "live"})
    assert "Equity of live" in page.content.decode()
    heights = drawn(page)["live"]
    booked = 10_001.7775
    assert heights[:4] == [10_000, 10_000.5925, 10_001.185, booked]
    assert heights[4:6] == [booked - 7, booked + 4]
    assert heights[-1] == worth(profile) / 1e6 != booked + 4
    day = (clock.now() - timedelta(days=4)).date()
    past = drawn(client.get(address, {"to": str(day), "profile": "live"}))["live"]
    assert past[0] == 10_000
    assert past[-1] < booked


def test_a_profile_without_booked_capital_says_what_would_fill_its_curve(sample: dict[str, Any], login: Login) -> None:
    Profile.objects.create(name="unfunded", mode="sim")
    page = login("viewer").get(reverse("admin:results"), {"period": "all", "profile": ["unfunded", "live"]})
    assert set(drawn(page)) == {"live"}
    assert "No capital of unfunded had been booked by then. The first basket that it buys" in page.content.decode()


def test_samples_of_another_mode_are_not_the_profiles(sample: dict[str, Any]) -> None:
    row = kept(sample["live"], clock.now() - HOUR, -7_000_000)
    EquitySample.objects.filter(pk=row.pk).update(mode="sim")
    assert equity.samples(sample["live"], None, clock.now()) == []


def test_page_and_api_hand_out_the_hours_exactly(sample: dict[str, Any], login: Login) -> None:
    kept(sample["live"], (clock.now() - HOUR).replace(microsecond=0), 1_234_567, unpriced=2)
    answer = login("viewer").get(reverse("admin:results"), {"period": "all", "profile": "live", "format": "equity"})
    (row,) = csv.DictReader(answer.content.decode().splitlines())
    assert answer["Content-Disposition"] == 'attachment; filename="equity-all.csv"'
    assert (row["capital"], row["realised"], row["unrealised"]) == ("10000.000000", "1.777500", "1.234567")
    assert (row["not_priced"], row["equity"]) == ("2", "10003.012067")
    _, secret = tokens.make(sample_rows.person("reader", "viewer"), "script", "viewer", 1)
    bearer = {"Authorization": f"Bearer {secret}"}
    (same,) = Client().get("/api/v1/equity?period=all&profile=live", headers=bearer).json()
    assert {name: str(value) for name, value in same.items()} == {**row, "at": row["at"].replace("+00:00", "Z")}
    assert Client().get("/api/v1/equity?profile=nobody", headers=bearer).status_code == 404
    assert Client().get("/api/v1/equity?first=2020-01-01&last=2020-02-01&profile=live", headers=bearer).json() == []


def test_the_metric_of_equity_does_not_count_returned_collateral(sample: dict[str, Any]) -> None:
    """The exchange takes back what it has returned: it is cash, and owed."""
    held = sample["held"]
    with transaction.atomic():
        entries = [(Account.CASH, 5_000_000), (Account.RETURNED, -5_000_000)]
        ledger.post(
            profile=sample["live"], kind="collateral", key="returned", entries=entries, position=held, memo="returned"
        )
        Position.objects.filter(pk=held.pk).update(returned=5_000_000)
    tasks.sample_equity()
    served = {labels["profile"]: value for labels, value in scraped()["kalbot_equity_dollars"]}
    assert round(served["live"] * 1e6) == worth(sample["live"])
    assert EquitySample.objects.get(profile=sample["live"]).equity == worth(sample["live"])


def test_samples_are_kept_for_a_year(sample: dict[str, Any]) -> None:
    young, old = timedelta(days=retention.YEAR_DAYS - 1), timedelta(days=retention.YEAR_DAYS + 1)
    left = kept(sample["live"], clock.now() - young, 0)
    kept(sample["live"], clock.now() - old, 0)
    assert tasks.prune()["equity"] == 1
    assert EquitySample.objects.get() == left


@pytest.mark.parametrize("number", [0, 1, 299, 300, 301, 5_000])
def test_fewer_points_keep_ends_peaks_and_falls(number: int) -> None:
    points = [(T0 + at * HOUR, (at * 7_919) % 1_000) for at in range(number)]
    if number > 1_000:
        points[1_234], points[2_345] = (points[1_234][0], 99_999), (points[2_345][0], -99_999)
    found = fewer(points)
    assert len(found) <= 300
    assert found == sorted(set(found) & set(points))
    if number:
        assert (found[0], found[-1]) == (points[0], points[-1])
        assert max(found, key=lambda one: one[1])[1] == max(level for _, level in points)
        assert min(found, key=lambda one: one[1])[1] == min(level for _, level in points)
    if number <= 300:
        assert found == points
