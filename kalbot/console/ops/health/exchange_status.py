"""What the exchange says of itself and of our key: open or shut, announced maintenance, clock, expiry.

A task asks (a few requests a minute; every few seconds while it is shut) and keeps the answers in Redis, so that no page waits for
the exchange.
The usual pause is Kalshi's own page "maintenance and pauses": every Thursday, 03:00 to 05:00 Eastern.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import redis
from django.conf import settings

from kalbot.common import cache, clock
from kalbot.common.errors import SettingError
from markets import connect, exchange_hours
from markets.kalshi.errors import KalshiError
from markets.kalshi.rest.client import KalshiClient

KEY: Final = cache.key("console:exchange")
KEPT_SECONDS: Final = 86_400
EASTERN: Final = ZoneInfo("America/New_York")
AFTER_PAUSE: Final = timedelta(minutes=3)
"""Connections, scans and prices are back within this after a pause."""
LONGEST_SECONDS: Final = 120
"""An exchange that does not answer keeps nobody waiting for longer."""
USUAL_DAY, USUAL_FROM, USUAL_HOURS = 3, 3, 2  # Thursday, 03:00, two hours


class Outside(msgspec.Struct, frozen=True):
    """The last answers. Moments are Unix milliseconds, None where nothing was said; ``skew_ms`` is our clock less the exchange's;
    ``cash`` what the account has available, micro-dollars;
    ``error`` says why the last request failed."""

    checked_ms: int
    active: bool = True
    trading: bool = True
    shut_shards: tuple[int, ...] = ()
    resume_ms: int | None = None
    windows: tuple[tuple[int, int], ...] = ()
    skew_ms: int | None = None
    key_listed: bool | None = None
    region_expires_ms: int | None = None
    cash: int | None = None
    error: str = ""


def ask(client: KalshiClient, key_id: str = "") -> Outside:
    """Request it now. ``key_id``: ours, when ``client`` signs; then its listing is fetched too. Errors of the exchange become ``error``."""
    now = clock.now_ms()
    try:
        status, schedule = client.exchange.status(), client.exchange.schedule()
        keys = client.account.api_keys() if key_id else None
        cash = client.portfolio.balance().available if key_id else None
    except KalshiError as error:
        return Outside(now, skew_ms=ahead(client), error=str(error)[:300] or type(error).__name__)
    return Outside(
        checked_ms=now,
        active=status.exchange_active,
        trading=status.trading_active,
        shut_shards=tuple(s.exchange_index for s in status.indexes if not (s.exchange_active and s.trading_active)),
        resume_ms=milliseconds(status.estimated_resume),
        windows=tuple((milliseconds(w.start) or 0, milliseconds(w.end) or 0) for w in schedule.maintenance),
        skew_ms=ahead(client),
        key_listed=keys.get(key_id) is not None if keys else None,
        region_expires_ms=milliseconds(keys.region_expiration) if keys else None,
        cash=cash,
    )


def ahead(client: KalshiClient) -> int | None:
    """Our clock less the exchange's, by the dates of its answers."""
    return None if client.clock_skew_ms is None else -client.clock_skew_ms


def refresh() -> Outside:
    """Ask with the key of the settings, or without one, and keep the answer."""
    try:
        with connect.client(for_account=bool(settings.KALSHI_KEY_ID)) as client:
            exchange_hours.refresh(client)
            found = ask(client, settings.KALSHI_KEY_ID)
    except SettingError as error:
        found = Outside(clock.now_ms(), error=str(error))
    keep(found)
    return found


def refresh_while_shut() -> Outside | None:
    """The same while it is shut, or not known to be open, so that a pause costs little more than it lasts; None, and no request, while
    it is open or somebody else asks."""
    if not exchange_hours.must_read():
        return None
    with cache.lock("ask exchange", LONGEST_SECONDS) as acquired:
        return refresh() if acquired else None


def keep(found: Outside) -> None:
    """Store the answers for pages."""
    with suppress(redis.RedisError):
        cache.prices().set(KEY, msgspec.json.encode(found), ex=KEPT_SECONDS)


def last() -> Outside | None:
    """``stored``; None also while Redis is away."""
    try:
        return stored()
    except redis.RedisError:
        return None


def stored() -> Outside | None:
    """The last answers; None when there was none for a day. Raises redis.RedisError."""
    found = cache.prices().get(KEY)
    try:
        return msgspec.json.decode(found, type=Outside) if isinstance(found, bytes) else None
    except msgspec.MsgspecError:  # of another version
        return None


def milliseconds(moment: datetime | None) -> int | None:
    """Unix milliseconds of an aware moment."""
    return None if moment is None else int(moment.timestamp() * 1000)


def usual_pause(now: datetime) -> tuple[datetime, datetime]:
    """The usual weekly pause that is on at ``now``, or the next one: (start, end), aware."""
    here = now.astimezone(EASTERN)
    start = here.replace(hour=USUAL_FROM, minute=0, second=0, microsecond=0)
    start += timedelta(days=(USUAL_DAY - here.weekday()) % 7)
    if start + timedelta(hours=USUAL_HOURS) <= here:
        start += timedelta(days=7)
    return start, start + timedelta(hours=USUAL_HOURS)


def pause(found: Outside, now: datetime) -> tuple[datetime, datetime]:
    """The pause that is on at ``now`` or comes first: an announced one, or the usual one."""
    announced = [(clock.from_ms(start), clock.from_ms(end)) for start, end in found.windows]
    return min((one for one in [*announced, usual_pause(now)] if one[1] > now), key=lambda one: one[0])


def is_pause(at: datetime) -> bool:
    """Whether ``at`` lies in a pause that was announced, or in the usual one, or shortly after it, when all comes back."""
    found = last() or Outside(0)
    return any(pause(found, moment)[0] <= moment for moment in (at, at - AFTER_PAUSE))
