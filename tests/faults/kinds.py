"""The kinds of faults that ``bin/kill-rounds --all`` lets happen to everything that runs, each in mid-trade.

A fault happens, lasts, and ends by itself; what it returns says whether what it hit is back.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kalbot.common.life import die_with_parent
from tests.faults.stack import Stack

Back = Callable[[], bool]
ORDERS: Final = "/portfolio/events/orders"
LASTING: Final = 6.0
"""Seconds for which a fault of the exchange or a server lasts: longer than a basket takes, shorter than a person needs to come."""


@dataclass(frozen=True)
class Kind:
    """One fault. ``differs``: what it does to the account is named as a difference, and a person answers it.
    ``needs_small_disks``: it happens only where each server writes to a file system of its own."""

    name: str
    happen: Callable[[Stack], Back]
    differs: bool = False
    needs_small_disks: bool = False


def killed(name: str) -> Kind:
    """SIGKILL to a process and all that it has started."""

    def happen(stack: Stack) -> Back:
        was = stack.kill(name)
        return lambda: stack.is_back(name, was)

    return Kind(f"{name} killed", happen)


def frozen(name: str, seconds: float) -> Kind:
    """SIGSTOP for a while in which the others go on."""

    def happen(stack: Stack) -> Back:
        stack.freeze(name)
        try:
            stack.passes(seconds)
        finally:
            stack.thaw(name)
        return _at_once

    return Kind(f"{name} frozen for {seconds:g} s", happen)


def answered(what: str, *, differs: bool = False, **rule: Any) -> Kind:
    """The exchange answers every matching request or frame otherwise, for a while."""

    def happen(stack: Stack) -> Back:
        stack.twin("faults", {"count": 0, "rate": 0.5, **rule})
        try:
            stack.passes(LASTING)
        finally:
            stack.twin("faults", method="DELETE")
        return _at_once

    return Kind(what, happen, differs)


def done(what: str, call: str, *, differs: bool = False, lasts: float = 1.0, **body: Any) -> Kind:
    """One action of the exchange's control interface."""

    def happen(stack: Stack) -> Back:
        chosen = {"tickers": _held()} if body.get("tickers") == [] else {}
        stack.twin(call, body | chosen)
        stack.passes(lasts)
        return _at_once

    return Kind(what, happen, differs)


def set_for_a_while(what: str, **settings: Any) -> Kind:
    """The exchange has other settings for a while."""

    def happen(stack: Stack) -> Back:
        stack.twin("settings", settings)
        try:
            stack.passes(LASTING)
        finally:
            stack.twin("settings", dict.fromkeys(settings, 0))
        return _at_once

    return Kind(what, happen)


def _at_once() -> bool:
    return True


def _held() -> list[str]:
    """Markets that we hold or are buying."""
    from trading.models import Leg

    return list(Leg.objects.filter(position__mode="live").values_list("market_id", flat=True).distinct()[:200])


def _redis_emptied(stack: Stack) -> Back:
    from kalbot.common import cache

    cache.prices().flushall()
    return _at_once


def _connections_ended(stack: Stack) -> Back:
    """Every connection of the bot to Postgres is ended by the server, ten times over."""
    import psycopg

    with psycopg.connect(stack.url, autocommit=True) as connection:
        for _ in range(10):
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            stack.passes(0.3)
    return _at_once


def _table_locked(stack: Stack) -> Back:
    """Somebody's maintenance holds a table of money."""
    import psycopg

    with psycopg.connect(stack.url) as connection:
        connection.execute("LOCK TABLE trading_position IN ACCESS EXCLUSIVE MODE")
        stack.passes(LASTING)
    return _at_once


def _poison(stack: Stack) -> Back:
    """Messages that nobody can read, and hundreds that nobody needs, before the exits and in every other queue."""
    import json

    from kalbot.common import cache
    from tests.deployment.test_workers import message, poison

    broker = cache.broker()
    for value in poison():
        broker.lpush(cache.key("exits"), value)
        broker.lpush(cache.key("execution"), value)
    for queue in ("trading", "strategy", "scan", "triage", "default"):
        broker.lpush(cache.key(queue), *(json.dumps(message()) for _ in range(500)))
    first = ("exits", "execution")  # the others drain when there is time
    return lambda: all(int(broker.llen(cache.key(queue))) < 20 for queue in first)


