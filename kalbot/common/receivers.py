"""Threads of a worker that take work past Celery's queue and run it with the very task that the queue would run, through Celery's own
tracer: what happens before, after and on the failure of a task happens here too.

A pool of threads has some beside its own, and each process of a pool of processes one. Celery's limit on the time of a task does not hold
for them, so they have their own: a thread that is over it is named in an error with the place where it stands, is ended, and another
takes its place. It may be that it cannot end. Therefore nobody of this process begins what one of them is still at, and after a few of
them there are no more replacements: then nobody says any longer that he waits, and all work comes through the queue.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol
from uuid import uuid4

import redis
from celery import current_app, signals
from celery.app.trace import build_tracer

from kalbot.common import messages
from kalbot.common.db import connections

BESIDE_THREADS: Final = 2
"""In a pool of threads. While one works, the other may wait for the database or the exchange."""
PAUSE_SECONDS: Final = 1.0
"""After a fault, before the next attempt."""
ENDS_SECONDS: Final = 25.0
"""Most that a worker which ends waits for what was taken: a purchase half done at a slow exchange is finished, not left to whoever finds it
when its lease has lapsed. Less than who runs the worker waits before it is killed (``docker-compose.yml``: 30 s)."""
WATCH_SECONDS: Final = 1.0
MOST_STUCK: Final = 4
"""So many threads that do not end have others in their place."""
log = logging.getLogger(__name__)


class Overran(BaseException):
    """Raised in a thread that is over its limit, wherever it stands. No handler of ordinary errors keeps it from ending."""


class Source(Protocol):
    """Where one receiver has its work from."""

    def take(self) -> list[Any] | None:
        """The arguments of the task that is to run now; None when there was none for a moment. The first says what it is about.
        Raises redis.RedisError."""

    def leave(self) -> None:
        """Say that this receiver waits no more. Raises redis.RedisError."""

    def left(self) -> list[Any] | None:
        """What was given to this receiver alone and not taken yet. Raises redis.RedisError."""


class Receiver:
    """One thread; ``stop`` lets it finish what it has taken."""

    def __init__(self, crew: Crew, source: Source, node: str) -> None:
        task = current_app.tasks[crew.task]
        self._crew, self._source, self._node = crew, source, node
        self._trace = build_tracer(task.name, task, current_app.loader, node, app=current_app)
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="express", daemon=True)
        self.about: Any = None
        """The first argument of what it is at; None while it waits."""
        self.since = 0.0

    def start(self) -> None:
        """Begin to take work, as soon as the thread is ready for the first."""
        self.thread.start()

    def stop(self) -> None:
        """Take nothing further."""
        self._stopping.set()

    def leave(self) -> None:
        """Have nothing more given to it. Never raises."""
        with suppress(redis.RedisError):
            self._source.leave()

    def is_over(self) -> bool:
        """Whether what it is at takes longer than it may."""
        return self.about is not None and time.monotonic() - self.since > self._crew.limit_seconds

    def _run(self) -> None:
        try:
            self._crew.rehearse()
            while not self._stopping.is_set():
                self._guarded(self._source.take)
            self.leave()
            self._guarded(self._source.left)
        except Overran:
            log.warning("a thread that was over its limit has ended")
        finally:
            connections.close()

    def _guarded(self, take: Callable[[], list[Any] | None]) -> None:
        try:
            args = take()
            if args is not None:
                self._work(args)
        except redis.RedisError as error:
            log.warning("nothing can be taken past the queue: %s", type(error).__name__)
            self._stopping.wait(PAUSE_SECONDS)
        except Overran:
            raise
        except BaseException:  # also what ends a process where a task of its own raises it
            log.exception("taking work past the queue goes on after a fault")
            self._stopping.wait(PAUSE_SECONDS)

    def _work(self, args: list[Any]) -> None:
        if not self._crew.may_begin(self, args[0]):
            log.warning("%s of %s is in work for long; it is not begun beside", self._crew.task, args[0])
            return
        try:
            self._run_task(args)
        finally:
            self.about = None

    def _run_task(self, args: list[Any]) -> None:
        number = str(uuid4())
        self._trace(
            number,
            args,
            {},
            {
                "id": number,
                "task": self._crew.task,
                "hostname": self._node,
                "delivery_info": {"exchange": "", "routing_key": self._crew.queue},
                "ignore_result": True,
            },
        )


class Crew:
    """The receivers of one task in this process. ``source`` makes one for each; ``limit_seconds``: how long one run may take."""

    def __init__(
        self, task: str, source: Callable[[], Source], rehearse: Callable[[], None], limit_seconds: float
    ) -> None:
        self.task, self.rehearse, self.limit_seconds = task, rehearse, limit_seconds
        self.queue: Final = messages.ROUTES[task]["queue"]
        self._source = source
        self._node = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None
        self.receivers: list[Receiver] = []
        self.stuck: list[Receiver] = []
        """Those that were over their limit and have not ended."""

    def connect(self) -> None:
        """Hang the threads into Celery's signals; called once when the tasks are known."""
        for signal, act in (
            (signals.worker_init, self._know_name),
            (signals.worker_ready, self.begin),
            (signals.worker_process_init, self.begin_in_child),
            (signals.worker_shutting_down, self.end_soon),
            (signals.worker_shutdown, self.end),
            (signals.worker_process_shutdown, self.end),
        ):
            signal.connect(act, dispatch_uid=f"express.{self.task}")  # else two crews are one for Celery

    def start(self, count: int, node: str) -> None:
        """Have ``count`` receivers take work."""
        self._node = node
        self._ended = threading.Event()
        self.receivers, self.stuck = [self._new() for _ in range(count)], []
        self._watch = threading.Thread(target=self._keep_watch, args=[self._ended], name="express watch", daemon=True)
        self._watch.start()

    def _new(self) -> Receiver:
        receiver = Receiver(self, self._source(), self._node)
        receiver.start()
        return receiver

    def may_begin(self, receiver: Receiver, about: Any) -> bool:
        """Note that ``receiver`` is at ``about``, unless another of this process is."""
        with self._lock:
            if any(other.about == about for other in [*self.receivers, *self.stuck]):
                return False
            receiver.about, receiver.since = about, time.monotonic()
            return True

    def _keep_watch(self, ended: threading.Event) -> None:
        while not ended.wait(WATCH_SECONDS):
            try:
                self.watch()
            except Exception:
                log.exception("the time of what is taken past the queue was not watched")

    def watch(self) -> None:
        """Name and replace each receiver that is over its limit."""
        self.stuck = [receiver for receiver in self.stuck if receiver.thread.is_alive()]
        for receiver in [receiver for receiver in self.receivers if receiver.is_over()]:
            log.error(
                "%s of %s has taken more than %g s; its thread is to end. It stands at:\n%s",
                self.task,
                receiver.about,
                self.limit_seconds,
                _place(receiver.thread),
            )
            receiver.stop()
            with self._lock:
                self.stuck.append(receiver)
                self.receivers.remove(receiver)
            if receiver.is_over():  # still
                _raise_in(receiver.thread)
            if self._ended.is_set():
                return  # nobody takes a place in a worker that ends
            if len(self.stuck) <= MOST_STUCK:
                self.receivers.append(self._new())
            else:
                log.error(
                    "%s threads do not end: nobody takes the place of this one until the worker is started again",
                    MOST_STUCK,
                )

    def is_wanted(self) -> bool:
        """Whether this worker reads the queue of the task."""
        return self.queue in current_app.amqp.queues.consume_from

    def _know_name(self, sender: Any = None, **kwargs: object) -> None:
        self._node = str(sender.hostname)

    def begin(self, sender: Any, **kwargs: object) -> None:
        """In a worker whose pool has threads."""
        if getattr(sender.pool, "executor", None) is not None and self.is_wanted():
            self.start(BESIDE_THREADS, self._node)

    def begin_in_child(self, **kwargs: object) -> None:
        """In each process of a pool of them, which has none of its parent's threads."""
        self.receivers, self.stuck, self._lock = [], [], threading.Lock()
        if self.is_wanted():
            self.start(1, self._node)

    def end_soon(self, **kwargs: object) -> None:
        """The worker takes no further message."""
        for receiver in self.receivers:
            receiver.stop()

    def end(self, **kwargs: object) -> None:
        """Finish what was taken, as a task of the pool is finished, but do not wait for it for ever."""
        self._ended.set()
        self.end_soon()
        for receiver in self.receivers:
            receiver.leave()
        until = time.monotonic() + ENDS_SECONDS
        for receiver in self.receivers:
            receiver.thread.join(max(0.0, until - time.monotonic()))
        self.receivers, self.stuck = [], []


def _place(thread: threading.Thread) -> str:
    """Where a thread stands, as a traceback shows it."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "" if frame is None else "".join(traceback.format_stack(frame)[-12:])


def _raise_in(thread: threading.Thread) -> None:
    """Python raises ``Overran`` in the thread as soon as it runs a line of its own."""
    with suppress(ValueError):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Overran))
