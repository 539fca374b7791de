"""The process that keeps the WebSocket open: acquire leadership, connect, apply, write; and start over whatever fails.

The receiving thread does nothing else: rows, task messages, watchlist and comparisons have threads of their own, because the
exchange disconnects slow readers.
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

from kalbot.common import clock, life, messages
from markets.kalshi.backoff import Backoff
from markets.kalshi.errors import CredentialError, Forbidden, KalshiError, Unauthorised
from markets.kalshi.ws.session import Session
from markets.prices import EVENT_KEY
from markets.streaming.connection import Connection
from markets.streaming.output.inbox import Inbox
from markets.streaming.output.leader import Leadership
from markets.streaming.output.metrics import Metrics, publish
from markets.streaming.output.moves import Moves
from markets.streaming.output.notifier import Notifier
from markets.streaming.output.pacing import RENEW, Pace
from markets.streaming.output.publisher import Fenced, Publisher
from markets.streaming.state.books import Books
from markets.streaming.watchlist_reader import WatchlistReader
from markets.tape.recorder import Recorder

log = logging.getLogger(__name__)

MAINTAIN_MS: Final = 100
METRICS_MS: Final = 1_000
STANDBY_SECONDS: Final = 0.5
REDIS_PAUSE_MS: Final = 500
SWITCH_SECONDS: Final = 0.0005
"""How long another thread of ours (rows, watchlist) may hold up the receiving one; Python's default of 5 ms would delay every price."""


class Refused(Exception):
    """The exchange rejected our key at the very first connection: retrying would not help."""


