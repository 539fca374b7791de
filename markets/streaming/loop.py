"""The process that keeps the WebSocket open: lead, connect, apply, write; and begin again whatever breaks.

The receiving thread does nothing else: rows, task messages, wishes and comparisons have threads of their own (PITFALLS: slow readers are
thrown off by the exchange).
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import redis

from kalbot.common import messages
from kalbot.common.clock import now_ms
from markets.kalshi.backoff import Backoff
from markets.kalshi.errors import CredentialError, Forbidden, KalshiError, Unauthorised
from markets.kalshi.ws.session import Session
from markets.prices import EVENT_KEY
from markets.streaming.connection import Connection
from markets.streaming.output import metrics as figures_module
from markets.streaming.output.inbox import Inbox
from markets.streaming.output.leader import Leadership
from markets.streaming.output.metrics import Figures
from markets.streaming.output.notifier import Nudger
from markets.streaming.output.pacing import RENEW, Pace
from markets.streaming.output.publisher import Fenced, Publisher
from markets.streaming.state.all_in import worth_a_look
from markets.streaming.state.books import Books
from markets.streaming.watchlist_reader import Wishes

log = logging.getLogger(__name__)

TEND_MS: Final = 100
FIGURES_MS: Final = 1_000
STANDBY_SECONDS: Final = 0.5
REDIS_PAUSE_MS: Final = 500
SWITCH_SECONDS: Final = 0.0005
"""How long another thread of ours (rows, wishes) may hold up the receiving one; Python's own 5 ms would be seen in every price."""
EVALUATE_SECONDS: Final = 0.2
"""Least time between two nudges about one event."""


class Refused(Exception):
    """The exchange does not accept our key at the very first connection; trying on would not help."""


