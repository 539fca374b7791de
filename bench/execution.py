"""From a decision to its first order on the wire, orders a second, and reconciliation of 10,000 orders, our own code alone.

The simulated exchange answers in this process and at once, so that what is measured is ours: risk, plan, reservation,
ledger, rows and the client. Reconciliation is compared in the same run with the plain way, which asks for every order
and its fills one by one. The database is SQLite in a folder of its own, ``DATABASE_URL``, or an embedded Postgres, as far away as
``--round-trip-ms`` says.

    python -m bench.execution [--decisions 60] [--legs 4] [--orders 10000] [--postgres] [--round-trip-ms 2] [--collateral]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from bench.streaming import stage
from kalbot.local.servers import start_postgres, start_redis

WARM_UP = 5
"""Baskets before the measured ones: they fill the caches."""


def main(argv: Sequence[str] = ()) -> int:
    """Run all three and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench execution", description=__doc__)
    parser.add_argument(
        "--decisions",
        type=int,
        default=60,
        help="baskets that are carried out, in each way of sending (default %(default)s)",
    )
    parser.add_argument("--legs", type=int, default=4, help="legs a basket (default %(default)s)")
    parser.add_argument("--orders", type=int, default=10_000, help="orders to reconcile; 0: none (default %(default)s)")
    parser.add_argument(
        "--collateral",
        action="store_true",
        help="NO baskets too, with collateral return off and on, one after the other",
    )
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres")
    parser.add_argument(
        "--round-trip-ms", type=float, default=0.0, help="the same behind a proxy that delays every byte"
    )
    options = parser.parse_args(list(argv))
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as folder, ExitStack() as stack:
        server = start_redis(Path(folder) / "redis")
        stack.callback(server.stop)
        if options.postgres or options.round_trip_ms:
            os.environ["DATABASE_URL"] = _postgres(Path(folder), options.round_trip_ms, stack)
        found: dict[str, Any] = {"database": _prepare(Path(folder), server.url), "round_trip_ms": _round_trip()}
        for sending in ("thinnest_first", "all_at_once"):
            found[sending] = _execution(options.decisions, options.legs, sending)
        for mode in ("off", "on") if options.collateral else ():
            found[f"NO baskets, collateral return {mode}"] = _execution(
                options.decisions, options.legs, "all_at_once", f"collateral-{mode}"
            )
        if options.orders:
            found["reconciliation"] = _reconciliation(options.orders)
        print(json.dumps(found, indent=2))
    return 0


def _postgres(folder: Path, round_trip_ms: float, stack: ExitStack) -> str:
    """The address of a new Postgres, which ends with ``stack``."""
    folder.chmod(0o755)
    server, url = start_postgres(folder / "postgres")
    stack.callback(server.cleanup)
    if not round_trip_ms:
        return url
    path = Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"
    port = stack.enter_context(stage.server("bench._delay", target=path, ms=round_trip_ms / 2))
    return f"postgresql://postgres:@127.0.0.1:{port}/postgres"


def _round_trip() -> float:
    """Milliseconds of a statement that does nothing, the median."""
    from django.db import connection

    spent = []
    for _ in range(51):
        began = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        spent.append((time.perf_counter() - began) * 1000)
    return round(sorted(spent)[25], 2)


def _prepare(folder: Path, redis_url: str) -> str:
    os.environ |= {
        "REDIS_URL": redis_url,
        "KALBOT_STATE": str(folder),
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
        "KALBOT_LIVE": "true",
        "LOG_LEVEL": "CRITICAL",
    }
    import django
    from django.core.management import call_command
    from django.db import connection

    from kalbot import celery

    django.setup()
    call_command("migrate", verbosity=0)
    celery.collect_less()  # as in a worker
    return connection.vendor


