"""Reads a tape in the order in which things were received, whatever number of processes wrote it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Final

from markets.tape.records import Damaged, Kind, Record, content
from markets.tape.segments import HOUR_NS, NAME, Block, Hole, blocks, hour_of, read_block

END_OF_TIME: Final = 2**63
_RECEIVED: Final = itemgetter(0)
_KIND: Final = itemgetter(1)
_OFFSET: Final = attrgetter("offset")
_GAP: Final = Kind.GAP
_OF_CONNECTIONS: Final = (Kind.FRAMES, Kind.CONNECTION)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a tape with its blocks and holes."""

    path: Path
    blocks: tuple[Block, ...]
    holes: tuple[Hole, ...]

    @property
    def writer(self) -> str:
        """The name of the process that wrote it."""
        return _writer_of(self.path)

    def check(self) -> Iterator[tuple[str, int]]:
        """Read every block: what is wrong with it ("" if nothing), and how many records it holds."""
        for block in self.blocks:
            try:
                yield "", len(read_block(self.path, block))
            except Damaged as error:
                yield f"{self.path.name}: {error}", 0


@dataclass(slots=True)
class Tape:
    """A folder of segments."""

    folder: Path
    segments: list[Segment] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path) -> Tape:
        """Read the headers of every segment. Raises FileNotFoundError when there is none."""
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is a file; a tape is a folder" if folder.exists() else f"there is no folder {folder}"
            )
        paths = sorted(path for path in folder.glob("*.tape") if NAME.match(path.name))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no tape")
        segments = []
        for path in paths:
            parts = list(blocks(path))
            segments.append(
                Segment(
                    path,
                    tuple(part for part in parts if isinstance(part, Block)),
                    tuple(part for part in parts if isinstance(part, Hole)),
                )
            )
        return cls(folder, segments)

    @property
    def about(self) -> dict[str, Any]:
        """What its first writer says of it; empty where nothing is said."""
        meta = next(self.records(kinds=[Kind.META]), None)
        try:
            return {} if meta is None else content(meta)
        except Damaged:
            return {}

    @property
    def first_ns(self) -> int:
        """The first moment on the tape. Raises FileNotFoundError where nothing of it can be read."""
        return min(block.first_ns for block in self._blocks())

    @property
    def last_ns(self) -> int:
        """The last moment on the tape. Raises FileNotFoundError where nothing of it can be read."""
        return max(block.last_ns for block in self._blocks())

    def spans(self, start_ns: int = 0, end_ns: int = END_OF_TIME) -> list[tuple[int, int]]:
        """The hours of which it has something, as far as they lie in that time: from when until when, those that follow each other as one.
        The first begins with the first record and the last ends with the last. Raises FileNotFoundError where nothing lies in it."""
        begin, end = max(start_ns, self.first_ns), min(end_ns, self.last_ns + 1)
        hours = {
            hour
            for block in self._blocks()
            for hour in range(max(block.first_ns, begin) // HOUR_NS, (min(block.last_ns, end - 1)) // HOUR_NS + 1)
        }
        if begin >= end or not hours:
            raise FileNotFoundError(f"{self.folder} holds nothing in that time")
        found: list[tuple[int, int]] = []
        for hour in sorted(hours):
            since, until = max(hour * HOUR_NS, begin), min((hour + 1) * HOUR_NS, end)
            if found and found[-1][1] == since:
                since = found.pop()[0]
            found.append((since, until))
        return found

    def _blocks(self) -> list[Block]:
        found = [block for segment in self.segments for block in segment.blocks]
        if not found:
            raise FileNotFoundError(f"{self.folder} holds nothing that can be read")
        return found

    def records(
        self, start_ns: int = 0, end_ns: int = END_OF_TIME, *, kinds: Collection[Kind] | None = None
    ) -> Iterator[Record]:
        """Records with ``start_ns <= received_ns < end_ns`` in order of receipt. Holes appear as GAP records at their place."""
        by_writer: dict[str, list[Segment]] = {}
        for segment in self.segments:
            by_writer.setdefault(segment.writer, []).append(segment)
        streams = [self._of_writer(segments, start_ns, end_ns) for segments in by_writer.values()]
        if len(streams) == 1 and kinds is None:
            yield from streams[0]
            return
        for record in heapq.merge(*streams, key=_RECEIVED):
            if kinds is None or record.kind in kinds:
                yield record

    def _of_writer(self, segments: list[Segment], start_ns: int, end_ns: int) -> Iterator[Record]:
        """In the order of the file. A hole stands where it began, also on a part that begins or ends inside of it."""
        parts: list[tuple[Path, Block | Hole]] = []
        for one in segments:
            in_file: list[Block | Hole] = sorted([*one.blocks, *one.holes], key=_OFFSET)
            parts += [(one.path, part) for part in in_file]
        last_ns = 0
        for number, (path, part) in enumerate(parts):
            if isinstance(part, Hole):
                found = [_gap(path, _widened(part, last_ns or _hour_ns(path), parts[number + 1 :]))]
            elif max(part.last_ns, last_ns) >= start_ns and part.first_ns < end_ns:
                found = self._of_block(path, part, last_ns)
                last_ns = max(last_ns, part.last_ns)
                if start_ns <= found[0].received_ns and last_ns < end_ns and found[0].kind is not Kind.GAP:
                    yield from found
                    continue
            else:
                before, last_ns = last_ns, max(last_ns, part.last_ns)
                if part.first_ns < end_ns or before >= end_ns:
                    continue
                found = [one for one in self._of_block(path, part, before)[:1] if one.kind is Kind.GAP]
            for record in found:
                if record.kind is Kind.GAP:
                    record = _since(record, start_ns)
                if start_ns <= record.received_ns < end_ns:
                    yield record

    def _of_block(self, path: Path, block: Block, last_ns: int) -> list[Record]:
        """``last_ns``: the last moment of the writer before it."""
        try:
            found = read_block(path, block)
            received = list(map(_RECEIVED, found))
            if received[0] < last_ns or received != sorted(received):
                found = _onward(found, last_ns)
            if _GAP in map(_KIND, found):
                found = [one if one[1] is not _GAP else _begun(path, one) for one in found]
            found.sort(key=_RECEIVED)
            return found
        except Damaged as error:
            return [_gap(path, Hole(block.offset, block.end, str(error), block.first_ns, block.last_ns))]


def _writer_of(path: Path) -> str:
    match = NAME.match(path.name)
    return match.group(2) if match else ""


def _widened(hole: Hole, last_ns: int, following: list[tuple[Path, Block | Hole]]) -> Hole:
    """The hole between the writer's records, wherever segments begin: after ``last_ns``, until the next block."""
    before_ns = next((part.first_ns for _, part in following if isinstance(part, Block)), None)
    return replace(hole, after_ns=max(hole.after_ns, last_ns), before_ns=before_ns)


def _hour_ns(path: Path) -> int:
    """When the hour of a segment begins: nothing of it is older."""
    hour = hour_of(path)
    return 0 if hour is None else int(hour.timestamp()) * 10**9


def _onward(records: list[Record], last_ns: int) -> list[Record]:
    """What came on connections in the order in which it was written, also where the recorder's clock was set back: as their numbers count
    on. It came no earlier than what came before it."""
    found = []
    for record in records:
        if record.kind in _OF_CONNECTIONS:
            last_ns = max(last_ns, record.received_ns)
            record = record._replace(received_ns=last_ns)
        found.append(record)
    return found


def _begun(path: Path, record: Record) -> Record:
    """A gap at the time at which it began, with the name of its writer: a recorder names it when it can write again."""
    after_ns, _ = _ends(record)
    try:
        said = {"writer": _writer_of(path), **content(record)}
    except Damaged:
        return record._replace(received_ns=min(record.received_ns, after_ns))
    payload = json.dumps(said, sort_keys=True).encode()
    return record._replace(received_ns=min(record.received_ns, after_ns), payload=payload)


def _since(gap: Record, start_ns: int) -> Record:
    """The gap as a part of the tape from ``start_ns`` on has it: at its beginning, if it goes on until then."""
    _, before_ns = _ends(gap)
    return gap._replace(received_ns=start_ns) if gap.received_ns < start_ns < before_ns else gap


def _ends(gap: Record) -> tuple[int, int]:
    """After and before which moment (ns) something is missing; its own moment where it does not say."""
    try:
        said = content(gap)
    except Damaged:
        said = {}
    after, before = (said.get(name) for name in ("after_ns", "before_ns"))
    return after if isinstance(after, int) else gap.received_ns, before if isinstance(before, int) else gap.received_ns


def _gap(path: Path, hole: Hole) -> Record:
    content = {
        "after_ns": hole.after_ns,
        "before_ns": hole.before_ns,
        "reason": hole.reason,
        "segment": path.name,
        "writer": _writer_of(path),
        "bytes": hole.end - hole.offset,
    }
    return Record(hole.after_ns, Kind.GAP, "", json.dumps(content, sort_keys=True).encode())
