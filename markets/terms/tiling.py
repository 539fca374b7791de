"""Do an event's strikes tile the number line? One ``less``, ``between`` without a hole, one ``greater``.

Semantics of the exchange's strike types: ``less`` x < cap, ``less_or_equal`` x <= cap, ``between`` floor <= x <= cap,
``greater`` x > floor, ``greater_or_equal`` x >= floor. Neighbours therefore meet either exactly or one *unit* apart, and
a unit apart is no hole only if the settlement value comes in such units. That is believed

- for units below 0.1 (prices in cents and finer) when the strikes are written to exactly that place,
- for coarser units only when the words of both open ends say so ("92° or above" for *greater than 91*).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from markets.terms.facts import MarketFacts

LOWER: Final = frozenset({"less", "less_or_equal"})
UPPER: Final = frozenset({"greater", "greater_or_equal"})
STRIKES: Final = LOWER | UPPER | {"between"}

UNITS: Final = frozenset(Decimal(u) for u in ("1", "0.1", "0.01", "0.001", "0.0001", "0.00001", "0.000001"))
_COARSE: Final = Decimal("0.1")
_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_INCLUSIVE: Final = re.compile(
    r"\bor (?:above|more|higher|over|below|less|lower|under|fewer)|at least|at most", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Hole:
    """Why the strikes do not tile: a code and a sentence."""

    code: str
    sentence: str


def tile(markets: Sequence[MarketFacts]) -> tuple[str, ...] | Hole:
    """Evidence that exactly one of the markets must resolve YES, line by line; or where the tiling fails."""
    low = [m for m in markets if m.strike_type in LOWER]
    high = [m for m in markets if m.strike_type in UPPER]
    middle = [m for m in markets if m.strike_type == "between"]
    if len(low) != 1 or len(high) != 1:
        return Hole("open_ends", f"A tiling has one lower and one upper open end; here are {len(low)} and {len(high)}.")
    incomplete = [m.ticker for m in markets if not _strikes_fit(m)]
    if incomplete:
        return Hole("strike_missing", f"Strikes do not fit the strike type in {', '.join(incomplete)}.")
    ordered = [low[0], *sorted(middle, key=lambda m: (_of(m.floor_strike), _of(m.cap_strike))), high[0]]
    units: set[Decimal] = set()
    for left, right in pairwise(ordered):
        hole = _between(left, right, units)
        if hole is not None:
            return hole
    if len(units) > 1:
        return Hole("gap", f"Neighbours are not always the same unit apart: {', '.join(sorted(map(str, units)))}.")
    unit = units.pop() if units else None
    words = _confirm(ordered, unit)
    if isinstance(words, Hole):
        return words
    return (f"{len(ordered)} strikes tile the line without hole or overlap.", *(_line(m) for m in ordered), *words)


def _of(strike: Decimal | None) -> Decimal:
    assert strike is not None
    return strike


def _strikes_fit(m: MarketFacts) -> bool:
    floor, cap = m.floor_strike, m.cap_strike
    if any(s is not None and not s.is_finite() for s in (floor, cap)):
        return False
    if m.strike_type == "between":
        return floor is not None and cap is not None and floor <= cap
    if m.strike_type in LOWER:
        return cap is not None and floor is None
    return floor is not None and cap is None


def _between(left: MarketFacts, right: MarketFacts, units: set[Decimal]) -> Hole | None:
    """Check one seam. Adds to ``units`` the distance between two *included* values, where the seam has one."""
    end, start = _of(left.cap_strike), _of(right.floor_strike)
    end_in, start_in = left.strike_type != "less", right.strike_type != "greater"
    at = f"between {left.ticker} and {right.ticker}"
    if end_in and start_in:
        if start <= end:
            return Hole("overlap", f"{end} and {start} overlap {at}.")
        units.add(start - end)
        return None if start - end in UNITS else Hole("gap", f"Nothing covers {end} to {start} {at}.")
    if end_in != start_in:  # ... x <= 91 | x > 91 ... or ... x < 84 | 84 <= x ...
        if start == end:
            return None
        return Hole("overlap" if start < end else "gap", f"{end} and {start} do not meet {at}.")
    return Hole("gap", f"Nothing covers {end} {at}.") if start >= end else Hole("overlap", f"{start} < {end} {at}.")


def _confirm(ordered: Sequence[MarketFacts], unit: Decimal | None) -> list[str] | Hole:
    """Check the seams' unit against the strikes' own places and the words of the markets."""
    for m in ordered:
        hole = _words_disagree(m, unit)
        if hole is not None:
            return hole
    if unit is None:
        return ["Neighbours share their bound, one of them without it: no value lies between them."]
    strikes = [s for m in ordered for s in (m.floor_strike, m.cap_strike) if s is not None]
    if any(s % unit for s in strikes):
        return Hole("gap", f"Strikes are finer than the unit {unit} that separates them.")
    if unit >= _COARSE:
        for m in (ordered[0], ordered[-1]):
            if not _end_says_unit(m, unit):
                return Hole(
                    "gap_unconfirmed",
                    f"Neighbours are {unit} apart and the words of {m.ticker} do not say that values come in such units.",
                )
        return [
            f'Values come in units of {unit}: "{ordered[0].yes_sub_title}" and "{ordered[-1].yes_sub_title}" say so.'
        ]
    return [f"Neighbours are {unit} apart, one unit in the last place of the strikes."]


def _end_says_unit(m: MarketFacts, unit: Decimal) -> bool:
    """ "83° or below" for *less than 84*: the words name the first value that counts."""
    numbers = _numbers(m.yes_sub_title)
    if not numbers or not _INCLUSIVE.search(m.yes_sub_title):
        return False
    first = {
        "less": lambda: _of(m.cap_strike) - unit,
        "less_or_equal": lambda: _of(m.cap_strike),
        "greater": lambda: _of(m.floor_strike) + unit,
        "greater_or_equal": lambda: _of(m.floor_strike),
    }[m.strike_type]()
    return first in numbers


def _words_disagree(m: MarketFacts, unit: Decimal | None) -> Hole | None:
    """Strikes against the market's own words, where it has any: other numbers or another direction refuse."""
    wanted = {s for s in (m.floor_strike, m.cap_strike) if s is not None}
    rules = m.rules_primary
    if rules:
        named = _numbers(rules)
        missing = [s for s in wanted if s not in named and -s not in named]
        if missing:
            return Hole("rules_disagree", f"The rules of {m.ticker} do not name its strike {missing[0]}.")
        if (m.strike_type == "less" and re.search(r"\bor below|at most|or equal", rules, re.IGNORECASE)) or (
            m.strike_type == "greater" and re.search(r"\bor above|at least|or equal", rules, re.IGNORECASE)
        ):
            return Hole("rules_disagree", f"The rules of {m.ticker} include a bound that its strike type leaves out.")
    title = m.yes_sub_title.lower()
    up, down = (
        re.search(r"above|over|higher|more|greater|>|≥", title),
        re.search(r"below|under|lower|less|fewer|<|≤", title),
    )
    if (m.strike_type in LOWER and up and not down) or (m.strike_type in UPPER and down and not up):
        return Hole("rules_disagree", f'"{m.yes_sub_title}" points the other way than the strikes of {m.ticker}.')
    if m.strike_type == "between" and (bool(up) != bool(down)):
        return Hole("rules_disagree", f'"{m.yes_sub_title}" of {m.ticker} is an open end, its strikes are not.')
    if m.strike_type == "between" and title and (numbers := _numbers(title)) and len(numbers) >= 2:
        slack = unit or Decimal(0)
        if any(min(abs(s - n) for n in numbers) > slack for s in wanted):
            return Hole("rules_disagree", f'"{m.yes_sub_title}" names other bounds than the strikes of {m.ticker}.')
    return None


def _numbers(text: str) -> set[Decimal]:
    """Numbers in a text; a dash between two of them is a range, not a sign."""
    ranged = re.sub(r"(?<=[\d°%])\s*[-–]\s*(?=\$?\d)", " to ", text)
    return {Decimal(found.replace(",", "")) for found in _NUMBER.findall(ranged)}


def _line(m: MarketFacts) -> str:
    sign = {"less": "<", "less_or_equal": "<=", "greater": ">", "greater_or_equal": ">="}
    if m.strike_type == "between":
        return f"{m.ticker}: {m.floor_strike} <= x <= {m.cap_strike}"
    return f"{m.ticker}: x {sign[m.strike_type]} {m.cap_strike if m.strike_type in LOWER else m.floor_strike}"
