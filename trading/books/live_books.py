"""The live books and fees that an event is traded on, read at one instant. The one place where trading meets prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kalbot.common import clock
from markets import prices, selectors
from markets.book import Depth, Side
from markets.fees import FeeError, FeeSchedule
from markets.models import Event
from markets.prices import EventPrices, families
from trading import denials
from trading.denials import DenialCode, Denied


def fee_schedule(event: Event, *, is_changed: bool = True) -> FeeSchedule:
    """The fees in force for the event's markets. Denied(FEE_UNKNOWN) for a type that is not known. ``is_changed``: see selectors."""
    try:
        return selectors.fee_schedule(event, is_changed=is_changed)
    except FeeError as error:
        raise Denied(DenialCode.FEE_UNKNOWN, str(error)) from None


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """One event's live books with its fees."""

    prices: EventPrices
    fees: FeeSchedule

    def depth(self, ticker: str) -> Depth:
        """The book of one market; empty when there is none (an empty book sells and buys nothing)."""
        market = self.prices.markets.get(ticker)
        return market.depth if market is not None and market.depth is not None else Depth()

    def asks(self, ticker: str, side: str) -> tuple[tuple[int, int], ...]:
        """(price, count) at which ``side`` can be bought, cheapest first."""
        return self.depth(ticker).asks(Side(side))

    def bids(self, ticker: str, side: str) -> tuple[tuple[int, int], ...]:
        """(price, count) at which ``side`` can be sold, best first."""
        return self.depth(ticker).bids(Side(side))

    def unusable(self, tickers: Iterable[str], max_age_ms: int) -> DenialCode | None:
        """None when all of these books may be traded on, else why not."""
        reason = self.prices.usable(tickers, max_age_ms, clock.now_ms())
        return None if reason is None else denials.of_prices(reason)

    def why_unusable(self, ticker: str, max_age_ms: int) -> DenialCode | None:
        """The same of one book alone, so that one leg's does not speak for the others'."""
        return self.unusable([ticker], max_age_ms)


def read(event: Event, *, is_changed: bool = True) -> LiveBooks:
    """The event's books now. An unreachable Redis reads as no prices at all. ``is_changed``: whether its fees may have been."""
    found = families.read(prices.reader(), {event.ticker: selectors.books_of(event)})[event.ticker]
    return LiveBooks(found, fee_schedule(event, is_changed=is_changed))
