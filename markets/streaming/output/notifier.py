"""Sends task messages from a thread of its own, so that a slow broker never holds up a price. A message about prices says when they
were written and when it left.

Equal messages that wait are one message; each kind has a least interval per key; and while the queue of the receiver is long
no message about prices is sent at all: the receiver has work, and its next cycle reads fresh prices anyway.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import redis

from kalbot.common import cache, messages, trace
from markets.models import ExchangeMessage

log = logging.getLogger(__name__)

FULL_QUEUE: Final = 50
MEASURE_SECONDS: Final = 0.5
KEEP_SECONDS: Final = 60.0
APPLY_LIFECYCLE: Final = "markets.tasks.apply_lifecycle"
_ACCOUNT_KINDS: Final = {str(ExchangeMessage.Kind.FILL), str(ExchangeMessage.Kind.USER_ORDER)}

Message = tuple[str, tuple[Any, ...]]


class Notifier:
    """``notify`` from any thread; messages leave in the order of their due times."""

    def __init__(self, send: Callable[..., None] = messages.send_on_commit) -> None:
        self._send = send
        self._pending: dict[Message, float] = {}
        self._since: dict[Message, int] = {}
        self._last: dict[Message, float] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._queue_seen = 0.0
        self._queue_full = False
        self.sent = 0
        self.suppressed = 0
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def notify(self, name: str, *args: Any, interval: float = 0.0) -> None:
        """Send task ``name`` with ``args`` soon, but not within ``interval`` seconds of the last equal message."""
        message = (name, args)
        now = time.monotonic()
        with self._wake:
            if message in self._pending:
                return
            self._since[message] = trace.now()
            self._pending[message] = max(now, self._last.get(message, -KEEP_SECONDS) + interval)
            self._wake.notify()

    def may_leave(self, name: str, *args: Any, interval: float) -> bool:
        """Whether an equal message neither waits nor left within ``interval`` seconds."""
        message = (name, args)
        with self._wake:
            since = time.monotonic() - self._last.get(message, -KEEP_SECONDS)
            return message not in self._pending and since >= interval

    def left(self, name: str, *args: Any) -> None:
        """The message left on another way."""
        with self._wake:
            self._last[name, args] = time.monotonic()
            self.sent += 1

    def close(self, timeout: float = 1.0) -> None:
        """Send what is due and stop."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                due = self._due()
                while not due and not self._stopping:
                    self._wake.wait(self._until_next())
                    due = self._due()
                stopping = self._stopping
            for message in due:
                self._deliver(message)
            if stopping and not due:
                return

    def _due(self) -> list[Message]:
        now = time.monotonic()
        due = [message for message, at in self._pending.items() if at <= now or self._stopping]
        for message in due:
            del self._pending[message]
            self._last[message] = now
        if len(self._last) > 10_000:
            self._last = {message: at for message, at in self._last.items() if now - at < KEEP_SECONDS}
        return due

    def _until_next(self) -> float | None:
        if not self._pending:
            return None
        return max(0.001, min(self._pending.values()) - time.monotonic())

    def _deliver(self, message: Message) -> None:
        name, args = message
        since = self._since.pop(message, 0)
        is_price = name == messages.EVALUATE_EVENT
        if is_price and self._queue_full:
            self._measure()
            if self._queue_full:
                self.suppressed += 1
                return
        try:
            moments = (since, trace.now()) if is_price else ()
            self._send(name, *args, *moments)
            self.sent += 1
        except Exception:
            log.exception("task %s was not sent", name)
        if is_price:
            self._measure()  # behind the message: a price does not wait for the answer

    def _measure(self) -> None:
        """See whether the receiver's queue is long, unless that was seen a moment ago."""
        now = time.monotonic()
        if now - self._queue_seen > MEASURE_SECONDS:
            self._queue_seen = now
            try:
                self._queue_full = cache.queue_depths(["strategy"])["strategy"] > FULL_QUEUE
            except redis.RedisError:
                self._queue_full = True


def notify_stored(notifier: Notifier) -> Callable[[set[str]], None]:
    """For ``Inbox``: send the tasks that apply messages of the stored kinds."""

    def send(kinds: set[str]) -> None:
        if kinds & _ACCOUNT_KINDS:
            notifier.notify(messages.APPLY_MESSAGES)
        if kinds - _ACCOUNT_KINDS:
            notifier.notify(APPLY_LIFECYCLE)

    return send
