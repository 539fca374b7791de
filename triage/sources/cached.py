"""Snapshots in Redis: what a fetch brought, for all processes. Emptying it costs a fetch, nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Final

import redis

from kalbot.common import cache
from markets.tape.recorder import recorder
from triage.sources.protocol import Snapshot, SourceError

log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 6 * 3600
"""Garbage collection. Whether a snapshot is fresh enough is for the source to say."""


def key(source: str, subject: str) -> str:
    """The Redis key of a snapshot."""
    return cache.key(f"triage:snapshot:{source}:{subject}")


def store(source: str, subject: str, snapshot: Snapshot) -> None:
    """Keep a snapshot. SourceError when Redis is away."""
    tape = recorder("triage")
    if tape is not None:
        tape.source(source, subject, snapshot.fetched_ms, snapshot.as_of_ms, snapshot.data)
    value = json.dumps([snapshot.fetched_ms, snapshot.as_of_ms, snapshot.data], separators=(",", ":"))
    try:
        cache.prices().set(key(source, subject), value, ex=KEPT_SECONDS)
    except redis.RedisError as error:
        raise SourceError("Redis is away") from error


def load(wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Snapshot]:
    """The snapshots of these (source, subject) in one round trip; what is missing or unreadable is absent."""
    if not wanted:
        return {}
    try:
        values: list[bytes | None] = cache.prices().mget([key(*pair) for pair in wanted])  # type: ignore[assignment]
    except redis.RedisError:
        return {}
    found = {}
    for pair, value in zip(wanted, values, strict=True):
        if value is None:
            continue
        try:
            fetched, as_of, data = json.loads(value)
            found[pair] = Snapshot(int(fetched), int(as_of), dict(data))
        except (ValueError, TypeError):
            log.warning("unreadable snapshot of %s", pair)
    return found
