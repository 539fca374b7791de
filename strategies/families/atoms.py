"""The values of a family as atoms: the line, cut at every strike of every member.

A strike is an atom of its own where one market includes it and another does not. Each market pays a dollar on YES in a run of
neighbouring atoms, so it is a pair of cuts. Nothing is assumed about how fine the value is: an atom between two strikes that no
value of the source can reach only makes the floor lower.

Counts in 1/100 contract, payoffs in Money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Final

from kalbot.common.units import DOLLAR_PRICE, Money
from markets.book import Side
from markets.terms.reading.strikes import Interval
from markets.terms.states import Holding

Cut = tuple[int, Decimal, int]
"""Between two atoms: (-1, 0 or 1 for minus infinity, a number or infinity; the number; 0 just below it, 1 just above)."""
FIRST: Final[Cut] = (-1, Decimal(0), 0)
LAST: Final[Cut] = (1, Decimal(0), 0)


class AtomError(ValueError):
    """Members that cut nothing, or one ticker twice."""


@dataclass(frozen=True, slots=True)
class Atoms:
    """``cuts``: in order, the ends of the line included; atom i lies between cut i and i + 1. ``spans``: ticker -> (first cut, last
    cut) of the values for which it resolves Yes. ``nobody``: every market may resolve No; ``any_no``: any market may resolve No by
    itself, whatever the value."""

    cuts: tuple[Cut, ...]
    spans: Mapping[str, tuple[int, int]]
    nobody: bool = False
    any_no: bool = False

    @classmethod
    def of(cls, intervals: Mapping[str, Interval], *, nobody: bool = False, any_no: bool = False) -> Atoms:
        """The atoms of these members (ticker -> values that it takes). AtomError for an interval that takes nothing."""
        if not intervals:
            raise AtomError("a family has members")
        ends = {ticker: (_low(interval), _high(interval)) for ticker, interval in intervals.items()}
        for ticker, (low, high) in ends.items():
            if low >= high:
                raise AtomError(f"{ticker} takes no value")
        cuts = sorted({FIRST, LAST, *(end for pair in ends.values() for end in pair)})
        at = {cut: n for n, cut in enumerate(cuts)}
        return cls(tuple(cuts), {t: (at[low], at[high]) for t, (low, high) in ends.items()}, nobody, any_no)

    def __len__(self) -> int:
        """The number of atoms."""
        return len(self.cuts) - 1

    def payoffs(self, holdings: Iterable[Holding]) -> list[Money]:
        """What the holdings pay in each atom, the least where markets may resolve No by themselves. KeyError for a stranger."""
        steps, always = [0] * len(self.cuts), 0
        for ticker, side, count in holdings:
            low, high = self.spans[ticker]
            dollars = count * DOLLAR_PRICE
            if side is Side.NO:
                always += dollars
                dollars = -dollars
            elif self.any_no:
                continue
            steps[low] += dollars
            steps[high] -= dollars
        return [Money(always + step) for step in accumulate(steps[:-1])]

    def floor(self, holdings: Sequence[Holding]) -> Money:
        """The least that the holdings pay over every atom and every further state. Exact."""
        least = min(self.payoffs(holdings))
        if self.nobody:
            least = min(least, Money(sum(n * DOLLAR_PRICE for _, side, n in holdings if side is Side.NO)))
        return Money(least)

    def words(self, atom: int) -> str:
        """One atom for a person: ``x < 80``, ``x = 80``, ``80 < x < 82``."""
        low, high = self.cuts[atom], self.cuts[atom + 1]
        if low[0] == 0 == high[0] and low[1] == high[1]:
            return f"x = {low[1]}"
        left = "" if low == FIRST else f"{low[1]} {'<' if low[2] else '<='} "
        right = "" if high == LAST else f" {'<=' if high[2] else '<'} {high[1]}"
        return f"{left}x{right}" if left or right else "any value"


def _low(interval: Interval) -> Cut:
    return FIRST if interval.low is None else (0, interval.low, 0 if interval.low_in else 1)


def _high(interval: Interval) -> Cut:
    return LAST if interval.high is None else (0, interval.high, 1 if interval.high_in else 0)
