"""Work that a later run has done already: a message sent before the start of a run that ended well need not run again.

Ten messages to reconcile that piled up are one run, because the first of them that starts covers the nine that were sent before. Who sends
a message and who runs it may be different hosts, whose clocks may differ: both moments, and the one at which a message expires
(``kalbot.common.expiry``), are by Redis' clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import redis

from kalbot.common import cache, clock, messages

SENT: Final = "sent_ms"
"""The header of a task message with the Unix milliseconds of its sending, by Redis' clock."""
COVERED: Final = (messages.RECONCILE, messages.SETTLE, messages.SWEEP, messages.SWEEP_EXITS)
KEPT_SECONDS: Final = 3_600


@dataclass
class Run:
    """One run of the work. ``failed``: set it, and the run covers nothing."""

    needed: bool
    failed: bool = False


@contextmanager
def unless_covered(request: Any, name: str) -> Iterator[Run]:
    """Whether the run of ``name`` that ``request`` (Celery's) asks for is still needed; it covers others if the block ends well."""
    sent = getattr(request, SENT, None)
    run = Run(needed=not isinstance(sent, int) or sent >= _last(name))
    began = _now_ms()
    yield run
    if run.needed and not run.failed and began is not None:
        with suppress(redis.RedisError):
            cache.prices().set(_key(name), began, ex=KEPT_SECONDS)


def stamp(sender: str = "", headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Receiver of Celery's ``before_task_publish``: a message of ``COVERED`` says when it was sent, and one that expires when it does.
    While Redis is away the first goes without, and is run, and the second by this host's clock."""
    expires = None if headers is None else headers.get("expires")
    if headers is None or not (sender in COVERED or isinstance(expires, str)):
        return
    at = _now_ms()
    if at is None:
        return
    if sender in COVERED:
        headers.setdefault(SENT, at)
    if isinstance(expires, str):
        left = datetime.fromisoformat(expires) - datetime.now(UTC)
        headers["expires"] = (clock.from_ms(at) + left).isoformat()


def _now_ms() -> int | None:
    try:
        return cache.server_ms()
    except redis.RedisError:
        return None


def _key(name: str) -> str:
    return cache.key(f"covered:{name}")


def _last(name: str) -> int:
    try:
        found = cache.prices().get(_key(name))
    except redis.RedisError:
        return 0
    return int(found) if isinstance(found, bytes) else 0
