"""Messages expire by Redis' clock, as ``covered.stamp`` sent them: a worker whose own is ten minutes ahead would drop each of its
messages, and so would every worker those of a beat that is behind. Apart from ``covered``, since it brings Celery's worker with it."""

from __future__ import annotations

from typing import Literal

import redis
from celery.worker import request
from celery.worker.state import revoked

from kalbot.common import cache, clock


class Request(request.Request):
    """Celery's, which would go by the clock of the worker's host."""

    def maybe_expire(self) -> Literal[True] | None:
        """See Celery."""
        if self.expires is None:
            return None
        try:
            now = clock.from_ms(cache.server_ms())
        except redis.RedisError:
            return super().maybe_expire()
        if now <= self.expires:
            return None
        revoked.add(self.id)
        return True
