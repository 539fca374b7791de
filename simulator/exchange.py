"""The exchange without a socket: the core with what moves it, what it publishes and what it stores."""

from __future__ import annotations

import copy

from simulator.accounts.auth import KeyRing
from simulator.accounts.ledger import Ledger
from simulator.clock import Clock
from simulator.config import SHARDS, SimulatorConfig
from simulator.core import ExchangeCore
from simulator.faults.read_lag import ReadSide
from simulator.faults.stale_cache import StaleCache
from simulator.flow import edges, maker_flow, market_makers
from simulator.listing import lifecycle, maintenance, rolling
from simulator.listing.model import Event
from simulator.persistence.snapshot import Snapshot
from simulator.persistence.state import StateFile, take_line
from simulator.ws.hub import Hub


class Exchange(ExchangeCore):
    """A Kalshi exchange in one object."""

    def __init__(
        self, config: SimulatorConfig | None = None, clock: Clock | None = None, keys: KeyRing | None = None
    ) -> None:
        super().__init__(config, clock, keys)
        self.hub = Hub(self)
        self.feed = self.hub
        self.cache = StaleCache()
        self.reads = ReadSide()
        self.file: StateFile | None = None
        self.recorded: Snapshot | None = None
        self.on_event_settled.append(self._list_next_event)

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
        for event in list(self.events.values()):
            lifecycle.draw_outcome(self, event)
            for each in (event, *(() if self.config.still else rolling.list_companions(self, event))):
                lifecycle.schedule(self, each)

    def begin(self) -> None:
        """Start what recurs: maintenance, market makers, takers and planted edges."""
        maintenance.start(self)
        market_makers.start(self)
        maker_flow.start(self)
        edges.start(self)

    def _list_next_event(self, settled: Event) -> None:
        if self.recorded is not None:
            rolling.roll(self, self.recorded, settled)
            rolling.delist_old(self)

    # ---- time

    def advance(self, to_ms: int | None = None) -> None:
        """Do all that is due. With a manual clock each timer fires at its own instant, then the clock stands at ``to_ms``."""
        target = self.now() if to_ms is None else to_ms
        while (due := self.timers.pop_due(target)) is not None:
            when, action = due
            self.clock.move_to(when)
            action()
        self.clock.move_to(target)
        self.flush()

    def flush(self) -> None:
        """Send the tickers of all markets that moved, and note their touch in the running minute."""
        if self.moved:
            now = self.now()
            for ticker in sorted(self.moved):
                market, book = self.markets[ticker], self.books[ticker]
                self.candles.touch(ticker, book.best_bid(), book.best_ask(), market.open_interest, now)
                self.hub.ticker(market)
            self.moved.clear()

    def commit(self) -> None:
        """Make what changed durable and visible: journal, late copy for reads, tickers. Call it before an answer leaves."""
        self.flush()
        changes = self.ledger.take_changes(self.now())
        line = take_line(self, changes)
        if self.file is not None and line is not None:
            self.file.append(line)
        if changes is not None:
            self.reads.note(changes)

    def read_ledger(self) -> Ledger:
        """The ledger as a read sees it now: up to ``read_delay_ms`` old."""
        delay = self.config.read_delay_ms
        if self.reads.needs_copy(delay):
            self.commit()
        return self.reads.ledger(self.ledger, self.now(), delay)
