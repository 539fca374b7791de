"""Durable delivery: fills, orders and lifecycle messages become rows, whatever happens to the database meanwhile.

The receiving thread only puts; a thread of its own writes, in order, and tries again for as long as it takes. A message that comes
twice (two connections, a replay) has the same key and is stored once. What is still unwritten when the process must stop goes to
a file, which the next start reads first; a process killed in that moment relies on the replay from REST.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from django.db import DatabaseError, DataError, InterfaceError, connection

from markets.models import ExchangeMessage

log = logging.getLogger(__name__)

BATCH: Final = 500
FIRST_RETRY: Final = 0.1
LONGEST_RETRY: Final = 2.0
IMPOSSIBLE: Final = (DataError, ValueError, OverflowError)
"""What a value raises that no column holds: trying again would fail for ever, and hold up every other message."""


class Message(msgspec.Struct, frozen=True):
    """One message to keep. ``key`` is what makes it the same one when it comes twice."""

    kind: str
    key: str
    market_ticker: str
    payload: dict[str, object]
    epoch: str
    exchange_ms: int


class Inbox:
    """Writes ExchangeMessage rows in the background. ``on_written(kinds)`` is called after each batch that reached the database."""

    def __init__(self, on_written: Callable[[set[str]], None], spool: Path | None = None) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._on_written = on_written
        self._spool = spool
        self._closing = threading.Event()
        self._unwritten: list[Message] = []
        self.written = 0
        self.retries = 0
        self.impossible = 0
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, message: Message) -> None:
        """Never blocks."""
        self._queue.put(message)

    @property
    def waiting(self) -> int:
        """Messages that are not in the database yet."""
        return self._queue.qsize() + len(self._unwritten)

    def close(self, timeout: float = 1.0) -> None:
        """Write what can be written within ``timeout`` seconds; spool the rest."""
        self._closing.set()
        self._thread.join(timeout)
        rest = list(self._unwritten)
        while not self._queue.empty():
            rest.append(self._queue.get_nowait())
        if rest and self._spool is not None:
            with self._spool.open("ab") as file:
                file.writelines(msgspec.json.encode(message) + b"\n" for message in rest)
            log.warning("%s messages not stored; spooled to %s", len(rest), self._spool)

    def _run(self) -> None:
        try:
            if not self._empty_spool():
                return
            while True:
                self._unwritten = self._next_batch()
                if not self._unwritten:
                    if self._closing.is_set():
                        return
                    continue
                if not self._write_until_done(self._unwritten):
                    return
                self._unwritten = []
        finally:
            connection.close()

    def _next_batch(self) -> list[Message]:
        try:
            batch = [self._queue.get(timeout=0.1)]
        except queue.Empty:
            return []
        while len(batch) < BATCH and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    def _write_until_done(self, batch: list[Message]) -> bool:
        pause = FIRST_RETRY
        while True:
            try:
                store(batch)
                break
            except IMPOSSIBLE:
                if len(batch) > 1:
                    return all(self._write_until_done([message]) for message in batch)
                self.impossible += 1
                log.exception("a message is set aside, the database cannot hold it: %s %s", batch[0].kind, batch[0].key)
                return True
            except (DatabaseError, InterfaceError) as error:
                self.retries += 1
                log.warning("%s messages not stored (%s); retrying", len(batch), error)
                connection.close()
                if self._closing.wait(pause):
                    return False
                pause = min(pause * 2, LONGEST_RETRY)
        self.written += len(batch)
        try:
            self._on_written({message.kind for message in batch})
        except Exception:
            log.exception("stored messages not announced; the sweepers will find them")
        return True

    def _empty_spool(self) -> bool:
        if self._spool is None or not self._spool.is_file():
            return True
        messages = []
        for line in self._spool.read_bytes().splitlines():
            try:
                messages.append(msgspec.json.decode(line, type=Message))
            except msgspec.MsgspecError:
                log.error("a line of %s is not a message: %s", self._spool, line[:200])
        if messages and not self._write_until_done(messages):
            return False
        self._spool.unlink()
        return True


def store(messages: list[Message]) -> None:
    """Insert in order; known keys are left as they are. Raises django.db.DatabaseError."""
    ExchangeMessage.objects.bulk_create(
        [
            ExchangeMessage(
                kind=m.kind,
                key=m.key,
                market_ticker=m.market_ticker,
                payload=m.payload,
                epoch=m.epoch,
                exchange_ms=m.exchange_ms,
            )
            for m in messages
        ],
        ignore_conflicts=True,
    )
