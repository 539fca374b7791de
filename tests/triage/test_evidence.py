"""The walk-forward on recorded days: it learns from earlier days only, and it shows that learning helps."""

from __future__ import annotations

import csv
import gzip
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from statistics import mean

import pytest
from django.core.management import CommandError, call_command

from triage.evidence.cases import Forecast, RecordedCase, agreement
from triage.evidence.recorded import read, two_degrees
from triage.evidence.report import difference, months_of
from triage.evidence.walk_forward import COMBINED, MARKET, Score, run
from triage.learning.calibration import coverage, pit_histogram
from triage.learning.estimator import DAY_MS

FIRST = date(2026, 1, 1)
HOUR_MS = 3_600_000


def case(n: int, bias: float, rng: random.Random, priced: bool = False) -> RecordedCase:
    """The forecast of day ``n``, whose value is ``bias`` above it on average."""
    day = FIRST + timedelta(days=n)
    at = int(datetime(day.year, day.month, day.day, 4, tzinfo=UTC).timestamp() * 1000)
    forecast = 80 + rng.uniform(-5, 5)
    value = float(round(forecast + bias + rng.gauss(0, 2)))
    bounds = two_degrees(round(forecast))
    market = dict.fromkeys(bounds, 1 / len(bounds)) if priced else None
    return RecordedCase(
        "made up", "KMIA", day, at, 16.0, bounds, {"desk": Forecast(forecast, 2.7)}, value, at + 30 * HOUR_MS, market
    )


def cases(days: int, bias: float, seed: int = 5, priced: bool = False) -> list[RecordedCase]:
    rng = random.Random(seed)
    return [case(n, bias, rng, priced) for n in range(days)]


def of(scores: list[Score], name: str) -> list[Score]:
    return [one for one in scores if one.name == name]


def test_learning_finds_a_bias_and_leaves_an_honest_source_alone() -> None:
    biased, honest = run(cases(90, 2.3)), run(cases(90, 0.0))
    better = difference(of(biased, "desk, learned"), of(biased, "desk"))
    same = difference(of(honest, "desk, learned"), of(honest, "desk"))
    assert better is not None
    assert better.mean + better.half_width < 0
    assert better.days == 90
    assert same is not None
    assert same.mean < 0.01
    months = months_of(of(biased, "desk, learned"), of(biased, "desk"))
    assert len(months) == 3
    assert months == sorted(months)
    assert months[-1] < 0, "in each month by itself"
    assert months_of(of(biased, "desk, learned")[:9], of(biased, "desk")) == [], "nine days say nothing"


def test_a_source_that_knows_more_than_the_market_moves_the_combination_and_the_first_days_do_not() -> None:
    scores = run(cases(120, 0.0, priced=True))
    combined, market = of(scores, COMBINED), of(scores, MARKET)
    assert [one.brier for one in combined[:20]] == pytest.approx([one.brier for one in market[:20]])
    assert mean(one.brier for one in combined[60:]) < mean(one.brier for one in market[60:]) - 0.05


def test_what_comes_later_changes_no_earlier_score() -> None:
    recorded = cases(60, 2.3, priced=True)
    until = recorded[40].at_ms
    poisoned = [replace(one, value=one.value + 40 if one.known_ms > until else one.value) for one in recorded]
    before = [(one.name, one.chances) for one in run(recorded) if one.case.at_ms <= until]
    after = [(one.name, one.chances) for one in run(poisoned) if one.case.at_ms <= until]
    assert before == after
    early = [replace(one, known_ms=one.at_ms - DAY_MS) for one in recorded]
    leaking = [(one.name, one.chances) for one in run(early) if one.case.at_ms <= until]
    assert leaking != before


