"""What a tape consists of: records, each with the nanosecond at which this process received it. Pure; no files here.

A record is packed as ``kind (u8) | received_ns (u64) | key length (u16) | payload length (u32) | key | payload``, little endian. Frames
of the WebSocket are packed by the batch in which the socket delivered them: one record, one receive time, many frames.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

HEAD: Final = struct.Struct("<BQHI")
COUNT: Final = struct.Struct("<I")
PAIR: Final = struct.Struct("<II")
_ONE: Final = COUNT.pack(1)
_BEFORE_ONE: Final = PAIR.size
_pair: Final = PAIR.unpack_from


class Damaged(Exception):
    """Bytes that are no record of a tape."""


UNREADABLE: Final = (Damaged, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What reading a payload of another shape may raise. One such record is named and set aside; it never stops the rest."""


class Kind(IntEnum):
    """What a record holds. Numbers are on disk: never reuse one."""

    META = 1
    """Key: empty. Payload: JSON about the writer: format, exchange, process, cadence, known holes."""
    CONNECTION = 2
    """Key: epoch. Payload: JSON, ``{"state": "open" | "closed", "writer": ..., "sequence": ...}``. ``sequence``: the last numbers of its
    subscriptions, where it is not new: after a hole, or at a cut."""
    FRAMES = 3
    """Key: epoch. Payload: a batch of WebSocket payloads exactly as received (``pack_frames``)."""
    EVENT = 4
    """Key: event ticker. Payload: the event with its markets as the REST answer gave it, JSON."""
    SERIES = 5
    """Key: series ticker. Payload: JSON with fees, terms URL and hash, settlement sources."""
    STATUS = 6
    """Key: empty. Payload: what the exchange said of its status and schedule, JSON (``markets.exchange_hours.Answer``)."""
    SETTLEMENT = 7
    """Key: market ticker. Payload: JSON with result and value, known from this moment on."""
    SOURCE = 8
    """Key: name of a triage source and its subject. Payload: its answer, JSON; the receive time is when it was known."""
    BOOK = 9
    """Key: market ticker. Payload: one whole book, JSON in the exchange's REST form (``orderbook_fp``)."""
    QUOTE = 10
    """Key: market ticker. Payload: best bids of both sides, JSON; sizes may be absent."""
    TRADE = 11
    """Key: market ticker. Payload: one print, JSON: price in dollars, count, taker side."""
    GAP = 12
    """Key: empty or a ticker. Payload: JSON with the reason, the writer and the last moment before the gap, in nanoseconds."""
    TERMS = 13
    """Key: exchange, document and version. Payload: JSON, that version of registered contract terms as the registry has it."""
    SCAN = 14
    """Key: empty. Payload: JSON. A scan of the catalogue ended here; what it changed has come before."""


KINDS: Final = {int(kind): kind for kind in Kind}


class Record(NamedTuple):
    """One thing that came from outside. ``received_ns`` is wall-clock UTC in nanoseconds since 1970."""

    received_ns: int
    kind: Kind
    key: str
    payload: bytes


def content(record: Record) -> dict[str, Any]:
    """The payload of a record of JSON. Raises Damaged where it is no object."""
    try:
        found = json.loads(record.payload)
    except ValueError as error:
        raise Damaged(f"record of {record.key!r} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Damaged(f"record of {record.key!r} is no JSON object")
    return found


def pack(record: Record) -> bytes:
    """The bytes of one record."""
    key = record.key.encode()
    return HEAD.pack(record.kind, record.received_ns, len(key), len(record.payload)) + key + record.payload


def unpack(raw: bytes) -> list[Record]:
    """The records of a block. Raises Damaged where the bytes do not fit together; an unknown kind is skipped (a later version wrote it)."""
    at, end, size = 0, len(raw), HEAD.size
    keys: dict[bytes, str] = {}
    found: list[Record] = []
    unpack_head, known_kind, make, add = HEAD.unpack_from, KINDS.get, tuple.__new__, found.append
    while at < end:
        if at + size > end:
            raise Damaged(f"a record's head is cut off at byte {at}")
        kind, received_ns, key_length, length = unpack_head(raw, at)
        at += size
        body = at + key_length
        if body + length > end:
            raise Damaged(f"a record of {length} bytes is cut off at byte {at}")
        name = raw[at:body]
        key = keys.get(name)
        if key is None:
            key = keys[name] = name.decode()
        at = body + length
        known = known_kind(kind)
        if known is not None:  # made as ``Record(...)`` makes it, at half the price
            add(make(Record, (received_ns, known, key, raw[body:at])))
    return found


def pack_frames(payloads: Sequence[bytes]) -> bytes:
    """A batch of frames as one payload: count, lengths, bytes."""
    lengths = array("I", map(len, payloads))
    return COUNT.pack(len(payloads)) + lengths.tobytes() + b"".join(payloads)


def one_frame(payload: bytes) -> bytes | None:
    """The frame of a batch that holds one, as most do where little happens; None for every other payload."""
    if payload.startswith(_ONE) and len(payload) >= _BEFORE_ONE and _pair(payload)[1] == len(payload) - _BEFORE_ONE:
        return payload[_BEFORE_ONE:]
    return None


def unpack_frames(payload: bytes) -> list[bytes]:
    """The frames of a batch, in the order in which they came. Raises Damaged."""
    frame = one_frame(payload)
    if frame is not None:
        return [frame]
    if len(payload) < COUNT.size:
        raise Damaged("a batch of frames has no count")
    (count,) = COUNT.unpack_from(payload)
    start = COUNT.size + 4 * count
    if start > len(payload):
        raise Damaged("a batch of frames is shorter than its lengths")
    lengths = array("I")
    lengths.frombytes(payload[COUNT.size : start])
    if start + sum(lengths) != len(payload):
        raise Damaged("the lengths of a batch of frames do not add up")
    frames = []
    for length in lengths:
        frames.append(payload[start : start + length])
        start += length
    return frames
