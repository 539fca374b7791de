"""Tapes of which it is known what there was to be had: exactly that is found, and nothing depends on what comes later."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from backtest.options import Options
from backtest.replay import session
from backtest.report.results import Result
from backtest.studies import leaks
from markets.exchange_hours import Answer
from markets.tape import store
from markets.tape.imports.listing import market
from markets.tape.imports.source import iso
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record, pack_frames, unpack_frames
from tests.backtest.tapes import SECOND, START, Recorder, options, planted
from tests.conftest import REMEMBERING
from tests.markets.terms.wording import WEATHER_NOTE, WEATHER_RULE
from tests.markets.test_exchange_hours import OPEN, schedule
from trading.venues.replay import Latency

pytestmark = pytest.mark.usefixtures("own_database")


def test_a_planted_edge_is_bought_and_settled_and_nothing_else(tmp_path: Path) -> None:
    found = session.run(options(planted(tmp_path)))
    assert [(p["event"], p["kind"], p["close_type"]) for p in found.positions] == [("GAME-EDGE", "all_no", "settled")]
    (basket,) = found.positions
    assert [leg["bought"] for leg in basket["legs"]] == [2_000, 2_000, 2_000]
    # three NO contracts at 0.60 and the fee 0.07 x 0.4 x 0.6 on each, twenty times; two of them pay a dollar
    assert basket["spent"] == 36_000_000 + basket["legs"][0]["fees"] * 3
    assert basket["legs"][0]["fees"] == 336_000
    assert found.profit == 40_000_000 - basket["spent"]
    assert found.equity[-1][1] == found.profit


def test_nothing_is_traded_in_a_hole(tmp_path: Path) -> None:
    found = session.run(options(planted(tmp_path, gap=True)))
    assert found.decisions == 0
    assert found.counts["gaps"] == 1


def test_nothing_is_traded_in_a_hole_that_the_recorder_named_when_it_could_write_again(tmp_path: Path) -> None:
    """What was lost is named behind what was lost: a hole from a millisecond after the edge came, and the prices are fresh for seconds."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    for leg in range(3):
        tape.book(1, f"GAME-EDGE-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 31, 2):
        tape.alive(second)
    for leg in range(3):
        tape.delta(30.5, f"GAME-EDGE-L{leg}", "yes", "0.4000", "20.00")
    assert session.run(options(tape.write(tmp_path / "whole"))).decisions == 1
    hole = {"after_ns": START + 30_501 * 10**6, "before_ns": START + 40 * SECOND, "reason": "disk full"}
    tape.records.append(store.json_record(START + 40 * SECOND, Kind.GAP, "", hole))
    for second in range(40, 60, 2):
        tape.alive(second)
    wanted = options(tape.write(tmp_path / "hole"))
    found = session.run(wanted)
    assert (found.counts["gaps"], found.decisions) == (1, 0)
    assert leaks.check(wanted, moments=[START + 31 * SECOND, START + 50 * SECOND]).problems == []


def test_nothing_is_bought_while_the_exchange_is_paused(tmp_path: Path) -> None:
    """The exchange said so on the tape before the edge came. Where it said that it is open, the edge is bought."""
    tape = planted(tmp_path)
    at = START + 50 * SECOND
    said = Answer(at // 10**6, msgspec.structs.replace(OPEN, trading_active=False), schedule(), "1")
    store.write(tape, "status", {}, [Record(at, Kind.STATUS, "", msgspec.json.encode(said))])
    found = session.run(options(tape))
    assert found.counts["status"] == 1
    assert found.baskets == 0
    store.write(
        tape,
        "status",
        {},
        [Record(at, Kind.STATUS, "", msgspec.json.encode(Answer(at // 10**6, OPEN, schedule(), "1")))],
    )
    assert session.run(options(tape)).baskets == 1


def test_a_profile_that_quotes_is_replayed_without_an_exchange(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = session.run(options(planted(tmp_path), profile={"quoting": "one_leg"}))
    assert found.decisions
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_events_without_rules_are_certified_only_by_rules_that_a_person_gives_and_the_result_says_so(
    tmp_path: Path,
) -> None:
    tape = Recorder()
    tape.opened(0)
    ends = {"close_time": iso(START + 86_400 * SECOND), "expected_expiration_time": iso(START + 86_400 * SECOND)}
    strikes = [("less", None, 84), ("between", 84, 85), ("between", 86, 87), ("greater", 87, None)]
    legs = [
        market(f"KXHIGHNY-26AUG12-L{n}", strikes={"strike_type": k, "floor_strike": a, "cap_strike": b}, times=ends)
        for n, (k, a, b) in enumerate(strikes)
    ]
    tape.listed(0, "KXHIGHNY-26AUG12", legs)
    for leg in legs:
        tape.book(1, leg["ticker"], [("0.2000", "50.00")], [("0.7500", "50.00")])
    tape.alive(20)
    tape.write(tmp_path / "tape")
    sample = tmp_path / "rules.jsonl"
    texts = {"rules_primary": WEATHER_RULE.format("greater than 90\u00b0"), "rules_secondary": WEATHER_NOTE}
    sample.write_text(json.dumps({"series": "KXHIGHNY", **texts}))
    bare, filled = (session.run(options(tmp_path / "tape", rules=rules)) for rules in ((), (sample,)))
    assert (bare.without_rules, bare.assumed_rules, bare.funnel) == (1, 0, {"certificate": 1})
    assert (filled.without_rules, filled.assumed_rules, filled.funnel) == (0, 1, {"price": 1})


def test_two_runs_of_one_seed_are_the_same_and_the_fingerprint_says_so(tmp_path: Path) -> None:
    tape = planted(tmp_path)
    spread = Latency(5, 30, 400)
    first, again, other = (session.run(options(tape, latency=spread, seed=seed)) for seed in (7, 7, 8))
    assert first.timeline == again.timeline
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_what_this_process_remembers_is_forgotten_before_and_after_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that replays has read what is known today, which nobody knew while the tape was recorded."""
    forgotten: Counter[str] = Counter()
    for name in REMEMBERING:
        monkeypatch.setattr(f"{name}.forget", partial(forgotten.update, [name]))
    session.run(options(planted(tmp_path)))
    assert dict(forgotten).keys() == set(REMEMBERING)
    assert min(forgotten.values()) >= 2


def test_no_decision_depends_on_what_comes_after_it(tmp_path: Path) -> None:
    found = leaks.check(options(planted(tmp_path)), cuts=2)
    assert found.problems == []
    assert found.compared > 0


def test_a_replay_that_reads_one_record_ahead_is_caught(tmp_path: Path) -> None:
    """The check itself: with every record applied a minute early, decisions before a cut depend on what is after it."""

    def early(options: Options) -> Iterator[Record]:
        for record in Tape.open(options.tape).records(0, 2**63):
            at = max(START, record.received_ns - 60 * SECOND)
            if record.received_ns < options.end_ns:
                yield Record(at, record.kind, record.key, record.payload)

    tape = planted(tmp_path)
    found = leaks.check(options(tape), moments=[START + 20 * SECOND], records=early)
    assert any(problem.startswith("cut") for problem in found.problems)


def test_what_was_bought_is_not_there_a_second_time(tmp_path: Path) -> None:
    """The edge stays on the tape for minutes; its liquidity is gone with the first basket."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    for leg in range(3):
        tape.book(1, f"GAME-EDGE-L{leg}", [("0.4000", "20.00")], [("0.5500", "50.00")])
    for second in range(2, 400, 5):
        tape.alive(second)
    tape.write(tmp_path)
    found = session.run(options(tmp_path, profile={"cooldown_seconds": 1, "capital": 10**9}))
    assert found.decisions == 1
    assert sum(leg["bought"] for p in found.positions for leg in p["legs"]) == 3 * 2_000


def test_a_slow_order_finds_the_edge_gone(tmp_path: Path) -> None:
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    for leg in range(3):
        tape.book(1, f"GAME-EDGE-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 30):
        tape.alive(second)
    for leg in range(3):
        tape.delta(30, f"GAME-EDGE-L{leg}", "yes", "0.4000", "20.00")
    for leg in range(3):
        tape.delta(30.2, f"GAME-EDGE-L{leg}", "yes", "0.4000", "-20.00")
    for second in range(31, 60):
        tape.alive(second)
    tape.write(tmp_path)
    fast, slow = (_run(tmp_path, ms) for ms in (1, 500))
    assert fast.baskets == 1
    assert slow.decisions == 1
    assert slow.spent == 0


def _run(tape: Path, latency_ms: float) -> Result:
    return session.run(options(tape, latency=Latency(latency_ms, latency_ms, latency_ms)))


def test_the_poison_changes_everything_that_says_something_and_nothing_before_its_moment() -> None:
    trade = {"yes_price_dollars": "0.4000", "count_fp": "1.00", "taker_side": "yes"}
    frame = b'{"type":"trade","sid":1,"seq":1,"msg":{"taker_side":"no"}}'
    event = {"event_ticker": "A", "markets": [{"ticker": "A-1", "status": "active", "rules_primary": "Rule."}]}
    content: dict[Kind, bytes] = {
        Kind.TRADE: json.dumps(trade).encode(),
        Kind.FRAMES: pack_frames([frame]),
        Kind.EVENT: json.dumps(event).encode(),
        Kind.SOURCE: b'{"source":"nws","subject":"KNYC","fetched_ms":1,"as_of_ms":1,"data":{"hours":[1]}}',
        Kind.SETTLEMENT: b'{"result":"no","settlement_value_dollars":"0.0000"}',
        Kind.BOOK: b'{"orderbook_fp":{"yes_dollars":[["0.4000","1.00"]],"no_dollars":[]}}',
        Kind.QUOTE: b'{"yes_bid_dollars":"0.4000","no_bid_dollars":null}',
        Kind.SERIES: b'{"ticker":"A","fee_type":"quadratic","fee_multiplier":1}',
        Kind.TERMS: b'{"status":"approved"}',
        Kind.STATUS: b'{"status":{"trading_active":true,"indexes":[]}}',
    }
    given = [Record(at, kind, "k", payload) for at in (1, 2) for kind, payload in content.items()]
    found = list(leaks.poison(iter(given), 2))
    assert found[: len(content)] == given[: len(content)]
    for before, after in zip(given[len(content) :], found[len(content) :], strict=True):
        assert (after.received_ns, after.kind, after.key) == (before.received_ns, before.kind, before.key)
        assert after.payload != before.payload
    assert unpack_frames(found[len(content) + 1].payload) == [frame.replace(b'"no"', b'"yes"')]


_IN_A_PROCESS = """
import django, sys
django.setup()
from pathlib import Path
from backtest.replay import session
from tests.backtest.tapes import options
print(session.run(options(Path(sys.argv[1]))).fingerprint)
"""


@pytest.mark.slow
def test_processes_that_hash_differently_replay_the_same_at_once(tmp_path: Path) -> None:
    planted(tmp_path)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _IN_A_PROCESS, str(tmp_path)],
            env=environment | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2", "777")
    ]
    assert {process.communicate(timeout=120)[0].strip() for process in running} == {
        session.run(options(tmp_path)).fingerprint
    }