class Stream:
    """One stream process. ``run`` returns after ``stop`` was called from anywhere."""

    def __init__(
        self,
        make_session: Callable[[], Session],
        client: redis.Redis,
        wishes: Wishes,
        inbox: Inbox,
        nudger: Nudger,
        shard: int = 0,
        on_connection: Callable[[Connection | None], None] = lambda connection: None,
    ) -> None:
        self.books = Books()
        self.figures = Figures()
        self.leadership = Leadership(client, shard)
        self._publisher = Publisher(client, self.leadership)
        self._make_session = make_session
        self._redis = client
        self._wishes = wishes
        self._inbox = inbox
        self._nudger = nudger
        self._shard = shard
        self._on_connection = on_connection
        self._stop = threading.Event()
        self._redis_not_before = 0
        self._next_figures = 0
        self._pace = Pace()
        self._sent: set[str] = set()
        self._moved: set[str] = set()

    def stop(self) -> None:
        """End soon: the loop looks at least every 50 ms."""
        self._stop.set()

    def run(self) -> None:
        """Until ``stop``. Raises Refused if the very first connection is refused for its key."""
        gc.freeze()  # what is loaded now stays; the collector need not look at it again
        gc.set_threshold(50_000, 20, 50)
        sys.setswitchinterval(SWITCH_SECONDS)
        backoff = Backoff(base=0.25, cap=15.0)
        while not self._stop.is_set():
            if not self._lead():
                self._show("standby")
                self._stop.wait(STANDBY_SECONDS)
                continue
            try:
                self._live_one_epoch(backoff)
            except Fenced:
                log.warning("another process leads now; standing by")
                continue
            except (CredentialError, Unauthorised, Forbidden) as error:
                if not self.figures.connects:
                    raise Refused(str(error)) from error
                self._after_failure(error, backoff)
            except KalshiError as error:
                self._after_failure(error, backoff)
        self._withdraw()

    def _lead(self) -> bool:
        if self.leadership.token is not None:
            return True
        try:
            return self.leadership.acquire()
        except redis.RedisError as error:
            self.figures.redis_errors += 1
            self.figures.error = f"Redis does not answer: {error}"
            return False

    def _live_one_epoch(self, backoff: Backoff) -> None:
        whole = self._shard == 0
        connection = Connection(self._make_session(), self.books, self.figures, self._inbox.put, whole=whole)
        try:
            connection.open()
            if whole:
                self._ask_what_was_missed()
            self.figures.connects += 1
            self.figures.error = ""
            log.info("connected, epoch %s", connection.epoch)
            self._on_connection(connection)
            self._loop(connection, backoff)
        finally:
            self._on_connection(None)
            connection.close()
            self._withdraw(keep_leading=not self._stop.is_set())

    def _ask_what_was_missed(self) -> None:
        """Fills and lifecycle while nobody listened are asked for over REST, also after the death of a process before this one. Only
        a gap that this process saw pauses new baskets (trigger ``reconnect``)."""
        self._nudger.ask(messages.RECONCILE, "reconnect" if self.figures.connects else "connect", interval=10.0)
        self._nudger.ask(messages.SCAN_CATALOGUE, interval=10.0)

    def _loop(self, connection: Connection, backoff: Backoff) -> None:
        next_tend = 0
        began = at = now_ms()
        while not self._stop.is_set():
            writable = self.books.is_dirty and at >= self._redis_not_before
            self._pace.frames = connection.pump(self._pace.patience(self._publisher.in_flight, writable))
            at = now_ms()
            if at >= next_tend:
                next_tend = at + TEND_MS
                connection.tend(self._wishes.current, at)
                if at - began > 5_000:
                    backoff.reset()
            self._write(connection, at)
            self._show("live", connection)

    def _write(self, connection: Connection, at: int) -> None:
        """Send what changed, or only the renewed lease, when it is time; and take the answer of the flush before. While Redis is
        away the changes stay. Raises Fenced."""
        try:
            answered = self._publisher.in_flight and self._publisher.finish(wait=self._pace.is_overdue)
            if self._publisher.in_flight:
                return
            if answered:
                self._tell(connection)
        except redis.RedisError as error:
            self._redis_is_away(error, at)
            return
        except Fenced:
            self._regain()
        if at < self._redis_not_before or not self._pace.is_due(self.books.is_dirty):
            return
        began = time.monotonic()
        records, self._sent = self.books.take_changes()
        try:
            self._publisher.begin(connection.epoch, connection.alive_ms, records, self._sent)
            if self.books.dropped:
                self._publisher.finish(wait=True)
                self._publisher.forget([EVENT_KEY + event for event in self.books.dropped])
                self.books.dropped.clear()
        except redis.RedisError as error:
            self._redis_is_away(error, at)
            return
        except Fenced:
            self._regain()
            return
        self._moved |= self.books.moved
        self.books.moved.clear()
        self._pace.wrote(began)
        self.figures.flushes += 1
        self.figures.records += len(records)

    def _redis_is_away(self, error: Exception, at: int) -> None:
        self.books.not_written(self._sent)
        self.figures.redis_errors += 1
        self.figures.error = f"Redis does not answer: {error}"
        self._redis_not_before = at + REDIS_PAUSE_MS

    def _regain(self) -> None:
        """Redis lost our right. If nobody else has it (Redis was emptied), take it again and write everything anew."""
        if not self._lead():
            raise Fenced
        log.warning("Redis had lost the leader; leading again with a new token")
        self.books.touch_all()

    def _withdraw(self, keep_leading: bool = False) -> None:
        """From now on no price of ours reads as live."""
        try:
            if self.leadership.token is not None:
                self._publisher.flush("", 0, {})
            if not keep_leading:
                self.leadership.release()
        except (redis.RedisError, Fenced) as error:
            log.warning("could not withdraw the lease (%s); it lapses by itself", type(error).__name__)

    def _after_failure(self, error: Exception, backoff: Backoff) -> None:
        self.figures.disconnects += 1
        self.figures.error = f"{type(error).__name__}: {error}"
        pause = backoff.next()
        log.warning("no connection (%s); next try in %.1f s", self.figures.error, pause)
        self._show("reconnecting")
        self._wait_leading(pause)

    def _wait_leading(self, seconds: float) -> None:
        """Wait for the next try without losing the right to write."""
        end = time.monotonic() + seconds
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            self._stop.wait(min(left, RENEW))
            try:
                self._publisher.flush("", 0, {})
            except redis.RedisError:
                continue  # no reason to hurry: the exchange would be asked again and again as long as Redis is away
            except Fenced:
                return

    def _tell(self, connection: Connection) -> None:
        """Wake the strategy for events whose best prices moved and whose certain baskets are within reach. Only after readers can
        see the move: who is woken too early looks at the old prices and goes to sleep again."""
        for event in self._moved:
            multiplier = self._wishes.fee_multipliers.get(event, 0)
            if worth_a_look(self.books.events.get(event, ()), multiplier):
                self._nudger.ask(messages.EVALUATE_EVENT, event, interval=EVALUATE_SECONDS)
        self._moved.clear()
        if connection.lifecycle_gap:
            connection.lifecycle_gap = False
            self._nudger.ask(messages.SCAN_CATALOGUE, interval=30.0)

    def _show(self, state: str, connection: Connection | None = None) -> None:
        at = now_ms()
        if at < self._next_figures:
            return
        self._next_figures = at + FIGURES_MS
        self.figures.state = state
        self.figures.doubts = self.books.doubted
        if connection is not None:
            tally = connection.intake.tally
            self.figures.applied, self.figures.ignored = tally.applied, tally.ignored
            self.figures.repairs = connection.subscription.repairs
            self.figures.no_room = len(connection.subscription.no_room)
        document = self.figures.document(
            at,
            epoch=connection.epoch if connection else "",
            events=len(self.books.events),
            markets=len(self.books.markets),
            tickers=len(self.books.quotes),
            suspect=len(self.books.repair),
            inbox_waiting=self._inbox.waiting,
            inbox_written=self._inbox.written,
            nudges=self._nudger.sent,
            token=self.leadership.token or "",
            clock_skew_ms=_skew(connection),
        )
        if at < self._redis_not_before:
            return
        try:
            figures_module.write(self._redis, self._shard, document, standby=state == "standby")
        except redis.RedisError:
            self._redis_not_before = at + REDIS_PAUSE_MS


def _skew(connection: Connection | None) -> int | None:
    """Our clock minus the exchange's in ms, from the handshake (whole seconds, so coarse)."""
    skew = connection.session.skew.skew_ms if connection is not None else None
    return None if skew is None else -skew


__all__ = ["Refused", "Stream"]
