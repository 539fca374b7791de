"""The live books and fees that an event is traded on, read at one instant. The one place where trading meets prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kalbot.common import clock
from kalbot.common.errors import Infeasible
from markets import selectors
from markets.book import Depth, Side
from markets.fees import FeeError, FeeSchedule
from markets.models import Event
from markets.prices import EventPrices, PriceReader


def fee_schedule(event: Event) -> FeeSchedule:
    """The fees in force for the event's markets. Infeasible("fee_unknown") for a type nobody knows."""
    try:
        return selectors.fee_schedule(event)
    except FeeError as error:
        raise Infeasible("fee_unknown", str(error)) from None


@dataclass(frozen=True, slots=True)
class Quotes:
    """One event's living books with its fees."""

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

    def unusable(self, tickers: Iterable[str], max_age_ms: int) -> str | None:
        """None when all of these books may be traded on, else the reason's code."""
        return self.prices.usable(tickers, max_age_ms, clock.now_ms())


def read(event: Event) -> Quotes:
    """The event's books now. A Redis that is away reads as no prices at all."""
    return Quotes(PriceReader().events([event.ticker])[event.ticker], fee_schedule(event))
