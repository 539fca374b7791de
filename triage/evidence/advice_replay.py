"""Advice replayed on recorded prints: what leaving when it was first given brought against holding, per reason. Pure.

The assessment is the product's own (``triage.assessment.assess``). Books are made of prints: a taker who bought YES paid the ask, one who
sold it met the bid; each side counts for six hours, and of two that cross the older is gone. ``SIZE`` contracts are assumed at each, so a
sale is never cut short: an upper bound. A position is bought at 18:00 UTC of the day before and assessed every hour. Outside views are the
learned forecasts of the walk-forward and the combination, at the hours at which it has them; none of them may act in operation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kalbot.common.units import DOLLAR_PRICE, Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from triage.assessment.assess import Assessed, assess, market_belief, word_of
from triage.assessment.case import Case, Thresholds, View
from triage.assessment.signals import EntryFacts, MarketFacts, OutcomeFacts, Severity
from triage.assessment.valuation import HeldLeg
from triage.evidence.orphans import Touch
from triage.evidence.walk_forward import COMBINED, Score
from triage.weather.mapping import HOUR_MS, Unmapped, ticker_day

FRESH_MS: Final = 6 * HOUR_MS
SIZE: Final = Count(10_000)
HELD: Final = Count(1_000)
"""Ten contracts a leg."""
COVERED: Final = 0.70
"""Probability that the bet on coverage covers; its line."""
ENTRY_HOURS: Final = -6
LAST_HOURS: Final = 29
"""Hours from 00:00 UTC of the event's day: bought, and the last assessment, at midnight in America."""
SOURCES: Final = ("persistence, learned", "climatology, learned", COMBINED)
Views = Mapping[tuple[str, int], tuple[View, ...]]
"""(event, Unix ms) -> what outside sources said then."""


@dataclass(frozen=True, slots=True)
class Given:
    """Advice at its first moment. ``difference``: leaving less holding, micro-dollars; None where nothing could be sold."""

    kind: str
    reason: str
    word: str
    event: str
    difference: int | None


@dataclass(frozen=True, slots=True)
class Settled:
    """One settled event: outcome -> whether it won, and the bids of its legs."""

    event: str
    won: Mapping[str, bool]
    touch: Touch

    def books(self, at_ms: int) -> dict[str, Depth]:
        """The book of every outcome as far as prints show it."""
        return {ticker: self._book(ticker, at_ms) for ticker in self.won}

    def _book(self, ticker: str, at_ms: int) -> Depth:
        last = {side: self._last(ticker, side, at_ms) for side in ("yes", "no")}
        yes, no = last["yes"], last["no"]
        if yes is not None and no is not None and yes[1] + no[1] >= DOLLAR_PRICE:
            last["yes" if yes[0] < no[0] else "no"] = None
        sides = {side: [(found[1], SIZE)] if found is not None else [] for side, found in last.items()}
        return Depth.of(sides["yes"], sides["no"])

    def _last(self, ticker: str, side: str, at_ms: int) -> tuple[int, Price] | None:
        prints = self.touch.get((ticker, side), ())
        before = bisect_right(prints, (at_ms, 2.0))
        if not before or at_ms - prints[before - 1][0] > FRESH_MS:
            return None
        price = Price(round(prints[before - 1][1] * DOLLAR_PRICE))
        return (prints[before - 1][0], price) if 0 < price < DOLLAR_PRICE else None


@dataclass(frozen=True, slots=True)
class Held:
    """A position as it was bought; ``coverage`` only of a bet on it."""

    kind: str
    basket: str
    legs: tuple[HeldLeg, ...]
    cost: Money
    coverage: float | None = None


def settled_events(touch: Touch, results: Mapping[str, str]) -> Iterator[Settled]:
    """Events of which every market has a result and exactly one won."""
    events: dict[str, dict[str, bool]] = defaultdict(dict)
    for ticker, result in results.items():
        events[ticker.rpartition("-")[0]][ticker] = result == "yes"
    for event, won in sorted(events.items()):
        if sum(won.values()) == 1 and all(results[ticker] in ("yes", "no") for ticker in won):
            yield Settled(event, won, touch)


