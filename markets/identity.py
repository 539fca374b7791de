"""Which exchange this database is about, and whose Redis this is: two installations must never be taken for one.

The database has one row with the environment and the exchange's two hosts, written when it is new. Redis holds that row's id for as
long as somebody works. A process whose settings name another exchange, or whose Redis another database works with, does not start.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError

from kalbot.common import cache
from kalbot.common.errors import SettingError
from markets.models import Installation

CLAIM_KEY: Final = cache.key("installation")
CLAIM_SECONDS: Final = 600
"""How long a Redis stays claimed after the last heartbeat of the installation that used it."""
ROW: Final = 1
_CLAIM: Final = """
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""


class WrongInstallation(SettingError):
    """Settings, database and Redis do not belong together."""


def hosts() -> dict[str, str]:
    """What the settings name: environment, REST host and WebSocket host, each with its port."""
    return {
        "environment": settings.KALBOT_ENVIRONMENT,
        "rest_host": _host(settings.KALSHI_REST_URL),
        "ws_host": _host(settings.KALSHI_WS_URL),
    }


def row() -> Installation:
    """The database's row; a database without one takes the hosts of the settings."""
    found, _ = Installation.objects.get_or_create(pk=ROW, defaults=hosts())
    return found


def database_mismatch() -> str:
    """What differs between the settings and the database, in a sentence; empty when nothing does. Raises DatabaseError."""
    ours = row()
    wrong = [(name, getattr(ours, name), value) for name, value in hosts().items() if getattr(ours, name) != value]
    if not wrong:
        return ""
    differs = "; ".join(
        f"{name.replace('_', ' ')} is {theirs} in the database and {mine} in the settings"
        for name, theirs, mine in wrong
    )
    return (
        f"This database belongs to another exchange or environment: {differs}. Correct the settings, or, if the exchange "
        "itself has moved, run manage.py identity --accept."
    )


def redis_mismatch() -> str:
    """Claims Redis for this installation. A sentence when another one works there; empty otherwise. Raises redis.RedisError."""
    ours = str(row().key)
    answer = cache.prices().eval(_CLAIM, 1, CLAIM_KEY, ours, CLAIM_SECONDS)
    owner = answer.decode() if isinstance(answer, bytes) else str(answer)
    if owner == ours:
        return ""
    return (
        f"Another installation ({owner[:8]}, this one is {ours[:8]}) works on this Redis for the same environment and exchange. "
        "Give one of them its own REDIS_URL or KALBOT_ENVIRONMENT; a Redis that nobody works on is free after ten minutes."
    )


def mismatch() -> str:
    """Whatever does not belong together, in one sentence; empty when all does. Raises DatabaseError or redis.RedisError."""
    return database_mismatch() or redis_mismatch()


def require() -> None:
    """Before a process starts to work. Raises WrongInstallation. A database or a Redis that is away is no mismatch: the
    process waits for it as it always does, and the heartbeat checks again."""
    try:
        found = mismatch()
    except (DatabaseError, redis.RedisError):
        return
    if found:
        raise WrongInstallation(found)


def accept() -> Installation:
    """Take the hosts of the settings as this database's, because a person says that the exchange has moved."""
    row()
    Installation.objects.filter(pk=ROW).update(**hosts())
    return row()


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()
