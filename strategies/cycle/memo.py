"""Verdicts that need not be reached again: the same books give the same one, and what is far away keeps for a few seconds.

Only verdicts that depend on nothing but an event and its books are remembered (``reasons.FIXED_BY_BOOKS``). Before every cycle one
vectorised screen over the best prices says which events could pay or are near; those are always judged exactly when their
books moved, the others' reason is brought up to date every ``EXPLAIN_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common import clock
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

Books = dict[str, Depth]


@dataclass(frozen=True, slots=True)
class _Remembered:
    verdict: Verdict
    event: EventView
    books: Books
    at: float


_Facts = tuple[EventView, Facts, bytes]
"""A view, what the screen wants of it, and how the head of a record of its markets begins."""
_verdicts: dict[tuple[str, str], _Remembered] = {}
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


def recall(key: str, event: EventView, books: Books, is_close: bool) -> Verdict | None:
    """The remembered verdict of ``event`` of ``key`` (``shared.key_of``), if it still says what a new one would, or may
    wait; else None."""
    known = _verdicts.get((key, event.ticker))
    if known is None or not (known.event is event or known.event == event):
        return None
    if known.books == books:
        return known.verdict
    waits = (
        not is_close and known.verdict.status is not Status.NEAR_MISS and clock.monotonic() - known.at < EXPLAIN_SECONDS
    )
    return known.verdict if waits else None


def remember(key: str, event: EventView, books: Books, verdict: Verdict) -> None:
    """Keep ``verdict`` for the next cycles of this process, if it is one that may be kept."""
    if verdict.constraint not in FIXED_BY_BOOKS:
        _verdicts.pop((key, event.ticker), None)
        return
    if len(_verdicts) >= _MOST:
        _verdicts.clear()
    kept = replace(verdict, basket=None, recalled=True)
    _verdicts[key, event.ticker] = _Remembered(kept, event, books, clock.monotonic())


def forget() -> None:
    """Empty the memory."""
    _verdicts.clear()
    _packed.clear()
    _facts.clear()
