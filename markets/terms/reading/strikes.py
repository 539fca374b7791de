"""Strike phrases: "greater than 91°", "between 84-85°", "$54,700 or above". Which values each takes, exactly.

The words decide, so "above" and "at least" are different phrases; a phrase that is not here is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from markets.terms.facts import MarketFacts

_NUMBER: Final = r"(?:-?\$?|\$-)(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_UNIT: Final = r"(?: ?°(?: ?F| [Ff]ahrenheit)?| degrees(?: F| [Ff]ahrenheit)?|%)?"
_FLAGS: Final = re.IGNORECASE | re.ASCII
_PLACES: Final = 15
"""Digits before and after the point that a strike may have."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The values that an outcome takes. None = open end; ``*_in``: whether the bound itself is one of them."""

    low: Decimal | None
    low_in: bool
    high: Decimal | None
    high_in: bool

    def on_grid(self, unit: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
        """First and last value of multiples of ``unit``. Meaningful only with a unit that divides both bounds."""
        step = unit or Decimal(0)
        low = self.low if self.low is None or self.low_in else self.low + step
        high = self.high if self.high is None or self.high_in else self.high - step
        return low, high

    def same(self, other: Interval, unit: Decimal | None) -> bool:
        """Whether both take the same values, given the unit in which values come (None: any number)."""
        if self == other or unit is None:
            return self == other
        bounds = [bound for one in (self, other) for bound in (one.low, one.high) if bound is not None]
        on_grid = all(_is_usual(bound) and not bound % unit for bound in bounds)
        return on_grid and self.on_grid(unit) == other.on_grid(unit)


def greater(n: Decimal) -> Interval:
    """x > n."""
    return Interval(n, False, None, False)


def at_least(n: Decimal) -> Interval:
    """x >= n."""
    return Interval(n, True, None, False)


def less(n: Decimal) -> Interval:
    """x < n."""
    return Interval(None, False, n, False)


def at_most(n: Decimal) -> Interval:
    """x <= n."""
    return Interval(None, False, n, True)


_ONE: Final[tuple[tuple[str, Callable[[Decimal], Interval]], ...]] = (
    (
        r"(?:strictly )?(?:greater|more|higher) than {n}|(?:strictly )?above {n}|over {n}|in excess of {n}|> ?{n}",
        greater,
    ),
    (
        r"at least {n}|(?:greater than or equal to|equal to or greater than|(?:no|not) less than) {n}"
        r"|{n} (?:or|and) (?:above|over|more|higher|greater)|{n}\+|(?:≥|>=) ?{n}",
        at_least,
    ),
    (r"(?:strictly )?(?:less|lower|fewer) than {n}|(?:strictly )?below {n}|under {n}|< ?{n}", less),
    (
        r"at most {n}|(?:less than or equal to|equal to or less than|(?:no|not) more than) {n}"
        r"|{n} (?:or|and) (?:below|under|less|lower|fewer)|(?:≤|<=) ?{n}",
        at_most,
    ),
)
_TWO: Final = r"(?:(?:between|from) )?{n}(?: ?- ?| to | and ){n}(?:,? inclusive| \(inclusive\))?"


def _any(shape: str) -> str:
    return shape.replace("{n}", f"{_NUMBER}{_UNIT}")


PHRASE: Final = "(?:" + "|".join(_any(shape) for shape, _ in (*_ONE, (_TWO, greater))) + ")"
"""Matches any strike phrase that is read."""

_READ: Final = tuple((re.compile(_any(shape), _FLAGS), build) for shape, build in _ONE)
_READ_TWO: Final = re.compile(_any(_TWO.replace("{n}", "(?P<low>{n})", 1).replace("){n}(", ")(?P<high>{n})(")), _FLAGS)
_FIND: Final = re.compile(_NUMBER, re.ASCII)


def read_phrase(phrase: str) -> Interval | None:
    """The values that a phrase takes, or None if it is not one that is read. "between" has both ends, as the terms say."""
    for pattern, build in _READ:
        if pattern.fullmatch(phrase):
            return build(_first(phrase))
    if found := _READ_TWO.fullmatch(phrase):
        return Interval(_first(found["low"]), True, _first(found["high"]), True)
    return None


def _first(phrase: str) -> Decimal:
    return _decimal(_FIND.findall(phrase)[0])


def of_strikes(market: MarketFacts) -> Interval | None:
    """The values that the exchange's strike type and strikes take, or None if they do not fit each other."""
    low, high = market.floor_strike, market.cap_strike
    if any(bound is not None and not _is_usual(bound) for bound in (low, high)):
        return None
    match market.strike_type, low, high:
        case "greater", Decimal(), None:
            return greater(low)
        case "greater_or_equal", Decimal(), None:
            return at_least(low)
        case "less", None, Decimal():
            return less(high)
        case "less_or_equal", None, Decimal():
            return at_most(high)
        case "between", Decimal(), Decimal() if low <= high:
            return Interval(low, True, high, True)
    return None


def _is_usual(bound: Decimal) -> bool:
    if not bound.is_finite():
        return False
    exponent = bound.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_PLACES and bound.adjusted() <= _PLACES


def _decimal(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("$", ""))
