"""One record that cannot be read is counted and set aside, whatever it holds; it never stops a replay or what else reads a tape."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtest import stored
from backtest.calibration.observe import observe
from backtest.replay import session
from backtest.studies.touch import measure
from markets.tape import export, store
from markets.tape.coverage import State, coverage
from markets.tape.cut import cut
from markets.tape.reader import END_OF_TIME, Tape
from markets.tape.records import Kind, Record
from tests.backtest.tapes import SECOND, START, options, planted

BODIES = (b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff", b'{"state":7}', b'{"after_ns":"x"}', b'{"markets":[1]}')
ENDING = (Kind.META, Kind.CONNECTION, Kind.GAP)
"""A connection or a gap that cannot be read ends what was known, which is right and no subject here."""


def _junk(tape: Path, folder: Path, kinds: tuple[Kind, ...]) -> Tape:
    """A tape with unreadable records of every kind among its own."""
    bodies = itertools.product(kinds, BODIES, ("GAME-EDGE", "GAME-FAIR-L0", ""))
    junk = [Record(START + 30 * SECOND, kind, key, body) for kind, body, key in bodies]
    known = [record for record in Tape.open(tape).records() if record.kind is not Kind.META]
    store.write(folder, "w", {}, [*known, *junk])
    return Tape.open(folder)


@pytest.mark.usefixtures("own_database")
def test_a_replay_goes_on_behind_records_of_any_shape_with_the_same_result(tmp_path: Path) -> None:
    base = planted(tmp_path / "a")
    kinds = tuple(kind for kind in Kind if kind not in (*ENDING, Kind.STATUS))
    _junk(base, tmp_path / "b", kinds)
    whole, found = session.run(options(base)), session.run(options(tmp_path / "b"))
    assert found.counts["refused"] > 100
    assert (found.baskets, found.fingerprint) == (1, whole.fingerprint)


def test_coverage_cuts_exports_and_measures_go_on_too(tmp_path: Path) -> None:
    tape = _junk(planted(tmp_path / "a"), tmp_path / "b", tuple(kind for kind in Kind if kind is not Kind.META))
    found = coverage(tape)
    assert found.hours[0].state is State.DEGRADED
    assert any("no JSON" in reason for reason in found.hours[0].reasons)
    assert cut(tape, tmp_path / "c", START + 40 * SECOND, END_OF_TIME) > 0
    assert export.export(tape, tmp_path / "d", 0, END_OF_TIME)["settlements"] == 3
    assert list(observe(tape.records())) == []
    assert measure(tape.records(), is_continuous=True).moments == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "torn", [b"", b"KTB1", bytes(4096), b"KTB1" + b"\xff" * 200], ids=["empty", "magic", "zeros", "large"]
)
def test_a_tape_of_which_nothing_can_be_read_is_refused_in_words_by_every_command(tmp_path: Path, torn: bytes) -> None:
    """The recorder died in its first block, or the disk was full before it was whole."""
    (tmp_path / "20260811T00-one.tape").write_bytes(torn)
    tape = ["--tape", str(tmp_path)]
    for command in (["tape", "info", str(tmp_path)], ["backtest", *tape], ["sweep", *tape, "--try", "min_profit=[0]"]):
        with pytest.raises(CommandError, match="holds nothing that can be read"):
            call_command(*command)
    with pytest.raises(FileNotFoundError):
        stored.request(options(tmp_path), {"min_profit": 1}, actor="somebody")
    assert list(Tape.open(tmp_path).records(kinds=[Kind.TRADE])) == []
