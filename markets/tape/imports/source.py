"""What all imports share: a named part of a recording, and reading lines, times and numbers exactly."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from markets.tape.records import Record


@dataclass(frozen=True, slots=True)
class Part:
    """One file (or folder) of a recording that becomes the segments of one writer.

    ``about`` goes to the META record: format, cadence, which fields are absent, what was assumed, licence.
    """

    tape: str
    writer: str
    about: dict[str, Any]
    read: Callable[[], Iterable[Record]] = field(repr=False)


def lines(path: Path) -> Iterator[Any]:
    """The JSON values of a (gzipped) file of lines."""
    with _opened(path) as file:
        for line in file:
            if line.strip():
                yield json.loads(line, parse_float=Decimal)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a (gzipped) CSV file with a header."""
    with _opened(path) as file:
        yield from csv.DictReader(file)


def _opened(path: Path) -> Any:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def nanoseconds(text: str) -> int:
    """ISO time as Unix nanoseconds, exact to the microsecond. Raises ValueError."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 10**9 + moment.microsecond * 1000


def iso(received_ns: int) -> str:
    """Unix nanoseconds as the exchange writes times."""
    return datetime.fromtimestamp(received_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dollars(value: Decimal | int | str) -> str:
    """A price in dollars as the exchange writes it. Raises ValueError for one finer than 1/10,000 dollar or out of range."""
    exact = Decimal(value)
    if exact != (rounded := round(exact, 4)) or not 0 <= exact <= 1:
        raise ValueError(f"not a price: {value}")
    return f"{rounded:.4f}"


def contracts(value: Decimal | int | str) -> str:
    """A count as the exchange writes it. Raises ValueError for one finer than 1/100 contract."""
    exact = Decimal(value)
    if exact != (rounded := round(exact, 2)):
        raise ValueError(f"not a count: {value}")
    return f"{rounded:.2f}"
