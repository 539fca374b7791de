"""An order book over REST: bids on both sides, best first. For display and comparison, never for an order."""

from __future__ import annotations

import msgspec

from kalbot.common.units import DOLLAR_PRICE, Count, Price, UnitError, complement

from ..scalars import COUNTS, level_price
from .boundary import decoder_of

Level = tuple[Price, Count]


class LevelsWire(msgspec.Struct):
    """Both sides have to be there: a book under other names is not an empty one."""

    yes_dollars: list[tuple[str, str]] | None
    no_dollars: list[tuple[str, str]] | None


class BookWire(msgspec.Struct):
    orderbook_fp: LevelsWire


class TickerBookWire(msgspec.Struct):
    ticker: str
    orderbook_fp: LevelsWire


class BooksWire(msgspec.Struct):
    orderbooks: list[TickerBookWire]


class Book(msgspec.Struct, frozen=True):
    """Bids of both sides in that side's own price, best (highest) first. An empty side is an empty tuple.

    The exchange answers an unknown ticker with an empty book, so emptiness proves nothing.
    """

    yes: tuple[Level, ...]
    no: tuple[Level, ...]

    @property
    def yes_ask(self) -> Level | None:
        """Cheapest YES: the complement of the best NO bid, with that level's size."""
        return (complement(self.no[0][0]), self.no[0][1]) if self.no else None

    @property
    def no_ask(self) -> Level | None:
        """Cheapest NO: the complement of the best YES bid, with that level's size."""
        return (complement(self.yes[0][0]), self.yes[0][1]) if self.yes else None


def build_book(wire: LevelsWire) -> Book:
    """Wire to ours, sorted here because descriptions of the wire's order disagree. Refuses a crossed book."""
    return checked_book(build_side(wire.yes_dollars), build_side(wire.no_dollars))


def checked_book(yes: tuple[Level, ...], no: tuple[Level, ...]) -> Book:
    """The book of two sorted sides. A YES bid and a NO bid of a dollar together would have traded, so such a
    book is corrupt or its NO prices are misread: ValueError."""
    if yes and no and yes[0][0] + no[0][0] >= DOLLAR_PRICE:
        raise UnitError(f"crossed book: YES bid {yes[0][0]}, NO bid {no[0][0]} (1/10,000 dollar)")
    return Book(yes, no)


def build_side(levels: list[tuple[str, str]] | None) -> tuple[Level, ...]:
    """One side's levels, best first; refuses a doubled price and a size that is not positive."""
    if not levels:
        return ()
    side = {level_price(price): COUNTS[count] for price, count in levels}
    if len(side) != len(levels) or min(side.values()) <= 0:
        raise UnitError("a book side with a doubled or an empty level")
    return tuple(sorted(side.items(), reverse=True))


BOOK = decoder_of(BookWire)
BOOKS = decoder_of(BooksWire)
