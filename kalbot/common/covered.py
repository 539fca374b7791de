"""Work that a later run has done already: a message sent before the start of a run that ended well need not run again.

Ten messages to reconcile that piled up are one run, because the first of them that starts covers the nine that were sent before. Who sends
a message and who runs it may be different hosts: a clock a little off costs a run too many or leaves one to the next period.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import redis

from kalbot.common import cache, clock

SENT: Final = "sent_ms"
"""The header of a task message with the Unix milliseconds of its sending."""
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
    began = clock.now_ms()
    yield run
    if run.needed and not run.failed:
        with suppress(redis.RedisError):
            cache.prices().set(_key(name), began, ex=KEPT_SECONDS)


def stamp(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Receiver of Celery's ``before_task_publish``: every message says when it was sent."""
    if headers is not None:
        headers.setdefault(SENT, clock.now_ms())


def _key(name: str) -> str:
    return cache.key(f"covered:{name}")


def _last(name: str) -> int:
    try:
        found = cache.prices().get(_key(name))
    except redis.RedisError:
        return 0
    return int(found) if isinstance(found, bytes) else 0
