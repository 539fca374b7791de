"""A disk that is full in the middle of a block: nothing is torn, nobody waits, and what is lost is named, on the tape and beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from markets.tape import writer as writing
from markets.tape.reader import Tape
from markets.tape.records import Kind
from markets.tape.writer import TapeWriter
from tests.markets.tape.test_tape import START, until

FILL = """
import json, os, resource, signal, sys, time
from pathlib import Path
from markets.tape import writer
from markets.tape.records import Kind
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer.FLUSH_SECONDS = writer.RETRY_SECONDS = 0.02
said = []
tape = writer.TapeWriter(Path(sys.argv[1]), "stream", {}, on_problem=said.append, on_recovery=lambda lost: said.append(lost))
START, number, slowest = int(sys.argv[2]), 0, 0.0
def some(until):
    global number, slowest
    ended = time.monotonic() + 20
    while not until() and time.monotonic() < ended:
        began = time.perf_counter()
        tape.frames("e1", [b'{"n":%d,"x":"%s"}' % (number, os.urandom(400).hex().encode())], START + number * 1000)
        slowest = max(slowest, time.perf_counter() - began)
        number += 1
        time.sleep(0.0005)
some(lambda: tape.written > 30)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
some(lambda: bool(tape.problem))
some(lambda: tape.dropped > 50)
full = sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
some(lambda: not tape.problem)
some(lambda: tape.written > 300)
tape.close()
print(json.dumps({"sent": number, "written": tape.written, "dropped": tape.dropped, "said": said, "full": full}))
"""
"""Frames go on while the size that a file may have is first small and then without limit."""


def test_a_disk_that_fills_up_inside_a_block_tears_nothing_and_every_lost_frame_is_counted(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), str(START)], check=True, capture_output=True, text=True, timeout=60
    )
    found = json.loads(answer.stdout)
    tape = Tape.open(tmp_path)
    assert not [hole for segment in tape.segments for hole in segment.holes]
    records = list(tape.records())
    kept = [record.received_ns for record in records if record.kind is Kind.FRAMES]
    gaps = [json.loads(record.payload) for record in records if record.kind is Kind.GAP]
    assert found["full"] <= 40_000
    assert len(kept) + found["dropped"] == found["sent"]
    lost = {at for number in range(found["sent"]) if (at := START + number * 1000) not in set(kept)}
    for gap in gaps:
        assert "FileTooLarge" in gap["reason"] or "OSError" in gap["reason"]
        within = {at for at in lost if gap["after_ns"] <= at < gap["before_ns"]}
        assert len(within) == gap["dropped"] > 0
        lost -= within
    assert not lost
    began = [reason for reason in found["said"] if isinstance(reason, str)]
    ended = [count for count in found["said"] if isinstance(count, int)]
    assert began == [gap["reason"] for gap in gaps]
    assert ended == [gap["dropped"] for gap in gaps]
    assert sum(ended) == found["dropped"]


def test_a_record_that_cannot_be_packed_is_named_and_the_next_ones_are_written(tmp_path: Path) -> None:
    said: list[str] = []
    writer = TapeWriter(tmp_path, "stream", {}, on_problem=said.append)
    writer.record(Kind.STATUS, "", {"n": 0}, START)
    writer.record(Kind.STATUS, "x" * 70_000, {"n": 1}, START + 1)
    writer.record(Kind.STATUS, "", {"n": 2}, START + 2)
    until(lambda: bool(said))
    writer.record(Kind.STATUS, "", {"n": 3}, START + 3)
    writer.close()
    records = list(Tape.open(tmp_path).records())
    assert [json.loads(r.payload)["n"] for r in records if r.kind is Kind.STATUS] == [0, 2, 3]
    assert len([r for r in records if r.kind is Kind.GAP]) == 1
    assert writer.dropped == 1
    assert "error" in said[0]
    (gap,) = (json.loads(r.payload) for r in records if r.kind is Kind.GAP)
    assert (gap["after_ns"], gap["before_ns"], gap["dropped"]) == (START + 1, START + 2, 1)


def test_what_does_not_fit_into_the_queue_is_a_hole_between_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    said: list[object] = []
    plain = writing.append

    def held(file: BinaryIO, block: bytes) -> None:
        assert free.wait(60)
        plain(file, block)

    monkeypatch.setattr(writing, "append", held)
    monkeypatch.setattr(writing, "QUEUE_BYTES", 100)
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 0.01)
    writer = TapeWriter(tmp_path, "stream", {}, on_problem=said.append, on_recovery=lambda lost: said.append(lost))
    writer.frames("e1", [b"x" * 60], START)
    until(lambda: not writer._waiting)
    for number in range(1, 6):
        writer.frames("e1", [b"x" * 60], START + number)
    free.set()
    until(lambda: writer.written == 3)
    writer.frames("e1", [b"x" * 60], START + 6)
    writer.close()
    records = list(Tape.open(tmp_path).records())
    assert [r.received_ns - START for r in records if r.kind is Kind.FRAMES] == [0, 1, 2, 6]
    (gap,) = (json.loads(r.payload) for r in records if r.kind is Kind.GAP)
    assert (gap["after_ns"] - START, gap["before_ns"] - START, gap["dropped"]) == (3, 6, 3)
    assert said == ["the disk is slower than the exchange", 3]
    assert writer.dropped == 3
