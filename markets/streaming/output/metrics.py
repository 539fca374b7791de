"""The stream's metrics: counters, and the JSON document that the console and ``/metrics`` read."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

import redis

from markets.prices import METRICS_KEY


class Metrics:
    """Counters of the whole process; they go on over reconnects."""

    def __init__(self) -> None:
        self.messages = 0
        self.applied = 0
        self.ignored = 0
        self.rejected = 0
        self.gaps = 0
        self.suspected = 0
        self.repairs = 0
        self.over_limit = 0
        self.given_up = 0
        self.connects = 0
        self.disconnects = 0
        self.flushes = 0
        self.records = 0
        self.redis_errors = 0
        self.lag_ms = 0
        self.compared = 0
        self.diverged = 0
        self.error = ""
        self.state = "starting"
        self._last = (0, 0)

    def document(self, now_ms: int, **more: Any) -> dict[str, Any]:
        """Everything as plain JSON. ``per_second`` is over the time since the last call; ``at_ms`` is now.

        ``divergence_ppm``: of a million books compared with REST, so many differed and stayed so."""
        then_ms, then_messages = self._last
        seconds = (now_ms - then_ms) / 1000
        rate = round((self.messages - then_messages) / seconds, 1) if then_ms and seconds > 0 else 0.0
        self._last = (now_ms, self.messages)
        parts = round(1e6 * self.diverged / self.compared) if self.compared else 0
        plain = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {
            **plain,
            "divergence_ppm": parts,
            "per_second": rate,
            "at_ms": now_ms,
            "pid": os.getpid(),
            "rss_mb": rss_mb(),
            **more,
        }


def publish(client: redis.Redis, partition: int, document: dict[str, Any], standby: bool = False) -> None:
    """Store the document. A standby writes under its own key, so that it never covers the leader's."""
    key = f"{METRICS_KEY}{partition}" + (f":standby:{document['pid']}" if standby else "")
    client.set(key, json.dumps(document), px=60_000)


def rss_mb() -> float:
    """Resident memory of this process in MB."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return round(int(file.read().split()[1]) * resource.getpagesize() / 1e6, 1)
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)