def folder(tmp_path: Path, *, known_from: str, model: str = "70.0") -> Path:
    """A recording of Miami: thirty settled days, their measured highs, and one forecast."""
    weather, events = tmp_path / "weather", tmp_path / "events"
    weather.mkdir(parents=True)
    events.mkdir()
    with gzip.open(events / "KXHIGHMIA.jsonl.gz", "wt") as file:
        for n in range(30):
            ticker = f"KXHIGHMIA-{FIRST + timedelta(days=n):%y%b%d}".upper()
            value = 70 + n % 5
            rows = ",".join(
                f'{{"ticker":"{ticker}-{name}","strike_type":"{kind}",{strikes},'
                f'"result":"{"yes" if won else "no"}","expiration_value":"{value}.00"}}'
                for name, kind, strikes, won in (
                    ("L", "less", '"cap_strike":72', value < 72),
                    ("M", "between", '"floor_strike":72,"cap_strike":73', 72 <= value <= 73),
                    ("H", "greater", '"floor_strike":73', value > 73),
                )
            )
            file.write(f'{{"event":{{"event_ticker":"{ticker}"}},"markets":[{rows}]}}\n')
    with (weather / "forecast_models_nws_high.csv").open("w", newline="") as file:
        rows_of = csv.writer(file)
        rows_of.writerow(["series", "date", "gfs", "nws_high"])
        rows_of.writerows(["KXHIGHMIA", FIRST + timedelta(days=n), model, 70 + n % 5] for n in range(40))
    with (weather / "forecast_high_test.csv").open("w", newline="") as file:
        rows_of = csv.writer(file)
        rows_of.writerows(
            [["event_ticker", "known_from_ts", "forecast_high_f"], ["KXHIGHMIA-26FEB05", known_from, "71.5"]]
        )
    return tmp_path


KNOWN = str(int(datetime(2026, 2, 5, 4, tzinfo=UTC).timestamp()))


def test_a_forecast_without_the_time_at_which_it_was_known_is_left_out(tmp_path: Path) -> None:
    assert len(read([folder(tmp_path / "a", known_from=KNOWN)]).cases) == 1
    without = read([folder(tmp_path / "b", known_from="")])
    assert without.cases == []
    assert without.left_out == {"forecasts without the time at which they were known": 1}


