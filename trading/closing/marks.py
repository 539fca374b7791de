"""What open positions would bring if they were sold now: all of them from one reading of the prices. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kalbot.common import clock
from markets import prices, selectors
from markets.fees import FeeError, FeeSchedule
from markets.models import Event, FeeChange
from markets.prices import EventPrices, families
from trading.books.live_books import LiveBooks
from trading.denials import DenialCode
from trading.execution.sizing import walk
from trading.models import Leg, Position


@dataclass(frozen=True, slots=True)
class Mark:
    """``proceeds``: after fees, micro-dollars, None without live books (``unpriced`` says why). ``unsellable``: contracts, 1/100, that
    nobody bids for; they count as nothing."""

    proceeds: int | None
    unsellable: int = 0
    unpriced: DenialCode | None = None


def of(positions: Sequence[Position]) -> dict[int, Mark]:
    """The marks by position id. Three queries and one round trip to Redis, however many there are; fetch the positions with
    ``select_related("profile", "event__series")``."""
    legs: dict[int, list[Leg]] = defaultdict(list)
    for leg in Leg.objects.filter(position__in=[position.pk for position in positions]):
        if leg.held:
            legs[leg.position_id].append(leg)
    events = {position.event_id: position.event for position in positions}
    books = families.read(prices.reader(), {ticker: selectors.books_of(event) for ticker, event in events.items()})
    fees = _fees(events)
    return {
        position.pk: _mark(position, legs[position.pk], books[position.event_id], fees[position.event_id])
        for position in positions
    }


def _fees(events: dict[str, Event]) -> dict[str, FeeSchedule | None]:
    series = {event.series_id for event in events.values()}
    due = FeeChange.objects.filter(series__in=series, scheduled_at__lte=clock.now()).values_list("series_id", flat=True)
    changed = set(due)
    return {ticker: _schedule(event, event.series_id in changed) for ticker, event in events.items()}


def _schedule(event: Event, is_changed: bool) -> FeeSchedule | None:
    try:
        return selectors.fee_schedule(event, is_changed=is_changed)
    except FeeError:
        return None


def _mark(position: Position, legs: list[Leg], books: EventPrices, fees: FeeSchedule | None) -> Mark:
    if not legs:
        return Mark(0)
    if fees is None:
        return Mark(None, unpriced=DenialCode.FEE_UNKNOWN)
    live = LiveBooks(books, fees)
    unpriced = live.unusable([leg.market_id for leg in legs], position.profile.max_price_age_ms)
    if unpriced is not None:
        return Mark(None, unpriced=unpriced)
    sold = [walk.sell(live.bids(leg.market_id, leg.side), leg.held, 1, fees) for leg in legs]
    held = sum(leg.held for leg in legs)
    return Mark(sum(one.proceeds for one in sold), held - sum(one.count for one in sold))
