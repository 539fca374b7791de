"""The evidence table: best prices alone, runs that are kept, fees and rules where none or others were recorded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtest.replay import session
from backtest.studies import evidence
from backtest.studies.cards import cards
from backtest.studies.touch import measure
from kalbot.common.units import DOLLAR_PRICE
from markets.tape import store
from markets.tape.imports.listing import Listing, market
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from tests.backtest.tapes import SECOND, START, options, planted

MINUTE = 60 * SECOND


def _quote(at: int, ticker: str, yes: str | None, no: str | None) -> Record:
    return json_record(START + at, Kind.QUOTE, ticker, {"yes_bid_dollars": yes, "no_bid_dollars": no})


def _event(legs: int, *, exclusive: bool = True) -> Record:
    markets = [market(f"E-1-L{n}") for n in range(legs)]
    content = {"event_ticker": "E-1", "mutually_exclusive": exclusive, "markets": markets}
    return json_record(START, Kind.EVENT, "E-1", content)


def _opened(at: int, state: str = "open") -> Record:
    return json_record(START + at, Kind.CONNECTION, "E-1", {"state": state})


def _unpaying(at: int) -> list[Record]:
    """Three legs at which nothing pays: YES asks of 40 cents, YES bids of 30."""
    return [_quote(at, f"E-1-L{n}", "0.3000", "0.6000") for n in range(3)]


def test_the_time_in_which_a_set_pays_its_life_and_its_best_are_measured() -> None:
    records = [_event(3), _opened(0), *_unpaying(0)]
    records += [_quote(10 * SECOND, "E-1-L0", "0.4800", None), _quote(12 * SECOND, "E-1-L0", "0.3000", "0.6000")]
    records.append(_opened(100 * SECOND, "closed"))
    found = measure(iter(records), is_continuous=True)
    assert found.watched_ns == 100 * SECOND
    no = found.sides["no"]
    assert (no.paid_ns, no.lives_ns, no.moments) == (2 * SECOND, [2 * SECOND], 1)
    # bids of 48, 30 and 30 cents less fees of 1.7472 and twice 1.47, rounded up to 1.75: 108 - 4.69 = 103.31 cents
    assert no.bests == [10_331 - DOLLAR_PRICE]
    assert found.sides["yes"].moments == 0  # nobody bids for NO of one leg, so its YES has no ask


def test_a_set_of_legs_that_did_not_move_is_counted_apart() -> None:
    records = [_event(3), _opened(0), *[_quote(0, f"E-1-L{n}", "0.4000", "0.6000") for n in range(3)]]
    records.append(_opened(20 * MINUTE, "closed"))
    no = measure(iter(records), is_continuous=True).sides["no"]
    assert (no.paid_ns, no.fresh_ns) == (20 * MINUTE, [10 * MINUTE, MINUTE])


def test_prices_of_a_pass_are_one_moment_and_known_for_a_minute_only() -> None:
    first = [_quote(0, f"E-1-L{n}", "0.4000", "0.6000") for n in range(3)]
    found = measure(iter([_event(3), *first, *_unpaying(60 * MINUTE)]), is_continuous=False)
    assert (found.moments, found.sides["no"].moments) == (2, 1)  # a pass half of another is no moment
    assert (found.watched_ns, found.sides["no"].paid_ns) == (2 * MINUTE, MINUTE)


@pytest.mark.parametrize("records", [[_event(3, exclusive=False), *_unpaying(0)], [_event(4), *_unpaying(0)]])
def test_an_event_that_is_not_exclusive_or_not_whole_is_not_priced(records: list[Record]) -> None:
    assert measure(iter(records), is_continuous=False).moments == 0


@pytest.mark.django_db
def test_a_run_that_was_kept_is_read_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path / "tapes" / "one")
    (line,) = evidence.lines(tmp_path / "tapes", variants=evidence.VARIANTS[2:3])
    first = evidence.run_line(line, tmp_path / "kept")
    assert first["baskets"] == 1
    monkeypatch.setattr(session, "run", None)
    assert evidence.run_line(line, tmp_path / "kept") == first
    (other,) = evidence.lines(tmp_path / "tapes", fees="quadratic", variants=evidence.VARIANTS[2:3])
    with pytest.raises(TypeError):
        evidence.run_line(other, tmp_path / "kept")


@pytest.mark.slow  # as in a sweep, which the normal run has
@pytest.mark.django_db
def test_two_processes_make_the_runs_that_one_makes(tmp_path: Path) -> None:
    planted(tmp_path / "tapes" / "one")
    wanted = list(evidence.lines(tmp_path / "tapes", variants=evidence.VARIANTS[1:3]))
    assert evidence.run_all(wanted, 2) == evidence.run_all(wanted, 1)


@pytest.mark.usefixtures("own_database")
def test_a_series_without_fees_is_traded_only_with_assumed_ones_and_counted(tmp_path: Path) -> None:
    whole = Tape.open(planted(tmp_path / "a"))
    store.write(tmp_path / "b", "w", {}, (one for one in whole.records() if one.kind is not Kind.SERIES))
    without = session.run(options(tmp_path / "b"))
    assert (without.baskets, without.assumed_fees) == (0, 0)
    assert without.funnel == {"fee_type": 2}  # the third has settled
    assumed = session.run(options(tmp_path / "b", fees="quadratic"))
    assert (assumed.baskets, assumed.assumed_fees) == (1, 3)
    recorded = session.run(options(tmp_path / "a", fees="quadratic_with_maker_fees"))
    assert (recorded.baskets, recorded.assumed_fees) == (1, 0)


def test_rules_of_a_captured_event_are_used_from_its_capture_on_and_for_the_same_legs(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    rows = [{"ticker": f"G-1-{x}", "rules_primary": f"If {x} wins", "last_price_dollars": "0.9000"} for x in "AB"]
    line = {"capture_id": "20260710T000000Z", "event_ticker": "G-1", "markets": rows}
    with gzip.open(folder / "sports_markets_raw_x.jsonl.gz", "wt") as file:
        file.write(json.dumps(line) + "\n")
    listing, legs = Listing(tmp_path), [market("G-1-A"), market("G-1-B")]
    captured = 1_783_641_600 * SECOND
    assert listing.as_captured("G-1", legs, captured - 1) == legs
    assert listing.as_captured("G-1", [*legs, market("G-1-C")], captured) == [*legs, market("G-1-C")]
    known = listing.as_captured("G-1", legs, captured)
    assert [one["rules_primary"] for one in known] == ["If A wins", "If B wins"]
    assert "last_price_dollars" not in known[0]


def test_fees_of_a_long_tape_are_one_line_and_a_terminal_has_a_paragraph_a_row() -> None:
    fees = [f"KXA: quadratic x 1, as listed on 2026-01-31, {days} days later" for days in (47, 58, 50)]
    found = evidence.folded([*fees, "KXB: none x 1", "KXA: quadratic x 1, as listed on 2026-07-16, 1 days later"])
    assert found == [
        "KXA: quadratic x 1, as listed on 2026-01-31, 47 to 58 days later",
        "KXB: none x 1",
        "KXA: quadratic x 1, as listed on 2026-07-16, 1 days later",
    ]
    table = (
        f"| tape | profile | events | fees |\n| --- | --- | --- | --- |\n| t | careful | 10 | {'; '.join(found)} |\n"
    )
    shown = cards(table, 60, titles=2)
    assert shown.startswith("t, careful\n  events 10; fees KXA: quadratic")
    assert max(map(len, shown.splitlines())) <= 60
    assert cards("| tape |  |\n| --- | --- |\n", 60) == ""


@pytest.mark.parametrize(
    ("folder", "only", "why"),
    [
        ("backtest/data", "", "1 tape in .*, but none with books or quotes"),
        ("backtest/data", "games", "holds no tape whose name contains 'games'"),
        ("backtest/data/miami-2024-08", "", "is a tape itself: name the folder above it"),
        ("docs", "", "docs holds no tape"),
    ],
)
def test_a_folder_without_anything_to_replay_says_why(folder: str, only: str, why: str) -> None:
    root = Path(__file__).resolve().parents[2]
    with pytest.raises(CommandError, match=why):
        call_command("evidence", str(root / folder), "--only", only)
