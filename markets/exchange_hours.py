"""When the exchange takes orders: its status and its schedule, as last read, and whether a basket may begin now.

Kept in Redis, so that a check costs no request and no query; each version of the schedule is a row too. Whoever may not go on without it
reads it again (``ensure``). A schedule that cannot be understood, or has no week in force, means that no basket begins.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, cast

import msgspec
import redis
from django.conf import settings

from kalbot.common import cache, clock
from markets.kalshi.errors import KalshiError, SchemaError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas.exchange import ExchangeStatus, Schedule
from markets.kalshi.trading_hours import shut_at
from markets.models import ExchangeSchedule
from markets.prices import Ahead
from markets.tape.recorder import recorder

KEY: Final = cache.key("exchange:hours")
KEPT_SECONDS: Final = 3_600
FRESH_MS: Final = 120_000
"""An older answer says nothing of now; it is read every minute."""
SHUT_FRESH_MS: Final = 5_000
"""So long the word that the exchange is shut is taken for true before it is read again: by whoever needs to know, and by a task that
runs as often, since nobody who would ask begins anything meanwhile."""
log = logging.getLogger(__name__)


class Closed(StrEnum):
    """Why no basket may begin."""

    PAUSED = "paused"
    PAUSE_SOON = "pause_soon"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no basket may begin, and what is particular to this case."""

    why: Closed
    detail: str


class Answer(msgspec.Struct, frozen=True):
    """What the exchange said last, read at ``checked_ms``. ``unreadable``: why its answer could not be understood."""

    checked_ms: int
    status: ExchangeStatus | None = None
    schedule: Schedule | None = None
    version: str = ""
    unreadable: str = ""


def refresh(client: KalshiClient) -> Answer | None:
    """Read status and schedule now. What does not answer leaves the last answer, which ages; an answer that cannot be understood
    counts at once."""
    began = clock.now_ms()
    try:
        status, schedule = client.exchange.status(), client.exchange.schedule()
    except SchemaError as error:
        log.error("the exchange's status or schedule cannot be understood: %s", error)
        found = Answer(began, unreadable=str(error)[:200] or type(error).__name__)
    except KalshiError as error:
        log.warning("the exchange's status and schedule cannot be read: %s", error)
        return last()
    else:
        found = Answer(began, status, schedule, _keep_version(schedule))
    keep(found)
    tape = recorder("status")
    if tape is not None:
        tape.status(found)
    return found


def ensure(client: KalshiClient, shard: int, beside: Ahead | None = None) -> Answer | None:
    """The last answer, read again where it is too old to act on. ``beside``: prices that are to come in the same message."""
    found = last() if beside is None else _last_beside(beside)
    if found is None or found.unreadable or found.status is None:
        return refresh(client)
    age = clock.now_ms() - found.checked_ms
    is_shut = not found.status.can_trade(shard)
    return refresh(client) if not 0 <= age <= (SHUT_FRESH_MS if is_shut else FRESH_MS) else found


def is_shut(client: KalshiClient, shard: int) -> bool:
    """Whether the exchange says that it takes no orders on ``shard``: for what goes on with a basket and waits for a pause to end. What is
    not known does not hold that up. Read again where nothing is known, and every few seconds while it is shut."""
    found = last()
    is_old = found is not None and not 0 <= clock.now_ms() - found.checked_ms <= SHUT_FRESH_MS
    if found is None or (is_old and found.status is not None and not found.status.can_trade(shard)):
        found = refresh(client)
    return found is not None and found.status is not None and not found.status.can_trade(shard)


def must_read() -> bool:
    """Whether nothing fresh says that every shard takes orders: then it is read again soon, not after the usual minute."""
    found = last()
    if found is None or found.unreadable or found.status is None or found.schedule is None:
        return True
    if not 0 <= clock.now_ms() - found.checked_ms <= FRESH_MS:
        return True
    shards = [one.exchange_index for one in found.status.indexes] or [0]
    return not all(found.status.can_trade(shard) for shard in shards)


def keep(found: Answer) -> None:
    """Store an answer for every process."""
    with suppress(redis.RedisError):
        cache.prices().set(KEY, msgspec.json.encode(found), ex=KEPT_SECONDS)


def refused(shard: int, sent: datetime | None) -> None:
    """An order on ``shard`` was refused for a pause: an answer that does not know of it is wrong. One that does stays, for orders that
    left together are refused one after another, and so does one that was read after the order was ``sent``: then it is the market that
    is paused."""
    found = last()
    if found is None or found.status is None:
        forget()
        return
    is_newer = sent is not None and found.checked_ms > sent.timestamp() * 1000
    if found.status.can_trade(shard) and not is_newer:
        forget()


def forget() -> None:
    """The last answer counts no more."""
    with suppress(redis.RedisError):
        cache.prices().delete(KEY)


def last() -> Answer | None:
    """The last answer; None when there is none, or Redis is away."""
    try:
        return stored(cache.prices().get(KEY))
    except redis.RedisError:
        return None


def _last_beside(beside: Ahead) -> Answer | None:
    try:
        value, *known = cast("list[bytes | None]", cache.prices().mget([KEY, *beside.keys]))
    except redis.RedisError:
        return None
    beside.know(known)
    return stored(value)


def stored(value: object) -> Answer | None:
    """The answer that is the value of ``KEY``; None for none, or for one that cannot be read."""
    try:
        return msgspec.json.decode(value, type=Answer) if isinstance(value, bytes) else None
    except msgspec.MsgspecError:
        return None


def obstacle(shard: int, *, is_live: bool) -> Obstacle | None:
    """Why no basket may begin on ``shard`` now; None when one may.

    Paper, which needs no exchange, goes by what is known; live trading needs a fresh answer.
    """
    return obstacle_of(last(), shard, is_live=is_live)


def obstacle_of(found: Answer | None, shard: int, *, is_live: bool) -> Obstacle | None:
    """The same by an answer that was read before."""
    now = clock.now()
    age = None if found is None else clock.now_ms() - found.checked_ms
    if found is None or age is None or not 0 <= age <= FRESH_MS:
        return Obstacle(Closed.UNKNOWN, "no answer of the last two minutes") if is_live else None
    if found.unreadable or found.status is None or found.schedule is None:
        return Obstacle(Closed.UNKNOWN, found.unreadable or "the answer is incomplete")
    if not found.status.can_trade(shard):
        return Obstacle(Closed.PAUSED, f"shard {shard} takes no orders")
    margin = timedelta(seconds=settings.KALBOT_PAUSE_MARGIN_SECONDS)
    try:
        at = shut_at(found.schedule, now, now + margin)
    except ValueError as error:
        return Obstacle(Closed.UNKNOWN, str(error))
    if at is None:
        return None
    why = Closed.PAUSED if at <= now else Closed.PAUSE_SOON
    return Obstacle(why, f"from {at:%Y-%m-%d %H:%M} UTC, by version {found.version} of the schedule")


def _keep_version(schedule: Schedule) -> str:
    """The schedule's version, and a row of it the first time."""
    body = msgspec.to_builtins(schedule)
    version = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()[:12]
    known = last()
    if known is None or known.version != version:
        _, made = ExchangeSchedule.objects.get_or_create(version=version, defaults={"body": body})
        if made:
            log.warning("the exchange's schedule has a new version, %s", version)
    return version
