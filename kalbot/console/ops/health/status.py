"""Is it working? One small function a part, each a state (ok, warn, bad) and a sentence; for pages, /healthz, /metrics and the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError

from kalbot.common import bounded, clock
from kalbot.console.ops.health import exchange_status, heartbeats, schedule_status
from kalbot.console.ops.health.machinery import (
    beat,
    database,
    host_clocks,
    installation,
    migrations,
    queues,
    redis_server,
    settings_checked,
    workers,
)
from kalbot.console.ops.health.part import BAD, OK, WARN, Part
from kalbot.console.ops.health.stage_times import speed
from kalbot.console.ui import formats, navigation
from markets.models import Scan, TapeGap
from markets.prices import PriceReader
from trading.safety import halt

SAID_MS: Final = 30_000
"""What the stream wrote of itself longer ago is not about now."""
FRESH_MS: Final = 15_000
"""Prices whose feed proved its life longer ago are not those of now: what a profile accepts unless a person chose otherwise."""
OLD_MS: Final = 5 * 60_000
"""What the exchange answered longer ago is not about now."""
PATIENCE_SECONDS: Final = 4.0
SERVERS: Final = (
    ("redis", "Redis", (redis.RedisError,)),
    ("database", "the database", (OperationalError, InterfaceError)),
)
"""Parts without which nothing is known of others, what they are called, and the errors in which that shows."""
_WORST = {OK: 0, WARN: 1, BAD: 2}


def stream() -> Part:
    """The WebSocket's process holds a living epoch."""
    status = PriceReader().stream_status()
    if not status.get("alive"):
        return _silent(status)
    age = max(0, clock.now_ms() - int(status.get("alive_ms") or 0))
    state = OK if age < FRESH_MS else WARN
    rate = status.get("per_second")
    words = f"Epoch {str(status.get('epoch', ''))[:8]}, last proof of life {formats.milliseconds(age)} ago"
    metrics = {
        key: float(value)
        for key, value in status.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Part(
        "stream",
        state,
        f"{words}{f', {rate:.0f} messages/s' if rate is not None else ''}.",
        {**metrics, "alive": 1, "age_ms": age},
    )


def _unless_paused(state: str, at: datetime | None = None) -> str:
    """A state that is bad, but only to be noted in a pause that was announced."""
    return WARN if exchange_status.is_pause(at or clock.now()) else state


def _silent(status: dict[str, Any]) -> Part:
    """The reason of the partition that is silent, if its process said so just now: a process that is gone says nothing of why, and is
    missed in a pause of the exchange too."""
    dead = next((one for one in status.get("partitions", ()) if not one.get("alive")), status)
    age = clock.now_ms() - int(dead["at_ms"]) if "at_ms" in dead else 0
    if age > SAID_MS:
        words = f"No sign of life of the stream for {formats.milliseconds(age)}; nothing is traded meanwhile."
    else:
        words = str(dead.get("error") or "No living connection to the exchange; nothing is traded meanwhile.")
    state = _unless_paused(BAD) if "at_ms" in dead and age <= SAID_MS else BAD
    return Part("stream", state, words, {"alive": 0})


def clock_skew() -> Part:
    """Our clock against the exchange's, as the living stream or the last request measured it."""
    status, found = PriceReader().stream_status(), exchange_status.stored()
    skew = status.get("clock_skew_ms") if status.get("alive") else None
    if skew is None and found is not None and not _is_old(found):
        skew = found.skew_ms
    if skew is None:
        return Part("clock", OK, "Not measured lately.", is_measured=False)
    state = BAD if abs(skew) > 5_000 else WARN if abs(skew) > 1_000 else OK
    return Part(
        "clock",
        state,
        f"{abs(skew):.0f} ms {'ahead of' if skew > 0 else 'behind'} the exchange.",
        {"skew_ms": float(skew)},
    )


def _is_old(found: exchange_status.Outside) -> bool:
    """Whether the answer is so old that it is of another time."""
    return clock.now_ms() - found.checked_ms > OLD_MS


def exchange() -> Part:
    """Is it open, and when is its next pause."""
    found = exchange_status.stored()
    if found is None:
        return Part("exchange", OK, "Not checked yet; that happens once a minute.", is_measured=False)
    if _is_old(found):
        then = f"failed then: {found.error}" if found.error else "open then" if found.trading else "shut then"
        return Part("exchange", WARN, f"Last checked {formats.ago(clock.from_ms(found.checked_ms))}; {then}.")
    if found.error:
        return Part("exchange", _unless_paused(BAD), f"The last request failed: {found.error}", {"open": 0})
    now = clock.now()
    resumes = f" It expects to resume {formats.ago(clock.from_ms(found.resume_ms))}." if found.resume_ms else ""
    if not found.active or not found.trading:
        what = "Trading is paused" if found.active else "It is shut"
        return Part("exchange", _unless_paused(BAD), f"{what}.{resumes}", {"open": 0})
    start, end = exchange_status.pause(found, now)
    when = f"{start.astimezone(exchange_status.EASTERN):%a %d %b %H:%M} to {end.astimezone(exchange_status.EASTERN):%H:%M} Eastern"
    if start <= now:
        return Part("exchange", WARN, f"In its maintenance window, {when}.", {"open": 1, "pause_in_s": 0})
    shut = f" Shards without trading: {', '.join(map(str, found.shut_shards))}." if found.shut_shards else ""
    metrics = {"open": 1.0, "pause_in_s": (start - now).total_seconds()}
    return Part("exchange", WARN if shut else OK, f"Open.{shut} Next pause {formats.ago(start)} ({when}).", metrics)


def tape() -> Part:
    """Is everything recorded that is to be: what is not on the tape cannot be replayed."""
    now = clock.now()
    missing = TapeGap.objects.filter(ended_at=None).order_by("began_at").first()
    if missing is not None:
        since = formats.ago(missing.began_at)
        return Part("tape", WARN, f"{missing.writer} has recorded nothing since {since}: {missing.reason}", {"open": 0})
    last = TapeGap.objects.filter(ended_at__gte=now - timedelta(days=1)).order_by("-ended_at").first()
    if last is not None:
        return Part(
            "tape", WARN, f"A hole ended {formats.ago(last.ended_at)}: {last.reason}; {last.dropped} records lost."
        )
    if not settings.KALBOT_TAPE_DIR:
        return Part("tape", OK, "The settings name no folder to record to.", is_measured=False)
    return Part("tape", OK, f"Recorded to {settings.KALBOT_TAPE_DIR} without a hole for a day.", {"open": 1})


def key() -> Part:
    """The exchange key: there when live is on, known to the exchange, and its attestation of region not about to lapse.

    Kalshi's keys have no end of their own; after the region's attestation ends they trade no sports, elections or entertainment
    (``GET /api_keys``, ``api_key_region_expiration_ts``).
    """
    has_key = bool(settings.KALSHI_KEY_ID and (settings.KALSHI_PRIVATE_KEY_PATH or settings.KALSHI_PRIVATE_KEY))
    if not has_key:
        if settings.KALBOT_LIVE:
            return Part("key", BAD, "Live trading is allowed but there is no key.")
        if navigation.exchange() == "simulator":
            return Part("key", OK, "No key is set; the simulator needs none.")
        return Part(
            "key", WARN, "No key is set: events are listed, but there are no live prices, so nothing is bought."
        )
    found = exchange_status.last()
    if found is None or found.error or _is_old(found):
        return Part("key", OK, "A key is set; the exchange has not confirmed it lately.")
    if found.key_listed is False:
        return Part("key", BAD, "The exchange does not list our key.")
    if found.region_expires_ms is None:
        return Part("key", OK, "A key is set, and does not expire.")
    ends = clock.from_ms(found.region_expires_ms)
    left = (ends - clock.now()).total_seconds()
    state = BAD if left <= 0 else WARN if left < 14 * 86_400 else OK
    verb = "ended" if left <= 0 else "ends"
    words = f"Its attestation of region {verb} {formats.ago(ends)} ({ends:%Y-%m-%d %H:%M} UTC)"
    return Part("key", state, f"{words}; without it no sports, elections, entertainment.", {"expires_in_s": left})


def scan() -> Part:
    """The last scan ended well and is not old."""
    last = Scan.objects.exclude(status=Scan.Status.RUNNING).order_by("-id").first()
    if last is None:
        return Part("scan", WARN, "No scan has ended yet.")
    age = clock.now() - (last.finished_at or last.started_at)
    if last.status == Scan.Status.FAILED:
        words = f"The last scan failed {formats.span(age)} ago: {last.error[:120]}"
        state = _unless_paused(BAD, last.finished_at or last.started_at)
        return Part("scan", state, words, {"age_s": age.total_seconds()})
    words = f"{last.events:,} events and {last.markets:,} markets in {formats.milliseconds(last.duration_ms)}, {formats.span(age)} ago."
    return Part(
        "scan",
        WARN if age > timedelta(minutes=10) else OK,
        words,
        {"age_s": age.total_seconds(), "events": last.events},
    )


def schedules() -> Part:
    """Every schedule that the code wants is there, enabled and on time."""
    wrong = schedule_status.wrong(heartbeats.sent())
    if not wrong:
        return Part("schedules", OK, "All are enabled and on time.", {"wrong": 0})
    words = "; ".join(f"{one.name} is {one.problem}" for one in wrong[:4])
    more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
    return Part("schedules", BAD, f"{words}{more}.", {"wrong": len(wrong)})


def trading() -> Part:
    """The trading state in force for everything."""
    row = halt.row_of()
    if row.state == "active":
        return Part("trading", OK, "Active.", {"halted": 0})
    words = f"{row.state.capitalize()} by {row.actor}: {row.reason}"
    return Part("trading", WARN, words, {"halted": 1 if row.state == "halted" else 0.5})


def notifications() -> Part:
    """Every notification channel delivers."""
    from kalbot.console.models import Channel

    failing = list(Channel.objects.filter(is_active=True, failures__gt=0).values_list("name", flat=True))
    if failing:
        return Part("notifications", WARN, f"Not delivering: {', '.join(failing)}.", {"failing": len(failing)})
    count = Channel.objects.filter(is_active=True).count()
    return Part(
        "notifications",
        OK,
        f"{count} channel{'s' * (count != 1)}." if count else "No channel is set up.",
        {"failing": 0},
        is_measured=count > 0,
    )


PARTS: Final[Mapping[str, Callable[[], Part]]] = {
    "settings": settings_checked,
    "database": database,
    "migrations": migrations,
    "installation": installation,
    "redis": redis_server,
    "queues": queues,
    "workers": workers,
    "beat": beat,
    "schedules": schedules,
    "stream": stream,
    "exchange": exchange,
    "clock": clock_skew,
    "host clocks": host_clocks,
    "key": key,
    "scan": scan,
    "tape": tape,
    "trading": trading,
    "speed": speed,
    "notifications": notifications,
}
"""Every part by its name, which alerts and metrics know it by, also while it cannot be checked."""


def check(names: Iterable[str] = PARTS, patience: float = PATIENCE_SECONDS) -> list[Part]:
    """Every part; one that cannot be checked is bad, and does not hide the others; one of which nothing is known because Redis or the
    database is away says so, and is not blamed. ``patience``: seconds of waiting for the database, and
    as many for each Redis, in all: one that keeps silent is not tried again for the other parts."""
    found: list[Part] = []
    with bounded.bounded(patience):
        for name in names:
            try:
                found.append(PARTS[name]())
            except Exception as error:
                found.append(_unknown(name, error, found))
    return found


def _unknown(name: str, error: Exception, found: list[Part]) -> Part:
    """The part ``name``, which could not be checked."""
    bad = {part.name for part in found if part.state == BAD}
    for server, words, errors in SERVERS:
        if server in bad and isinstance(error, errors):
            return Part(name, WARN, f"Not known while {words} does not answer.", is_known=False)
    return Part(name, BAD, f"Cannot be checked ({type(error).__name__}).")


def worst(parts: list[Part]) -> str:
    """The worst state of all."""
    return max((part.state for part in parts), key=_WORST.__getitem__, default=OK)


def as_json(parts: list[Part]) -> dict[str, Any]:
    """For machines; holds no secret."""
    return {
        "state": worst(parts),
        "parts": {part.name: {"state": part.state, "sentence": part.sentence} for part in parts},
    }


__all__ = ["BAD", "OK", "PARTS", "WARN", "Part", "as_json", "check", "installation", "worst"]
