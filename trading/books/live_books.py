"""The live books and fees that an event is traded on, read at one instant. The one place where trading meets prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets import prices, selectors
from markets.book import Depth, Side
from markets.fees import FeeError, FeeSchedule
from markets.models import Event
from markets.prices import EventPrices, families
from strategies.models import Mode
from trading import denials
from trading.denials import DenialCode, Denied
from trading.models import ForeignOrder, Order, OrderStatus, Position


def fee_schedule(event: Event, *, is_changed: bool = True) -> FeeSchedule:
    """The fees in force for the event's markets. Denied(FEE_UNKNOWN) for a type that is not known. ``is_changed``: see selectors."""
    try:
        return selectors.fee_schedule(event, is_changed=is_changed)
    except FeeError as error:
        raise Denied(DenialCode.FEE_UNKNOWN, str(error)) from None


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """One event's live books with its fees. ``own``: (ticker, side) -> the highest bid that the account itself rests there: the exchange
    stops an order that would trade with it, so from that price on nobody else's bids are within reach."""

    prices: EventPrices
    fees: FeeSchedule
    own: Mapping[tuple[str, Side], int] = field(default_factory=dict)

    def depth(self, ticker: str) -> Depth:
        """The book of one market; empty when there is none (an empty book sells and buys nothing)."""
        market = self.prices.markets.get(ticker)
        return market.depth if market is not None and market.depth is not None else Depth()

    def asks(self, ticker: str, side: str) -> tuple[tuple[int, int], ...]:
        """(price, count) at which ``side`` can be bought, cheapest first."""
        behind = DOLLAR_PRICE - self.own.get((ticker, Side(side).other), 0)
        return tuple(level for level in self.depth(ticker).asks(Side(side)) if level[0] < behind)

    def bids(self, ticker: str, side: str) -> tuple[tuple[int, int], ...]:
        """(price, count) at which ``side`` can be sold, best first."""
        behind = self.own.get((ticker, Side(side)), 0)
        return tuple(level for level in self.depth(ticker).bids(Side(side)) if level[0] > behind)

    def hides_bids(self, ticker: str, side: str) -> bool:
        """Whether bids are there, and all of them at or behind one of the account's own."""
        return not self.bids(ticker, side) and bool(self.depth(ticker).bids(Side(side)))

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


def has_changed(event: Event, ticker: str, since: datetime) -> bool:
    """Whether the market's book has been heard of after ``since``: what it showed to an order that took nothing was not there."""
    books = families.read(prices.reader(), {event.ticker: selectors.books_of(event)})[event.ticker]
    market = books.markets.get(ticker)
    return market is not None and market.receive_ms > int(since.timestamp() * 1000)


def read_beside(position: Position, *, is_changed: bool = True) -> LiveBooks:
    """The books of a position's event as far as its own orders can reach them, beside what else rests on its account."""
    return beside_own(position, read(position.event, is_changed=is_changed))


def beside_own(position: Position, live: LiveBooks) -> LiveBooks:
    """The same for books that were read elsewhere."""
    if position.mode != Mode.LIVE:
        return live
    subaccount, tickers = position.profile.subaccount or 0, list(live.prices.markets)
    foreign = ForeignOrder.objects.filter(is_resting=True, subaccount=subaccount, ticker__in=tickers)
    others = Order.objects.filter(mode=Mode.LIVE, status=OrderStatus.RESTING, action=Order.Action.BUY)
    others = others.filter(leg__market_id__in=tickers, subaccount=position.profile.subaccount)
    own: dict[tuple[str, Side], int] = {}
    for ticker, side, price in (
        *foreign.values_list("ticker", "side", "price"),
        *others.values_list("leg__market_id", "side", "price"),
    ):
        own[ticker, Side(side)] = max(price, own.get((ticker, Side(side)), 0))
    return replace(live, own=own)
