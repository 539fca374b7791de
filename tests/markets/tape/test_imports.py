"""Imports of small recordings: what is on the tape, when, and what is refused by name."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from django.core.management import call_command

from backtest.report import terminal
from backtest.studies import evidence
from markets.tape.coverage import coverage
from markets.tape.imports import answers, inventory, registry
from markets.tape.imports.source import Aside, Refused, nanoseconds
from markets.tape.imports.touches import touch
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record
from tests.conftest import SHARED

SECOND = 10**9


def _lines(path: Path, *lines: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _table(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write(text)


def _records(kind: str, root: Path) -> list[Record]:
    return [record for part in registry.parts(kind, root) for record in part.read(Aside())]


def _of(records: list[Record], kind: Kind) -> list[tuple[int, str, dict[str, Any]]]:
    return [(r.received_ns, r.key, json.loads(r.payload)) for r in records if r.kind is kind]


def test_floating_cents_with_sizes_become_exact_prices_of_an_event_that_is_not_whole(tmp_path: Path) -> None:
    leg = {
        "ts": 1783029536939,
        "ticker": "KXCUP-26-PT",
        "yes_bid": 6.1,
        "yes_ask": 6.200000000000003,
        "yes_bid_sz": "4695.94",
    }
    none = {
        "ts": 1783029536939,
        "ticker": "KXCUP-26-HR",
        "yes_bid": None,
        "yes_ask": 0.0999999999999943,
        "yes_ask_sz": "5.00",
    }
    _lines(
        tmp_path / "sports" / "worldcup_winner_a_b.jsonl.gz",
        leg | {"yes_ask_sz": "61280.73"},
        none | {"yes_bid_sz": None},
    )
    records = _records("winners", tmp_path)
    assert [content["mutually_exclusive"] for _, _, content in _of(records, Kind.EVENT)] == [False]
    assert _of(records, Kind.QUOTE) == [
        (
            1783029536939 * 10**6,
            "KXCUP-26-PT",
            {
                "yes_bid_dollars": "0.0610",
                "no_bid_dollars": "0.9380",
                "yes_bid_size_fp": "4695.94",
                "no_bid_size_fp": "61280.73",
            },
        ),
        (
            1783029536939 * 10**6,
            "KXCUP-26-HR",
            {"yes_bid_dollars": None, "no_bid_dollars": "0.9990", "no_bid_size_fp": "5.00"},
        ),
    ]


def test_a_number_that_is_no_price_is_set_aside_by_name_and_not_rounded(tmp_path: Path) -> None:
    leg = {
        "ts": 1783029536939,
        "ticker": "KXCUP-26-PT",
        "yes_bid": 6.1234,
        "yes_ask": 7.0,
        "yes_bid_sz": "1",
        "yes_ask_sz": "1",
    }
    _lines(tmp_path / "sports" / "worldcup_winner_a_b.jsonl.gz", leg)
    (part,) = registry.parts("winners", tmp_path)
    with pytest.raises(
        Refused, match=r"nothing in it can be read: worldcup_winner_a_b.jsonl.gz line 1: .*not a price: 6.1234"
    ):
        registry.run(part, tmp_path / "tapes")
    assert not (tmp_path / "tapes").exists()


def test_when_a_game_ends_is_on_the_tape_from_the_quotes_that_said_so_on_and_not_before(tmp_path: Path) -> None:
    game = "KXMLBGAME-26JUL15NYYBOS"

    def book(minute: int) -> dict[str, Any]:
        sides = {"yes_bids": [[0.4, 5]], "no_bids": [[0.5, 5]]}
        return {"captured_at": f"2026-07-15T12:{minute}:00Z", "ticker": f"{game}-NYY"} | sides

    def quotes(minute: int, start: str) -> dict[str, Any]:
        return {"captured_at": f"2026-07-15T12:{minute}:00Z", "event_ticker": game, "game_start": start}

    _lines(tmp_path / "books/sports_2026-07-15.jsonl.gz", *(book(minute) for minute in (10, 20, 30, 40, 50)))
    first, moved = "2026-07-15T23:00:00Z", "2026-07-16T01:00:00Z"
    said = [quotes(45, moved), quotes(15, first), quotes(25, first), {"captured_at": "soon", "event_ticker": game}]
    _lines(tmp_path / "quotes/sports_events_2026-07-15.jsonl.gz", *said)
    records = [record for part in registry.parts("recorded", tmp_path) for record in part.read(Aside())]
    listed = [
        (at // (60 * SECOND) % 60, content["markets"][0].get("expected_expiration_time"))
        for at, _, content in _of(records, Kind.EVENT)
    ]
    assert listed == [(10, None), (20, first), (50, moved)]


def test_quarter_hours_carry_prints_and_the_label_when_it_was_known(tmp_path: Path) -> None:
    ticker, folder = "KXETH15M-26AUG170145-45", tmp_path / "crypto15m"
    _lines(folder / "KXETH15M_raw_snapshots.jsonl.gz", {"ticker": ticker, "ts": 1786945083.5, "yb": 0.093, "ya": 0.094})
    _lines(
        folder / "KXETH15M_trades.jsonl.gz",
        {
            "ticker": ticker,
            "created_time": "2026-08-17T05:40:00.25+00:00",
            "yes_price": 0.8,
            "count": 53.0,
            "taker_side": "no",
        },
    )
    _lines(
        folder / "KXETH15M_model_training_data.jsonl.gz",
        {"ticker": ticker, "outcome": "yes", "ts": "2026-08-17T05:46:00+00:00"},
    )
    records = _records("crypto15m", tmp_path)
    (event,) = _of(records, Kind.EVENT)
    assert event[2]["markets"][0]["close_time"] == "2026-08-17T05:45:00Z"
    (printed,) = _of(records, Kind.TRADE)
    assert printed[2] == {"yes_price_dollars": "0.8000", "count_fp": "53.00", "taker_side": "no"}
    (settled,) = _of(records, Kind.SETTLEMENT)
    assert (settled[0], settled[2]["result"]) == (nanoseconds("2026-08-17T05:46:00Z"), "yes")
    assert _of(records, Kind.QUOTE)[0][0] == 1786945083_500_000_000


def test_settled_highs_have_three_moments_and_results_after_the_report(tmp_path: Path) -> None:
    folder, ticker = tmp_path / "settled", "KXHIGHNY-26MAY06-T74"
    _table(
        folder / "weather_19cities_markets.csv.gz",
        "event_ticker,ticker,strike_type,floor_strike,cap_strike,result,expiration_value,open_time,close_time\n"
        f"KXHIGHNY-26MAY06,{ticker},greater,74,,yes,76.00,2026-05-05T14:00:00Z,2026-05-07T04:59:00Z\n",
    )
    _table(
        folder / "weather_19cities_quotes_3x_day.csv.gz",
        "target,ticker,snapshot_hour_utc,last_yes_bid,last_yes_ask\n"
        f"2026-05-06,{ticker},12,0.04,0.05\n2026-05-06,{ticker},20,0.0,1.0\n2026-05-06,OTHER-1,4,0.1,0.2\n",
    )
    records = _records("settled", tmp_path)
    assert _of(records, Kind.QUOTE) == [
        (nanoseconds("2026-05-06T12:00:00Z"), ticker, {"yes_bid_dollars": "0.0400", "no_bid_dollars": "0.9500"}),
        (nanoseconds("2026-05-06T20:00:00Z"), ticker, {"yes_bid_dollars": None, "no_bid_dollars": None}),
    ]
    (settled,) = _of(records, Kind.SETTLEMENT)
    assert (settled[0], settled[2]["expiration_value"]) == (nanoseconds("2026-05-07T15:00:00Z"), "76.00")


def test_games_near_their_close_have_asks_only_and_a_synthetic_one_is_none(tmp_path: Path) -> None:
    def leg(name: str, ask: float, source: str) -> dict[str, Any]:
        times = {"open_time": "2026-07-01T00:00:00Z", "close_time": "2026-07-03T23:59:41Z", "occurrence_datetime": None}
        near = {"end_period_ts": 1783119600, "price_source_tag": source, "yes_ask": ask}
        return {"ticker": f"KXWCGAME-26JUL03AB-{name}", "result": "no", "sample_ask_near_close": near, **times}

    game = {"event_ticker": "KXWCGAME-26JUL03AB", "captured_at": "2026-07-04T00:09:41Z"}
    _lines(
        tmp_path / "settled" / "sports_near_close_x.jsonl.gz",
        game | {"outcomes": [leg("A", 0.95, "real_ask"), leg("B", 0.01, "synthetic")]},
        {"moneyline": {}},
    )
    quotes = _of(_records("settled", tmp_path), Kind.QUOTE)
    assert [(key, content) for _, key, content in quotes] == [
        ("KXWCGAME-26JUL03AB-A", {"yes_bid_dollars": None, "no_bid_dollars": "0.0500"})
    ]


def test_one_leg_of_a_game_makes_no_basket_and_its_result_comes_after_its_prices(tmp_path: Path) -> None:
    game = {"ticker": "KXNBAGAME-26MAR19CLECHI-CHI"}
    candles = [[1773965220, 0.19, 0.2, 0.2, 495.0], [1773965160, 0.2, 0.21, 0.2, 1.0]]
    _lines(
        tmp_path / "sports" / "nba_games.jsonl.gz",
        {"game": game, "result": "no", "candles": candles},
        {"game": game, "result": None, "candles": []},
    )
    records = _records("basketball", tmp_path)
    assert [at for at, _, _ in _of(records, Kind.QUOTE)] == [1773965160 * SECOND, 1773965220 * SECOND]
    assert _of(records, Kind.SETTLEMENT)[0][0] == 1773965220 * SECOND
    assert not _of(records, Kind.EVENT)[0][2]["mutually_exclusive"]


def test_prints_without_events_are_a_tape_of_their_own(tmp_path: Path) -> None:
    _table(
        tmp_path / "trades" / "weather_unlabelled" / "KXHIGHNY_2024Q1.csv.gz",
        "created_time,ticker,yes_price_cents,count,taker_side\n2024-01-01T13:00:00.5Z,HIGHNY-24JAN01-B31.5,2,1,no\n",
    )
    (part,) = registry.parts("prints", tmp_path)
    assert (part.tape, part.about["absent"]) == ("prints-without-events", ["books", "quotes", "events", "results"])
    assert [record.kind for record in part.read(Aside())] == [Kind.TRADE]


def test_a_side_at_the_end_of_the_grid_is_nobodys() -> None:
    assert touch(None, None) == {"yes_bid_dollars": None, "no_bid_dollars": None}


def test_a_file_that_nobody_reads_is_named_with_its_reason(tmp_path: Path) -> None:
    for name in ("minutes/KXHIGHMIA_2026-04-20.csv.gz", "books/odd.parquet", "books/weather_2026-07-19.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = dict(inventory.left_out(tmp_path))
    assert found["books/odd.parquet"] == "no reader knows it"
    assert "percentages of a chart" in found["minutes/KXHIGHMIA_2026-04-20.csv.gz"]
    assert len(found) == 2


@pytest.mark.shared
def test_every_recorded_file_is_read_or_refused_with_a_reason(shared: Path) -> None:
    for name in ("recorded", "recorded2"):
        unknown = [path for path, why in inventory.left_out(shared / name) if why == "no reader knows it"]
        assert not unknown
        for pattern, kind in inventory.READ:
            if any(shared.glob(f"{name}/{pattern}")):
                assert any(registry.parts(kind, shared / name)), kind


@pytest.mark.shared
def test_one_connection_of_games_is_replayed_frame_by_frame() -> None:
    (part,) = (p for p in registry.parts("frames", SHARED / "recorded2") if p.tape == "frames-games")
    records = list(part.read(Aside()))
    whole = [content["mutually_exclusive"] for _, _, content in _of(records, Kind.EVENT)]
    assert (sum(r.kind is Kind.FRAMES for r in records), sum(whole), len(whole)) == (269, 2, 10)


def test_of_series_that_are_no_daily_temperature_neither_strikes_nor_exclusiveness_are_read_off_the_tickers(
    tmp_path: Path,
) -> None:
    for event in ("KXHIGHNY-25DEC05", "KXBTC-25DEC05"):
        rows = [f"2025-12-05T15:00:00Z,{event}-{leg},10,85" for leg in ("B-2.5", "B64.5", "B66", "T67", "T-3")]
        _table(tmp_path / "quotes_hf" / f"{event}.csv.gz", "\n".join(["ts_utc,ticker,yes_bid,no_bid", *rows]))
    other, daily = (content for _, _, content in _of(_records("best-changes", tmp_path), Kind.EVENT))
    assert (other["mutually_exclusive"], daily["mutually_exclusive"]) == (False, True)
    assert not any("strike_type" in market for market in other["markets"])
    strikes = {
        one["ticker"].split("-", 2)[2]: (one.get("floor_strike"), one.get("cap_strike")) for one in daily["markets"]
    }
    assert strikes == {"B-2.5": (-3, -2), "B64.5": (64, 65), "B66": (None, None), "T67": (67, None), "T-3": (None, -3)}


def test_a_day_without_a_time_is_no_moment(tmp_path: Path) -> None:
    _table(
        tmp_path / "trades" / "weather" / "KXHIGHNY_2025-01.csv.gz",
        "created_time,ticker,yes_price_cents,count,taker_side\n2025-01-01,KXHIGHNY-25JAN01-B31.5,2,1,no\n",
    )
    (part,) = registry.parts("prints", tmp_path)
    with pytest.raises(Refused, match="a day without a time"):
        registry.run(part, tmp_path / "tapes")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_file_is_read_however_it_is_packed_and_whatever_its_name_says(
    tmp_path: Path, pack: Callable[[bytes], bytes], suffix: str
) -> None:
    line = {"ticker": "KXETH15M-26AUG170145-45", "ts": 1786945083.5, "yb": 0.093, "ya": 0.094}
    path = tmp_path / "crypto15m" / f"KXETH15M_raw_snapshots.jsonl{suffix}"
    path.parent.mkdir()
    raw = ("\ufeff" + json.dumps(line) + "\r\n").encode() * 3
    path.write_bytes(pack(raw))
    assert len(_of(_records("crypto15m", tmp_path), Kind.QUOTE)) == 3
    assert not list(inventory.left_out(tmp_path))
    if pack is not bytes:  # cut off it is read to there, and that is named
        path.write_bytes(
            pack(b"".join(json.dumps(line | {"ts": 1786945083 + n}).encode() + b"\n" for n in range(9)))[:-3]
        )
        (part,) = registry.parts("crypto15m", tmp_path)
        aside = Aside()
        with contextlib.suppress(Refused):
            list(part.read(aside))
            assert "breaks off" in aside.named[-1]


def test_a_file_in_two_packings_is_read_once_and_the_other_is_named(tmp_path: Path) -> None:
    line = {"ticker": "KXETH15M-26AUG170145-45", "ts": 1786945083.5, "yb": 0.093, "ya": 0.094}
    _lines(tmp_path / "crypto15m" / "KXETH15M_raw_snapshots.jsonl.gz", line)
    (tmp_path / "crypto15m" / "KXETH15M_raw_snapshots.jsonl").write_text(json.dumps(line))
    assert len(_of(_records("crypto15m", tmp_path), Kind.QUOTE)) == 1
    assert [name for name, _ in inventory.left_out(tmp_path)] == ["crypto15m/KXETH15M_raw_snapshots.jsonl.gz"]


def test_a_catalogue_with_lines_that_cannot_be_read_serves_with_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    event = "KXHIGHNY-25DEC05"
    _table(
        tmp_path / "quotes_hf" / f"{event}.csv.gz",
        f"ts_utc,ticker,yes_bid,no_bid\n2025-12-05T15:00:00Z,{event}-T4,1,85\n",
    )
    series = {"ticker": "KXHIGHNY", "fee_type": "quadratic", "fee_multiplier": 1, "title": "", "category": ""}
    _table(tmp_path / "catalog" / "series_all_2026-03-31.jsonl.gz", "{\n[]\n{}\n" + json.dumps(series) + "\n")
    assert [key for _, key, _ in _of(_records("best-changes", tmp_path), Kind.SERIES)] == ["KXHIGHNY"]
    assert "catalogue series_all_*.jsonl: 3 lines cannot be read" in caplog.text


def _changes(root: Path) -> str:
    """One event-day of best bids; its event."""
    event = "KXHIGHNY-25DEC05"
    table = f"ts_utc,ticker,yes_bid,no_bid\n2025-12-05T15:00:00Z,{event}-T4,1,85\n"
    _table(root / "quotes_hf" / f"{event}.csv.gz", table)
    return event


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("ticker,result\n{leg},yes\n", "results_derived.csv: results_derived.csv has no column result_derived"),
        ("", "results_derived.csv has no column result_derived, ticker"),
        ("ticker,result_derived\n{leg},perhaps\n", "not a result: 'perhaps'"),
        ("ticker,result_derived\n{leg},yes\n{leg},no\n", "{leg} has another result above"),
        ("ticker,result_derived\n{leg},yes,1\n", "3 fields that are text, 2 expected"),
    ],
    ids=["no column", "empty", "no result", "two results", "a field too many"],
)
def test_results_that_cannot_be_read_are_set_aside_and_the_prices_are_imported(
    tmp_path: Path, table: str, why: str
) -> None:
    leg = f"{_changes(tmp_path)}-T4"
    (tmp_path / "quotes_hf" / "results_derived.csv").write_text(table.format(leg=leg))
    (part,) = registry.parts("best-changes", tmp_path)
    done = registry.run(part, tmp_path / "tapes")
    assert done.aside.count == 1
    assert why.format(leg=leg) in done.aside.named[0]
    tape = Tape.open(tmp_path / "tapes" / "best-changes")
    assert tape.about["set aside"] == {"count": 1, "first": done.aside.named}
    kinds = [record.kind for record in tape.records()]
    assert (kinds.count(Kind.QUOTE), kinds.count(Kind.SETTLEMENT)) == (1, 0)


def test_a_file_beside_the_prices_that_cannot_be_unpacked_is_set_aside(tmp_path: Path) -> None:
    _table(
        tmp_path / "trades" / "weather" / "KXHIGHNY_2025-01.csv.gz",
        "created_time,ticker,yes_price_cents,count,taker_side\n2025-01-01T13:00:00Z,KXHIGHNY-25JAN01-B31.5,2,1,no\n",
    )
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "KXHIGHNY.jsonl.gz").write_bytes(b"\x1f\x8bnot packed")
    (part,) = registry.parts("prints", tmp_path)
    done = registry.run(part, tmp_path / "tapes")
    assert (done.records >= 1, done.aside.count) == (True, 1)
    assert "KXHIGHNY.jsonl.gz cannot be unpacked" in done.aside.named[0]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("2026-01-31", ["fees of KXHIGHNY: quadratic x 0.5, as listed on 2026-01-31, 57 days later"]),
        ("2025-12-01", ["fees of KXHIGHNY: quadratic x 0.5, as listed on 2025-12-01, 4 days earlier"]),
        ("2025-12-05", []),
        ("new", ["fees of KXHIGHNY: quadratic x 0.5, from a list without a day"]),
    ],
)
def test_a_tape_says_of_which_day_the_fees_are_that_it_assumes(
    tmp_path: Path, listed: str, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the prices' own day nothing is assumed."""
    _changes(tmp_path)
    series = {"ticker": "KXHIGHNY", "fee_type": "quadratic", "fee_multiplier": 0.5, "title": "", "category": ""}
    _table(tmp_path / "catalog" / f"series_all_{listed}.jsonl.gz", json.dumps(series) + "\n")
    (part,) = registry.parts("best-changes", tmp_path)
    registry.run(part, tmp_path / "tapes")
    found = coverage(Tape.open(tmp_path / "tapes" / "best-changes"))
    assert [one for one in found.assumed if one.startswith("fees")] == said
    assert all(one in terminal.coverage_line(found) for one in said)
    assert all(one.removeprefix("fees of ") in evidence.tapes_table(tmp_path / "tapes") for one in said)
    call_command("tape", "info", str(tmp_path / "tapes" / "best-changes"))
    printed = " ".join(capsys.readouterr().out.split())
    assert all(one in printed for one in said)


