"""What open positions would bring if they were sold now: all of them from one reading of the prices. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markets import prices, selectors
from markets.fees import Fees
from markets.prices import EventPrices, families
from trading.books.live_books import LiveBooks
from trading.denials import DenialCode, Denied
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
    fees = selectors.fees_of_many(events)
    return {
        position.pk: _mark(position, legs[position.pk], books[position.event_id], fees[position.event_id])
        for position in positions
    }


def _mark(position: Position, legs: list[Leg], books: EventPrices, fees: Fees | None) -> Mark:
    if not legs:
        return Mark(0)
    if fees is None:
        return Mark(None, unpriced=DenialCode.FEE_UNKNOWN)
    live = LiveBooks(books, fees)
    unpriced = live.unusable([leg.market_id for leg in legs], position.profile.max_price_age_ms)
    if unpriced is not None:
        return Mark(None, unpriced=unpriced)
    try:
        sold = [walk.sell(live.bids(leg.market_id, leg.side), leg.held, 1, live.fee(leg.market_id)) for leg in legs]
    except Denied as denied:
        return Mark(None, unpriced=denied.code)
    held = sum(leg.held for leg in legs)
    return Mark(sum(one.proceeds for one in sold), held - sum(one.count for one in sold))
