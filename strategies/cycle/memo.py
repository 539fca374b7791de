"""Verdicts that need not be reached again: the same books give the same one, and what is far away keeps for a few seconds.

Only verdicts that depend on nothing but an event and its books are remembered (``reasons.FIXED_BY_BOOKS``). In every cycle one
vectorised screen over the best prices of what moved says which events could pay or are near; those are always judged exactly, the
others' reason is brought up to date every ``EXPLAIN_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common import clock
from kalbot.common.changed import changed
from markets.book import Depth
from markets.fees import FeeSchedule
from markets.prices import EventPrices, MarketPrice, RecordedMarkets
from markets.prices.heads import Heads
from markets.prices.layout import begin_of, digest
from markets.selectors import fee_grid
from strategies.catalogue.universe import EventView
from strategies.cycle.candidate_evaluation import depths_of
from strategies.cycle.evaluation import EMPTY, limits_of
from strategies.dutch.screen import Facts, Fixed, screen, tops_of
from strategies.models import Profile
from strategies.reasons import FIXED_BY_BOOKS
from strategies.screening.verdict import Status, Verdict

EXPLAIN_SECONDS: Final = 10.0
_MOST: Final = 50_000
_MOST_KEYS: Final = 100

Books = dict[str, Depth]


@dataclass(slots=True)
class _Remembered:
    verdict: Verdict
    event: EventView
    markets: Mapping[str, MarketPrice]
    books: Books
    at: float


class Memory:
    """What the profiles of one ``shared.key_of`` thought of each event."""

    def __init__(self) -> None:
        self._verdicts: dict[str, _Remembered] = {}
        self._fit: dict[str, tuple[EventView, int]] = {}

    def fits(self, event: EventView, now_ms: int) -> bool:
        """Whether the event, as it is, is known to pass every filter at ``now_ms``."""
        known = self._fit.get(event.ticker)
        return known is not None and known[0] is event and now_ms < known[1]

    def passed(self, event: EventView, until_ms: int) -> None:
        """The event passes every filter until ``until_ms``."""
        self._fit[event.ticker] = (event, until_ms)

    def unmoved(self, event: EventView, markets: Mapping[str, MarketPrice]) -> Verdict | None:
        """The verdict on the very record of ``markets``, found good then. (The reader hands out the same markets while it is.)"""
        known = self._verdicts.get(event.ticker)
        return None if known is None or known.markets is not markets or known.event is not event else known.verdict

    def waiting(self, event: EventView) -> Verdict | None:
        """The verdict on books that have moved since, of an event that is far from paying by its best prices: while its reason may
        wait to be brought up to date."""
        known = self._of(event)
        if known is None or known.verdict.status is Status.NEAR_MISS or clock.monotonic() - known.at >= EXPLAIN_SECONDS:
            return None
        return known.verdict

    def recall(self, event: EventView, prices: EventPrices) -> Verdict | None:
        """The verdict on the same books, if any is remembered."""
        known = self._of(event)
        if known is None or known.books != depths_of(prices):
            return None
        known.event, known.markets = event, prices.markets
        return known.verdict

    def remember(self, event: EventView, prices: EventPrices, books: Books, verdict: Verdict) -> None:
        """Keep ``verdict`` for the next cycles of this process, if it is one that may be kept."""
        if verdict.constraint not in FIXED_BY_BOOKS:
            self._verdicts.pop(event.ticker, None)
            return
        if len(self._verdicts) >= _MOST:
            self._verdicts.clear()
            self._fit.clear()
        kept = changed(verdict, basket=None, recalled=True)
        self._verdicts[event.ticker] = _Remembered(kept, event, prices.markets, books, clock.monotonic())

    def _of(self, event: EventView) -> _Remembered | None:
        known = self._verdicts.get(event.ticker)
        return known if known is not None and (known.event is event or known.event == event) else None


_Facts = tuple[EventView, Facts, bytes]
"""A view, what the screen wants of it, and how the head of a record of its markets begins."""
_memories: dict[str, Memory] = {}
_packed: dict[str, tuple[EventView, Mapping[str, MarketPrice], bytes]] = {}
_facts: dict[str, _Facts] = {}


def close_ones(profile: Profile, events: Sequence[EventView], prices: Mapping[str, EventPrices]) -> set[str]:
    """Tickers of the events that could pay by their best live prices, or miss by no more than a near miss may.

    Never leaves out an event in which ``best_basket`` would find a basket. An event whose fee is unknown is kept: judging it
    fails with a reason. So is a family, which has a screen of its own.
    """
    known = [event for event in events if event.fee_known and event.outcomes and not event.members]
    if not known:
        return {event.ticker for event in events}
    facts = [_facts_of(event) for event in known]
    packed = Fixed.of([each[1] for each in facts]).priced(_bids(facts, [prices[event.ticker] for event in known]))
    # The days to settlement differ by event; without them the margin required is the lower one, so more is kept.
    limits = replace(limits_of(profile, known[0], 0), days_to_settlement=None)
    kept = {known[index].ticker for index in screen(packed, limits, near=True).survivors()}
    return kept | {event.ticker for event in events if event.members or not event.fee_known}


def _facts_of(event: EventView) -> _Facts:
    """What of an event does not move with its prices, kept as long as its view."""
    kept = _facts.get(event.ticker)
    if kept is None or kept[0] is not event:
        if len(_facts) >= _MOST:
            _facts.clear()
        rate = FeeSchedule(event.fee_type, event.fee_multiplier_e6, fee_grid()).taker_e10
        facts = Facts(len(event.outcomes), (rate,), event.exclusive, event.certified)
        begin = begin_of(digest(*(outcome.ticker for outcome in event.outcomes)), facts.legs)
        kept = _facts[event.ticker] = (event, facts, begin)
    return kept


def _bids(facts: Sequence[_Facts], prices: Sequence[EventPrices]) -> NDArray[np.int64]:
    """Best YES and NO bid of every leg: as the stream packed them where a record has the same markets and all are sound, else packed
    here."""
    markets = [each.markets for each in prices]
    recorded = [each.value if isinstance(each, RecordedMarkets) else b"" for each in markets]
    found = Heads.of((begin, fact.legs) for _, fact, begin in facts).tops(recorded)
    if found is None:
        tops = [_tops(event, each) for (event, _, _), each in zip(facts, prices, strict=True)]
        return np.frombuffer(b"".join(tops), dtype=np.int64).reshape(-1, 2)
    bids, other = found
    if len(other):
        starts = np.cumsum([0, *(fact.legs for _, fact, _ in facts)])
        for i in other:
            row = np.frombuffer(_tops(facts[i][0], prices[i]), dtype=np.int64).reshape(-1, 2)
            bids[starts[i] : starts[i + 1]] = row
    return bids


def _tops(event: EventView, prices: EventPrices) -> bytes:
    """The best prices of one event, packed here, and kept until facts or books change (the reader hands out the same markets until
    then)."""
    markets = prices.markets
    kept = _packed.get(event.ticker)
    if kept is not None and kept[0] is event and kept[1] is markets:
        return kept[2]
    if len(_packed) >= _MOST:
        _packed.clear()
    books = depths_of(prices)
    tops = tops_of(books.get(outcome.ticker, EMPTY) for outcome in event.outcomes)
    _packed[event.ticker] = (event, markets, tops)
    return tops


def of(key: str) -> Memory:
    """The memory of ``key``. The least recently used are dropped: profiles that were edited judge by another key."""
    memory = _memories.pop(key, None) or Memory()
    while len(_memories) >= _MOST_KEYS:
        del _memories[next(iter(_memories))]
    _memories[key] = memory
    return memory


def forget() -> None:
    """Empty the memory."""
    _memories.clear()
    _packed.clear()
    _facts.clear()
