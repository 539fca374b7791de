"""The pulse of a worker and of beat: a thread that shows life while the main loop gets on.

A main loop that waits for a broker that is away does not get on either, and must not be ended for it: while Redis does not answer, the
thread goes on showing life by file (``kalbot.common.life``) only. Every sign in Redis carries the skew of the host's clock against Redis'.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Final

import redis
from celery import signals
from django_celery_beat.schedulers import DatabaseScheduler

from kalbot.command_line import missing
from kalbot.common import cache, life
from kalbot.common.errors import SettingError
from kalbot.console.ops import checks
from kalbot.console.ops.health import heartbeats
from markets import identity

PERIOD_SECONDS: Final = 5.0
STUCK_SECONDS: Final = 30.0
"""A main loop gets on every five seconds; one that has not for so long shows no life any more."""


class Pulse:
    """Shows the life of this process as ``names`` (queues, or beat) and as ``node`` until ``stop``."""

    def __init__(self, node: str, names: list[str]) -> None:
        self.node = node
        self.names = names
        self._progress = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Show life at once and from now on."""
        self.beat()
        self._thread.start()

    def progress(self, **kwargs: Any) -> None:
        """The main loop got on."""
        self._progress = time.monotonic()

    def beat(self) -> None:
        """One sign, if the main loop gets on or cannot because Redis is away."""
        stuck = time.monotonic() - self._progress > STUCK_SECONDS
        try:
            if stuck:
                cache.broker().ping()
                return
            heartbeats.show_node(self.node, self.names)
        except redis.RedisError:
            pass
        for name in self.names:
            life.touch(name)

    def stop(self, **kwargs: Any) -> None:
        """The process ends as it should: nobody misses it."""
        self._stopping.set()
        life.forget()
        with suppress(redis.RedisError):
            heartbeats.forget_node(self.node)

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_SECONDS):
            self.beat()


_pulse: Pulse | None = None


def connect() -> None:
    """Hang the pulse into Celery's signals; called once when the application is ready."""
    signals.worker_init.connect(_require, dispatch_uid="console.pulse.require")
    signals.worker_ready.connect(_worker_ready, dispatch_uid="console.pulse.ready")
    signals.heartbeat_sent.connect(_progress, dispatch_uid="console.pulse.progress")
    signals.worker_shutdown.connect(_stop, dispatch_uid="console.pulse.stop")
    signals.beat_init.connect(_beat_started, dispatch_uid="console.pulse.beat")


class Scheduler(DatabaseScheduler):
    """django-celery-beat's, whose every round is progress, and which reads no schedule of another installation."""

    def setup_schedule(self) -> None:
        """See Celery's Scheduler."""
        _require()
        try:
            super().setup_schedule()
        except Exception as error:
            if words := missing(error):
                raise SystemExit(f"kalbot: {words}") from None
            raise

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """See Celery's Scheduler."""
        _progress()
        return super().tick(*args, **kwargs)

    def close(self) -> None:
        """See Celery's Scheduler."""
        _stop()
        super().close()


def _require(**kwargs: Any) -> None:
    try:
        identity.require()
        checks.require()
    except SettingError as error:
        raise SystemExit(f"kalbot: {error}") from None


def _worker_ready(sender: Any = None, **kwargs: Any) -> None:
    _start(str(sender.hostname), [str(name) for name in sender.app.amqp.queues.consume_from])


def _beat_started(**kwargs: Any) -> None:
    _start(heartbeats.beat_node(), [heartbeats.BEAT])


def _start(node: str, names: list[str]) -> None:
    global _pulse
    _pulse = Pulse(node, names)
    _pulse.start()


def _progress(**kwargs: Any) -> None:
    if _pulse is not None:
        _pulse.progress()


def _stop(**kwargs: Any) -> None:
    if _pulse is not None:
        _pulse.stop()