def _execution(decisions: int, legs: int, sending: str, collateral: str = "") -> dict[str, Any]:
    """Baskets bought one after the other by one worker through one client, which signs with an RSA key of 2,048 bits. The exchange's own
    time, which answers in this process, is taken out. ``collateral``: "collateral-on" or "collateral-off" buys NO on every leg of an
    exclusive event, with returns or without."""
    from strategies.cycle import handover
    from tests.trading import world
    from tests.trading.twin import Twin
    from trading.execution import executor, handed
    from trading.reconciliation import reconcile
    from trading.venues import connection

    world.active()
    capital = 10**6 * world.DOLLAR
    wide = {"max_orders_per_minute": 10**6, "max_open_positions": 10**6, "capital": capital, "sending": sending}
    profile = world.add_profile(collateral or sending.replace("_", "-"), mode="live", **wide)
    side, kind = ("no", "all_no") if collateral else ("yes", "all_yes")
    firsts: list[_Spent] = []
    wholes: list[_Spent] = []
    orders = 0
    ask = ((legs - 1) * 10_000 if collateral else 10_000) // legs // 100 * 100 - 300
    name = collateral or sending
    seeds = {"thinnest_first": 2, "all_at_once": 1_002, "collateral-off": 2_002, "collateral-on": 3_002}
    exchange = Twin(f"KXB-{name}", seed=seeds[name])
    watch = _Stopwatch(exchange.session)
    connection.use(exchange.client(signer=_signer()))
    for number in range(decisions + WARM_UP):
        twin = Twin(f"KXB-{name}-{number}", beside=exchange)
        for _ in range(legs):
            bid, offer = (10_000 - ask, 10_100 - ask) if collateral else (ask - 100, ask)
            twin.add_market([(bid, 100_000)], [(offer, 100_000)])
        connection.measure_clock()  # a worker's client has done so once in five minutes
        if collateral:
            _return_collateral(twin, on=collateral == "collateral-on")
        reconcile.ensure_reconciled()
        twin.sync()
        decision = world.decide(profile, twin.row, dict.fromkeys(twin.markets, ask), 100, kind, side)
        handed.remember(profile)
        message = handover.packed(decision)  # as the strategy worker sends it
        watch.start()
        position = executor.execute(decision.pk, message)
        whole = watch.spent()
        if position is None or position.status != "open" or watch.first is None:
            raise SystemExit(f"a basket was not bought: {position and position.status}")
        if number >= WARM_UP:
            firsts.append(watch.first)
            wholes.append(whole)
            orders += legs
    return {
        "decisions": decisions,
        "legs": legs,
        "decision_to_first_order_ms": _both(firsts),
        "decision_to_open_position_ms": _both(wholes),
        "orders_per_second_per_worker": round(orders / (sum(one.wall for one in wholes) / 1000), 1),
        "orders_per_cpu_second": round(orders / (sum(one.cpu for one in wholes) / 1000), 1),
    }


def _return_collateral(twin: Any, *, on: bool) -> None:
    """An event whose group is exclusive, and collateral return on this exchange and in our account."""
    from markets.models import Event
    from trading.models import ExchangeAccount
    from trading.reconciliation import reconcile
    from trading.venues import connection

    Event.objects.filter(pk=twin.row.pk).update(collateral_return_type="MECNET")
    twin.row.refresh_from_db()
    reconcile.ensure_reconciled()
    connection.client().portfolio.cash.set_netting(0, on)
    ExchangeAccount.objects.update(collateral="on" if on else "off")


def _signer() -> Any:
    """A key as the exchange hands them out."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    from markets.kalshi.signing import Signer

    return Signer("bench", rsa.generate_private_key(public_exponent=65_537, key_size=2_048))


class _Spent(NamedTuple):
    """Milliseconds of our own code."""

    wall: float
    cpu: float


class _Stopwatch:
    """Runs while our code does: it stops for every request that the exchange answers, and notes the first order."""

    def __init__(self, session: Any) -> None:
        self.first: _Spent | None = None
        self._real, session.send = session.send, self._send
        self.start()

    def start(self) -> None:
        self.first = None
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def spent(self) -> _Spent:
        return _Spent((time.perf_counter() - self._wall) * 1000, (time.process_time() - self._cpu) * 1000)

    def _send(self, request: Any, **kwargs: Any) -> Any:
        if request.method == "POST" and self.first is None:
            self.first = self.spent()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return self._real(request, **kwargs)
        finally:
            self._wall += time.perf_counter() - wall
            self._cpu += time.process_time() - cpu


def _reconciliation(count: int) -> dict[str, Any]:
    from bench._filled import place_many
    from tests.faults.rows import clear
    from tests.trading import world
    from tests.trading.twin import Twin
    from trading.models import Order
    from trading.reconciliation import reconcile
    from trading.venues import connection
    from trading.venues.live import LiveVenue

    clear()
    world.active()
    twin = Twin("KXR-0")
    market = twin.add_market([(4_000, 10**9)], [(4_200, 10**9)])
    connection.use(twin.client())
    profile = world.add_profile("many", mode="live", capital=10**6 * world.DOLLAR)
    rows = place_many(twin, profile, market, count)
    began, cpu = time.perf_counter(), time.process_time()
    row = reconcile.run("live", "bench")
    ours, cpu = time.perf_counter() - began, time.process_time() - cpu
    if row.error or row.repaired < count:
        raise SystemExit(f"reconciliation: {row.error or row.repaired}")
    began = time.perf_counter()
    again = reconcile.run("live", "bench")
    second = time.perf_counter() - began
    sample = list(Order.objects.filter(pk__in=rows[:200]).select_related("leg", "leg__market"))
    venue = LiveVenue()
    began = time.perf_counter()
    for order in sample:
        venue.fetch(order)
        venue.fills(order)
    plain = (time.perf_counter() - began) / len(sample) * count
    return {
        "orders": count,
        "repairing_all_s": round(ours, 2),
        "repairing_all_cpu_s": round(cpu, 2),
        "nothing_to_repair_s": round(second, 2),
        "second_pass_repaired": again.repaired,
        "plain_one_by_one_s": round(plain, 2),
        "plain_requests": 2 * count,
        "ratio_nothing_to_repair": round(plain / second, 1),
    }


def _both(found: Sequence[_Spent]) -> dict[str, dict[str, float]]:
    return {"wall": _spread([one.wall for one in found]), "cpu": _spread([one.cpu for one in found])}


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "best": round(ordered[0], 2),
    }


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