def test_a_forecast_stands_beside_the_market_where_prices_of_its_moment_were_recorded(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", known_from=KNOWN)
    (root / "quotes_hf").mkdir()
    bids = [("T70", 20, 70), ("B70.5", 30, 60), ("B72.5", 10, 80), ("T73", 4, 94)]
    rows_of = [
        f"2026-02-05T03:{minute}:00Z,KXHIGHMIA-26FEB05-{leg},{yes},{no}" for minute in (58, 59) for leg, yes, no in bids
    ]
    rows_of += [
        "2026-02-05T04:00:01Z,KXHIGHMIA-26FEB05-T70,90,9",
        "2026-02-05T03:59:30Z,KXHIGHMIA-26FEB05-T73,900,9",
        "x",
    ]
    (root / "quotes_hf/KXHIGHMIA-26FEB05.csv").write_text("ts_utc,ticker,yes_bid,no_bid\n" + "\n".join(rows_of) + "\n")
    found = read([root])
    [case] = [one for one in found.cases if one.group == "priced forecasts"]
    middles = {
        "KXHIGHMIA-26FEB05-T70": 0.25,
        "KXHIGHMIA-26FEB05-B70.5": 0.35,
        "KXHIGHMIA-26FEB05-B72.5": 0.15,
        "KXHIGHMIA-26FEB05-T73": 0.05,
    }
    assert case.market == pytest.approx({leg: price / 0.8 for leg, price in middles.items()}), (
        "of that moment, not a second later"
    )
    assert case.winner == "KXHIGHMIA-26FEB05-B70.5"
    assert found.left_out["lines that cannot be read"] == 2
    assert {one.name for one in run(found.cases)} >= {"openmeteo", "openmeteo, learned", MARKET, COMBINED}


def test_lines_that_cannot_be_read_are_counted_and_leave_the_walk_as_it_is(tmp_path: Path) -> None:
    root = folder(tmp_path / "a", known_from=KNOWN)
    before = read([root])
    (events,) = root.glob("**/events/*.gz")
    with gzip.open(events, "at") as file:
        file.write('{"event":\n[]\n{"event": {"event_ticker": "KXHIGHMIA-26FEB06"}}\n')
        file.write('{"event": {"event_ticker": "KXHIGHMIA-26FEB07"}, "markets": [{"ticker": 5}, null]}\n')
    (forecasts,) = root.glob("**/forecast_high_test.csv")
    with forecasts.open("a") as file:
        file.write(f"KXHIGHMIA-26FEB05,{KNOWN},nan\nKXHIGHMIA-26FEB05,{KNOWN},999\nKXHIGHMIA-26FEB05,{KNOWN}\n")
        file.write(f"KXHIGHATLANTIS-26FEB05,{KNOWN},71.5\n")
        file.write(f"KXHIGHMIA-26FEB05,{int(KNOWN) + 86_400},71.5\n")
    found = read([root])
    assert found.cases == before.cases
    assert found.left_out["forecasts of series that are not reviewed daily highs"] == 1
    assert found.left_out["forecasts made when the day's peak was over"] == 1
    assert found.left_out["lines that cannot be read"] >= 6


def test_archived_forecasts_without_issue_times_are_never_read(tmp_path: Path) -> None:
    one = read([folder(tmp_path / "a", known_from=KNOWN, model="71.0")])
    other = read([folder(tmp_path / "b", known_from=KNOWN, model="999.0")])
    assert one.cases == other.cases
    assert all("gfs" not in c.forecasts for c in one.cases)


def test_a_station_counts_only_after_its_values_agreed_with_the_exchange_s() -> None:
    days = [("KMDW", FIRST + timedelta(days=n)) for n in range(30)]
    settled = dict.fromkeys(days, 70.0)
    assert agreement("KMDW", settled, settled).counts
    assert not agreement("KMDW", settled, dict.fromkeys(days[:19], 70.0)).counts
    other = {key: 70.0 + (n % 3 > 0) for n, key in enumerate(days)}
    assert not agreement("KMDW", other, settled).counts


def test_calibrated_values_are_spread_evenly_and_fall_inside_as_often_as_said() -> None:
    even = [(i + 0.5) / 200 for i in range(200)]
    assert pit_histogram(even) == pytest.approx([0.1] * 10)
    assert coverage(even) == pytest.approx({0.5: 0.5, 0.8: 0.8, 0.95: 0.95})
    assert coverage([0.5] * 10)[0.5] == 1.0


def test_the_command_replaces_the_marked_part_of_a_page(tmp_path: Path) -> None:
    page, out = tmp_path / "page.md", StringIO()
    page.write_text("before\n<!-- walk-forward: begin -->\nold\n<!-- walk-forward: end -->\nafter\n")
    call_command("triage_evidence", str(folder(tmp_path / "a", known_from=KNOWN)), "--write", str(page), stdout=out)
    text = page.read_text()
    assert text.startswith("before\n<!-- walk-forward: begin -->\n| days |")
    assert text.endswith("<!-- walk-forward: end -->\nafter\n")
    assert "old" not in text
    assert "| KMIA | 30 | 30 | yes |" in text
    with pytest.raises(CommandError, match="is no folder"):
        call_command("triage_evidence", str(tmp_path / "nothing"), stdout=out)


@pytest.mark.shared
def test_on_recorded_days_of_miami_the_learned_score_beats_the_unlearned_one(shared: Path, tmp_path: Path) -> None:
    for kind, path in (
        ("events", shared / "recorded2/events/KXHIGHMIA.jsonl.gz"),
        ("weather", shared / "recorded2/weather/forecast_models_nws_high.csv.gz"),
        ("weather", shared / "recorded/weather/forecast_high_2025-10_2026-03.csv.gz"),
    ):
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / path.name).symlink_to(path)
    recorded = read([tmp_path])
    assert [one.station for one in recorded.agreements if one.counts] == ["KMIA"]
    scores = run(recorded.cases)
    for what in ("brier", "log_score"):
        found = difference(of(scores, "openmeteo, learned"), of(scores, "openmeteo"), what)
        assert found is not None
        assert found.days >= 150
        assert found.mean + found.half_width < 0
