"""Puts the stream together from settings: what ``manage.py stream`` runs."""

from __future__ import annotations

import logging
import time
import zlib
from pathlib import Path

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from kalbot.common.errors import SettingError
from markets import connect
from markets.kalshi.environment import Environment
from markets.kalshi.errors import KalshiError, Rejected
from markets.kalshi.signing import Signer
from markets.kalshi.ws.session import Session
from markets.prices import partition_count
from markets.streaming.loop import Refused, Stream
from markets.streaming.output.inbox import Inbox
from markets.streaming.output.notifier import Notifier, notify_stored
from markets.streaming.state.comparison import Comparison
from markets.streaming.watchlist_reader import WatchlistReader
from markets.tape.recorder import recorder

log = logging.getLogger(__name__)


class Assembly:
    """One stream process with its threads. Make it, ``run`` it, ``stop`` it from a signal handler."""

    def __init__(self, partition: int = 0, tape: Path | None = None) -> None:
        environment, signer = connect.environment(), connect.signer()
        partitions = partition_count()
        if not 0 <= partition < partitions:
            raise SettingError(f"There is no partition {partition}: STREAM_PARTITIONS is {partitions}.")
        self.redis = price_connection()
        self.notifier = Notifier()
        self.inbox = Inbox(notify_stored(self.notifier), spool_file(partition))
        self.watchlist = WatchlistReader(
            price_connection(),
            settings.STREAM_LIMIT_MARKETS,
            lambda event: partition_of(event, partitions) == partition,
        )
        self.comparison = Comparison()
        self.recorder = recorder(f"stream{partition}", tape)
        self.stream = Stream(
            lambda: make_session(environment, signer),
            self.redis,
            self.watchlist,
            self.inbox,
            self.notifier,
            partition,
            self.comparison,
            self.recorder,
        )

    def wait_for_exchange(self, seconds: float) -> None:
        """Until somebody answers, or ``stop``. Raises KalshiError after ``seconds`` without an answer."""
        end = time.monotonic() + seconds
        client = connect.client()
        while not self.stream.stopped(wait=0.0):
            try:
                client.exchange.status()
                return
            except Rejected:
                return
            except KalshiError:
                if time.monotonic() > end:
                    raise
                self.stream.stopped(wait=0.5)

    def run(self) -> None:
        """Until ``stop``. Raises Refused when the exchange does not take the key."""
        self.notifier.start()
        self.inbox.start()
        self.watchlist.start()
        self.comparison.start()
        try:
            self.stream.run()
        finally:
            self.watchlist.close()
            self.comparison.close()
            self.inbox.close(timeout=0.8)
            self.notifier.close(timeout=0.3)
            if self.recorder is not None:
                self.recorder.close()

    def stop(self) -> None:
        """May be called from a signal handler."""
        self.stream.stop()


def make_session(environment: Environment, signer: Signer) -> Session:
    """A session as the stream wants it."""
    return Session(environment, signer)


def partition_of(event_ticker: str, partitions: int) -> int:
    """Which stream process keeps the books of an event: by hash, so that all legs of an event share a process."""
    return zlib.crc32(event_ticker.encode()) % partitions


def price_connection() -> redis.Redis:
    """A connection of our own to the prices' Redis: one short try, because the loop itself tries again."""
    return redis.Redis.from_url(
        settings.PRICES_URL,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
    )


def spool_file(partition: int) -> Path:
    """Where messages wait that could not be stored before the process had to end."""
    settings.STATE_DIR.mkdir(parents=True, exist_ok=True)
    return Path(settings.STATE_DIR) / f"stream-{partition}.spool"


__all__ = ["Assembly", "Refused"]
