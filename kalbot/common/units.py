"""Money, prices and counts as integers.

========  =====================  ==============================
type      unit                   one of it
========  =====================  ==============================
Price     1/10,000 dollar        ``DOLLAR_PRICE`` = 10_000
Count     1/100 contract         ``CONTRACT`` = 100
Money     1/1,000,000 dollar     ``DOLLAR`` = 1_000_000
========  =====================  ==============================

The units are chosen so that ``price * count`` *is* money, exactly. Decimal strings exist only at the wire and on
screen; a value that cannot be held exactly is refused with ``UnitError``, never rounded in silence.
"""

from __future__ import annotations

import re
from typing import Final, NewType

Price = NewType("Price", int)
Count = NewType("Count", int)
Money = NewType("Money", int)

DOLLAR_PRICE: Final = Price(10_000)
CONTRACT: Final = Count(100)
DOLLAR: Final = Money(1_000_000)
CENT: Final = Money(10_000)
PPM: Final = 1_000_000
"""One whole, in parts per million: the unit of margins, probabilities and shares (``*_ppm``)."""

LARGEST_COUNT: Final = Count(10**12)
"""Ten billion contracts: what can stand for a count. At any price it is money that a column holds, and so is a sum of thousands."""
LARGEST_MONEY: Final = Money(10**16)
"""Ten billion dollars."""

_DECIMAL: Final = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,12}))?\Z", re.ASCII)


class UnitError(ValueError):
    """A string is not a plain decimal, or is finer than the unit can hold."""


def parse_decimal(text: str, places: int) -> int:
    """``text`` as an integer number of ``10**-places``. Trailing zeros beyond ``places`` are harmless.

    >>> parse_decimal("0.4100", 4)
    4100

    Raises UnitError for anything but ``-?digits[.digits]`` and for digits finer than the unit.
    """
    found = _DECIMAL.match(text) if isinstance(text, str) else None
    if found is None:
        raise UnitError(f"not a decimal string: {text!r}")
    sign, whole, fraction = found[1], found[2], found[3] or ""
    if len(fraction) > places:
        if fraction[places:].strip("0"):
            raise UnitError(f"{text!r} is finer than {places} decimal places")
        fraction = fraction[:places]
    value = int(whole + fraction.ljust(places, "0"))
    return -value if sign else value


def format_decimal(value: int, places: int, keep: int | None = None) -> str:
    """The decimal string of ``value * 10**-places`` with at least ``keep`` (default: all) decimal places."""
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(places + 1, "0")
    whole, fraction = digits[:-places], digits[-places:]
    if keep is not None:
        fraction = fraction[:keep] + fraction[keep:].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def parse_price(text: str) -> Price:
    """Dollar string to Price. Negative prices and prices above one dollar are refused."""
    value = parse_decimal(text, 4)
    if not 0 <= value <= DOLLAR_PRICE:
        raise UnitError(f"price out of range: {text!r}")
    return Price(value)


def parse_count(text: str) -> Count:
    """Contract string to signed Count. Beyond ``LARGEST_COUNT`` either way: UnitError."""
    value = parse_decimal(text, 2)
    if abs(value) > LARGEST_COUNT:
        raise UnitError(f"no number of contracts: {text!r}")
    return Count(value)


def parse_money(text: str) -> Money:
    """Dollar string (up to 6 decimal places) to signed Money. Beyond ``LARGEST_MONEY`` either way: UnitError."""
    value = parse_decimal(text, 6)
    if abs(value) > LARGEST_MONEY:
        raise UnitError(f"no sum of money: {text!r}")
    return Money(value)


def format_price(price: int) -> str:
    """``4100`` -> ``"0.4100"``, the form the exchange expects."""
    return format_decimal(price, 4)


def format_count(count: int) -> str:
    """``725`` -> ``"7.25"``."""
    return format_decimal(count, 2)


def format_amount(value: int, places: int, keep: int = 2) -> str:
    """A decimal string as amounts of dollars are written: at least ``keep`` decimals, and beyond cents always a pair of digits more
    (``24.9750``, never ``24.975``), so that figures beside each other can be compared."""
    whole, _, fraction = format_decimal(value, places, keep=keep).partition(".")
    return f"{whole}.{fraction}{'0' * (len(fraction) % 2)}"


def format_money(money: int) -> str:
    """``124_400`` -> ``"0.1244"``: cents, and no more digits than are needed."""
    return format_amount(money, 6)


def dollars(money: int) -> str:
    """Micro-dollars as a person reads them, exact: ``-2_725_600`` -> ``"-$2.7256"``."""
    return f"{'-' if money < 0 else ''}${format_money(abs(money))}"


def part_of(money: int, limit: int) -> str:
    """How much of a limit is used, both in micro-dollars: ``$3.00 of $50.00``."""
    return f"{dollars(money)} of {dollars(limit)}"


def complement(price: int) -> Price:
    """The other side's price of the same level: YES ask = 1 - NO bid."""
    return Price(DOLLAR_PRICE - price)


def value(price: int, count: int) -> Money:
    """What ``count`` contracts cost at ``price``, without fees."""
    return Money(price * count)
