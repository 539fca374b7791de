"""What all imports share: a named part of a recording, and reading lines, times and numbers exactly."""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

from markets.tape.imports.packed import BREAKS_OFF, opened
from markets.tape.records import UNREADABLE, Record

log = logging.getLogger(__name__)
T = TypeVar("T")

_UNDECODED: Final = re.compile("[\udc80-\udcff]")
"""What stands for a byte that is no text."""


_YEARS: Final = (2015, 2100)
"""Times outside are a mistake of whoever wrote them: the exchange is not older."""
_FIRST_NS, _AFTER_NS = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9 for year in _YEARS)
_TICKER: Final = re.compile(r"[A-Za-z0-9][\w.]*(-[\w.-]+)+", re.ASCII)
MOST_CONTRACTS: Final = 10**12
MOST_NAMED: Final = 20


class Refused(ValueError):
    """A file of a recording that cannot be read at all; the message says why."""


@dataclass(slots=True)
class Aside:
    """What of a recording could not be read: how much, and the first of it by name. One bad line never stops the rest."""

    count: int = 0
    named: list[str] = field(default_factory=list)
    place: str = ""
    """What is being read: file and line."""

    def add(self, why: object) -> None:
        """Count what stands at ``place``."""
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(f"{self.place}: {why}"[:300])

    def also(self, other: Aside) -> None:
        """Count what was set aside elsewhere."""
        self.count += other.count
        self.named = [*self.named, *other.named][:MOST_NAMED]

    def warn(self, what: str) -> None:
        """Log what was set aside, where no tape can say so."""
        if self.count:
            log.warning("%s: %d lines cannot be read, first %s", what, self.count, self.named[0])

    @contextmanager
    def unreadable(self) -> Iterator[None]:
        """Set aside what cannot be read in the block."""
        try:
            yield
        except UNREADABLE as error:
            self.add("not a number" if isinstance(error, InvalidOperation) else f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Part:
    """One file (or folder) of a recording that becomes the segments of one writer.

    ``about`` goes to the META record: format, cadence, which fields are absent, what was assumed, licence. ``read`` raises Refused, or
    one of ``UNREADABLE`` or OSError, where nothing can be made of it.
    """

    tape: str
    writer: str
    about: dict[str, Any]
    read: Callable[[Aside], Iterable[Record]] = field(repr=False)
    wrong: Callable[[Iterable[Mapping[str, Any]]], str] = field(default=lambda markets: "", repr=False)
    """Once it was read: why what the exchange answered of these markets contradicts it; empty where it does not."""


def lines(path: Path, aside: Aside | None = None, parse_float: Callable[[str], Any] = Decimal) -> Iterator[Any]:
    """The JSON objects of a file of lines, packed or not. ``aside`` gets the lines that are none; without it they raise ValueError."""
    for place, raw in _raw_lines(path, aside):
        if aside is not None:
            aside.place = place
        try:
            value = json.loads(raw, parse_float=parse_float)
            if not isinstance(value, dict):
                raise ValueError("no JSON object")
        except (ValueError, RecursionError) as error:
            if aside is None:
                raise Refused(f"{place}: {error}") from None
            aside.add(error)
            continue
        yield value


def beside(path: Path | None, found: Iterable[T], aside: Aside) -> Iterator[T]:
    """What a file beside the prices says (``found``, read from ``path``). One that cannot be read is set aside by name, and the prices are
    imported without it."""
    try:
        yield from found
    except (Refused, OSError) as error:
        aside.place = "" if path is None else path.name
        aside.add(error)


def rows(path: Path, columns: Collection[str], aside: Aside | None = None) -> Iterator[dict[str, str]]:
    """The rows of a CSV file, packed or not, whose header has at least these ``columns``. Raises Refused without them; a row with more or
    fewer fields than the header, or that is no text, goes ``aside``."""
    table = csv.reader(_text_lines(path, aside), strict=True)
    header = _header(path, table, columns)
    for values in _split(table, aside):
        if aside is not None:
            aside.place = f"{path.name} line {table.line_num}"
        if not values:
            continue
        if len(values) == len(header) and not any(_UNDECODED.search(value) for value in values):
            yield dict(zip(header, values, strict=True))
        elif aside is not None:
            aside.add(f"{len(values)} fields that are text, {len(header)} expected")


def _header(path: Path, table: Iterator[list[str]], columns: Collection[str]) -> list[str]:
    try:
        header = [name.strip() for name in next(table, [])]
    except csv.Error as error:
        raise Refused(f"{path.name} has no header that can be read: {error}") from None
    missing = sorted(set(columns) - set(header))
    if missing:
        raise Refused(f"{path.name} has no column {', '.join(missing)}")
    if len(set(header)) != len(header):
        raise Refused(f"{path.name} has a column twice")
    return header


def _split(table: Iterator[list[str]], aside: Aside | None) -> Iterator[list[str]]:
    while True:
        try:
            yield next(table)
        except StopIteration:
            return
        except csv.Error as error:
            if aside is None:
                raise Refused(str(error)) from None
            aside.add(error)


def _text_lines(path: Path, aside: Aside | None) -> Iterator[str]:
    for number, (_, raw) in enumerate(_raw_lines(path, aside)):
        yield raw.decode("utf-8-sig" if not number else "utf-8", errors="surrogateescape")


def _raw_lines(path: Path, aside: Aside | None) -> Iterator[tuple[str, bytes]]:
    """(file and line, bytes) of the lines that are not empty. A file that breaks off is read to there."""
    number = 0
    with opened(path) as file:
        while True:
            try:
                raw = file.readline()
            except BREAKS_OFF as error:
                if not number or aside is None:
                    raise Refused(f"{path.name} cannot be unpacked: {error}") from None
                aside.place = f"{path.name} after line {number}"
                aside.add(f"the file breaks off: {error}")
                return
            if not raw:
                return
            number += 1
            if raw.strip():
                yield f"{path.name} line {number}", raw


def nanoseconds(text: str) -> int:
    """ISO time as Unix nanoseconds, exact to the microsecond. Raises ValueError, for a day without a time as well: when on that day?"""
    if len(text) <= len("2026-07-19"):
        raise ValueError(f"a day without a time: {text}")
    return moment_of(text)


def moment_of(text: str) -> int:
    """As ``nanoseconds``; a day alone is its beginning."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not _YEARS[0] <= moment.year < _YEARS[1]:
        raise ValueError(f"not a time of this exchange: {text}")
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 10**9 + moment.microsecond * 1000


def instant(value: Any) -> int:
    """Nanoseconds since 1970 of what recordings write as numbers: seconds, milli-, micro- or nanoseconds by their size, which is clear
    in this century. Raises ValueError for any other."""
    exact = Decimal(value)
    for unit in (10**9, 10**6, 10**3, 1):
        at = int(exact * unit)
        if _FIRST_NS <= at < _AFTER_NS:
            return at
    raise ValueError(f"not a time of this exchange: {value}")


def ticker(value: Any) -> str:
    """The ticker of a market or an event: at least two parts of letters, digits, dots. Raises ValueError for what is none."""
    if not isinstance(value, str) or not _TICKER.fullmatch(value):
        raise ValueError(f"not a ticker: {str(value)[:100]!r}")
    return value


def iso(received_ns: int) -> str:
    """Unix nanoseconds as the exchange writes times."""
    return datetime.fromtimestamp(received_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dollars(value: Decimal | int | str) -> str:
    """A price in dollars as the exchange writes it. Raises ValueError for one finer than 1/10,000 dollar or out of range."""
    exact = Decimal(value)
    if not 0 <= exact <= 1 or exact != (rounded := round(exact, 4)):
        raise ValueError(f"not a price: {value}")
    return f"{rounded:.4f}"


def contracts(value: Decimal | int | str) -> str:
    """A count as the exchange writes it. Raises ValueError for one finer than 1/100 contract, or that is none."""
    return _counted(value, 0)


def change(value: Decimal | int | str) -> str:
    """A change of a count, as ``contracts``."""
    return _counted(value, -MOST_CONTRACTS)


def _counted(value: Decimal | int | str, least: int) -> str:
    exact = Decimal(value)
    if not least <= exact < MOST_CONTRACTS or exact != (rounded := round(exact, 2)):
        raise ValueError(f"not a count: {value}")
    return f"{rounded:.2f}"
