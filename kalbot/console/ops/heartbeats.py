"""Signs of life in Redis: who works on each queue, beat, and how deep the queues are. A Redis that is away shows as nobody alive."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import redis
from celery import signals

from kalbot.common import cache, clock
from kalbot.common.messages import QUEUES

KEY: Final = cache.key("alive:")
NODES: Final = cache.key("nodes")
BEAT: Final = "beat"
SENT: Final = cache.key("console:sent")
LATE_MS: Final = 20_000
"""Four heartbeats: a worker that is only busy must not count as dead."""
KEPT_SECONDS: Final = 86_400
GONE_MS: Final = 900_000
"""A process that ended without a word is missed for so long."""
_last_beat = 0.0


@dataclass(frozen=True)
class Node:
    """One worker or beat. ``skew_ms``: its host's clock minus Redis' own; ``names``: its queues, or beat."""

    node: str
    names: tuple[str, ...]
    age_ms: int
    skew_ms: int


def show_life(who: str, **more: Any) -> None:
    """Write that ``who`` (a queue's name, or beat) is alive now."""
    sign = {"at_ms": clock.now_ms(), "host": socket.gethostname(), "pid": os.getpid(), **more}
    with suppress(redis.RedisError):
        cache.prices().set(f"{KEY}{who}", json.dumps(sign), ex=KEPT_SECONDS)


def show_node(node: str, names: list[str]) -> None:
    """Write that this process is alive, by Redis' clock, and how far our own is off. Raises redis.RedisError."""
    client = cache.prices()
    at = _redis_ms(client)
    sign = {"at_ms": at, "skew_ms": clock.now_ms() - at, "names": names}
    client.hset(NODES, node, json.dumps(sign))
    client.expire(NODES, KEPT_SECONDS)


def forget_node(node: str) -> None:
    """The process ended as it should. Raises redis.RedisError."""
    cache.prices().hdel(NODES, node)


def nodes() -> list[Node]:
    """Every worker and beat seen in the last quarter of an hour, silent ones too. Older ones are forgotten. Raises redis.RedisError."""
    client = cache.prices()
    rows = cast("dict[bytes, bytes]", client.hgetall(NODES))
    now, found = _redis_ms(client), []
    for name, value in sorted(rows.items()):
        sign = json.loads(value)
        node = Node(name.decode(), tuple(sign["names"]), max(0, now - sign["at_ms"]), sign["skew_ms"])
        if node.age_ms > GONE_MS:
            client.hdel(NODES, name)
        else:
            found.append(node)
    return found


def beat_node() -> str:
    """What this process is called if it is beat."""
    return f"beat@{socket.gethostname()}:{os.getpid()}"


def _redis_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000


def signs() -> dict[str, dict[str, Any]]:
    """{queue or "beat": {"age_ms", "host", "pid", "worker"}}; those never seen are absent."""
    names = [*QUEUES, BEAT]
    try:
        values = cache.prices().mget([f"{KEY}{name}" for name in names])
    except redis.RedisError:
        return {}
    now = clock.now_ms()
    found = {name: json.loads(value) for name, value in zip(names, values, strict=True) if value}
    return {name: {**sign, "age_ms": now - sign["at_ms"]} for name, sign in found.items()}


def depths() -> dict[str, int] | None:
    """Messages waiting in each queue; None when the broker does not answer."""
    try:
        return cache.queue_depths(QUEUES)
    except redis.RedisError:
        return None


def watch_beat() -> None:
    """In the beat process: each published message is a sign of life, written at most once a second."""
    signals.beat_init.connect(_beat_started, dispatch_uid="console.beat")


def _beat_started(**kwargs: Any) -> None:
    show_life(BEAT)
    signals.after_task_publish.connect(_beat_published, dispatch_uid="console.beat.publish")


def _beat_published(sender: Any = None, routing_key: str = "", **kwargs: Any) -> None:
    global _last_beat
    with suppress(redis.RedisError):
        cache.prices().hset(SENT, f"{sender}|{routing_key}", clock.now_ms())
    if time.monotonic() - _last_beat >= 1:
        _last_beat = time.monotonic()
        show_life(BEAT)


Sent = dict[tuple[str, str], datetime]
"""{(task, queue): when beat last sent it}."""


def last_sent() -> Sent:
    """{(task, queue): when beat last sent it}. DatabaseScheduler writes its own column only every three minutes."""
    try:
        rows = cache.prices().hgetall(SENT)
    except redis.RedisError:
        return {}
    found = {}
    for field, moment in rows.items():
        name, _, queue = (field.decode() if isinstance(field, bytes) else field).rpartition("|")
        found[name, queue] = clock.from_ms(int(moment))
    return found
