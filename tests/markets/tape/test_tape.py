"""A tape gives back what was recorded, in order, and names what it lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.tape.coverage import State, coverage
from markets.tape.reader import Tape
from markets.tape.records import Damaged, Kind, Record, pack, pack_frames, unpack, unpack_frames
from markets.tape.segments import HEADER, HOUR_NS
from markets.tape.store import json_record, write
from markets.tape.writer import TapeWriter

START = 1_790_000_000 * 10**9 // HOUR_NS * HOUR_NS

payloads = st.binary(max_size=200)
records = st.builds(
    Record,
    st.integers(0, 2**62),
    st.sampled_from(list(Kind)),
    st.text(max_size=30).filter(lambda text: text.isprintable()),
    payloads,
)


@given(st.lists(records, max_size=20))
def test_packed_records_come_back_as_they_were(given: list[Record]) -> None:
    assert list(unpack(b"".join(map(pack, given)))) == given


@given(st.lists(payloads, max_size=20))
def test_a_batch_of_frames_comes_back_frame_by_frame(given: list[bytes]) -> None:
    assert unpack_frames(pack_frames(given)) == given


@given(st.lists(records, min_size=1, max_size=5), st.data())
def test_a_block_that_is_cut_anywhere_is_damaged_or_a_prefix(given: list[Record], data: st.DataObject) -> None:
    whole = b"".join(map(pack, given))
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        found = list(unpack(whole[:cut]))
    except Damaged:
        return
    assert found == given[: len(found)]
    assert len(found) < len(given)


def test_what_two_processes_wrote_is_read_in_order_of_receipt(tmp_path: Path) -> None:
    first = TapeWriter(tmp_path, "one", {"exchange": "test"})
    second = TapeWriter(tmp_path, "two", {"exchange": "test"})
    for second_of_hour in range(10):
        writer = first if second_of_hour % 2 else second
        writer.frames("e1", [b"a%d" % second_of_hour, b"b"], START + second_of_hour * 10**9)
    first.close()
    second.close()
    found = list(Tape.open(tmp_path).records(kinds={Kind.FRAMES}))
    assert [unpack_frames(record.payload)[0] for record in found] == [b"a%d" % n for n in range(10)]


def test_an_hour_has_a_segment_of_its_own_and_every_segment_says_who_wrote_it(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, "stream", {"exchange": "test"})
    for hour in range(3):
        writer.record(Kind.STATUS, "", {"hour": hour}, START + hour * HOUR_NS)
    writer.close()
    assert len(list(tmp_path.glob("*.tape"))) == 3
    metas = [json.loads(record.payload) for record in Tape.open(tmp_path).records(kinds={Kind.META})]
    assert [meta["exchange"] for meta in metas] == ["test"] * 3


def test_only_the_requested_time_is_read(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, "stream", {})
    for second in range(10):
        writer.record(Kind.STATUS, "", {"n": second}, START + second * 10**9)
    writer.close()
    found = Tape.open(tmp_path).records(START + 3 * 10**9, START + 6 * 10**9, kinds={Kind.STATUS})
    assert [json.loads(record.payload)["n"] for record in found] == [3, 4, 5]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five blocks in one segment."""
    monkeypatch.setattr("markets.tape.writer.BLOCK_BYTES", 1)
    writer = TapeWriter(tmp_path, "stream", {})
    for second in range(5):
        writer.record(Kind.STATUS, "", {"n": second}, START + second * 10**9)
    writer.close()
    (path,) = tmp_path.glob("*.tape")
    return path


def numbers(folder: Path) -> tuple[list[int], list[str]]:
    found = list(Tape.open(folder).records(kinds={Kind.STATUS, Kind.GAP}))
    return (
        [json.loads(record.payload)["n"] for record in found if record.kind is Kind.STATUS],
        [json.loads(record.payload)["reason"] for record in found if record.kind is Kind.GAP],
    )


def test_a_torn_last_block_costs_that_block_and_the_gap_is_named(written: Path) -> None:
    content = written.read_bytes()
    for cut in (1, 10, HEADER.size + 3):
        written.write_bytes(content[:-cut])
        assert numbers(written.parent) == ([0, 1, 2, 3], ["torn end"])


def test_a_damaged_block_in_the_middle_costs_that_block_only(written: Path) -> None:
    content = bytearray(written.read_bytes())
    (segment,) = Tape.open(written.parent).segments
    middle = segment.blocks[3]
    content[middle.offset + HEADER.size + 2] ^= 0xFF
    written.write_bytes(bytes(content))
    kept, gaps = numbers(written.parent)
    assert kept == [0, 1, 3, 4]
    assert gaps == ["damaged block"]


