"""Writes a tape beside the work of a process, on a thread of its own: nothing that happens to the disk holds up a price.

``frames`` and ``record`` only append to a queue. When the thread cannot write (disk full, folder gone) records are dropped, the hole is
counted and named in the tape as soon as it can be written again.
"""

from __future__ import annotations

import errno
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from markets.tape.records import Kind, Record, pack, pack_frames
from markets.tape.segments import HOUR_NS, block_of, segment_name

log = logging.getLogger(__name__)

BLOCK_BYTES: Final = 512 * 1024
FLUSH_SECONDS: Final = 1.0
QUEUE_BYTES: Final = 64 * 2**20
"""More than this waiting to be written, and records are dropped: memory stays bounded."""
RETRY_SECONDS: Final = 2.0


Payload = bytes | Sequence[bytes] | Callable[[], Sequence[bytes]]
"""What a record holds, the frames of a batch, or what makes those when they are written."""


@dataclass(slots=True)
class _Hole:
    """What was lost in a row, and why."""

    since_ns: int
    reason: str
    dropped: int = 0

    def record(self, before_ns: int) -> Record:
        gap = {"after_ns": self.since_ns, "before_ns": before_ns, "reason": self.reason, "dropped": self.dropped}
        return Record(before_ns, Kind.GAP, "", json.dumps(gap).encode())


