"""The live books and fees that an event is traded on, read at one instant. The one place where trading meets prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets import prices, selectors
from markets.book import Depth, Side
from markets.fees import FeeError, Fees, FeeSchedule
from markets.models import Event
from markets.prices import EventPrices, families
from strategies.profiles.sharing import shares
from trading import denials
from trading.books import own_orders
from trading.denials import DenialCode, Denied
from trading.models import Position


def fees_of(event: Event, *, is_changed: bool = True) -> Fees:
    """The fees in force for the event's markets. Denied(FEE_UNKNOWN) for a type that is not known. ``is_changed``: see selectors."""
    try:
        return selectors.fees_of(event, is_changed=is_changed)
    except FeeError as error:
        raise Denied(DenialCode.FEE_UNKNOWN, str(error)) from None


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """One event's live books with its fees. ``own``: (ticker, side) -> the highest bid that we rest there ourselves, on any subaccount:
    no order of ours may trade with it, so from that price on nobody else's bids are within reach."""

    prices: EventPrices
    fees: Fees
    own: Mapping[tuple[str, Side], int] = field(default_factory=dict)

    def fee(self, ticker: str) -> FeeSchedule:
        """How fills of one market are charged. Denied(FEE_UNKNOWN) for one of which that is not known."""
        try:
            return self.fees.of(ticker)
        except FeeError as error:
            raise Denied(DenialCode.FEE_UNKNOWN, str(error)) from None

    def depth(self, ticker: str) -> Depth:
        """The book of one market; empty when there is none (an empty book sells and buys nothing)."""
        market = self.prices.markets.get(ticker)
        return market.depth if market is not None and market.depth is not None else Depth()

    def reach(self, ticker: str) -> Depth:
        """The book of one market as far as orders of ours that take can reach it."""
        depth = self.depth(ticker)
        behind = {side: self.own.get((ticker, side), 0) for side in Side}
        if not any(behind.values()):
            return depth
        return Depth(
            *(tuple(level for level in depth.bids(side) if level[0] > behind[side]) for side in (Side.YES, Side.NO))
        )

    def version(self, ticker: str) -> str:
        """Which version of one market's book this is; empty when there is none."""
        market = self.prices.markets.get(ticker)
        return "" if market is None else market.version

    def asks(self, ticker: str, side: str) -> tuple[tuple[int, int], ...]:
        """(price, count) at which ``side`` can be bought, cheapest first."""
        return self.reach(ticker).asks(Side(side))

    def bids(self, ticker: str, side: str) -> tuple[tuple[int, int], ...]:
        """(price, count) at which ``side`` can be sold, best first."""
        return self.reach(ticker).bids(Side(side))

    def hides_bids(self, ticker: str, side: str) -> bool:
        """Whether bids are there, and all of them at or behind one of the account's own."""
        return not self.bids(ticker, side) and bool(self.depth(ticker).bids(Side(side)))

    def hides_asks(self, ticker: str, side: str, limit: int) -> bool:
        """Whether ``side`` is offered at the limit or better behind, or as, an order of the account's own."""
        own = self.own.get((ticker, Side(side).other), 0)
        bids = self.depth(ticker).bids(Side(side).other)
        return any(DOLLAR_PRICE - limit <= price <= own for price, _ in bids)

    def unusable(self, tickers: Iterable[str], max_age_ms: int) -> DenialCode | None:
        """None when all of these books may be traded on, else why not."""
        reason = self.prices.usable(tickers, max_age_ms, clock.now_ms())
        return None if reason is None else denials.of_prices(reason)

    def why_unusable(self, ticker: str, max_age_ms: int) -> DenialCode | None:
        """The same of one book alone, so that one leg's does not speak for the others'."""
        return self.unusable([ticker], max_age_ms)


def ahead(event: Event) -> prices.Ahead:
    """For ``read``, where the books are to come with something else; those of a family are read as ever."""
    return prices.Ahead(prices.reader(), [] if event.is_family else [event.ticker])


def read(event: Event, *, is_changed: bool = True, known: prices.Ahead | None = None) -> LiveBooks:
    """The event's books now. An unreachable Redis reads as no prices at all. ``is_changed``: whether its fees may have been. ``known``: of
    ``ahead``, read just now."""
    found = families.read(known or prices.reader(), {event.ticker: selectors.books_of(event)})[event.ticker]
    return LiveBooks(found, fees_of(event, is_changed=is_changed))


def versions(event: Event) -> dict[str, str]:
    """Which version of each of the event's books is shown now."""
    books = families.read(prices.reader(), {event.ticker: selectors.books_of(event)})[event.ticker]
    return {ticker: market.version for ticker, market in books.markets.items()}


def read_beside(position: Position, *, is_changed: bool = True) -> LiveBooks:
    """The books of a position's event as far as its own orders can reach them, beside what else rests on our accounts."""
    return beside_own(position, read(position.event, is_changed=is_changed))


def beside_own(position: Position, live: LiveBooks) -> LiveBooks:
    """The same for books that were read elsewhere."""
    if not shares(position.profile):
        return live
    return beside(live, own_orders.bids(list(live.prices.markets), position.mode))


def beside(live: LiveBooks, own: own_orders.Bids) -> LiveBooks:
    """Books as far as orders beside our ``own`` can reach them."""
    return replace(live, own=own) if own else live
