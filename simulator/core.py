"""What every part of the exchange shares: settings, clock, timers, listed markets, books, the ledger and the feed.

Matching, market life, market makers and planted edges are functions over this object. ``exchange`` composes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from simulator.accounts.auth import KeyRing
from simulator.accounts.ledger import Ledger
from simulator.accounts.rate_limits import Limiter
from simulator.accounts.records import Fill, Group, Order, Position
from simulator.clock import Clock, RealClock
from simulator.config import SimulatorConfig
from simulator.faults.schedule import Faults, Planned
from simulator.listing.candles import Candles
from simulator.listing.model import ACTIVE, Edge, Event, Market, Series, fee_terms
from simulator.listing.status import ExchangeState
from simulator.matching.book import Book, Changed, MarketMakerOrder, Resting
from simulator.matching.fees import FeeTerms
from simulator.randomness import Streams, named_id
from simulator.timers import Timers


class Feed(Protocol):
    """Where everything that happens is published; the WebSocket hub implements it."""

    def ticker(self, market: Market) -> None: ...
    def delta(self, market: Market, side: str, price: int, change: int, order: Resting | None) -> None: ...
    def trade(self, market: Market, trade_id: str, price: int, count: int, taker_side: str) -> None: ...
    def fill(self, record: Fill) -> None: ...
    def order(self, record: Order) -> None: ...
    def position(self, record: Position) -> None: ...
    def group(self, group: Group, kind: str) -> None: ...
    def lifecycle(self, market: Market, kind: str) -> None: ...
    def event_created(self, event: Event) -> None: ...
    def event_fee(self, event: Event) -> None: ...
    def forget(self, ticker: str) -> None: ...
    def disconnect(self, code: int) -> int: ...


class ExchangeCore:
    """The state of one exchange. All times are milliseconds of its clock; all amounts integers (see ``units``)."""

    feed: Feed
    """Set by the exchange that composes the parts."""

    def __init__(
        self, config: SimulatorConfig | None = None, clock: Clock | None = None, keys: KeyRing | None = None
    ) -> None:
        self.config = config or SimulatorConfig()
        self.clock: Clock = clock or RealClock()
        self.keys = keys
        self.streams = Streams(self.config.seed)
        self.user_id = named_id(str(self.config.seed), "user")
        self.state = ExchangeState()
        self.series: dict[str, Series] = {}
        self.documents_at = ""
        """Scheme and host under which the exchange serves contract terms of its own; "" while it is not served."""
        self.events: dict[str, Event] = {}
        self.markets: dict[str, Market] = {}
        self.books: dict[str, Book] = {}
        self.ledger = Ledger()
        self.limits = Limiter(self.config.tier)
        self.faults = Faults(self.streams)
        self.timers = Timers()
        self.trades: deque[dict[str, Any]] = deque(maxlen=50_000)
        self.new_trades: list[dict[str, Any]] = []
        """Those that were not made durable yet."""
        self.candles = Candles()
        self.incentives: list[dict[str, Any]] = []
        self.market_maker_cash = 0
        self.fees_collected = 0
        self.deposits = 0
        self.fee_changes: list[dict[str, Any]] = []
        self.moved: set[str] = set()
        """Markets whose touch or last trade may have changed since the last ticker."""
        self.relisted: set[str] = set()
        """Events and markets whose listing changed since the last save."""
        self.delisted: list[str] = []
        self.used_tickers: set[str] = set()
        self.cancel_all_until: dict[int | None, int] = {}
        self.group_fills: list[tuple[str, int]] = []
        """(group, count) filled since the last order was matched."""
        self.edges: dict[str, Edge] = {}
        self.edge_log: deque[Edge] = deque(maxlen=1_000)
        self.turned: deque[str] = deque(maxlen=1_000)
        """Events whose weather turned against a planted coverage basket."""
        self.on_event_settled: list[Callable[[Event], None]] = []
        self.levels_before_jump: dict[str, list[tuple[str, int, int]]] = {}
        """(side, price, count) of the market makers before a book first jumped."""
        self.order_flows: dict[str, Any] = {}
        """The flow of single orders (``flow.order_flow``) by market, where there is one."""
        self.timetable: list[Planned] = []
        self.happened: deque[dict[str, Any]] = deque(maxlen=10_000)
        """What the timetable and faults of kind ``act`` did, in order."""
        self.down_until_ms = 0
        """Until when a restart refuses every request."""
        self.started_ms = self.clock.now_ms()

    def now(self) -> int:
        return self.clock.now_ms()

    def add_market(self, market: Market, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Book:
        """List a market with one market maker order per (price, count) level; nothing is published."""
        market.settlement_timer_s = self.config.settlement_timer_s
        self.markets[market.ticker] = market
        book = self.books[market.ticker] = Book()
        for side, levels in (("bid", bids), ("ask", asks)):
            for price, count in levels:
                book.add(self.market_maker_order(side, price, count))
        book.changed = self.book_listener(market.ticker)
        self.relisted.add(market.ticker)
        self.relisted.add(market.event_ticker)
        return book

    def book_listener(self, ticker: str) -> Changed:
        """The function that a market's book calls with its changes."""
        return partial(self._book_changed, self.markets[ticker])

    def _book_changed(self, market: Market, side: str, price: int, change: int, order: Resting | None) -> None:
        market.clock += 1
        self.moved.add(market.ticker)
        self.feed.delta(market, side, price, change, order)

    def market_maker_order(self, side: str, price: int, count: int, tag: str = "") -> MarketMakerOrder:
        """A numbered order that is in no book yet."""
        number = self.streams.counters["market_maker"] = self.streams.counters.get("market_maker", 0) + 1
        return MarketMakerOrder(f"m{number}", side, price, count, tag)

    def live_events(self) -> list[str]:
        """Tickers of events with an open market, in order."""
        return [e.ticker for e in self.events.values() if any(self.markets[t].status == ACTIVE for t in e.markets)]

    def terms(self, market: Market) -> FeeTerms:
        return fee_terms(self.series[market.series_ticker], self.events[market.event_ticker])
