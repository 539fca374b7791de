"""Writes whole tapes at once: what an import, a cut or a test has in hand already. ``writer`` is for what is happening now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from markets.tape.records import Kind, Record, pack
from markets.tape.segments import HOUR_NS, block_of, segment_name

FORMAT: Final = 1
BLOCK_BYTES: Final = 512 * 1024
LEVEL: Final = 9


def write(folder: Path, writer: str, about: Mapping[str, Any], records: Iterable[Record]) -> int:
    """Write ``records`` (any order) as segments of ``writer``. ``about`` becomes the META record of each. Returns how many.

    A segment of the same name is replaced. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    ordered = sorted(records, key=lambda record: record.received_ns)
    for _, group in groupby(ordered, key=lambda record: record.received_ns // HOUR_NS):
        hour = list(group)
        meta = Record(hour[0].received_ns, Kind.META, "", _json({"format": FORMAT, **about}))
        path = folder / segment_name(hour[0].received_ns, writer)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            for block in _blocks([meta, *hour]):
                file.write(block)
        partial.replace(path)
        count += len(hour)
    return count


def _blocks(records: list[Record]) -> Iterable[bytes]:
    parts: list[bytes] = []
    size, first_ns, last_ns = 0, records[0].received_ns, 0
    for record in records:
        if size >= BLOCK_BYTES:
            yield block_of(b"".join(parts), len(parts), first_ns, last_ns, LEVEL)
            parts, size, first_ns = [], 0, record.received_ns
        parts.append(pack(record))
        size += len(parts[-1])
        last_ns = record.received_ns
    yield block_of(b"".join(parts), len(parts), first_ns, last_ns, LEVEL)


def json_record(received_ns: int, kind: Kind, key: str, content: object) -> Record:
    """A record whose payload is JSON."""
    return Record(received_ns, kind, key, _json(content))


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str).encode()
