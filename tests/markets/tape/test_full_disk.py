"""A disk that is full in the middle of a block: nothing is torn, nobody waits, and what is lost is named, on the tape and beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
    assert len(gaps) == 1
    assert "FileTooLarge" in gaps[0]["reason"] or "OSError" in gaps[0]["reason"]
    lost = [at for number in range(found["sent"]) if (at := START + number * 1000) not in set(kept)]
    assert gaps[0]["after_ns"] <= lost[0]
    assert lost[-1] < gaps[0]["before_ns"]
    assert found["said"][0] == gaps[0]["reason"]
    assert found["said"][-1] == found["dropped"] == gaps[0]["dropped"]


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
