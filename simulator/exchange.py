"""The exchange itself, without a socket: what is listed, the books, the account, the clock, and what moves them."""

from __future__ import annotations

import copy
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.accounts.accounts import Ledger
from simulator.accounts.auth import KeyRing
from simulator.accounts.rate_limits import Limiter
from simulator.accounts.records import CANCELED, Fill, Order
from simulator.faults.read_lag import ReadSide
from simulator.faults.schedule import Faults
from simulator.faults.stale_cache import StaleCache
from simulator.listing.model import ACTIVE, Event, Market, Series, fee_terms
from simulator.listing.status import ExchangeState
from simulator.matching.book import Book, Changed, HouseOrder, Resting
from simulator.matching.fees import FeeTerms
from simulator.matching.matching import finish, match
from simulator.persistence.state import take_line

from .clock import Clock, RealClock
from .config import SHARDS, TwinConfig
from .flow import edges, flow
from .listing import lifecycle, maintenance, rolling
from .matching import groups
from .randomness import Streams, named_id
from .timers import Timers
from .ws.hub import Hub

if TYPE_CHECKING:
    from simulator.persistence.snapshot import Snapshot
    from simulator.persistence.state import StateFile


class Exchange:
    """A Kalshi exchange in one object. All times are milliseconds of its clock; all amounts integers (see ``units``)."""

    def __init__(
        self, config: TwinConfig | None = None, clock: Clock | None = None, keys: KeyRing | None = None
    ) -> None:
        self.config = config or TwinConfig()
        self.clock: Clock = clock or RealClock()
        self.keys = keys
        self.streams = Streams(self.config.seed)
        self.user_id = named_id(str(self.config.seed), "user")
        self.state = ExchangeState()
        self.series: dict[str, Series] = {}
        self.events: dict[str, Event] = {}
        self.markets: dict[str, Market] = {}
        self.books: dict[str, Book] = {}
        self.ledger = Ledger()
        self.limits = Limiter(self.config.tier)
        self.faults = Faults(self.streams)
        self.hub = Hub(self)
        self.timers = Timers()
        self.trades: deque[dict[str, Any]] = deque(maxlen=50_000)
        self.house_cash = 0
        self.fees_collected = 0
        self.deposits = 0
        self.fee_changes: list[dict[str, Any]] = []
        self.moved: set[str] = set()
        """Markets whose touch or last trade may have changed since the last ticker."""
        self.relisted: set[str] = set()
        """Events and markets whose listing changed since the last save."""
        self.cancel_all_until: dict[int | None, int] = {}
        self.cache = StaleCache()
        self.file: StateFile | None = None
        self.reads = ReadSide()
        self._group_fills: list[tuple[str, int]] = []
        self.recorded: Snapshot | None = None
        self.used_tickers: set[str] = set()
        self.edges: dict[str, edges.Edge] = {}
        self.edge_log: deque[edges.Edge] = deque(maxlen=1_000)
        self.turned: deque[str] = deque(maxlen=1_000)
        """Events whose weather turned against a planted coverage basket."""
        self.delisted: list[str] = []
        self.started_ms = self.clock.now_ms()

    # ---- setting up

    def open_accounts(self) -> None:
        """Deposit the starting balance on the shards of the primary subaccount."""
        left = self.config.balance
        for shard in reversed(SHARDS):
            share = self.config.balance * self.config.balance_split.get(shard, 0) // 100
            share = left if shard == 0 else share // 10_000 * 10_000
            left -= share
            self.ledger.credit((0, shard), share)
        self.deposits += self.config.balance

    def list_snapshot(self, loaded: Snapshot) -> None:
        """List everything of a snapshot with its recorded books."""
        self.recorded = loaded
        self.series.update(loaded.series)
        self.events.update({t: copy.deepcopy(e) for t, e in loaded.events.items()})
        self.used_tickers.update(loaded.events)
        for ticker, market in loaded.markets.items():
            self.add_market(copy.deepcopy(market), *loaded.levels.get(ticker, ([], [])))
        for event in self.events.values():
            lifecycle.draw_outcome(self, event)
            lifecycle.schedule(self, event)

    def add_market(self, market: Market, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Book:
        """List a market with one house order per level; nothing is told to anyone."""
        market.settlement_timer_s = self.config.settlement_timer_s
        self.markets[market.ticker] = market
        book = self.books[market.ticker] = Book()
        for side, levels in (("bid", bids), ("ask", asks)):
            for price, count in levels:
                book.add(self.house(side, price, count))
        book.changed = self.book_listener(market.ticker)
        self.relisted.add(market.ticker)
        self.relisted.add(market.event_ticker)
        return book

    def book_listener(self, ticker: str) -> Changed:
        """The function that a market's book tells its changes."""
        return partial(self._book_changed, self.markets[ticker])

    def house(self, side: str, price: int, count: int, tag: str = "") -> HouseOrder:
        number = self.streams.counters["house"] = self.streams.counters.get("house", 0) + 1
        return HouseOrder(f"h{number}", side, price, count, tag)

    def begin(self) -> None:
        """Set makers, takers, edges and what recurs going."""
        maintenance.start(self)
        flow.start(self)
        edges.start(self)

    def live_events(self) -> list[str]:
        """Tickers of events with an open market, in order."""
        return [e.ticker for e in self.events.values() if any(self.markets[t].status == ACTIVE for t in e.markets)]

    def roll(self, event: Event) -> None:
        """List the event that follows a settled one."""
        if self.recorded is not None:
            rolling.roll(self, self.recorded, event)
            rolling.delist_old(self)

    # ---- time

    def now(self) -> int:
        return self.clock.now_ms()

    def advance(self, to_ms: int | None = None) -> None:
        """Do all that is due. With a manual clock each timer fires at its own instant, then the clock stands at ``to_ms``."""
        target = self.clock.now_ms() if to_ms is None else to_ms
        while (due := self.timers.pop_due(target)) is not None:
            when, action = due
            if self.clock.manual and when > self.clock.now_ms():
                self.clock.set(when)  # type: ignore[attr-defined]
            action()
        if self.clock.manual and target > self.clock.now_ms():
            self.clock.set(target)  # type: ignore[attr-defined]
        self.flush()

    def flush(self) -> None:
        """Send the tickers of all markets that moved."""
        if self.moved:
            for ticker in sorted(self.moved):
                self.hub.ticker(self.markets[ticker])
            self.moved.clear()

    def commit(self) -> None:
        """Make what changed durable and visible: journal, late copy for reads, tickers. Call it before an answer leaves."""
        self.flush()
        changes = self.ledger.take_changes(self.now())
        if self.file is not None:
            line = take_line(self, changes)
            if line is not None:
                self.file.append(line)
        if changes is not None:
            self.reads.note(changes)

    # ---- terms

    def terms(self, market: Market) -> FeeTerms:
        return fee_terms(self.series[market.series_ticker], self.events[market.event_ticker])

    def same_trader(self, taker: Order, maker: Order) -> bool:
        return self.config.stp_across_subaccounts or taker.subaccount == maker.subaccount

    # ---- orders

    def execute(self, market: Market, order: Order, rest: bool) -> list[Fill]:
        """Match an own order and rest or cancel what is left; reservations and channels follow."""
        fills = match(self, market, order)
        crossed_self = order.remaining > 0 and self.books[market.ticker].crosses(order.book_side, order.price)
        if crossed_self:
            order.reason = "SelfTradeCancel"
        finish(self, market, order, rest and not crossed_self)
        self.rebalance(order.subaccount, market)
        self.order_updated(order)
        if fills:
            self.group_traded(order, sum(fill.count for fill in fills))
        self._settle_groups()
        return fills

    def cancel_order(self, order: Order, reason: str) -> int:
        """Take a resting own order off the book; returns what it still had."""
        market = self.markets[order.ticker]
        had = self.books[order.ticker].remove(order)
        order.status, order.remaining, order.reason, order.updated_ms = CANCELED, 0, reason, self.now()
        self.ledger.changed_order(order)
        self.reserve(order.subaccount, market)
        self.order_updated(order)
        return had

    def decrease_order(self, order: Order, by: int, reason: str) -> None:
        """Shrink a resting order in place; it keeps its queue position."""
        self.books[order.ticker].reduce(order, by)
        order.reason, order.updated_ms = reason, self.now()
        self.ledger.changed_order(order)
        self.reserve(order.subaccount, self.markets[order.ticker])
        self.order_updated(order)

    def house_order(self, market: Market, side: str, price: int, count: int, rest: bool, tag: str = "") -> None:
        """An order of the house: takes what it crosses, then rests or goes away."""
        order = self.house(side, price, count, tag)
        if self.books[market.ticker].crosses(side, price):
            match(self, market, order)
            self._settle_groups()
        if rest and order.remaining > 0:
            self.books[market.ticker].add(order)

    def book_fill(self, market: Market, order: Order, price: int, count: int, taker: bool, trade_id: str) -> Fill:
        """Account for one side of a trade and tell the private channels."""
        config = self.config
        fill = self.ledger.apply_fill(
            order,
            price,
            count,
            taker=taker,
            terms=self.terms(market),
            grid=config.fee_grid,
            rebate_at_step=config.rebate_at_step,
            trade_id=trade_id,
            now_ms=self.now(),
        )
        self.house_cash -= fill.cash + fill.fee
        self.fees_collected += fill.fee
        self.hub.fill(fill)
        self.hub.position(self.ledger.positions[order.subaccount, order.ticker])
        if not taker:
            self.rebalance(order.subaccount, market)
        return fill

    def rebalance(self, subaccount: int, market: Market) -> None:
        """Recompute reservations after a change; newest resting orders go if the cash no longer carries them."""
        self.reserve(subaccount, market)
        purse = (subaccount, market.shard)
        while self.ledger.available(purse) < 0:
            waiting = [
                o
                for o in self.ledger.all_open()
                if (o.subaccount, o.shard) == purse and self.books[o.ticker].resting(o)
            ]
            if not waiting or self.ledger.reserved.get(purse, 0) <= 0:
                return
            self.cancel_order(max(waiting, key=lambda o: (o.created_ms, o.order_id)), "MarginCancel")

    def reserve(self, subaccount: int, market: Market) -> None:
        """Recompute what the resting orders of a subaccount in a market hold back."""
        self.ledger.reserve(
            subaccount,
            market.ticker,
            market.shard,
            self.terms(market),
            self.config.fee_grid,
            self.config.reserve_fee_for_resting,
        )

    def group_traded(self, order: Order, count: int) -> None:
        """Remember a group's fill; the group is looked at when the matching is over."""
        if order.group_id:
            self._group_fills.append((order.group_id, count))

    def _settle_groups(self) -> None:
        fills, self._group_fills = self._group_fills, []
        for group_id, count in fills:
            groups.count_fill(self, group_id, count)

    # ---- telling

    def order_updated(self, order: Order) -> None:
        self.hub.order(order)

    def _book_changed(self, market: Market, side: str, price: int, change: int, order: Resting | None) -> None:
        market.clock += 1
        self.moved.add(market.ticker)
        self.hub.delta(market, side, price, change, order)