class TapeWriter:
    """One writer of one folder. Several processes may write into the same folder under different names."""

    def __init__(
        self,
        folder: Path,
        writer: str,
        about: dict[str, object],
        *,
        level: int = 1,
        on_problem: Callable[[str], None] = lambda reason: None,
        on_recovery: Callable[[int], None] = lambda dropped: None,
    ) -> None:
        """``about`` becomes the META record of every segment. Raises OSError when the folder cannot be made.

        ``on_problem`` is called from the writing thread when records begin to be lost, ``on_recovery`` with their number when it ends.
        """
        self._on_problem, self._on_recovery = on_problem, on_recovery
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._writer, self._about, self._level = folder, writer, about, level
        self._queue: deque[tuple[int, Kind, str, Payload]] = deque()
        self._waiting = 0
        self._counting = threading.Lock()
        self._file: BinaryIO | None = None
        self._hour = -1
        self._hole: _Hole | None = None
        """What could not be written."""
        self._overflow: _Hole | None = None
        """What did not fit into the queue."""
        self._lost_now = 0
        self._news: deque[Callable[[], None]] = deque()
        self._stop = threading.Event()
        self.written = 0
        self.dropped = 0
        self.problem = ""
        """Why nothing is being written; empty while all is well."""
        self._thread = threading.Thread(target=self._run, name="tape", daemon=True)
        self._thread.start()

    def frames(self, epoch: str, payloads: Sequence[bytes], received_ns: int) -> None:
        """A batch of WebSocket payloads as the socket delivered them. Never blocks, never raises."""
        self._put(received_ns, Kind.FRAMES, epoch, payloads, sum(map(len, payloads)))

    def frames_later(self, epoch: str, make: Callable[[], Sequence[bytes]], received_ns: int) -> None:
        """Frames that take long to make, which ``make`` does on the writing thread. Never blocks, never raises."""
        self._put(received_ns, Kind.FRAMES, epoch, make, 0)

    def record(self, kind: Kind, key: str, content: object, received_ns: int | None = None) -> None:
        """One other record; ``content`` becomes JSON. Never blocks, never raises on a full disk."""
        payload = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
        self._put(received_ns or time.time_ns(), kind, key, payload, len(payload))

    def raw(self, kind: Kind, key: str, payload: bytes) -> None:
        """One other record whose payload is JSON already. Never blocks, never raises on a full disk."""
        self._put(time.time_ns(), kind, key, payload, len(payload))

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that more in one piece might not fit."""
        return self._waiting > QUEUE_BYTES // 2

    def close(self) -> None:
        """Write what is waiting and end the thread."""
        self._stop.set()
        self._thread.join(10)

    def _put(self, received_ns: int, kind: Kind, key: str, payload: Payload, size: int) -> None:
        with self._counting:
            if self._waiting > QUEUE_BYTES:
                self._overflow = self._lost(self._overflow, received_ns, "the disk is slower than the exchange", 1)
                return
            if self._overflow is not None:
                gap, self._overflow = self._overflow.record(received_ns), None
                self._queue.append((gap.received_ns, gap.kind, gap.key, gap.payload))
                self._waiting += len(gap.payload)
                self._ended()
            self._waiting += size
            self._queue.append((received_ns, kind, key, payload))

    def _lost(self, hole: _Hole | None, at_ns: int, reason: str, count: int) -> _Hole:
        """The hole with ``count`` records more; a first one is news. Called with the lock held."""
        self.dropped += count
        self._lost_now += count
        if hole is None:
            if self._overflow is None and self._hole is None:
                self._news.append(partial(self._on_problem, reason))
            hole = _Hole(at_ns, reason)
        hole.dropped += count
        return hole

    def _ended(self) -> None:
        """A hole has ended: news when it was the last. Called with the lock held."""
        if self._overflow is None and self._hole is None:
            self._news.append(partial(self._on_recovery, self._lost_now))
            self._lost_now = 0

    def _run(self) -> None:
        while True:
            stopping = self._stop.wait(FLUSH_SECONDS)
            while self._queue:
                self._write_some()
                self._report()
            self._report()
            if stopping:
                break
        self._close_file()

    def _report(self) -> None:
        """Say what holes have begun and ended, while more is still waiting to be written. No listener's fault ends this thread."""
        while self._news:
            try:
                self._news.popleft()()
            except Exception:
                log.exception("tape: what was lost could not be reported")

    def _write_some(self) -> None:
        """One block of one hour: what is waiting, up to the size of a block or to a record that cannot be packed."""
        parts: list[bytes] = []
        size, first_ns, last_ns = 0, 0, 0
        hour = self._queue[0][0] // HOUR_NS
        unreadable: tuple[int, Exception] | None = None
        while self._queue and size < BLOCK_BYTES and self._queue[0][0] // HOUR_NS == hour:
            received_ns, kind, key, content = self._queue.popleft()
            try:
                payload = self._payload(content)
                parts.append(pack(Record(received_ns, kind, key, payload)))
            except Exception as error:
                unreadable = (received_ns, error)
                break
            first_ns, last_ns = min(first_ns or received_ns, received_ns), max(last_ns, received_ns)
            size += len(payload)
        if parts:
            self._write(hour, parts, first_ns, last_ns)
        if unreadable is not None:
            self._failed(unreadable[0], 1, unreadable[1])

    def _payload(self, content: Payload) -> bytes:
        """The content of one that waited, which waits no longer."""
        if callable(content):
            return pack_frames(content())
        with self._counting:
            self._waiting -= len(content) if isinstance(content, bytes) else sum(map(len, content))
        return content if isinstance(content, bytes) else pack_frames(content)

    def _write(self, hour: int, parts: list[bytes], first_ns: int, last_ns: int) -> None:
        count, hole = len(parts), self._hole
        if hole is not None:
            parts.insert(0, pack(hole.record(first_ns)))
        try:
            append(self._segment(hour, first_ns), block_of(b"".join(parts), len(parts), first_ns, last_ns, self._level))
        except Exception as error:
            self._failed(first_ns, count, error)
            self._close_file()
            self._stop.wait(RETRY_SECONDS if not self._stop.is_set() else 0)
            return
        self.problem = ""
        self.written += count
        if hole is not None:
            with self._counting:
                self._hole = None
                self._ended()

    def _failed(self, at_ns: int, count: int, error: Exception) -> None:
        """No fault ends this thread: what was being written is lost, and that is a hole with its reason."""
        text = (error.strerror or error) if isinstance(error, OSError) else error
        reason = f"{type(error).__name__}: {text}"[:200]
        if self.problem != reason:
            log.error("tape not written: %s", reason, exc_info=not isinstance(error, OSError))
        self.problem = reason
        with self._counting:
            self._hole = self._lost(self._hole, at_ns, reason, count)

    def _segment(self, hour: int, first_ns: int) -> BinaryIO:
        if self._file is not None and hour == self._hour:
            return self._file
        self._close_file()
        file = (self._folder / segment_name(first_ns, self._writer)).open("ab", buffering=0)
        self._file, self._hour = file, hour
        meta = pack(Record(first_ns, Kind.META, "", json.dumps({"format": 1, **self._about}, sort_keys=True).encode()))
        append(file, block_of(meta, 1, first_ns, first_ns, self._level))
        return file

    def _close_file(self) -> None:
        file, self._file, self._hour = self._file, None, -1
        if file is not None:
            with suppress(OSError):
                file.close()


def append(file: BinaryIO, block: bytes) -> None:
    """All of ``block`` at the end of an unbuffered ``file``, or nothing of it. Raises OSError.

    A disk that fills up takes a part without an error, and only the next write fails.
    """
    place = file.seek(0, 2)
    try:
        taken = file.write(block)
        if taken != len(block):
            raise OSError(errno.ENOSPC, "the disk took a part of a block")
    except OSError:
        file.truncate(place)
        raise