def answered(event: str, day: str, **said: Any) -> dict[str, Any]:
    """An event as the exchange answers after its settlement."""
    market = {
        "ticker": f"{event}-B60.5",
        "event_ticker": event,
        "market_type": "binary",
        "strike_type": "between",
        "floor_strike": 60,
        "cap_strike": 61,
        "open_time": f"{day}T00:00:00Z",
        "close_time": f"{day}T20:00:00Z",
        "expected_expiration_time": f"{day}T22:00:00Z",
        "latest_expiration_time": "2026-10-30T00:00:00Z",
        "rules_primary": "If the highest temperature",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}],
        "status": "finalized",
        "result": "yes",
        "settlement_value_dollars": "1.0000",
        "settlement_ts": f"{day}T21:00:00Z",
        "expiration_value": "60.00",
    }
    about = {"event_ticker": event, "series_ticker": "KXHIGHNY", "mutually_exclusive": True}
    return {"event": about, "markets": [market | said]}


def test_events_of_an_archive_know_nothing_of_how_they_ended(tmp_path: Path) -> None:
    event, at = "KXHIGHNY-26OCT13", nanoseconds("2026-10-13T12:00:00Z")
    later = {
        "last_price_dollars": "0.9900",
        "previous_yes_bid_dollars": "0.9900",
        "yes_ask_dollars": "1.0000",
        "volume_fp": "58684.06",
        "open_interest_fp": "13231.68",
        "liquidity_dollars": "7.0000",
        "updated_time": "2026-10-13T21:00:05Z",
        "a_field_of_next_year": "won",
    }
    written = []
    for number, said in enumerate(({}, later)):
        said_of = [answered(event, "2026-10-13", **said)]
        said_of += [answered("KXHIGHNY-26OCT12", "2026-10-12"), answered("KXHIGHNY-26OCT15", "2026-10-15")]
        file = tmp_path / f"events{number}.jsonl"
        inside = {**said_of[0]["event"], "markets": said_of[0]["markets"]}  # as a listing has them
        file.write_text("\n".join(json.dumps(one) for one in (inside if number else said_of[0], *said_of[1:], {})))
        folder = tmp_path / "archive" / "trades" / "date=2026-10-13"
        folder.mkdir(parents=True, exist_ok=True)
        row = {"ticker": f"{event}-B60.5", "ts_recv": at, "yes_price": 0.4, "count": 1.0, "taker_side": "yes"}
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), folder / "part-0.parquet")
        (part,) = registry.parts("kalshi-eye", tmp_path / "archive")
        done = registry.run(part, tmp_path / f"tapes{number}", file)
        assert done.aside.count == 1
        written.append(list(Tape.open(tmp_path / f"tapes{number}" / "kalshi-eye").records()))
    plain, poisoned = ([one for one in records if one.kind is not Kind.META] for records in written)
    assert plain == poisoned
    ((listed_ns, _, listed),) = _of(plain, Kind.EVENT)
    assert listed_ns == at
    (market,) = listed["markets"]
    assert (market["status"], market["result"], market["floor_strike"]) == ("active", "", 60)
    assert market["price_ranges"][0]["step"] == "0.0010"
    assert not {"expiration_value", "settlement_ts", "settlement_value_dollars"} & market.keys()
    ((settled_ns, _, result),) = _of(plain, Kind.SETTLEMENT)
    assert (settled_ns, result["result"]) == (nanoseconds("2026-10-13T21:00:00Z"), "yes")


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ({}, "2026-10-13T21:00:00Z"),
        ({"settlement_ts": "0001-01-01T00:00:00Z"}, "2026-10-13T22:00:00Z"),
        ({"settlement_ts": None}, "2026-10-13T22:00:00Z"),
        ({"settlement_ts": None, "close_time": "2026-10-13T23:10:00Z"}, "2026-10-13T23:10:00Z"),
        ({"result": ""}, None),
    ],
)
def test_a_result_is_known_when_the_market_settled(said: dict[str, Any], moment: str | None) -> None:
    found = list(answers.settled(answered("KXHIGHNY-26OCT13", "2026-10-13", **said)["markets"][0]))
    assert [record.received_ns for record in found] == ([nanoseconds(moment)] if moment else [])
