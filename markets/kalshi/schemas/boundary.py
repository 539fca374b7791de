"""The one way in: bytes become a wire struct, a wire struct becomes ours, and everything else is a
SchemaError."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from ..errors import SchemaError

W = TypeVar("W")
T = TypeVar("T")

SAMPLE_BYTES = 500


class Rejection(msgspec.Struct, frozen=True):
    """A record that the boundary refused, kept so that it can be counted, logged and inspected."""

    reason: str
    sample: str


def decode(decoder: msgspec.json.Decoder[W], body: bytes | msgspec.Raw) -> W:
    """``body`` in the wire's shape.

    Unknown fields are ignored; a missing or mistyped one raises SchemaError, and so does a key that comes twice.
    """
    try:
        found = decoder.decode(body)
        if isinstance(body, bytes):  # a Raw record is part of a body that was checked
            check_keys(body)
        return found
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SchemaError(str(error)) from None


def parse(decoder: msgspec.json.Decoder[W], build: Callable[[W], T], body: bytes | msgspec.Raw) -> T:
    """``body`` in our shape and units. Raises SchemaError."""
    wire = decode(decoder, body)
    try:
        return build(wire)
    except (ValueError, ArithmeticError) as error:
        raise SchemaError(str(error)) from None


def parse_each(
    decoder: msgspec.json.Decoder[W], build: Callable[[W], T], bodies: Iterable[msgspec.Raw]
) -> tuple[tuple[T, ...], tuple[Rejection, ...]]:
    """Each body by itself, so that one bad record does not hide the others: ``(parsed, rejected)``."""
    parsed: list[T] = []
    rejected: list[Rejection] = []
    for body in bodies:
        try:
            parsed.append(parse(decoder, build, body))
        except SchemaError as error:
            rejected.append(Rejection(str(error), sample(bytes(body))))
    return tuple(parsed), tuple(rejected)


def parse_all(
    decoder: msgspec.json.Decoder[W], build: Callable[[W], T], bodies: Iterable[msgspec.Raw]
) -> tuple[T, ...]:
    """Like ``parse_each`` for lists about our own money: one record that cannot be read refuses the whole
    page."""
    return tuple(parse(decoder, build, body) for body in bodies)


def check_keys(body: bytes) -> None:
    """Raises ValueError for a body with a key that comes twice in one object: which of the two is meant is not known."""
    _UNIQUE.decode(body.decode())


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} comes twice")


_UNIQUE = json.JSONDecoder(object_pairs_hook=_once)


def sample(body: bytes) -> str:
    """The beginning of a refused body for a log."""
    return body[:SAMPLE_BYTES].decode("utf-8", "backslashreplace")


def decoder_of(shape: type[W]) -> msgspec.json.Decoder[W]:
    """A reusable decoder. JSON numbers meant as decimals are read exactly, never through a float."""
    return msgspec.json.Decoder(shape)


Json = dict[str, Any]
