"""What stands in one cell of a table that others recorded: prices and sizes as exact decimals, or nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from markets.tape.imports.source import dollars

_ONE: Final = Decimal(1)


def price_of(value: Any) -> Decimal:
    """Dollars to four places. Raises ValueError or decimal.InvalidOperation for what is no number."""
    return round(Decimal(str(value)), 4)


def size_of(value: Any) -> Decimal:
    """Contracts to two places. Raises as ``price_of``."""
    return round(Decimal(str(value)), 2)


def level(price: Any) -> str:
    """The price of a bid: nobody can bid nothing or a whole dollar, so that is another unit. Raises ValueError."""
    exact = price_of(price)
    if not 0 < exact < 1:
        raise ValueError(f"not a price of a level: {price}")
    return dollars(exact)


def own_bid(price: Any, side: str) -> str:
    """The price of a bid for YES, or of the NO bid that a YES ask is. Raises ValueError."""
    exact = price_of(price)
    return level(exact if side == "yes" else _ONE - exact)


def numbers_of(text: Any) -> list[Any]:
    """The numbers of a cell that lists several."""
    if isinstance(text, list | tuple):
        return list(text)
    return [] if is_empty(text) else [part for part in str(text).split(",") if part.strip()]


def is_empty(value: Any) -> bool:
    """Whether nothing stands in the cell."""
    return value is None or value == "" or value != value  # what is not itself is no number
