"""The values of a family as atoms: the line, cut at every strike of every member.

A strike is an atom of its own where one market includes it and another does not. Each market pays a dollar on YES in a run of
neighbouring atoms, so it is a pair of cuts. Nothing is assumed about how fine the value is: an atom between two strikes that no
value of the source can reach only makes the floor lower.

One event may have a market that wins whatever the value, in a case that its rules name (``Fallback``): then its other markets resolve
No, and those of the other events as at any value, or all No.

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
NOBODY: Final = "every market resolves No"
"""What may happen beside the values where one of them may be missing."""


class AtomError(ValueError):
    """Members that cut nothing, or one ticker twice."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """``named`` wins whatever the value in a case that the rules name, and of ``event``, its markets, no other does."""

    named: str
    event: frozenset[str]

    def pays(self, ticker: str, side: Side) -> bool:
        """Whether a leg of ``event`` pays then."""
        return (ticker == self.named) is (side is Side.YES)


@dataclass(frozen=True, slots=True)
class Atoms:
    """``cuts``: in order, the ends of the line included; atom i lies between cut i and i + 1. ``spans``: ticker -> (first cut, last
    cut) of the values for which it resolves Yes. ``nobody``: every market may resolve No; ``any_no``: any market may resolve No by
    itself, whatever the value. ``dated``: values are days, as numbers like 20270101. ``fallback``: who else may win whatever the value."""

    cuts: tuple[Cut, ...]
    spans: Mapping[str, tuple[int, int]]
    nobody: bool = False
    any_no: bool = False
    dated: bool = False
    fallback: Fallback | None = None

    @classmethod
    def of(
        cls,
        intervals: Mapping[str, Interval],
        *,
        nobody: bool = False,
        any_no: bool = False,
        dated: bool = False,
        fallback: Fallback | None = None,
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
        spans = {t: (at[low], at[high]) for t, (low, high) in ends.items()}
        return cls(tuple(cuts), spans, nobody, any_no, dated, _of_members(fallback, spans))

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
        fallback = _of_members(self.fallback, spans)
        return Atoms(tuple(self.cuts[n] for n in kept), spans, self.nobody, self.any_no, self.dated, fallback)

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

    def beside(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What may happen beside the values, in words, with the members that resolve Yes, those that differ; the last of them where all
        others resolve No."""
        if self.fallback is None:
            return
        wins = tuple(ticker for ticker in self.spans if ticker == self.fallback.named)
        rows = [(self.words(atom), paying) for atom, paying in enumerate(self.paying())]
        known: set[tuple[str, ...]] = set()
        for words, paying in [*rows, *([("all others No", ())] if self.nobody else [])]:
            winners = (*wins, *(ticker for ticker in paying if ticker not in self.fallback.event))
            if winners not in known:
                known.add(winners)
                yield f"{self.fallback.named} wins whatever the value; {words}", winners

    def further(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """All that is listed beside the values, in words, with the members that resolve Yes."""
        if self.nobody:
            yield NOBODY, ()
        yield from self.beside()

    def is_sure(self, ticker: str, side: Side) -> bool:
        """Whether a leg pays beside the values what it pays at the same value: any but NO of the market that then wins, and YES of the
        others of its event. The floor of such legs is their floor over the values."""
        fallback = self.fallback
        return fallback is None or ticker not in fallback.event or fallback.pays(ticker, side)

    def to_json(self) -> dict[str, Any]:
        """The stored form: plain JSON, complete."""
        return {
            "cuts": [[where, str(value), above] for where, value, above in self.cuts],
            "spans": {ticker: list(span) for ticker, span in self.spans.items()},
            "nobody": self.nobody,
            "any_no": self.any_no,
            **({"dated": True} if self.dated else {}),
            **({} if self.fallback is None else {"fallback": [self.fallback.named, *sorted(self.fallback.event)]}),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Atoms:
        """The atoms of the stored form. AtomError for anything that is not exactly one."""
        try:
            cuts = tuple(_cut(row) for row in stored["cuts"])
            spans = {ticker: _span(row, len(cuts)) for ticker, row in stored["spans"].items()}
            nobody, any_no, dated = stored["nobody"], stored["any_no"], stored.get("dated", False)
            fallback = _fallback(stored["fallback"]) if "fallback" in stored else None
        except (KeyError, TypeError, AttributeError, InvalidOperation, ValueError) as error:
            raise AtomError(f"not stored atoms: {error!r}") from None
        is_ordered = all(a < b for a, b in pairwise(cuts)) and cuts[:1] == (FIRST,) and cuts[-1:] == (LAST,)
        if not is_ordered or not spans or type(nobody) is not bool or {type(any_no), type(dated)} != {bool}:
            raise AtomError("not stored atoms: the line is not whole")
        if fallback is not None and not fallback.event <= spans.keys():
            raise AtomError("not stored atoms: what wins whatever the value is no member")
        return cls(cuts, spans, nobody, any_no, dated, fallback)

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
        least = self._least(holdings)
        if self.fallback is not None:
            inside = [one for one in holdings if one[0] in self.fallback.event]
            sure = sum(
                n * DOLLAR_PRICE
                for ticker, side, n in inside
                if self.fallback.pays(ticker, side) and not (self.any_no and side is Side.YES)
            )
            least = min(least, sure + self._least([one for one in holdings if one[0] not in self.fallback.event]))
        return Money(least)

    def _least(self, holdings: Sequence[Holding]) -> int:
        least = min(self.payoffs(holdings))
        nobody = sum(n * DOLLAR_PRICE for _, side, n in holdings if side is Side.NO)
        return min(least, nobody) if self.nobody else least

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


def _of_members(fallback: Fallback | None, spans: Mapping[str, tuple[int, int]]) -> Fallback | None:
    """What it says about these members; None where it says nothing about them."""
    event = frozenset() if fallback is None else fallback.event & spans.keys()
    return Fallback(fallback.named, event) if fallback is not None and event else None


def _fallback(row: Any) -> Fallback:
    named, *event = row
    if any(type(ticker) is not str for ticker in row) or len(set(event)) != len(event) or not event:
        raise AtomError(f"no fallback: {row!r}")
    return Fallback(named, frozenset(event))


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
