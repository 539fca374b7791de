"""Verdicts that need not be reached again: the same books give the same one, and what is far away keeps for a few seconds.

Only verdicts that depend on nothing but an event and its books are remembered (``reasons.FIXED_BY_BOOKS``). Before every cycle one
vectorised screen over the best prices says which events could pay or are near; those are always judged exactly when their
books moved, the others' reason is brought up to date every ``EXPLAIN_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kalbot.common import clock
from markets.book import Depth
from markets.prices import EventPrices, MarketPrice
from strategies.catalogue.universe import EventView
from strategies.cycle.candidate_evaluation import depths_of
from strategies.cycle.evaluation import legs_of, limits_of
from strategies.dutch.screen import Columns, columns_of, join, screen
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


_verdicts: dict[tuple[str, str], _Remembered] = {}
_packed: dict[str, tuple[EventView, Mapping[str, MarketPrice], Columns]] = {}


def close_ones(profile: Profile, events: Sequence[EventView], prices: Mapping[str, EventPrices]) -> set[str]:
    """Tickers of the events that could pay by their best live prices, or miss by no more than a near miss may.

    Never leaves out an event in which ``best_basket`` would find a basket. An event whose fee is unknown is kept: judging it
    fails with a reason.
    """
    known = [event for event in events if event.fee_known and event.outcomes]
    if not known:
        return {event.ticker for event in events}
    packed = join([_columns(event, prices[event.ticker]) for event in known])
    # The days to settlement differ by event; without them the margin required is the lower one, so more is kept.
    limits = replace(limits_of(profile, known[0], 0), days_to_settlement=None)
    kept = {known[index].ticker for index in screen(packed, limits, near=True).survivors()}
    return kept | {event.ticker for event in events if not event.fee_known}


def _columns(event: EventView, prices: EventPrices) -> Columns:
    """The packed best prices of one event: kept until its facts or its books change (the reader hands out the same markets until
    then)."""
    kept = _packed.get(event.ticker)
    if kept is not None and kept[0] is event and kept[1] is prices.markets:
        return kept[2]
    if len(_packed) >= _MOST:
        _packed.clear()
    columns = columns_of(legs_of(event, depths_of(prices)), event.exclusive, event.certified)
    _packed[event.ticker] = (event, prices.markets, columns)
    return columns


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
