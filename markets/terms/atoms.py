"""The values of a family as atoms: the line, cut at every strike of every member.

A strike is an atom of its own where one market includes it and another does not. Each market pays a dollar on YES in a run of
neighbouring atoms, so it is a pair of cuts. Nothing is assumed about how fine the value is: an atom between two strikes that no
value of the source can reach only makes the floor lower.

Counts in 1/100 contract, payoffs in Money.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

from kalbot.common.units import DOLLAR_PRICE, Money
from markets.book import Side
from markets.terms.reading.strikes import Interval
from markets.terms.reading.text import calendar_day

if TYPE_CHECKING:
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
    itself, whatever the value. ``dated``: values are days, as numbers like 20270101."""

    cuts: tuple[Cut, ...]
    spans: Mapping[str, tuple[int, int]]
    nobody: bool = False
    any_no: bool = False
    dated: bool = False

    @classmethod
    def of(
        cls, intervals: Mapping[str, Interval], *, nobody: bool = False, any_no: bool = False, dated: bool = False
    ) -> Atoms:
        """The atoms of these members (ticker -> values that it takes). AtomError for an interval that takes nothing."""
        if not intervals:
            raise AtomError("a family has members")
        ends = {ticker: (_low(interval), _high(interval)) for ticker, interval in intervals.items()}
        for ticker, (low, high) in ends.items():
            if low >= high:
                raise AtomError(f"{ticker} takes no value")
        cuts = sorted({FIRST, LAST, *(end for pair in ends.values() for end in pair)})
        at = {cut: n for n, cut in enumerate(cuts)}
        return cls(tuple(cuts), {t: (at[low], at[high]) for t, (low, high) in ends.items()}, nobody, any_no, dated)

    def __len__(self) -> int:
        """The number of atoms."""
        return len(self.cuts) - 1

    def about(self, tickers: Collection[str]) -> Atoms:
        """The same line cut by these members alone: no atom is lost that makes a difference to them. AtomError for a stranger."""
        strangers = [ticker for ticker in tickers if ticker not in self.spans]
        if strangers or not tickers:
            raise AtomError(f"not a member of the family: {', '.join(strangers) or 'nothing'}")
        ends = {ticker: self.spans[ticker] for ticker in sorted(tickers)}
        kept = sorted({0, len(self.cuts) - 1, *(end for pair in ends.values() for end in pair)})
        at = {cut: n for n, cut in enumerate(kept)}
        spans = {ticker: (at[low], at[high]) for ticker, (low, high) in ends.items()}
        return Atoms(tuple(self.cuts[n] for n in kept), spans, self.nobody, self.any_no, self.dated)

    def paying(self) -> Iterator[tuple[str, ...]]:
        """For each atom in order: the members that resolve Yes in it."""
        begins: list[list[str]] = [[] for _ in self.cuts]
        ends: list[list[str]] = [[] for _ in self.cuts]
        for ticker, (low, high) in self.spans.items():
            begins[low].append(ticker)
            ends[high].append(ticker)
        now: dict[str, None] = {}
        for atom in range(len(self)):
            for ticker in ends[atom]:
                del now[ticker]
            now |= dict.fromkeys(begins[atom])
            yield tuple(now)

    def to_json(self) -> dict[str, Any]:
        """The stored form: plain JSON, complete."""
        return {
            "cuts": [[where, str(value), above] for where, value, above in self.cuts],
            "spans": {ticker: list(span) for ticker, span in self.spans.items()},
            "nobody": self.nobody,
            "any_no": self.any_no,
            **({"dated": True} if self.dated else {}),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Atoms:
        """The atoms of the stored form. AtomError for anything that is not exactly one."""
        try:
            cuts = tuple(_cut(row) for row in stored["cuts"])
            spans = {ticker: _span(row, len(cuts)) for ticker, row in stored["spans"].items()}
            nobody, any_no, dated = stored["nobody"], stored["any_no"], stored.get("dated", False)
        except (KeyError, TypeError, AttributeError, InvalidOperation, ValueError) as error:
            raise AtomError(f"not stored atoms: {error!r}") from None
        is_ordered = all(a < b for a, b in pairwise(cuts)) and cuts[:1] == (FIRST,) and cuts[-1:] == (LAST,)
        if not is_ordered or not spans or type(nobody) is not bool or {type(any_no), type(dated)} != {bool}:
            raise AtomError("not stored atoms: the line is not whole")
        return cls(cuts, spans, nobody, any_no, dated)

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
        """One atom for a person: ``x < 80``, ``x = 80``, ``80 < x < 82``; of days ``x < Dec 1, 2026``."""
        low, high = self.cuts[atom], self.cuts[atom + 1]
        if low[0] == 0 == high[0] and low[1] == high[1]:
            return f"x = {self.mark(low)}"
        left = "" if low == FIRST else f"{self.mark(low)} {'<' if low[2] else '<='} "
        right = "" if high == LAST else f" {'<=' if high[2] else '<'} {self.mark(high)}"
        return f"{left}x{right}" if left or right else "any value"

    def mark(self, cut: Cut) -> str:
        """The value of a cut for a person."""
        return calendar_day(cut[1]) if self.dated else f"{cut[1]}"


def _low(interval: Interval) -> Cut:
    return FIRST if interval.low is None else (0, interval.low, 0 if interval.low_in else 1)


def _high(interval: Interval) -> Cut:
    return LAST if interval.high is None else (0, interval.high, 1 if interval.high_in else 0)


def _cut(row: Any) -> Cut:
    where, value, above = row
    number = Decimal(value)
    is_end = where in (-1, 1) and number == 0 and above == 0
    if type(value) is not str or not number.is_finite() or not (is_end or (where == 0 and above in (0, 1))):
        raise AtomError(f"no cut: {row!r}")
    return where, number, above


def _span(row: Any, cuts: int) -> tuple[int, int]:
    low, high = row
    if type(low) is not int or type(high) is not int or not 0 <= low < high < cuts:
        raise AtomError(f"no run of atoms: {row!r}")
    return low, high
