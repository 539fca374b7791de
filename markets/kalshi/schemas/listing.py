"""One page of a listing of own records (orders, fills, positions, settlements, transfers) and its cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from .boundary import Rejection, decode_page, parse_all, parse_each

W = TypeVar("W")
T = TypeVar("T")


class Listing(Generic[W, T]):
    """How to read the records that a page carries under ``field``.

    A record that cannot be read refuses the whole page: an unread order is not an absent one.
    """

    __slots__ = ("_build", "_page", "_record")

    def __init__(self, field: str, record: msgspec.json.Decoder[W], build: Callable[[W], T]) -> None:
        shape = msgspec.defstruct(
            "Page", [("records", list[msgspec.Raw]), ("cursor", str | None, None)], rename={"records": field}
        )
        self._page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
        self._record = record
        self._build = build

    def parse_readable(self, body: bytes, unreadable: list[Rejection]) -> tuple[tuple[T, ...], str]:
        """Like ``parse``, but a record that cannot be read is added to ``unreadable`` and the others are given."""
        page, records = decode_page(self._page, _records, body)
        found, rejected = parse_each(self._record, self._build, records)
        unreadable.extend(rejected)
        return found, page.cursor or ""

    def parse(self, body: bytes) -> tuple[tuple[T, ...], str]:
        """The records of a page and its cursor, empty at the end. Raises SchemaError."""
        page, records = decode_page(self._page, _records, body)
        return parse_all(self._record, self._build, records), page.cursor or ""


def _records(page: Any) -> list[msgspec.Raw]:
    found: list[msgspec.Raw] = page.records
    return found
