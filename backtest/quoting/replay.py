"""One settled event, its quotes resting at the touch and its prints filling them.

The touch of a side is the last price at which somebody took its bid: no book was recorded. Quotes stand from print to print and
are set again after each, or every so many hours, by ``strategies.quoting.joining``, the same function that quotes live. A print never
fills a quote that it has moved itself, and nothing of it is filled twice.

Counts 1/100 contract, prices 1/10,000 dollar, Money 1/1,000,000 dollar, times nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from backtest.quoting import taking
from backtest.quoting.prints import Print, Printed
from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Money, Price
from markets.book import Side
from strategies.quoting import joining
from strategies.quoting.joining import Held, SetRule
from strategies.quoting.refusal import Refused

SETS: Final = Count(10 * CONTRACT)
MARGIN: Final = Price(300)
AHEAD: Final = Count(100 * CONTRACT)
HOUR_NS: Final = 3_600 * 10**9


class Fills(StrEnum):
    """Which prints fill a resting bid."""

    THROUGH = "through"
    """Only prints below it: everyone who stood at its price came first. The pessimistic model."""
    QUEUE = "queue"
    """Prints at its price too, once ``Setup.ahead`` contracts have traded there since it was placed."""
    TOUCH = "touch"
    """Every print at its price: nobody stood before it. The optimistic model."""
    TAKEN = "taken"
    """Nothing rests: whole sets are taken where that leaves the margin (``taking``), to compare with."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How an event is quoted. ``stop_hours``: before the close nothing rests any more; ``ahead``: contracts (1/100) that stand before
    a new quote in the queue model; ``every_hours``: quotes are set then and left alone in between (0: set after each print); ``whole``:
    whatever reaches a quote fills all of it, however few contracts were traded."""

    side: Side
    margin: Price = MARGIN
    sets: Count = SETS
    stop_hours: float = 6.0
    ahead: Count = AHEAD
    every_hours: float = 0.0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill of a resting bid."""

    at_ns: int
    ticker: str
    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one event. ``sets``: contracts held of every leg; ``held``: profit when what did not complete is kept to
    settlement; ``sold``: when it is sold at the touch of the moment at which quoting ended, taker fees included. ``is_known``: somebody
    had taken the bid of every leg by then, so that there was something to join."""

    printed: Printed
    fills: tuple[Fill, ...]
    sets: Count
    orphans: Count
    held: Money
    sold: Money
    is_known: bool = True


@dataclass(slots=True)
class _Quote:
    price: Price
    count: int
    ahead: int


@dataclass(slots=True)
class _Run:
    printed: Printed
    setup: Setup
    model: Fills
    held: Held = field(default_factory=Held)
    touch: dict[str, Price | None] = field(default_factory=dict)
    quotes: dict[str, _Quote] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    next_ns: int = 0

    def take(self, one: Print) -> None:
        """One print: it fills what stands, then moves the touch."""
        every = round(self.setup.every_hours * HOUR_NS)
        if every and one.at_ns >= self.next_ns:
            self.next_ns = (one.at_ns // every + 1) * every
            self._quote()
        side, price = one.bid_hit()
        if side is not self.setup.side:
            return
        self._fill(one, price)
        self.touch[one.ticker] = price
        if not every:
            self._quote()

    def _fill(self, one: Print, price: Price) -> None:
        quote = self.quotes.get(one.ticker)
        if quote is None or price > quote.price:
            return
        count = int(one.contracts)
        if price == quote.price:
            if self.model is Fills.THROUGH:
                return
            passed = min(count, quote.ahead)
            quote.ahead -= passed
            count -= passed
        filled = quote.count if self.setup.whole and count > 0 else min(count, quote.count)
        if filled <= 0:
            return
        quote.count -= filled
        self.held.add(one.ticker, filled, filled * quote.price)
        self.fills.append(Fill(one.at_ns, one.ticker, quote.price, Count(filled)))

    def _quote(self) -> None:
        setup = self.setup
        pays = Price((len(self.touch) - 1) * DOLLAR_PRICE if setup.side is Side.NO else DOLLAR_PRICE)
        found = joining.bids(self.touch, self.held, SetRule(pays, setup.margin, setup.sets))
        if isinstance(found, Refused):
            self.quotes.clear()
            return
        ahead = setup.ahead if self.model is Fills.QUEUE else 0
        before = self.quotes
        self.quotes = {}
        for ticker, (price, count) in found.items():
            old = before.get(ticker)
            keeps = old is not None and old.price == price
            self.quotes[ticker] = _Quote(price, count, old.ahead if old is not None and keeps else ahead)


def replay(printed: Printed, setup: Setup, model: Fills) -> Replayed:
    """Quote one event by its prints until the stop, then settle. Makers pay no fee: events of series that charge them are not read."""
    stop = printed.closes_ns - round(setup.stop_hours * HOUR_NS)
    if model is Fills.TAKEN:
        sets, made = taking.taken(printed, setup.side, setup.margin, setup.sets, stop)
        bids_of = {ticker for side, ticker in _bids_taken(printed, stop) if side is setup.side}
        return Replayed(printed, (), sets, Count(0), made, made, bids_of >= set(printed.legs))
    run = _Run(printed, setup, model, touch=dict.fromkeys(printed.legs))
    for one in printed.prints:
        if one.at_ns > stop:
            break
        run.take(one)
    return _settled(run)


def _bids_taken(printed: Printed, stop: int) -> Iterator[tuple[Side, str]]:
    return ((one.bid_hit()[0], one.ticker) for one in printed.prints if one.at_ns <= stop)


def _settled(run: _Run) -> Replayed:
    printed, side = run.printed, run.setup.side
    counts = [run.held.counts.get(ticker, 0) for ticker in printed.legs]
    sets = min(counts)
    held = sum(n * printed.pays(side, t) for n, t in zip(counts, printed.legs, strict=True)) - run.held.cost
    sold = sets * sum(printed.pays(side, ticker) for ticker in printed.legs) - run.held.cost
    for ticker, count in zip(printed.legs, counts, strict=True):
        sold += _sale(printed, run.touch[ticker], count - sets)
    orphans, is_known = Count(sum(counts) - sets * len(counts)), None not in run.touch.values()
    return Replayed(printed, tuple(run.fills), Count(sets), orphans, Money(held), Money(sold), is_known)


def _sale(printed: Printed, bid: Price | None, count: int) -> int:
    """What selling ``count`` at the touch brings after fees; an unknown touch brings nothing."""
    if bid is None or count <= 0 or not 0 < bid < DOLLAR_PRICE:
        return 0
    return bid * count - printed.taker_fees(bid, count)
