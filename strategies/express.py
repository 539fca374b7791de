"""Threads of a worker that take events from ``kalbot.common.express`` and evaluate them with the very task that Celery's queue would run,
through Celery's own tracer: what happens before, after and on the failure of a task happens here too.

A pool of threads has two of them beside its own, and each process of a pool of processes one. Celery's limit on the time of a task does
not hold for them: while one of them does not get on, nobody says that the worker waits, and what is due comes through the queue again.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import redis
from celery import current_app, signals
from celery.app.trace import build_tracer

from kalbot.common import express, messages
from strategies.cycle import rehearsal

BESIDE_THREADS: Final = 2
"""While one evaluates an event, the other may wait for the database."""
SAYS_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 1.0
"""After a fault, before the next attempt."""
ENDS_SECONDS: Final = 10.0
"""Most that a worker which ends waits for an evaluation."""
QUEUE: Final = messages.ROUTES[messages.EVALUATE_EVENT]["queue"]
log = logging.getLogger(__name__)


class Receiver:
    """One thread; ``stop`` lets it finish what it has taken."""

    def __init__(self, node: str) -> None:
        task = current_app.tasks[messages.EVALUATE_EVENT]
        self._node = node
        self._trace = build_tracer(task.name, task, current_app.loader, node, app=current_app)
        self._stopping = threading.Event()
        self._said = 0.0
        self._thread = threading.Thread(target=self._run, name="express", daemon=True)

    def start(self) -> None:
        """Begin to take events, as soon as the thread is ready for the first."""
        self._thread.start()

    def stop(self) -> None:
        """Take no further event."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait for the evaluation of now."""
        self._thread.join(seconds)

    def _run(self) -> None:
        rehearsal.run()
        while not self._stopping.is_set():
            try:
                self._step()
            except redis.RedisError as error:
                log.warning("no event can be taken: %s", type(error).__name__)
                self._stopping.wait(PAUSE_SECONDS)
            except BaseException:  # also what ends a process where a task of its own raises it
                log.exception("taking events goes on after a fault")
                self._stopping.wait(PAUSE_SECONDS)

    def _step(self) -> None:
        now = time.monotonic()
        if now - self._said >= SAYS_SECONDS:
            express.serve()
            self._said = now
        taken = express.take()
        if taken is not None:
            self._evaluate(taken)

    def _evaluate(self, taken: express.Taken) -> None:
        number, args = str(uuid4()), [taken.event, taken.at_us, taken.at_us]
        self._trace(
            number,
            args,
            {},
            {
                "id": number,
                "task": messages.EVALUATE_EVENT,
                "hostname": self._node,
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "ignore_result": True,
            },
        )


_receivers: list[Receiver] = []
_node = ""


def _start(count: int, node: str) -> None:
    for _ in range(count):
        receiver = Receiver(node)
        _receivers.append(receiver)
        receiver.start()


def _is_wanted() -> bool:
    """Whether this worker reads the queue on which events are evaluated."""
    return QUEUE in current_app.amqp.queues.consume_from


def connect() -> None:
    """Hang the threads into Celery's signals; called once when the tasks are known."""
    signals.worker_init.connect(_know_name)
    signals.worker_ready.connect(begin)
    signals.worker_process_init.connect(begin_in_child)
    signals.worker_shutting_down.connect(end_soon)
    signals.worker_shutdown.connect(end)
    signals.worker_process_shutdown.connect(end)


def _know_name(sender: Any = None, **kwargs: object) -> None:
    global _node
    _node = str(sender.hostname)


def begin(sender: Any, **kwargs: object) -> None:
    """In a worker whose pool has threads."""
    if getattr(sender.pool, "executor", None) is not None and _is_wanted():
        _start(BESIDE_THREADS, _node)


def begin_in_child(**kwargs: object) -> None:
    """In each process of a pool of them."""
    _receivers.clear()  # a process that is forked has none of its parent's threads
    if _is_wanted():
        _start(1, _node)


def end_soon(**kwargs: object) -> None:
    """The worker takes no further message."""
    for receiver in _receivers:
        receiver.stop()


def end(**kwargs: object) -> None:
    """Finish what was taken, as a task of the pool is finished, but do not wait for it for ever."""
    if not _receivers:
        return
    end_soon()
    with suppress(redis.RedisError):
        express.leave()
    until = time.monotonic() + ENDS_SECONDS
    for receiver in _receivers:
        receiver.join(max(0.0, until - time.monotonic()))
    _receivers.clear()