def test_a_damaged_first_block_of_an_hour_is_a_hole_since_the_last_record_of_the_hour_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for whoever reads a part that begins in the hole; its hours are degraded."""
    monkeypatch.setattr("markets.tape.writer.BLOCK_BYTES", 1)
    writer = TapeWriter(tmp_path, "stream", {})
    for at in (0, HOUR_NS - 10**9, HOUR_NS + 10**9, HOUR_NS + 2 * 10**9):
        writer.record(Kind.STATUS, "", {"n": at}, START + at)
    writer.close()
    damaged = sorted(tmp_path.glob("*.tape"))[1]
    content = bytearray(damaged.read_bytes())
    for block in Tape.open(tmp_path).segments[1].blocks[:2]:  # who wrote it, and its first record
        content[block.offset + HEADER.size + 2] ^= 0xFF
    damaged.write_bytes(bytes(content))
    tape = Tape.open(tmp_path)
    last, first = START + HOUR_NS - 10**9, START + HOUR_NS + 2 * 10**9
    for start, at in ((0, last), (last + 1, last + 1), (START + HOUR_NS, START + HOUR_NS)):
        (gap,) = tape.records(start, kinds={Kind.GAP})
        assert gap.received_ns == at
        assert {name: json.loads(gap.payload)[name] for name in ("after_ns", "before_ns")} == {
            "after_ns": last,
            "before_ns": first,
        }
    assert list(tape.records(first, kinds={Kind.GAP})) == list(tape.records(0, last, kinds={Kind.GAP})) == []
    assert [hour.state for hour in coverage(tape).hours] == [State.DEGRADED, State.DEGRADED]


def test_a_damaged_first_block_of_all_is_a_hole_since_its_hour_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a process that began to record in the middle of a tape: the tape begins no earlier by it."""
    monkeypatch.setattr("markets.tape.writer.BLOCK_BYTES", 1)
    write(tmp_path, "stream", {}, [json_record(START - 10**9, Kind.STATUS, "", {})])
    writer = TapeWriter(tmp_path, "worker", {})
    for second in (5, 6):
        writer.record(Kind.STATUS, "", {}, START + second * 10**9)
    writer.close()
    torn = max(tmp_path.glob("*-worker.tape"))
    content = bytearray(torn.read_bytes())
    content[HEADER.size + 2] ^= 0xFF
    torn.write_bytes(bytes(content))
    assert [record.received_ns - START for record in Tape.open(tmp_path).records(kinds={Kind.GAP})] == [0]


@pytest.mark.parametrize("block_bytes", [1, 2**20])
def test_what_came_on_a_connection_stays_in_its_order_where_the_recorders_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    """What else was recorded has the moment at which it was known."""
    monkeypatch.setattr("markets.tape.writer.BLOCK_BYTES", block_bytes)
    writer = TapeWriter(tmp_path, "stream", {})
    seconds = [1, 2, 8, 9, 3, 4, 8, 10]
    for number, second in enumerate(seconds):
        writer.frames("e", [b"%d" % number], START + second * 10**9)
    writer.record(Kind.STATUS, "", {}, START + 10 * 10**9)
    writer.close()
    found = list(Tape.open(tmp_path).records(kinds={Kind.FRAMES, Kind.STATUS}))
    assert [unpack_frames(r.payload) for r in found[:-1]] == [[b"%d" % number] for number in range(len(seconds))]
    assert [(r.received_ns - START) // 10**9 for r in found] == [1, 2, 8, 9, 9, 9, 9, 10, 10]
    part = Tape.open(tmp_path).records(START + 9 * 10**9, START + 10 * 10**9, kinds={Kind.FRAMES})
    assert [unpack_frames(r.payload)[0] for r in part] == [b"3", b"4", b"5", b"6"]


def test_a_hole_stands_where_it_began_also_where_it_was_named_when_it_had_ended(tmp_path: Path) -> None:
    """And is on a part that ends inside of it, or begins there."""
    hole = {"after_ns": START + 5 * 10**9, "before_ns": START + 9 * 10**9, "reason": "disk full"}
    records = [json_record(START + at * 10**9, Kind.STATUS, "", {}) for at in (1, 5, 9, 10)]
    write(tmp_path, "w", {}, [*records[:2], json_record(START + 9 * 10**9, Kind.GAP, "", hole), *records[2:]])
    tape = Tape.open(tmp_path)
    found = [(r.received_ns - START) // 10**9 for r in tape.records(kinds={Kind.GAP, Kind.STATUS})]
    assert found == [1, 5, 5, 9, 10]
    for start, end, at in ((0, 6, [5]), (7, 10, [7]), (0, 5, []), (9, 20, [])):
        gaps = tape.records(START + start * 10**9, START + end * 10**9, kinds={Kind.GAP})
        assert [(gap.received_ns - START) // 10**9 for gap in gaps] == at


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited a minute"
        time.sleep(0.02)


def test_a_disk_that_refuses_never_stops_the_writer_and_the_hole_is_named(tmp_path: Path) -> None:
    """The folder becomes a file for a while: nothing can be opened in it, as on a full or missing disk."""
    folder = tmp_path / "tape"
    writer = TapeWriter(folder, "stream", {})
    folder.rmdir()
    folder.write_text("in the way")
    writer.record(Kind.STATUS, "", {"n": 0}, START)
    until(lambda: bool(writer.problem))
    folder.unlink()
    folder.mkdir()
    writer.record(Kind.STATUS, "", {"n": 1}, START + 10**9)
    until(lambda: not writer.problem)
    writer.close()
    assert writer.dropped == 1
    kept, gaps = numbers(folder)
    assert kept == [1]
    assert len(gaps) == 1
    assert "Error" in gaps[0]


def test_an_empty_folder_holds_no_tape(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no tape"):
        Tape.open(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no .*nowhere"):
        Tape.open(tmp_path / "nowhere")
    (tmp_path / "one.tape").touch()
    with pytest.raises(FileNotFoundError, match=r"one\.tape is a file; a tape is a folder"):
        Tape.open(tmp_path / "one.tape")
