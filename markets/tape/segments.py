"""Segments: the files of a tape. One an hour and writer, of blocks that are compressed (zstd) and checked (CRC-32) one by one.

A block is written with one call, so that a process that dies leaves at most one torn block at the end of its last segment. A damaged
block in the middle costs that block: the reader goes on at the next one and says what is missing.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import zstandard

from markets.tape.records import Damaged, Record, unpack

MAGIC: Final = b"KTB1"
HEADER: Final = struct.Struct("<4sIIIQQI")
"""Magic, compressed bytes, raw bytes, records, first and last receive time (ns), CRC-32 of the compressed bytes."""
LARGEST: Final = 64 * 2**20
"""No block is larger; a header that says so is damaged."""
LEVEL: Final = 1
SUFFIX: Final = ".tape"
NAME: Final = re.compile(r"^(\d{8}T\d{2})-([A-Za-z0-9_.]+)\.tape$")
HOUR_NS: Final = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block lies in its segment. ``offset`` and ``end`` are bytes of the file."""

    offset: int
    end: int
    records: int
    first_ns: int
    last_ns: int
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes of a segment that cannot be read: from which byte to which, why, and between which moments (ns) records are missing."""

    offset: int
    end: int
    reason: str
    after_ns: int
    before_ns: int | None
    """None: to the end of the segment."""


def segment_name(received_ns: int, writer: str) -> str:
    """The file name of the hour that this moment belongs to."""
    return f"{datetime.fromtimestamp(received_ns // HOUR_NS * 3600, UTC):%Y%m%dT%H}-{writer_name(writer)}{SUFFIX}"


def writer_name(writer: str) -> str:
    """``writer`` as names of files have it: what they cannot hold becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", writer)


def hour_of(path: Path) -> datetime | None:
    """The hour that a segment covers; None for a file that is no segment."""
    match = NAME.match(path.name)
    return datetime.strptime(match.group(1), "%Y%m%dT%H").replace(tzinfo=UTC) if match else None


def block_of(raw: bytes, records: int, first_ns: int, last_ns: int, level: int = LEVEL) -> bytes:
    """A block as it stands in the file."""
    packed = zstandard.ZstdCompressor(level=level).compress(raw)
    return HEADER.pack(MAGIC, len(packed), len(raw), records, first_ns, last_ns, zlib.crc32(packed)) + packed


def blocks(path: Path) -> Iterator[Block | Hole]:
    """Every block of a segment, and the holes between them. Only headers and checksums are read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at, last_ns = 0, 0
        while at < size:
            block = _block_at(file.fileno(), at, size)
            if block is not None:
                yield block
                at, last_ns = block.end, max(last_ns, block.last_ns)
                continue
            following = _resync(file.fileno(), at + 1, size)
            yield Hole(
                at,
                following.offset if following else size,
                "damaged block" if following else "torn end",
                last_ns,
                following.first_ns if following else None,
            )
            at = following.offset if following else size


def _block_at(descriptor: int, at: int, size: int) -> Block | None:
    head = os.pread(descriptor, HEADER.size, at)
    if len(head) < HEADER.size:
        return None
    magic, packed, raw, records, first_ns, last_ns, checksum = HEADER.unpack(head)
    end = at + HEADER.size + packed
    if magic != MAGIC or raw > LARGEST or end > size or last_ns < first_ns:
        return None
    if zlib.crc32(os.pread(descriptor, packed, at + HEADER.size)) != checksum:
        return None
    return Block(at, end, records, first_ns, last_ns, raw)


def _resync(descriptor: int, start: int, size: int) -> Block | None:
    """The next whole block at or after a byte."""
    window = 2**20
    at = start
    while at < size:
        chunk = os.pread(descriptor, window + len(MAGIC) - 1, at)
        place = chunk.find(MAGIC)
        while place >= 0:
            block = _block_at(descriptor, at + place, size)
            if block is not None:
                return block
            place = chunk.find(MAGIC, place + 1)
        at += window
    return None


def read_block(path: Path, block: Block) -> list[Record]:
    """The records of a block. Raises Damaged."""
    with path.open("rb") as file:
        packed = os.pread(file.fileno(), block.end - block.offset - HEADER.size, block.offset + HEADER.size)
    try:
        raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=LARGEST)
    except zstandard.ZstdError as error:
        raise Damaged(f"{path.name}: {error}") from error
    return unpack(raw)
