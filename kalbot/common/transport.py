"""Celery's Redis transport, for which an unreadable message in a queue is a log line and not the end of the worker.

kombu parses what it pops without a guard: one value that is not JSON, or has not the shape of a message, ends the process, and so would
the next one. Here it is named, set aside (it is out of the queue already), and the next one is read.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Empty
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.scheduling import priority_cycle

from kalbot.common import cache
from kalbot.common.messages import EVALUATE_EVENT

KEPT: Final = 100
"""The newest unreadable messages are kept in Redis for whoever searches for their origin."""
TAKE_TURNS: Final = ("scan", "triage", "default")
"""Queues of which none goes before another; all that concerns money goes before them, in the order of a worker's ``-Q``."""
NOT_KEPT: Final = (EVALUATE_EVENT,)
"""Tasks whose messages are not noted in Redis while they are in work: that took as long as their whole way from the broker to a thread."""
log = logging.getLogger(__name__)


def _name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _moment(value: object) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value).astimezone(UTC))
    except (ValueError, OverflowError):
        return False


HEADERS: Final[dict[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("task", "id"), _name),
    **dict.fromkeys(("lang", "root_id", "parent_id", "group", "origin", "argsrepr", "kwargsrepr", "shadow"), _text),
    "expires": _moment,
    "retries": lambda value: value is None or (type(value) is int and value >= 0),
    "timelimit": lambda value: value in (None, [None, None]),
    "eta": lambda value: value is None,  # until then it would hold a slot of the worker; none of our messages waits
    "ignore_result": lambda value: value in (None, True, False),
    "redelivered": lambda value: value in (None, True, False),
    "sent_ms": lambda value: value is None or type(value) is int,
}
"""What a header may be. Celery's other headers (stamps, chords, replacements) are used by none of our messages."""


def register() -> None:
    """Make ``redis://`` and ``rediss://`` brokers use this transport."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"


class Turns(priority_cycle):  # type: ignore[type-arg]  # generic in its stubs alone
    """Queues in the order of a worker's ``-Q``, but ``TAKE_TURNS`` take turns: one that is overfull keeps no other waiting."""

    def rotate(self, last_used: str) -> None:
        """See kombu: a message of ``last_used`` was read."""
        items = self.items or []
        places = [place for place, name in enumerate(items) if name in TAKE_TURNS]
        if last_used in TAKE_TURNS and last_used in items:
            names = [items[place] for place in places if items[place] != last_used]
            for place, name in zip(places, [*names, last_used], strict=True):
                items[place] = name


class QoS(redis.QoS):
    """Messages in work are kept in Redis until they are done, but for those that nobody would want again ten minutes later: what a
    worker that ends leaves of ``NOT_KEPT`` is lost, and the next cycle, or the next price, does it."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """See kombu."""
        if _is_kept(message):
            super().append(message, delivery_tag)
        else:
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """See kombu."""
        in_work: dict[str, Any] = self._delivered or {}
        if _is_kept(in_work.get(delivery_tag)):
            super().ack(delivery_tag)
        else:
            virtual.QoS.ack(self, delivery_tag)


def _is_kept(message: Any) -> bool:
    return message is None or message.headers.get("task") not in NOT_KEPT


class Channel(redis.Channel):
    """Reads one message at a time. kombu makes a client for each command that it sends beside; one serves as long as its connections do."""

    QoS = QoS
    _kept: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._queue_cycle = Turns()

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous)  # type: ignore[misc]  # the stubs leave it out
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc]
        return self._kept

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # the stubs leave it out
        except (ValueError, RecursionError) as error:  # neither UTF-8 nor JSON, or nested without end
            _set_aside(getattr(error, "doc", None) or getattr(error, "object", b""), str(error))
            raise Empty from None


class Transport(redis.Transport):
    """Gives a consumer only what has the shape of our messages; headers of other kinds are left out."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> None:
        problem = problem_of(message)
        if problem:
            _set_aside(message, problem)
            return
        message["headers"] = {name: value for name, value in message["headers"].items() if name in HEADERS}
        super()._deliver(message, queue)


def problem_of(message: Any) -> str:
    """Why a worker must not see this; empty when it has the shape of a message. Celery itself checks little: a time limit that is none
    takes a slot of the worker and never gives it back."""
    if not isinstance(message, dict):
        return "it is not an object"
    properties, headers = message.get("properties"), message.get("headers")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_tag"), str):
        return "it has no delivery tag"
    info = properties.get("delivery_info")
    if not isinstance(info, dict) or not all(isinstance(info.get(name), str) for name in ("exchange", "routing_key")):
        return "it does not say where it belongs"
    if not isinstance(headers, dict):
        return "it has no headers"
    for name, right in HEADERS.items():
        if not right(headers.get(name)):
            return f"its header {name} is not one of ours"
    encoding = message.get("content-type"), message.get("content-encoding"), properties.get("body_encoding")
    if encoding != ("application/json", "utf-8", "base64") or headers.get("compression") is not None:
        return "its body has another encoding"
    return _problem_of_body(message.get("body"))


def _problem_of_body(body: object) -> str:
    try:
        parts = json.loads(base64.b64decode(body, validate=True)) if isinstance(body, str) else None
    except (ValueError, RecursionError):
        return "its body cannot be read"
    if not isinstance(parts, list) or [type(part) for part in parts] != [list, dict, dict]:
        return "its body is no list of arguments"
    return ""


def _set_aside(message: object, problem: str) -> None:
    log.error("unreadable message set aside: %s", problem)
    try:
        client, name = cache.broker(), cache.key("unreadable")
        client.lpush(name, repr(message)[:4_000])
        client.ltrim(name, 0, KEPT - 1)
    except Exception:
        log.warning("an unreadable message was not kept")
