"""Signs of life in Redis: who works on each queue, beat, and how deep the queues are."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import msgspec
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


class Sign(msgspec.Struct):
    """What is stored of one: when, by Redis' clock; of a node also its clock's skew and what it works on."""

    at_ms: int
    host: str = ""
    pid: int = 0
    worker: str = ""
    skew_ms: int = 0
    names: tuple[str, ...] = ()


def show_life(who: str, worker: str = "") -> None:
    """Write that ``who`` (a queue's name, or beat) is alive now, by Redis' clock: a host's own may be wrong."""
    with suppress(redis.RedisError):
        client = cache.prices()
        sign = Sign(cache.server_ms(), socket.gethostname(), os.getpid(), worker)
        client.set(f"{KEY}{who}", msgspec.json.encode(sign), ex=KEPT_SECONDS)


def show_node(node: str, names: list[str]) -> None:
    """Write that this process is alive, by Redis' clock, and how far our own is off. Raises redis.RedisError."""
    client = cache.prices()
    at = cache.server_ms()
    sign = Sign(at, skew_ms=clock.now_ms() - at, names=tuple(names))
    client.hset(NODES, node, msgspec.json.encode(sign))
    client.expire(NODES, KEPT_SECONDS)


def forget_node(node: str) -> None:
    """The process ended as it should. Raises redis.RedisError."""
    cache.prices().hdel(NODES, node)


def nodes() -> list[Node]:
    """Every worker and beat seen in the last quarter of an hour, silent ones too. Older ones are forgotten. Raises redis.RedisError."""
    client = cache.prices()
    rows = cast("dict[bytes, bytes]", client.hgetall(NODES))
    now, found = cache.server_ms(), []
    for name, value in sorted(rows.items()):
        node = _node(name, value, now)
        if node is None or node.age_ms > GONE_MS:
            client.hdel(NODES, name)
        else:
            found.append(node)
    return found


def _node(name: bytes, value: bytes, now: int) -> Node | None:
    """One row; None when it cannot be read, which another version may have written."""
    try:
        sign = msgspec.json.decode(value, type=Sign)
        return Node(name.decode(), sign.names, max(0, now - sign.at_ms), sign.skew_ms)
    except ValueError:  # msgspec's and UnicodeDecodeError
        return None


def beat_node() -> str:
    """What this process is called if it is beat."""
    return f"beat@{socket.gethostname()}:{os.getpid()}"


def signs() -> dict[str, dict[str, Any]]:
    """{queue or "beat": {"age_ms", "host", "pid", "worker"}}; those never seen, or written by another version, are absent. Raises
    redis.RedisError."""
    names, client = [*QUEUES, BEAT], cache.prices()
    values, now = client.mget([f"{KEY}{name}" for name in names]), cache.server_ms()
    found = {}
    for name, value in zip(names, values, strict=True):
        with suppress(msgspec.MsgspecError):
            sign = msgspec.json.decode(value or b"", type=Sign)
            found[name] = {**msgspec.structs.asdict(sign), "age_ms": max(0, now - sign.at_ms)}
    return found


def silent(names: Sequence[str]) -> list[str]:
    """Those of ``names`` (queues, beat) that are to blame for their silence. A queue on which a worker lives is not while beat sends
    nothing: no message would come to it. Raises redis.RedisError."""
    shown = signs()
    late = {name for name in (*QUEUES, BEAT) if name not in shown or shown[name]["age_ms"] > LATE_MS}
    lives = {name for node in nodes() if node.age_ms <= LATE_MS for name in node.names} - {BEAT}
    return [name for name in names if name in late and not (BEAT in late and name in lives)]


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
        cache.prices().hset(SENT, f"{sender}|{routing_key}", cache.server_ms())
    if time.monotonic() - _last_beat >= 1:
        _last_beat = time.monotonic()
        show_life(BEAT)


Sent = dict[tuple[str, str], datetime]
"""{(task, queue): when beat last sent it}."""


def last_sent() -> Sent:
    """``sent``; nothing while Redis is away."""
    try:
        return sent()
    except redis.RedisError:
        return {}


def sent() -> Sent:
    """{(task, queue): when beat last sent it}, as this host's clock would have it. DatabaseScheduler writes its own column only every
    three minutes. Raises redis.RedisError."""
    client = cache.prices()
    rows, ahead = cast("dict[bytes, bytes]", client.hgetall(SENT)), clock.now_ms() - cache.server_ms()
    found = {}
    for field, moment in rows.items():
        with suppress(ValueError, OverflowError):
            name, _, queue = field.decode().rpartition("|")
            found[name, queue] = clock.from_ms(int(moment) + ahead)
    return found
