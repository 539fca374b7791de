"""Single values at the parse boundary: decimal strings, cents and times into our units.

Everything here raises UnitError (a ValueError) on what it cannot hold exactly.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NewType

import msgspec

from kalbot.common.units import (
    CENT,
    DOLLAR_PRICE,
    Count,
    Money,
    Price,
    UnitError,
    format_price,
    parse_count,
    parse_decimal,
    parse_money,
    parse_price,
)

from .sizes import DEEPEST, FIRST_YEAR, LAST_YEAR, NO_SECONDS

Micros = NewType("Micros", int)
"""1/1,000,000 dollar per contract: averages are finer than a Price can hold."""

Number = NewType("Number", msgspec.Raw)
"""A decimal on the wire, as its bytes: read by ``decimal``."""
OptionalNumber = NewType("OptionalNumber", msgspec.Raw)
"""The same where it may be null or absent."""
ABSENT: Final = OptionalNumber(msgspec.Raw())

MOST_MULTIPLIED: Final = 100
_LARGEST_AVERAGE: Final = 100_000_000
"""A hundred dollars, where a contract pays one."""
_PLAIN: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_NUMBER: Final = re.compile(_PLAIN.pattern + rb"(?:[eE][+-]?[0-9]{1,3})?")
_LONGEST: Final = 40
_KEPT: Final = 32
"""Characters of a decimal that a column holds, written without an exponent."""
_MEMO_LIMIT: Final = 50_000
"""Spellings that are remembered: six megabytes of a process."""


class PriceTable(dict[str, Price]):
    """Price of a decimal string: every four-place price is there already, other spellings are parsed once."""

    def __init__(self) -> None:
        super().__init__({format_price(p): Price(p) for p in range(DOLLAR_PRICE + 1)})

    def __missing__(self, text: str) -> Price:
        price = parse_price(text)
        if len(self) < _MEMO_LIMIT:
            self[text] = price
        return price


class CountMemo(dict[str, Count]):
    """Count of a decimal string, remembered: a few thousand sizes make up nearly all of a stream. Volumes never come again: when they have
    filled it, it is emptied, or it would remember nothing that comes later."""

    def __missing__(self, text: str) -> Count:
        count = parse_count(text)
        if len(self) >= _MEMO_LIMIT:
            self.clear()
        self[text] = count
        return count


PRICES: Final = PriceTable()
COUNTS: Final = CountMemo()


def level_price(text: str) -> Price:
    """A price at which something can stand in a book: strictly between 0 and a dollar."""
    price = PRICES[text]
    if not 0 < price < DOLLAR_PRICE:
        raise UnitError(f"no order can have the price {text!r}")
    return price


def positive_count(text: str) -> Count:
    """A number of contracts that must not be negative."""
    count = COUNTS[text]
    if count < 0:
        raise UnitError(f"negative count: {text!r}")
    return count


def optional_price(text: str | None) -> Price | None:
    """None for an absent, null or empty value."""
    return PRICES[text] if text else None


def optional_count(text: str | None) -> Count:
    """Zero for an absent, null or empty value."""
    return positive_count(text) if text else Count(0)


def optional_money(text: str | None) -> Money:
    """Zero for an absent, null or empty value."""
    return _money(text) if text else Money(0)


_money = lru_cache(maxsize=16_384)(parse_money)


def micros(text: str) -> Micros:
    """An average in dollars per contract, up to six decimal places, not negative."""
    value = parse_decimal(text, 6)
    if not 0 <= value <= _LARGEST_AVERAGE:
        raise UnitError(f"no average of a contract: {text!r}")
    return Micros(value)


def decimal(raw: Number | OptionalNumber) -> Decimal | None:
    """A JSON number, or a text that is a plain decimal, exactly; None for absent and null.

    Texts have ASCII digits, a point, a minus, and nothing else: what ``Decimal`` reads besides (underscores, other digits, exponents,
    blanks, ``NaN``) is refused, and so are numbers of more than forty characters,
    or of more than 32 written without an exponent, or of more digits than ``Decimal`` keeps (28).
    """
    found = bytes(raw)
    if found in (b"", b"null"):
        return None
    text = found[1:-1] if found[:1] == b'"' else found
    grammar = _NUMBER if text is found else _PLAIN
    if len(text) > _LONGEST or not grammar.fullmatch(text):
        raise UnitError(f"no decimal: {found[:60]!r}")
    value = Decimal(text.decode())
    plain = value.normalize()
    if plain != value or len(format(plain, "f")) > _KEPT:
        raise UnitError(f"no decimal that can be kept: {found[:60]!r}")
    return value


def required_multiplier(raw: Number) -> Decimal:
    """A multiplier of fees that must be there."""
    value = decimal(raw)
    if value is None:
        raise UnitError("no fee multiplier where one must be")
    return fee_multiplier(value)


def fee_multiplier(value: Decimal) -> Decimal:
    """A multiplier of fees: none is negative, finer than a millionth, or anywhere near a hundredfold."""
    if not 0 <= value <= MOST_MULTIPLIED or value != round(value, 6):
        raise UnitError(f"no fee multiplier: {value}")
    return value


def optional_multiplier(raw: OptionalNumber) -> Decimal | None:
    """None where an event overrides nothing."""
    value = decimal(raw)
    return None if value is None else fee_multiplier(value)


def kept_object(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """An object that is kept as it came: no deeper than ``DEEPEST``, its whole numbers within 64 bits."""
    _check_depth(found, DEEPEST)
    return found


def _check_depth(found: Any, left: int) -> None:
    if isinstance(found, int) and abs(found) >= 2**63:
        raise UnitError(f"a number that cannot be kept: {str(found)[:40]}")
    if isinstance(found, dict | list):
        if not left:
            raise UnitError(f"an object deeper than {DEEPEST}")
        for part in found.values() if isinstance(found, dict) else found:
            _check_depth(part, left - 1)


def money_from_cents(cents: int) -> Money:
    """The integer cents that a few fields still carry (docs/kalshi-protocol.md 4)."""
    return Money(cents * CENT)


def price_from_cents(cents: int) -> Price:
    """Whole cents per contract as a Price."""
    if not 0 <= cents <= 100:
        raise UnitError(f"price out of range: {cents} cents")
    return Price(cents * 100)


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time as an aware datetime in UTC; None for absent, empty and the zero time of year 1."""
    return _moment(text) if text else None


def required_moment(text: str | None) -> datetime:
    """A time that must be there."""
    found = moment(text)
    if found is None:
        raise UnitError(f"no time where one must be: {text!r}")
    return found


@lru_cache(maxsize=16_384)
def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UnitError(f"not a time: {text!r}") from None
    if found.tzinfo is None:
        raise UnitError(f"a time without a zone: {text!r}")
    if found.year == 1:
        return None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise UnitError(f"a time too far away: {text!r}")
    return found.astimezone(UTC)


def moment_from_seconds(seconds: int | None) -> datetime | None:
    """A Unix time in seconds as an aware datetime; None and 0 are no time."""
    if not seconds or seconds == NO_SECONDS:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UnitError(f"not a Unix time in seconds: {seconds}") from None
