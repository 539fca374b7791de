"""Reads the watchlist on a thread of its own: every second, or at once when it is reported as changed.

While the database is away the last known watchlist stays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import redis
from django.db import DatabaseError, InterfaceError, connection

from markets.watchlist import CHANGED_CHANNEL, fee_multipliers, in_families, quoted, wanted

log = logging.getLogger(__name__)

Wanted = Mapping[str, Mapping[str, str]]


class WatchlistReader:
    """``current`` is what to watch: event -> market -> status. It is replaced as a whole, so any thread may read it.

    ``fee_multipliers``: of each of these events, in millionths. ``quoted``: the events in which a quote rests.
    ``in_families``: those that are members of a family."""

    def __init__(
        self,
        client: redis.Redis,
        limit_markets: int,
        mine: Callable[[str], bool] = lambda event: True,
        seconds: float = 1.0,
    ) -> None:
        self.current: Wanted = {}
        self.fee_multipliers: Mapping[str, int] = {}
        self.quoted: frozenset[str] = frozenset()
        self.in_families: frozenset[str] = frozenset()
        self._redis = client
        self._limit = limit_markets
        self._mine = mine
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchlist", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """End the thread, and with it its connection to the database; waits so many seconds for it at most."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def read(self) -> None:
        """Read once. Raises django.db errors."""
        mine = wanted(self._limit, self._mine)
        self.fee_multipliers = fee_multipliers(mine)
        self.quoted = quoted()
        self.in_families = in_families(mine)
        if mine != self.current:
            self.current = mine

    def _run(self) -> None:
        listener = None
        try:
            while not self._stop.is_set():
                try:
                    self.read()
                except (DatabaseError, InterfaceError) as error:
                    log.warning("watchlist not read (%s); keeping %s events", error, len(self.current))
                    connection.close()
                listener = self._wait(listener)
        finally:
            connection.close()

    def _wait(self, listener: redis.client.PubSub | None) -> redis.client.PubSub | None:
        """Until the watchlist is reported as changed, or the next second."""
        end = time.monotonic() + self._seconds
        try:
            if listener is None:
                listener = self._redis.pubsub(ignore_subscribe_messages=True)
                listener.subscribe(CHANGED_CHANNEL)
            while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
                if listener.get_message(timeout=min(left, 0.2)):
                    return listener
            return listener
        except redis.RedisError:
            if listener is not None:
                with suppress(redis.RedisError):
                    listener.close()
            self._stop.wait(max(0.0, end - time.monotonic()))
            return None
