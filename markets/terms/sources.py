"""Settlement sources that were read about: in what units their values come, and what is known to happen without data.

The places in which strikes are written say nothing about how values come. ``unit`` None: values may have any number of decimals, so
only strikes that meet leave nothing between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from markets.terms.reading.meanings import Meaning


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value is published. ``unit``: its precision, where it is stated. ``display_unit``: the last place of the exchange's
    own names for outcomes. ``no_data``: what the terms of the events that use it are known to say about missing data."""

    name: str
    unit: Decimal | None
    display_unit: Decimal | None
    no_data: tuple[Meaning, ...]
    about: str


NWS_CLI: Final = Source(
    "National Weather Service, daily climate report",
    Decimal(1),
    Decimal(1),
    (),
    "Whole degrees Fahrenheit: the daily climate report prints integers.",
)
CF_BENCHMARKS: Final = Source(
    "CF Benchmarks real-time index, average of sixty seconds",
    None,
    Decimal("0.01"),
    (Meaning.ALL_NO, Meaning.ANY_NO),
    "No rounding of the average is stated. Without data all markets, or the affected strikes, resolve to No.",
)