class Stream:
    """One stream process. ``run`` returns after ``stop`` was called from anywhere."""

    def __init__(
        self,
        make_session: Callable[[], Session],
        client: redis.Redis,
        watchlist: WatchlistReader,
        inbox: Inbox,
        notifier: Notifier,
        partition: int = 0,
        on_connection: Callable[[Connection | None], None] = lambda connection: None,
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self.books = Books()
        self.metrics = Metrics()
        self.leadership = Leadership(client, partition)
        self._publisher = Publisher(client, self.leadership)
        self._make_session = make_session
        self._redis = client
        self._watchlist = watchlist
        self._inbox = inbox
        self._notifier = notifier
        self._partition = partition
        self._on_connection = on_connection
        self._stop = threading.Event()
        self._redis_not_before = 0
        self._next_metrics_ms = 0
        self._pace = Pace()
        self._sent: set[str] = set()
        self._moves = Moves(self.books, watchlist, notifier)

    def stop(self) -> None:
        """End soon: the loop checks at least every 50 ms."""
        self._stop.set()

    def stopped(self, wait: float) -> bool:
        """Whether ``stop`` was called by now, or is within ``wait`` seconds."""
        return self._stop.wait(wait)

    def run(self) -> None:
        """Until ``stop``. Raises Refused if the very first connection is refused for its key."""
        gc.freeze()  # modules stay loaded: the collector need not visit them
        gc.set_threshold(50_000, 20, 50)
        sys.setswitchinterval(SWITCH_SECONDS)
        backoff = Backoff(base=0.25, cap=15.0)
        while not self._stop.is_set():
            if not self._lead():
                self._publish_metrics("standby")
                self._stop.wait(STANDBY_SECONDS)
                continue
            try:
                self._live_one_epoch(backoff)
            except Fenced:
                log.warning("leadership lost to another process; standby")
                continue
            except (CredentialError, Unauthorised, Forbidden) as error:
                if not self.metrics.connects:
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
            self.metrics.redis_errors += 1
            self.metrics.error = f"Redis does not answer: {error}"
            return False

    def _live_one_epoch(self, backoff: Backoff) -> None:
        whole = self._partition == 0
        connection = Connection(
            self._make_session(), self.books, self.metrics, self._inbox.put, whole=whole, recorder=self._recorder
        )
        try:
            connection.open()
            if whole:
                self._catch_up()
            self.metrics.connects += 1
            self.metrics.error = ""
            log.info("connected, epoch %s", connection.epoch)
            self._on_connection(connection)
            self._loop(connection, backoff)
        finally:
            self._on_connection(None)
            connection.close()
            self._withdraw(keep_leading=not self._stop.is_set())

    def _catch_up(self) -> None:
        """Have fills and lifecycle of the time without a connection fetched over REST, also after a crash of an earlier process.
        Only a gap that this process saw pauses new baskets (trigger ``reconnect``)."""
        self._notifier.notify(messages.RECONCILE, "reconnect" if self.metrics.connects else "connect", interval=10.0)
        self._notifier.notify(messages.SCAN_CATALOGUE, interval=10.0)

    def _loop(self, connection: Connection, backoff: Backoff) -> None:
        next_maintenance = 0
        began = at = clock.now_ms()
        while not self._stop.is_set():
            writable = self.books.is_dirty and at >= self._redis_not_before
            self._pace.frames = connection.pump(self._pace.patience(self._publisher.in_flight, writable))
            at = clock.now_ms()
            if at >= next_maintenance:
                next_maintenance = at + MAINTAIN_MS
                connection.maintain(self._watchlist.current, at)
                if at - began > 5_000:
                    backoff.reset()
            self._write(connection, at)
            self._publish_metrics("live", connection)

    def _write(self, connection: Connection, at: int) -> None:
        """When it is due, send what changed, or only the renewed lease; read the reply of the previous flush first. While Redis is
        away the changes are kept. Raises Fenced."""
        try:
            answered = self._publisher.in_flight and self._publisher.finish(wait=self._pace.is_overdue)
            if self._publisher.in_flight:
                return
            if answered:
                self.metrics.error = ""
                self._written(connection)
        except redis.RedisError as error:
            self._redis_failed(error, at)
            return
        except Fenced:
            self._regain()
        if at < self._redis_not_before or not self._pace.is_due(self.books.is_dirty):
            return
        began = time.monotonic()
        records, self._sent = self.books.take_changes()
        try:
            leaving = self._moves.leaving()
            self._publisher.begin(connection.epoch, connection.alive_ms, records, self._sent, leaving)
            if self.books.dropped:
                self._publisher.finish(wait=True)
                self._publisher.forget([EVENT_KEY + event for event in self.books.dropped])
                self.books.dropped.clear()
        except redis.RedisError as error:
            self._redis_failed(error, at)
            return
        except Fenced:
            self._regain()
            return
        self._moves.sent()
        self._pace.wrote(began)
        self.metrics.flushes += 1
        self.metrics.records += len(records)

    def _redis_failed(self, error: Exception, at: int) -> None:
        self.books.not_written(self._sent)
        self.metrics.redis_errors += 1
        self.metrics.error = f"Redis does not answer: {error}"
        self._redis_not_before = at + REDIS_PAUSE_MS

    def _regain(self) -> None:
        """Redis no longer has our token. If no other leader has one (Redis was emptied), acquire it again and rewrite everything."""
        if not self._lead():
            raise Fenced
        log.warning("leadership acquired again: it had expired while this process did nothing, or Redis was emptied")
        self.books.touch_all()

    def _withdraw(self, keep_leading: bool = False) -> None:
        """Give up the lease: from now on no price of ours reads as live."""
        try:
            if self.leadership.token is not None:
                self._publisher.flush("", 0, {})
            if not keep_leading:
                self.leadership.release()
        except (redis.RedisError, Fenced) as error:
            log.warning("lease not released (%s); it expires by itself", type(error).__name__)

    def _after_failure(self, error: Exception, backoff: Backoff) -> None:
        self.metrics.disconnects += 1
        self.metrics.error = f"{type(error).__name__}: {error}"
        pause = backoff.next()
        log.warning("disconnected (%s); reconnecting in %.1f s", self.metrics.error, pause)
        self._publish_metrics("reconnecting")
        self._wait_leading(pause)

    def _wait_leading(self, seconds: float) -> None:
        """Wait for the next attempt without losing leadership."""
        end = time.monotonic() + seconds
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            self._stop.wait(min(left, RENEW))
            try:
                self._publisher.flush("", 0, {})
            except redis.RedisError:
                continue  # wait all the same, or the exchange would see reconnects without pause while Redis is away
            except Fenced:
                return

    def _written(self, connection: Connection) -> None:
        """Only after the write, or an evaluation would read the old prices."""
        self._moves.written(self._publisher.put)
        if connection.lifecycle_gap:
            connection.lifecycle_gap = False
            self._notifier.notify(messages.SCAN_CATALOGUE, interval=30.0)

    def _publish_metrics(self, state: str, connection: Connection | None = None) -> None:
        at = clock.now_ms()
        if at < self._next_metrics_ms:
            return
        self._next_metrics_ms = at + METRICS_MS
        life.touch("stream")
        self.metrics.state = state
        self.metrics.suspected = self.books.suspected
        if connection is not None:
            tally = connection.intake.tally
            self.metrics.applied, self.metrics.ignored = tally.applied, tally.ignored
            self.metrics.repairs = connection.subscription.repairs
            self.metrics.over_limit = len(connection.subscription.over_limit)
        document = self.metrics.document(
            at,
            epoch=connection.epoch if connection else "",
            events=len(self.books.events),
            markets=len(self.books.markets),
            tickers=len(self.books.quotes),
            suspect=len(self.books.repair),
            inbox_waiting=self._inbox.waiting,
            inbox_written=self._inbox.written,
            notifications=self._notifier.sent,
            suppressed=self._notifier.suppressed,
            token=self.leadership.token or "",
            clock_skew_ms=connection.clock_skew_ms if connection else None,
            tape_problem=self._recorder.writer.problem if self._recorder else "",
            tape_written=self._recorder.writer.written if self._recorder else 0,
            tape_dropped=self._recorder.writer.dropped if self._recorder else 0,
        )
        if at < self._redis_not_before:
            return
        try:
            publish(self._redis, self._partition, document, standby=state == "standby")
        except redis.RedisError:
            self._redis_not_before = at + REDIS_PAUSE_MS
