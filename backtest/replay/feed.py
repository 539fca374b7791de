"""Applies a tape to books and catalogue rows, each record at its moment, through the product's own parse boundary and writers."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final

import msgspec

from backtest.replay.books import SNAPSHOT, ReplayBooks, ReplayPrices
from backtest.replay.catalogue import Announced, Catalogue
from backtest.replay.counted import Counted
from backtest.replay.holes import Holes
from backtest.replay.late_trades import listed
from backtest.replay.own_orders import Latest
from backtest.replay.recorded_quotes import Touch, read_best, ticker_of
from backtest.replay.totals import Totals
from kalbot.common import clock
from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Price, complement
from markets import exchange_hours
from markets.book import Side
from markets.kalshi.scalars import COUNTS, PRICES
from markets.kalshi.schemas.pages import parse_orderbook
from markets.kalshi.schemas.trades import Trade
from markets.kalshi.ws import frames
from markets.streaming.intake import StreamIntake
from markets.tape.connections import Connections
from markets.tape.owners import Owners
from markets.tape.records import UNREADABLE, Kind, Record, unpack_frames
from markets.terms.rules_file import Sample
from triage.sources import cached
from triage.sources.protocol import Snapshot

log = logging.getLogger(__name__)

TOP: Final = Price(DOLLAR_PRICE)
TRADES_KNOWN: Final = 50_000
"""Names of the latest trades that are kept, to know them again."""
NAMES: Final = {kind: kind.name.lower() for kind in Kind}
Print = Callable[[str, Side, int, int, int, str], None]
"""Market, side that the taker bought, its price, count, time of the trade (ms), its name."""


class Feed:
    """The one place where a replay learns anything. ``touch_size``: contracts (1/100) assumed behind a quote without sizes; 0 refuses
    to assume any, and then quotes alone make no book."""

    def __init__(
        self,
        books: ReplayBooks,
        prices: ReplayPrices,
        touch_size: int = 0,
        rules: Mapping[str, Sample] = MappingProxyType({}),
        fees: str = "",
        fee_ppm: int = 1_000_000,
    ) -> None:
        """``rules``: series -> texts for its events that were recorded without. ``fees``: fee type of series recorded without.
        ``fee_ppm``: every recorded fee multiplier times this, millionths."""
        self.books, self.prices, self._touch_size = books, prices, touch_size
        self.on_print: Print = lambda ticker, side, price, count, at_ms, trade: None
        self.on_own_print: Callable[[str], None] = lambda trade: None
        self._own_trades = Latest(TRADES_KNOWN)
        """Trades that the recorded account made itself, by taking."""
        self.hides_own = True
        """What the recorded account had resting is nobody's liquidity. A paper profile that traded beside it saw it all the same."""
        self.on_task: Callable[[], None] = lambda: None
        """Called before each task."""
        self.counted = Counted()
        self._trade_ids, self._met = Latest(TRADES_KNOWN), Latest(TRADES_KNOWN)
        self.scanned: bool | None = None
        """A scan ended since screening last ran; None where the tape has no scans."""
        self.is_noteworthy = False
        """Something came that is more than prices of a connection; whoever has seen to it sets it back."""
        self.counts: Counter[str] = Counter()
        self._connections = Connections(lambda epoch: StreamIntake(self.books, self._frame))
        self.holes = Holes()
        self._epoch = ""
        self.catalogue = Catalogue(books, rules, fees, fee_ppm)
        self.totals = Totals()
        self._owners = Owners(prices.epochs, self._forget)
        self._sids: dict[tuple[str, int], set[str]] = {}
        """Connection and subscription -> the markets of which it has said a book."""
        self._apply: dict[Kind, Callable[[Record], object]] = {
            Kind.CONNECTION: self._connection,
            Kind.EVENT: self.catalogue.event,
            Kind.SERIES: self.catalogue.series,
            Kind.SCAN: self._scan,
            Kind.TERMS: self.catalogue.terms,
            Kind.STATUS: self._status,
            Kind.SETTLEMENT: self.catalogue.settlement,
            Kind.SOURCE: self._source,
            Kind.BOOK: self._book,
            Kind.QUOTE: self.quote,
            Kind.TRADE: self._trade,
            Kind.GAP: self._gap,
        }

    def apply(self, record: Record) -> None:
        """Apply one record; the clock stands at its receive time already. A replay feeds frames by the batch (``batches``)."""
        try:
            if record.kind is Kind.FRAMES:
                self.counts["frames"] += 1
                if record.key in self.prices.alive:
                    self.prices.alive[record.key] = record.received_ns
                    self.read(record.key, zip(unpack_frames(record.payload), repeat(clock.now_ms())))
                return
            self.is_noteworthy = True
            handler = self._apply.get(record.kind)
            if handler is not None:
                self.counts[NAMES[record.kind]] += 1
                handler(record)
        except (*UNREADABLE, msgspec.MsgspecError) as error:
            self.refuse(record.key, error)

    def refuse(self, key: str, error: Exception) -> None:
        """A record that cannot be read is named and set aside."""
        self.counts["refused"] += 1
        log.warning("record of %s refused: %s: %s", key, type(error).__name__, error)

    @property
    def has_news(self) -> bool:
        """Whether events, a scan or results came that nothing has been scheduled for yet: until then more follows from each record."""
        return bool(self.scanned or self.catalogue.listed or self.catalogue.settled)

    # -- connections and frames ------------------------------------------------------------------------------------

    def _connection(self, record: Record) -> None:
        epoch = record.key
        self.prices.alive.pop(epoch, None)
        number = self._owners.closed(epoch)
        self._sids = {of: markets for of, markets in self._sids.items() if of[0] != epoch}
        if self._connections.connection(record):
            self.prices.alive[epoch] = record.received_ns
            self._owners.opened(epoch, number)

    def _forget(self, event: str) -> None:
        self.prices.epochs.pop(event, None)
        self.books.forget([state.ticker for state in self.books.events.get(event, ())])

    def read(self, epoch: str, payloads: Iterable[tuple[bytes, int]]) -> None:
        """What came on an open connection, each with its time (ms)."""
        self._epoch, self.books.lost = epoch, self._owners.lost(epoch)
        self._connections.open[epoch].feed_timed(payloads)

    def _frame(self, frame: frames.Frame, at: int) -> None:
        """Every frame that is neither a delta nor a ticker, at its place in the order."""
        if isinstance(frame, frames.BookSnapshot):
            state = self.books.markets.get(frame.market_ticker)
            if state is not None:
                markets = [one.ticker for one in self.books.events.get(state.event, ())]
                if not self._owners.takes(state.event, markets, self._epoch):
                    return
                self.holes.known(state.event, at)
                self._sids.setdefault((self._epoch, frame.sid), set()).add(frame.market_ticker)
            self.books.snapshot(frame, at)
        elif isinstance(frame, frames.TradeFrame):
            self._print(
                Trade(
                    trade_id=frame.trade_id,
                    ticker=frame.market_ticker,
                    count=frame.count,
                    yes_price=frame.yes_price,
                    taker_side=frame.taker_side,
                    created=None,
                    is_block_trade=frame.is_block_trade,
                ),
                min(frame.ts_ms, at) if frame.ts_ms else at,
            )
        elif isinstance(frame, frames.GapFrame):
            self.books.mark_suspect(sorted(self._sids.get((self._epoch, frame.sid), set()) - self.books.lost))
        elif isinstance(frame, frames.RejectedFrame):
            if frame.market_ticker and frame.market_ticker not in self.books.lost:
                self.books.mark_suspect([frame.market_ticker])
        elif isinstance(frame, frames.UserOrderFrame):
            if self.hides_own:
                self.books.own_order(frame)
        elif isinstance(frame, frames.FillFrame):
            if frame.is_taker and self.hides_own:
                self._own_trades.add(frame.trade_id)
                self.books.own_trade(frame)
                self.on_own_print(frame.trade_id)
        elif isinstance(frame, Announced):
            self.is_noteworthy = True
            self.catalogue.announced(frame, self._epoch, at)

    def _scan(self, record: Record) -> None:
        self.scanned = True

    def _status(self, record: Record) -> None:
        exchange_hours.keep(msgspec.json.decode(record.payload, type=exchange_hours.Answer))

    def _source(self, record: Record) -> None:
        content: dict[str, Any] = json.loads(record.payload)
        snapshot = Snapshot(content["fetched_ms"], content["as_of_ms"], content["data"])
        cached.store(content["source"], content["subject"], snapshot)

    # -- prices of imports -----------------------------------------------------------------------------------------

    def _book(self, record: Record) -> None:
        book = parse_orderbook(record.payload)
        self._snapshot(record, SNAPSHOT, book.yes, book.no)

    def _snapshot(self, record: Record, epoch: str, yes: Any, no: Any) -> None:
        state = self.books.markets.get(record.key)
        if state is None:
            self.counts["books of unknown markets"] += 1
            return
        self.prices.epochs[state.event] = epoch
        at = record.received_ns // 1_000_000
        self.holes.known(state.event, at)
        frame = frames.BookSnapshot(0, state.seq + 1, record.key, yes, no, None, None)
        self.books.snapshot(frame, at)
        self._ticker(record.key, yes[0] if yes else None, no[0] if no else None, at)

    def _ticker(self, ticker: str, yes: Any, no: Any, at: int) -> None:
        self.books.ticker(ticker_of(ticker, yes, no, at), at)

    def quote(self, record: Record) -> bool:
        """The best bids of a market. Whether it is certain that nothing has changed by it but sizes, in which nobody has a part."""
        received_ns, _, ticker, payload = record
        best = read_best(payload)
        yes = self._touch(best.yes_bid_dollars, best.yes_bid_size_fp)
        no = self._touch(best.no_bid_dollars, best.no_bid_size_fp)
        event = self.catalogue.event_of.get(ticker, "")
        continuous = event in self.prices.alive
        if continuous:
            self.prices.alive[event] = received_ns
        at = received_ns // 1_000_000
        if not self._touch_size and best.yes_bid_size_fp is msgspec.UNSET:
            self._ticker(ticker, yes, no, at)
            return False
        state = self.books.markets.get(ticker)
        if state is None:
            self.counts["books of unknown markets"] += 1
            return False
        self.prices.epochs[state.event] = event if continuous else SNAPSHOT
        if self.holes.lost:
            self.holes.known(state.event, at)
        return self.books.best(state, yes, no, ticker_of(ticker, yes, no, at), at)

    def _touch(self, price: str | None, size: str | msgspec.UnsetType | None) -> Touch:
        if price is None:
            return None
        count = COUNTS[size] if isinstance(size, str) else Count(self._touch_size or CONTRACT)
        parsed = PRICES[price]
        return (parsed, count) if 0 < parsed < TOP and count > 0 else None

    def _trade(self, record: Record) -> None:
        trade, made_ms = listed(record, f"{record.received_ns} {self.counts['trade']}")
        self._print(trade, made_ms)
        if made_ms < record.received_ns // 1_000_000:
            self.counted.was_listed()

    def unread(self, records: Iterable[Record]) -> None:
        """Trades that were made by now and are heard of later: orders that rest have met them all the same."""
        for record in records:
            with suppress(*UNREADABLE):
                trade, made_ms = listed(record)
                known = trade.trade_id in self._trade_ids or trade.trade_id in self._met
                if trade.trade_id and made_ms <= clock.now_ms() and not known:
                    self._met.add(trade.trade_id)
                    self._meets(trade, made_ms)

    def _print(self, trade: Trade, at_ms: int) -> None:
        """Orders that rest meet a trade, and it is counted. One that is on the tape twice, by the stream and by a reading of the
        exchange's list, is one."""
        if trade.is_block_trade or trade.trade_id in self._trade_ids:
            return
        self._trade_ids.add(trade.trade_id)
        if trade.trade_id not in self._met:
            self._meets(trade, at_ms)
        self.counted.add(trade)

    def _meets(self, trade: Trade, at_ms: int) -> None:
        if trade.trade_id not in self._own_trades:
            price = trade.yes_price if trade.taker_side.value == "yes" else complement(trade.yes_price)
            self.on_print(trade.ticker, Side(trade.taker_side.value), price, trade.count, at_ms, trade.trade_id)

    def before_task(self) -> None:
        """What a task reads is brought up to date: rows of events, and what was traded, as often as the product reads that."""
        self.catalogue.flush()
        self.totals.now_and_then()
        self.on_task()
        self.counted.before_task()

    def _gap(self, record: Record) -> None:
        """Nothing that was known before a gap is a price: of the event that it names, or of what its writer recorded."""
        self.counts["gaps"] += 1
        event, takes = self.catalogue.event_of.get(record.key), self._connections.taken_by(record)
        lost = [one for one, epoch in self.prices.epochs.items() if (one == event if event else takes(epoch))]
        self.holes.took(lost, record.received_ns // 1_000_000)
        for one in lost:
            self._forget(one)
