"""The one way in: bytes become a wire struct, a wire struct becomes ours, and everything else is a
SchemaError."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from ..errors import SchemaError
from .depth import SAMPLE_BYTES, without_deep_records

W = TypeVar("W")
T = TypeVar("T")


class Rejection(msgspec.Struct, frozen=True):
    """A record that the boundary refused, kept so that it can be counted, logged and inspected."""

    reason: str
    sample: str


def decode(decoder: msgspec.json.Decoder[W], body: bytes | msgspec.Raw) -> W:
    """``body`` in the wire's shape.

    Unknown fields are ignored; a missing or mistyped one raises SchemaError, and so does what ``check_keys`` refuses of the ``legible``
    body.
    """
    try:
        try:
            return _checked(decoder, body)
        except (msgspec.MsgspecError, ValueError):
            return _checked(decoder, legible(bytes(body)))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SchemaError(str(error)) from None


def _checked(decoder: msgspec.json.Decoder[W], body: bytes | msgspec.Raw) -> W:
    found = decoder.decode(body)
    check_keys(bytes(body))
    return found


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a page, as they came. ``suspect``: one of them, it is not known which, is refused by ``check_keys``."""

    bodies: tuple[msgspec.Raw, ...]
    suspect: bool


def decode_page(
    decoder: msgspec.json.Decoder[W], records: Callable[[W], Sequence[msgspec.Raw]], body: bytes
) -> tuple[W, Records]:
    """A page in the wire's shape, and its records, whose faults are theirs alone. Raises SchemaError for the page's own."""
    try:
        try:
            page = decoder.decode(body)
        except RecursionError:
            body = without_deep_records(body)
            page = decoder.decode(body)
        except msgspec.MsgspecError:
            body = legible(body)
            page = decoder.decode(body)
        bodies = tuple(records(page))
        try:
            check_keys(body)
        except (ValueError, RecursionError):
            check_keys(_without(body, bodies))
            return page, Records(bodies, suspect=True)
        return page, Records(bodies, suspect=False)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SchemaError(str(error)) from None


def _without(page: bytes, records: Iterable[msgspec.Raw]) -> bytes:
    """What is left of a page when ``null`` stands for each of its records, which it has in this order."""
    kept, at = [], 0
    for record in records:
        found = page.index(bytes(record), at)
        kept += [page[at:found], b"null"]
        at = found + len(bytes(record))
    return b"".join([*kept, page[at:]])


def parse(decoder: msgspec.json.Decoder[W], build: Callable[[W], T], body: bytes | msgspec.Raw) -> T:
    """``body`` in our shape and units. Raises SchemaError."""
    return _built(build, decode(decoder, body))


def _built(build: Callable[[W], T], wire: W) -> T:
    try:
        return build(wire)
    except (ValueError, ArithmeticError) as error:
        raise SchemaError(str(error)) from None


def parse_record(decoder: msgspec.json.Decoder[W], build: Callable[[W], T], body: msgspec.Raw, suspect: bool) -> T:
    """One record of a page; ``suspect`` as in Records. Raises SchemaError."""
    try:
        if suspect:
            return _built(build, decode(decoder, body))
        wire = decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SchemaError(str(error)) from None
    return _built(build, wire)


def parse_each(
    decoder: msgspec.json.Decoder[W], build: Callable[[W], T], records: Records
) -> tuple[tuple[T, ...], tuple[Rejection, ...]]:
    """Each record by itself, so that one bad one does not hide the others: ``(parsed, rejected)``."""
    parsed: list[T] = []
    rejected: list[Rejection] = []
    for body in records.bodies:
        try:
            parsed.append(parse_record(decoder, build, body, records.suspect))
        except SchemaError as error:
            rejected.append(Rejection(str(error), sample(bytes(body))))
    return tuple(parsed), tuple(rejected)


def parse_all(decoder: msgspec.json.Decoder[W], build: Callable[[W], T], records: Records) -> tuple[T, ...]:
    """Like ``parse_each`` for lists about our own money: one record that cannot be read refuses the whole
    page."""
    return tuple(parse_record(decoder, build, body, records.suspect) for body in records.bodies)


def check_keys(body: bytes) -> None:
    """Raises ValueError for a body with a key that comes twice in one object, of which it is not known which is meant, and for one
    with the character zero, which no database keeps (a backslash before its spelling is taken for it too)."""
    _UNIQUE.decode(body.decode())
    if b"\\u0000" in body:
        raise ValueError("a text with the character zero")


def legible(body: bytes) -> bytes:
    """``body`` with the character zero for each half of a surrogate pair, which is no character and would refuse a whole page for one
    record, and with U+FFFD for both in client ids: whoever sent the order chose them, and the order exists whatever they are."""
    halves = _ESCAPE.sub(lambda found: rb"\u0000" if found[1] else found[0], body)
    return _CLIENT_ID.sub(lambda found: found[1] + _ESCAPE.sub(_without_zero, found[2]), halves)


def _without_zero(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if found[0] == rb"\u0000" else found[0]


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} comes twice")


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|u[0-9a-fA-F]{4}|.)",
    re.DOTALL,
)
"""One escape of a JSON text, a surrogate pair as a whole; the group is half a pair."""
_CLIENT_ID = re.compile(rb'("client_(?:order|transfer)_id"\s*:\s*")((?:[^"\\]|\\.)*)', re.DOTALL)
_UNIQUE = json.JSONDecoder(object_pairs_hook=_once)


def sample(body: bytes) -> str:
    """The beginning of a refused body for a log."""
    return body[:SAMPLE_BYTES].decode("utf-8", "backslashreplace")


def decoder_of(shape: type[W]) -> msgspec.json.Decoder[W]:
    """A reusable decoder. JSON numbers meant as decimals are read exactly, never through a float."""
    return msgspec.json.Decoder(shape)


Json = dict[str, Any]
