"""Query strings: typed access, with the exchange's answers to what it does not take."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from simulator.errors import bad_query

T = TypeVar("T")
_WHOLE = re.compile(r"(?:0|-?[1-9][0-9]{0,19})\Z")
Pairs = Sequence[tuple[str, str]]


class Query:
    """The parameters of one request; repeated names are kept."""

    def __init__(self, raw: str | Mapping[str, Any] | Pairs | None) -> None:
        self.pairs: list[tuple[str, str]] = []
        if raw is None:
            return
        if isinstance(raw, str):
            self.pairs = parse_qsl(raw.removeprefix("?"), keep_blank_values=True)
            return
        items = raw.items() if isinstance(raw, Mapping) else raw
        for name, value in items:
            many = value if isinstance(value, list | tuple) else [value]
            self.pairs.extend((name, _text(one)) for one in many if one is not None)

    def text(self, name: str) -> str | None:
        """The first value, or None if it is absent or empty."""
        return next((value for key, value in self.pairs if key == name and value != ""), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name and value != ""]

    def words(self, name: str, most: int = 0) -> list[str] | None:
        """A comma list, or None if it is absent."""
        raw = self.text(name)
        if raw is None:
            return None
        found = [word for word in raw.split(",") if word]
        if most and len(found) > most:
            raise bad_query(f"{name}: at most {most} values")
        return found

    def whole(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        raw = self.text(name)
        if raw is None:
            return None
        if not _WHOLE.match(raw):  # int() takes other digits, leading zeros, underscores and blanks too
            raise bad_query(f"{name} must be an integer")
        value = int(raw)
        if (low is not None and value < low) or (high is not None and value > high) or abs(value) > 2**63 - 1:
            raise bad_query(f"{name} is out of range")
        return value

    def limit(self, default: int, high: int, low: int = 1) -> int:
        value = self.whole("limit", low, high)
        return default if value is None or value == 0 else value

    def flag(self, name: str) -> bool | None:
        raw = self.text(name)
        if raw is None:
            return None
        if raw.lower() in ("true", "1", "t"):
            return True
        if raw.lower() in ("false", "0", "f"):
            return False
        raise bad_query(f"{name} must be a boolean")

    def word(self, name: str, allowed: Sequence[str]) -> str | None:
        raw = self.text(name)
        if raw is not None and raw not in allowed:
            raise bad_query(f"{name} must be one of {', '.join(allowed)}")
        return raw

    def window(self, low: str, high: str) -> tuple[int, int]:
        """Two instants in seconds as milliseconds; open ends are far away."""
        first, last = self.whole(low), self.whole(high)
        return (-(2**60) if first is None else first * 1000), (2**60 if last is None else last * 1000 + 999)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def page(
    query: Query, items: list[T], key: Callable[[T], str], default: int, high: int, low: int = 1
) -> tuple[list[T], str]:
    """One page of ``items`` and the cursor of the next: an empty string at the end. A garbage cursor starts over in silence."""
    limit = query.limit(default, high, low)
    start = 0
    cursor = query.text("cursor")
    if cursor:
        try:
            last = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            last = ""
        start = next((i + 1 for i, item in enumerate(items) if key(item) == last), 0)
    found = items[start : start + limit]
    more = start + limit < len(items)
    return found, base64.urlsafe_b64encode(key(found[-1]).encode()).decode().rstrip("=") if more and found else ""
