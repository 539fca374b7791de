"""The parts of the status that the product stands on: database, Redis, queues, workers, beat, and the clocks of their hosts."""

from __future__ import annotations

import time

import redis
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from kalbot.common import cache, messages
from kalbot.common.messages import QUEUES
from kalbot.console.ops import checks
from kalbot.console.ops.health import heartbeats
from kalbot.console.ops.health.part import BAD, OK, WARN, Part
from kalbot.console.ui import formats
from markets import identity


def settings_checked() -> Part:
    """The settings of the web process, as the checks at the start of every other process judge them."""
    wrong = checks.errors()
    if wrong:
        return Part("settings", BAD, " ".join(wrong), {"wrong": len(wrong)})
    if in_vain := checks.misread():
        return Part("settings", WARN, " ".join(in_vain), {"wrong": 0})
    return Part("settings", OK, "Nothing is wrong with them.", {"wrong": 0})


def database() -> Part:
    """The database answers; how fast."""
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Part("database", BAD, f"The database does not answer ({type(error.__cause__ or error).__name__}).")
    took = (time.monotonic() - began) * 1000
    return Part("database", OK, f"{connection.vendor} answers in {took:.1f} ms.", {"ms": took})


def migrations() -> Part:
    """No migration waits."""
    try:
        executor = MigrationExecutor(connection)
        waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return Part("migrations", BAD, "The database does not say which migrations ran.")
    if waiting:
        return Part("migrations", BAD, f"{waiting} migrations wait; run manage.py migrate.", {"waiting": waiting})
    return Part("migrations", OK, "All migrations ran.", {"waiting": 0})


def installation() -> Part:
    """Settings, database and Redis are of one exchange and one installation."""
    try:
        wrong = identity.mismatch()
    except (DatabaseError, redis.RedisError) as error:
        return Part("installation", WARN, f"Cannot be compared now ({type(error).__name__}).")
    if wrong:
        return Part("installation", BAD, wrong, {"mismatch": 1})
    row = identity.row()
    return Part("installation", OK, f"{row.environment} on {row.rest_host}.", {"mismatch": 0})


def redis_server() -> Part:
    """Redis answers, and will not throw prices away when memory is short."""
    began = time.monotonic()
    try:
        client = cache.prices()
        client.ping()
        took = (time.monotonic() - began) * 1000
        info = client.info("memory")
    except redis.RedisError as error:
        return Part("redis", BAD, f"Redis does not answer ({type(error).__name__}); nothing is traded meanwhile.")
    used = info.get("used_memory", 0) / 1e6
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory"):
        return Part(
            "redis", WARN, f"Redis may drop keys when memory is short ({policy}); set noeviction.", {"ms": took}
        )
    return Part("redis", OK, f"Redis answers in {took:.1f} ms and uses {used:.0f} MB.", {"ms": took, "mb": used})


def queues() -> Part:
    """Messages waiting in each queue."""
    depths = heartbeats.depths()
    if depths is None:
        return Part("queues", BAD, "The broker does not answer.")
    total = sum(depths.values())
    deep = [f"{name} {number}" for name, number in depths.items() if number >= 20]
    words = f"{total} waiting" + (f", most in {', '.join(deep)}" if deep else "")
    return Part(
        "queues",
        BAD if total >= 500 else WARN if deep else OK,
        f"{words}.",
        {f"depth_{k}": v for k, v in depths.items()},
    )


def workers() -> Part:
    """Somebody works on every queue, and no worker fell silent."""
    signs, nodes = heartbeats.signs(), [node for node in heartbeats.nodes() if heartbeats.BEAT not in node.names]
    metrics = {f"age_ms_{name}": float(sign["age_ms"]) for name, sign in signs.items() if name in QUEUES}
    late, lives = heartbeats.silent(QUEUES), {name for node in nodes if not _is_late(node) for name in node.names}
    gone, stuck = ([name for name in late if (name in lives) is alive] for alive in (False, True))
    if gone:
        words = f"No sign of life on {', '.join(gone)}."
        if messages.EXITS in gone:
            words += " Exits and unwinds wait behind purchases for the sweep: start a worker with -Q exits."
        return Part("workers", BAD, words, metrics)
    if stuck:
        words = f"Workers live on {', '.join(stuck)} and run nothing: whatever they run does not end."
        return Part("workers", BAD, words, metrics)
    silent = [node for node in nodes if _is_late(node)]
    if silent:
        words = ", ".join(f"{node.node} for {formats.milliseconds(node.age_ms)}" for node in silent)
        return Part("workers", WARN, f"All queues are worked on, but silent: {words}.", metrics)
    return Part("workers", OK, f"All {len(QUEUES)} queues are worked on.", metrics)


def _is_late(node: heartbeats.Node) -> bool:
    return node.age_ms > heartbeats.LATE_MS


def beat() -> Part:
    """Beat sends, and there is one."""
    sign = heartbeats.signs().get(heartbeats.BEAT)
    if sign is None:
        return Part("beat", BAD, "Beat has never shown life.")
    age = sign["age_ms"]
    living = [node.node for node in heartbeats.nodes() if heartbeats.BEAT in node.names and not _is_late(node)]
    metrics = {"age_ms": float(age), "running": float(len(living))}
    if len(living) > 1:
        words = (
            f"{len(living)} beats run ({', '.join(living)}): every periodic task is sent as often. Stop all but one."
        )
        return Part("beat", BAD, words, metrics)
    words = f"Last message {formats.milliseconds(age)} ago"
    if age <= heartbeats.LATE_MS:
        return Part("beat", OK, f"{words}.", metrics)
    why = f"; {living[0]} lives and cannot send, or has nothing to send" if living else ""
    return Part("beat", BAD, f"{words}{why}.", metrics)


def host_clocks() -> Part:
    """Every worker's and beat's clock against Redis': prices and decisions that one host stored are judged by another's clock."""
    nodes = [node for node in heartbeats.nodes() if not _is_late(node)]
    if not nodes:
        return Part("host clocks", OK, "Not measured yet.", is_measured=False)
    worst_skew = max(abs(node.skew_ms) for node in nodes)
    metrics = {"skew_ms": float(worst_skew)}
    if worst_skew <= 1_000:
        return Part("host clocks", OK, f"All within {worst_skew} ms of Redis' clock.", metrics)
    wrong = ", ".join(
        f"{node.node} is {formats.milliseconds(abs(node.skew_ms))} {'ahead' if node.skew_ms > 0 else 'behind'}"
        for node in nodes
        if abs(node.skew_ms) > 1_000
    )
    state = BAD if worst_skew > 5_000 else WARN
    return Part(
        "host clocks",
        state,
        f"{wrong}: what others stored counts as too old or too young there. Synchronise the clock (NTP).",
        metrics,
    )
