"""The simulator's own integers: price 1/10,000 dollar, count 1/100 contract, money 1/1,000,000 dollar.

``price * count`` is money, exactly. This is written apart from the bot's units on purpose: two versions that agree are
a test of each other.
"""

from __future__ import annotations

import re

ONE = 10_000
"""Price of one dollar."""
CONTRACT = 100
"""Count of one contract."""
DOLLAR = 1_000_000
"""Money of one dollar."""
CENT = 10_000
"""Money of one cent."""
CENTICENT = 100
"""Money of 1/10,000 dollar, the unit of shard transfers."""

_PLAIN = re.compile(r"(\d{1,12})(?:\.(\d{1,8}))?\Z", re.ASCII)


def parse_units(text: object, places: int) -> int:
    """A non-negative decimal *string* as an integer of ``10**-places``; ValueError for anything else or anything finer."""
    found = _PLAIN.match(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"not a decimal string: {text!r}")
    whole, fraction = found[1], found[2] or ""
    kept, rest = fraction[:places], fraction[places:]
    if rest.strip("0"):
        raise ValueError(f"{text!r} has more than {places} decimal places")
    return int(whole + kept.ljust(places, "0"))


def parse_price(text: object) -> int:
    """Dollar string to price units."""
    return parse_units(text, 4)


def parse_count(text: object) -> int:
    """Contract string (0 to 2 decimal places) to count units."""
    return parse_units(text, 2)


_PRICES = [f"{p // ONE}.{p % ONE:04d}" for p in range(ONE + 1)]


def dollars4(price: int) -> str:
    """Price units as the wire's four-decimal string."""
    if 0 <= price <= ONE:
        return _PRICES[price]
    return f"{'-' if price < 0 else ''}{abs(price) // ONE}.{abs(price) % ONE:04d}"


def dollars6(money: int) -> str:
    """Money as the wire's six-decimal string."""
    return f"{'-' if money < 0 else ''}{abs(money) // DOLLAR}.{abs(money) % DOLLAR:06d}"


def count2(count: int) -> str:
    """Count as the wire's two-decimal string."""
    return f"{'-' if count < 0 else ''}{abs(count) // CONTRACT}.{abs(count) % CONTRACT:02d}"


def ceil_div(numerator: int, denominator: int) -> int:
    """The least integer not below the quotient (denominator > 0)."""
    return -(-numerator // denominator)