def views_of(scores: Iterable[Score]) -> Views:
    """What the walk-forward's forecasters said of priced events."""
    found: dict[tuple[str, int], list[View]] = defaultdict(list)
    for score in scores:
        if score.name in SOURCES and score.case.market is not None:
            event = next(iter(score.case.bounds)).rpartition("-")[0]
            found[(event, score.case.at_ms)].append(View(score.name.split(",")[0], score.chances, 0))
    return {key: tuple(views) for key, views in found.items()}


def replay(events: Iterable[Settled], views: Views) -> list[Given]:
    """Everything that was advised on every position of these events."""
    return [given for event in events for given in _of_event(event, views)]


def _of_event(settled: Settled, views: Views) -> Iterator[Given]:
    try:
        day = ticker_day(settled.event)
    except Unmapped:
        return
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    for held in positions(settled, midnight + ENTRY_HOURS * HOUR_MS):
        seen: set[tuple[str, str]] = set()
        for hour in range(ENTRY_HOURS + 1, LAST_HOURS):
            at = midnight + hour * HOUR_MS
            case = _case(settled, held, at)
            found = assess(case, views.get((settled.event, at), ()))
            for signal in found.signals:
                word = word_of(signal, found, case.thresholds)
                if signal.severity >= Severity.WATCH and (signal.code, word) not in seen:
                    seen.add((signal.code, word))
                    yield Given(held.kind, signal.code, word, settled.event, difference(settled, held, found))


def positions(settled: Settled, at_ms: int) -> Iterator[Held]:
    """What is held of an event: a bet on coverage, NO and YES of its likeliest outcome alone, and NO of its two likeliest."""
    books = settled.books(at_ms)
    belief = market_belief(_case(settled, Held("", "all_yes", (), Money(0)), at_ms))
    if belief is None:
        return
    ranked = sorted(belief, key=lambda ticker: (-belief[ticker], ticker))
    covered, total = list[str](), 0.0
    while total < COVERED and len(covered) < len(ranked) - 1:
        total += belief[ranked[len(covered)]]
        covered.append(ranked[len(covered)])
    wanted = (
        ("bet on coverage", "coverage", Side.YES, covered, total),
        ("NO alone", "all_no", Side.NO, ranked[:1], None),
        ("NO on two", "all_no", Side.NO, ranked[:2], None),
        ("YES alone", "all_yes", Side.YES, ranked[:1], None),
    )
    for kind, basket, side, tickers, coverage in wanted:
        asks = [books[ticker].asks(side) for ticker in tickers]
        if all(asks):
            cost = sum(levels[0][0] * HELD for levels in asks)
            legs = tuple(HeldLeg(ticker, side, HELD) for ticker in tickers)
            yield Held(kind, basket, legs, Money(cost), coverage)


def _case(settled: Settled, held: Held, at_ms: int) -> Case:
    tickers = frozenset(settled.won)
    return Case(
        legs=held.legs,
        kind=held.basket,
        cost=held.cost,
        entry=EntryFacts(tickers, certified=True, coverage=held.coverage),
        now=MarketFacts(tuple(OutcomeFacts(ticker) for ticker in sorted(tickers)), certified=True, price_age_ms=0),
        books=settled.books(at_ms),
        fees=FeeSchedule(),
        now_ms=at_ms,
        thresholds=Thresholds(coverage_line=COVERED - 0.05 if held.coverage is not None else None),
    )


def difference(settled: Settled, held: Held, found: Assessed) -> int | None:
    """Leaving at this assessment's prices less holding to the end, micro-dollars; None where nothing could be sold."""
    if found.sale is None or not any(one.sold for one in found.sale.legs):
        return None
    return found.sale.proceeds + _paid(settled, found.sale.residual) - _paid(settled, held.legs)


def _paid(settled: Settled, legs: Sequence[HeldLeg]) -> int:
    return sum(leg.count * DOLLAR_PRICE for leg in legs if settled.won[leg.ticker] == (leg.side is Side.YES))
