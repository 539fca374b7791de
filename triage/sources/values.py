"""Single values of outside answers: services write the same number now as a number, now as text, now as null. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from triage.sources.protocol import SourceError

_DECIMAL: Final = re.compile(r"\s*[+-]?\d{1,12}(\.\d{1,12})?\s*\Z", re.ASCII)


def number(value: Any) -> float | None:
    """A finite number, also one written as plain decimal text; None for everything else, a boolean included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _DECIMAL.match(value) else None
    if not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def objects(rows: Any, what: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; other elements are left out. SourceError when it is no list."""
    if not isinstance(rows, list):
        raise SourceError(f"{what} is no list")
    return (row for row in rows if isinstance(row, Mapping))


def unix_ms(text: Any) -> int | None:
    """Unix milliseconds of an ISO time with an offset, None for everything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