def _beside(*command: str) -> Callable[[Stack], Back]:
    """A second process of a kind of which there must be one, for a while."""

    def happen(stack: Stack) -> Back:
        environment = dict(stack.child("beat").environment)
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=quiet, stderr=quiet, preexec_fn=die_with_parent
        )
        try:
            stack.passes(LASTING)
        finally:
            process.kill()
            process.wait()
        return _at_once

    return happen


def _another_exchange(stack: Stack) -> Back:
    """A stream whose settings name another exchange does not start on this database."""
    environment = {**stack.child("stream").environment, "KALSHI_REST_URL": "http://127.0.0.1:9/trade-api/v2"}
    command = [sys.executable, "manage.py", "stream"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent
    )
    refused = stack.until(lambda: process.poll() not in (None, 0), 60)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()
    return lambda: refused


def disk_full(name: str) -> Kind:
    """The disk that this server writes to takes nothing for a while."""

    def happen(stack: Stack) -> Back:
        stack.fill_disk(name, LASTING)
        return lambda: stack.takes_writes(name)

    return Kind(f"disk of {name} full", happen, needs_small_disks=True)


def _no_signs(stack: Stack) -> Back:
    """Nothing can be written to the folder of signs of life."""
    folder = stack.plan.state / "alive"
    before = folder.stat().st_mode
    folder.rename(folder.with_name("alive.away"))
    folder.with_name("alive").write_text("no folder")
    stack.passes(LASTING)
    os.unlink(folder)
    folder.with_name("alive.away").rename(folder)
    folder.chmod(before)
    return _at_once


KINDS: Final = (
    *(killed(name) for name in ("worker trading", "worker strategy", "worker general", "stream", "beat", "web")),
    *(killed(name) for name in ("redis", "postgres", "simulator")),
    frozen("worker trading", 12.0),
    frozen("worker trading", 50.0),
    frozen("stream", 12.0),
    frozen("beat", 12.0),
    frozen("redis", 8.0),
    frozen("postgres", 8.0),
    frozen("simulator", 8.0),
    disk_full("postgres"),
    disk_full("redis"),
    Kind("Redis emptied", _redis_emptied),
    Kind("connections to Postgres ended", _connections_ended),
    Kind("a table of Postgres locked by somebody", _table_locked),
    Kind("unreadable and hundreds of other messages in every queue", _poison),
    Kind("a second beat", _beside("-m", "celery", "-A", "kalbot", "beat", "--pidfile=")),
    Kind("a second stream", _beside("manage.py", "stream")),
    Kind("a stream of another exchange", _another_exchange),
    Kind("signs of life cannot be written", _no_signs),
    answered("orders answered 503, carried out", kind="error", when="after", path=ORDERS),
    answered("orders answered 503, not carried out", kind="error", path=ORDERS),
    answered("orders not answered, carried out", kind="timeout", when="after", path=ORDERS, rate=0.2),
    answered("reads of the account answered 500", kind="error", status=500, method="GET", path="/portfolio"),
    answered("429 on every second request", kind="rate_limit"),
    answered("frames lost", kind="drop", rate=0.2),
    answered("frames sent twice", kind="duplicate"),
    answered("gaps in sequences", kind="gap", rate=0.02),
    done("connections to the stream dropped", "disconnect", abrupt=True),
    done("error 25 on every book", "overflow"),
    done("exchange restarted", "restart", for_ms=4_000, lasts=5),
    done("trading paused by the exchange", "status", trading_paused=True, for_ms=5_000, lasts=6),
    done("exchange paused", "status", exchange_paused=True, for_ms=5_000, lasts=6),
    done("books jump", "jump", tickers=[]),
    set_for_a_while("reads three seconds late", read_delay_ms=3_000),
    set_for_a_while("answers about the account ten seconds old", stale_account_ms=10_000),
    set_for_a_while("every answer takes a second", latency_ms=1_000),
    answered(
        "orders answered with nothing, filled later",
        differs=True,
        kind="zero_answer",
        path=ORDERS,
        delay_ms=1_500,
        rate=0.3,
    ),
    done("somebody sells our contracts", "actor", differs=True, do="sell", tickers=[]),
    done("somebody buys beside us", "actor", differs=True, do="buy", tickers=[]),
    done("somebody withdraws", "actor", differs=True, do="withdraw", tickers=[]),
)
