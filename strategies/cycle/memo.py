"""Looks that need not be taken again: the same books give the same answer, and what is far away keeps for a few seconds.

Only answers that hang on nothing but an event and its books are remembered (``looks.PRICE_REFUSALS``). Before every cycle one
vectorised screen over the best prices says which events could pay or are near; those are always judged exactly when their
books moved, the others' reason is brought up to date every ``EXPLAIN_SECONDS``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from markets.book import Depth
from markets.prices import EventPrices
from strategies.catalogue.universe import EventView
from strategies.cycle.candidate_evaluation import PRICE_REFUSALS, Look, depths_of
from strategies.cycle.evaluation import legs_of, limits_of
from strategies.dutch.screen import pack, screen
from strategies.models import Profile

EXPLAIN_SECONDS: Final = 10.0
_MOST: Final = 50_000

Books = dict[str, Depth]


@dataclass(frozen=True, slots=True)
class _Remembered:
    look: Look
    event: EventView
    rules: object
    books: Books
    at: float


_looks: dict[tuple[int, str], _Remembered] = {}


def close_ones(profile: Profile, events: Sequence[EventView], prices: Mapping[str, EventPrices]) -> set[str]:
    """Tickers of the events that could pay by their best live prices, or miss by no more than a near miss may.

    Never leaves out an event in which ``best_basket`` would find a basket. An event whose fee is unknown is kept: judging it
    fails with a reason.
    """
    known = [event for event in events if event.fee_known and event.outcomes]
    if not known:
        return {event.ticker for event in events}
    packed = pack(
        [(legs_of(event, depths_of(prices[event.ticker])), event.exclusive, event.certified) for event in known]
    )
    # The days to settlement differ by event; without them the margin asked for is the lower one, so more is kept.
    limits = replace(limits_of(profile, known[0], 0), days_to_settlement=None)
    kept = {known[index].ticker for index in screen(packed, limits, near=True).survivors()}
    return kept | {event.ticker for event in events if not event.fee_known}


def recall(profile: Profile, event: EventView, books: Books, is_close: bool) -> Look | None:
    """The remembered look at ``event``, if it still says what a new one would, or may wait; else None."""
    known = _looks.get((profile.pk, event.ticker))
    if known is None or known.rules != profile.updated_at or not (known.event is event or known.event == event):
        return None
    if known.books == books:
        return known.look
    waits = not is_close and not known.look.is_near(profile) and time.monotonic() - known.at < EXPLAIN_SECONDS
    return known.look if waits else None


def remember(profile: Profile, event: EventView, books: Books, look: Look) -> None:
    """Keep ``look`` for the next cycles of this process, if it is one that may be kept."""
    if look.miss is None or look.miss.code not in PRICE_REFUSALS:
        _looks.pop((profile.pk, event.ticker), None)
        return
    if len(_looks) >= _MOST:
        _looks.clear()
    kept = replace(look, recalled=True)
    _looks[profile.pk, event.ticker] = _Remembered(kept, event, profile.updated_at, books, time.monotonic())


def forget() -> None:
    """Empty the memory."""
    _looks.clear()
