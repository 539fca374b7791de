"""The order book of one market: a mutable one for the stream, an immutable view for the mathematics.

A book holds *bids* on both sides, nothing else. Who buys YES takes NO bids, so the price of YES is the complement of
the best NO bid: YES ask = 1 - NO bid, size = that level's size. A side without a level has no price, never a default.

Units: prices in 1/10,000 dollar, counts in 1/100 contract (``kalbot.common.units``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kalbot.common.units import DOLLAR_PRICE, Price

Level = tuple[int, int]
"""(price, count) of one price level."""


class BookError(ValueError):
    """A change that no sound book can take: the stream has a gap or the book is corrupt. Fetch a snapshot."""


class Side(StrEnum):
    """The contract that is bought. The values are the exchange's own words."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.NO if self is Side.YES else Side.YES


@dataclass(frozen=True, slots=True)
class Depth:
    """An instant of one market's book: bids of both sides, best (highest) price first, every count above zero."""

    yes_bids: tuple[Level, ...] = ()
    no_bids: tuple[Level, ...] = ()

    @classmethod
    def of(cls, yes: Iterable[Level], no: Iterable[Level]) -> Depth:
        """From levels in any order. Levels of one price are added up, empty ones dropped; bad ones are a BookError."""
        return cls(_ranked(yes), _ranked(no))

    def bids(self, side: Side) -> tuple[Level, ...]:
        """What others pay for ``side``, best first: the levels that *selling* ``side`` walks through."""
        return self.yes_bids if side is Side.YES else self.no_bids

    def asks(self, side: Side) -> tuple[Level, ...]:
        """What ``side`` costs, best (cheapest) first: the complement of the other side's bids."""
        return tuple((DOLLAR_PRICE - price, count) for price, count in self.bids(side.other))

    def best_bid(self, side: Side) -> Price | None:
        """The highest bid for ``side``, or None if nobody bids."""
        levels = self.bids(side)
        return Price(levels[0][0]) if levels else None

    def best_ask(self, side: Side) -> Price | None:
        """The cheapest price of ``side``, or None if nobody offers it."""
        levels = self.bids(side.other)
        return Price(DOLLAR_PRICE - levels[0][0]) if levels else None

    def is_crossed(self) -> bool:
        """True when the best bids of both sides add up to a dollar or more: no live book looks like that."""
        return bool(self.yes_bids and self.no_bids) and self.yes_bids[0][0] + self.no_bids[0][0] >= DOLLAR_PRICE


def _ranked(levels: Iterable[Level]) -> tuple[Level, ...]:
    return tuple(sorted(_merged(levels).items(), reverse=True))


def _listed(levels: Iterable[Level] | Mapping[int, int]) -> Iterable[Level]:
    if type(levels) is tuple:  # nearly always, and to ask whether it is a mapping takes longer than to read a short one
        return levels
    return levels.items() if isinstance(levels, Mapping) else levels


def _merged(levels: Iterable[Level]) -> dict[int, int]:
    merged: dict[int, int] = {}
    for price, count in levels:
        if not 0 < price < DOLLAR_PRICE or count < 0:
            raise BookError(f"not a level: price {price}, count {count}")
        if count:
            merged[price] = merged.get(price, 0) + count
    return merged


class Book:
    """A live book. ``yes`` and ``no`` map price to count; the best prices are kept, not searched for.

    ``best_yes`` and ``best_no`` are the best *bids* (0 when the side is empty: no bid can be at 0).
    """

    __slots__ = ("best_no", "best_yes", "no", "yes")

    def __init__(self) -> None:
        self.yes: dict[int, int] = {}
        self.no: dict[int, int] = {}
        self.best_yes = 0
        self.best_no = 0

    def apply_snapshot(self, yes: Iterable[Level] | Mapping[int, int], no: Iterable[Level] | Mapping[int, int]) -> None:
        """Replace the whole book. BookError (and an unchanged book) if a level is not one."""
        new_yes, new_no = _merged(_listed(yes)), _merged(_listed(no))
        self.yes, self.no = new_yes, new_no
        self.best_yes = max(new_yes) if new_yes else 0
        self.best_no = max(new_no) if new_no else 0

    def apply_delta(self, side: str, price: int, delta: int) -> bool:
        """Add the signed ``delta`` to one level; a level that reaches 0 is gone. Whether the side's best price is another now.

        BookError if the level would fall below zero or the price is none: then the book is corrupt.
        """
        if side == "yes":
            levels, best = self.yes, self.best_yes
        elif side == "no":
            levels, best = self.no, self.best_no
        else:
            raise BookError(f"no such side: {side!r}")
        count = levels.get(price, 0) + delta
        if count > 0 and 0 < price < DOLLAR_PRICE:
            levels[price] = count
            if price <= best:
                return False
            best = price
        elif count == 0:
            levels.pop(price, None)
            if price != best or not best:
                return False
            best = max(levels, default=0)
        else:
            raise BookError(f"{side} {price}: {levels.get(price, 0)} {delta:+d} is not a count")
        if side == "yes":
            self.best_yes = best
        else:
            self.best_no = best
        return True

    def is_crossed(self) -> bool:
        """True when best YES bid + best NO bid is a dollar or more."""
        return bool(self.best_yes and self.best_no) and self.best_yes + self.best_no >= DOLLAR_PRICE

    def depth(self, levels: int | None = None) -> Depth:
        """The immutable view, optionally only the best ``levels`` of each side."""
        yes, no = (tuple(sorted(side.items(), reverse=True)) for side in (self.yes, self.no))
        return Depth(yes[:levels], no[:levels])
