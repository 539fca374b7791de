"""Where the tape stood at a dump, and what is said of it after a restore."""

from __future__ import annotations

from pathlib import Path

from kalbot.local.tape_position import position, since
from markets.tape import store
from markets.tape.records import Kind, Record

HOUR = 3_600 * 10**9
START = 1_786_406_400 * 10**9


def _record(folder: Path, writer: str, *hours: float) -> None:
    store.write(folder, writer, {}, [Record(START + round(hour * HOUR), Kind.STATUS, "", b"{}") for hour in hours])


def test_a_position_is_the_end_of_every_segment_and_what_came_later_is_said_with_its_command(tmp_path: Path) -> None:
    folder = str(tmp_path)
    _record(tmp_path, "one", 0.1, 0.2)
    kept = position(folder)
    assert kept is not None
    assert kept["last_ns"] == START + round(0.2 * HOUR)
    assert all((tmp_path / name).stat().st_size == end for name, end in kept["segments"].items())
    assert since(kept, folder) == "The tape has nothing since the dump."
    _record(tmp_path, "one", 1.7)
    said = since(kept, folder)
    assert "1.5 h since the dump" in said
    assert "--from 2026-08-11T00:12:00" in said


def test_a_torn_end_is_no_part_of_a_position(tmp_path: Path) -> None:
    _record(tmp_path, "one", 0.1)
    (segment,) = tmp_path.glob("*.tape")
    whole = segment.stat().st_size
    segment.write_bytes(segment.read_bytes() + b"KTB1torn")
    kept = position(str(tmp_path))
    assert kept is not None
    assert kept["segments"] == {segment.name: whole}


def test_a_tape_that_is_gone_shorter_or_another_is_named(tmp_path: Path) -> None:
    _record(tmp_path, "one", 0.1)
    _record(tmp_path, "two", 1.1)
    kept = position(str(tmp_path))
    assert since(None, str(tmp_path)) == "The dump names no tape."
    assert "is not here" in since(kept, str(tmp_path / "nowhere"))
    assert "is not here" in since(kept, "")
    first, second = sorted(tmp_path.glob("*.tape"))
    second.unlink()
    assert "1 segments of before it are gone" in since(kept, str(tmp_path))
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    assert "is not here" in since(kept, str(tmp_path)), "nothing of it can be read"
    first.write_bytes(whole)
    _record(tmp_path, "three", 2.1)
    first.write_bytes(whole[:-1])
    assert "not the one of the dump" in since(kept, str(tmp_path))
    assert position("") is None
