"""One, two and four workers of strategy and of trading beside each other: baskets a second, and whose processor time a basket costs.

Real workers, as ``docker-compose.yml`` starts them, on an embedded Postgres and one Redis. Trading is live and signed, on a simulated
exchange behind a socket that fills every order at once. Twice as many events or decisions are under way as the workers can have at once.
Workers beyond the machine's processors share them: what a basket costs each server holds on any machine, and says how many a second that
server carries with a processor of its own (``ceiling``). ``one profile`` is what the row of a profile's balance, which an admission
locks, lets through.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench._exchange_over_http import Address, opened
from bench._spent import seconds
from bench._workers import CONCURRENCY, workers
from bench.streaming.stage import prepare, write_key

WORKERS: Final = (1, 2, 4)
LEGS: Final = 4
WATCHED: Final = [(2_000, 2_600)] * LEGS
PAYING: Final = [(1_800, 2_200)] * LEGS
SIZE: Final = 10_000
WARM_UP: Final = 16
PATIENCE: Final = 20.0


def main(argv: list[str]) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench scale", description=__doc__)
    parser.add_argument("--baskets", type=int, default=200, help="of four legs, in each measurement (default 200)")
    parser.add_argument("--profiles", type=int, default=8, help="that share the baskets (default 8)")
    parser.add_argument("--workers", type=int, nargs="*", default=list(WORKERS), help="numbers of workers")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name, opened() as address:
        stops = prepare(Path(name), postgres=True)
        try:
            found = _all(Path(name), address, options)
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=2))
    return 0


def _all(folder: Path, address: Address, options: argparse.Namespace) -> dict[str, Any]:
    key = folder / "key.pem"
    write_key(key, rsa=True)
    os.environ |= {
        "LOG_LEVEL": "WARNING",
        "KALBOT_LIVE": "true",
        "KALSHI_KEY_ID": "bench",
        "KALSHI_REST_URL": address.url,
    }
    os.environ["KALSHI_WS_URL"] = address.url.replace("http", "ws")
    os.environ |= {"KALSHI_PRIVATE_KEY_PATH": str(key), "SECRET_KEY": secrets.token_urlsafe(50)}
    import django

    django.setup()
    from django.core.management import call_command

    from kalbot.common import cache
    from tests.trading import world
    from tests.trading.twin import Twin
    from trading.reconciliation import reconcile
    from trading.venues import connection

    call_command("migrate", verbosity=0)
    world.active()
    exchange = Twin("KXT-first", tier="prestige")
    address.exchange = exchange.exchange
    connection.use(exchange.client())
    connection.measure_clock()
    reconcile.ensure_reconciled()
    postgres = int(next(folder.glob("postgres/**/postmaster.pid")).read_text().splitlines()[0])
    servers = {"postgres": [postgres], "redis": [int(cache.prices().info()["process_id"])]}
    names = iter(range(10**6))
    found: dict[str, Any] = {"processors": os.cpu_count(), "concurrency of a worker": CONCURRENCY, "legs": LEGS}
    baskets = options.baskets
    for count in options.workers:
        with workers(folder, "strategy", count) as pids:
            _progress(f"strategy, {count} workers")
            drive = _events(next(names), baskets + WARM_UP)
            found[f"strategy x {count}"] = _measured(drive, count, baskets, servers | {"workers": pids})
        _forget_what_was_decided()
    for count in options.workers:
        with workers(folder, "exits,execution", count) as pids:
            for profiles, what in ((options.profiles, ""), (1, ", one profile")):
                _progress(f"trading, {count} workers{what}")
                with address.lock:
                    drive = _decisions(exchange, next(names), baskets + WARM_UP, profiles)
                one = _measured(drive, count, baskets, servers | {"workers": pids})
                found[f"trading x {count}{what}"] = one
    for part in ("strategy", "trading"):
        spent = found[f"{part} x {min(options.workers)}"]["processor_ms_a_basket"]
        found[f"ceiling of {part}, baskets a second and processor"] = {
            server: round(1000 / spent[server]) for server in ("postgres", "redis") if spent[server]
        }
    return found


Drive = tuple[Callable[[int], None], Callable[[], int]]
"""Have the basket of a number begun, and how many are done."""


def _measured(drive: Drive, many: int, baskets: int, servers: dict[str, list[int]]) -> dict[str, Any]:
    """``baskets``, with so many under way that no worker waits for the next one. Raises RuntimeError where one never ends."""
    begin, done = drive
    window = 2 * CONCURRENCY * many
    _run(begin, done, 0, WARM_UP, many)
    before, began = {name: seconds(pids) for name, pids in servers.items()}, time.monotonic()
    _run(begin, done, WARM_UP, baskets, window)
    took = time.monotonic() - began
    spent = {name: seconds(pids) - before[name] for name, pids in servers.items()}
    return {
        "baskets_a_second": round(baskets / took, 1),
        "processor_ms_a_basket": {name: round(one / baskets * 1000, 2) for name, one in spent.items()},
        "processors_busy": {name: round(one / took, 2) for name, one in spent.items()},
    }


def _run(begin: Callable[[int], None], done: Callable[[], int], first: int, count: int, window: int) -> None:
    begun, last = 0, time.monotonic()
    while True:
        over = done() - first
        if over >= count:
            return
        if begun < count and begun - over < window:
            begin(first + begun)
            begun, last = begun + 1, time.monotonic()
        elif time.monotonic() - last > PATIENCE:
            raise RuntimeError(f"{count - over} of {count} baskets did not end within {PATIENCE:g} s")
        else:
            time.sleep(0.002)


def _events(run: int, count: int) -> Drive:
    """Events whose baskets begin to pay, each for the one profile that there is; done is what was decided."""
    from kalbot.common import messages
    from strategies.cycle import cycle
    from strategies.models import Decision
    from strategies.screening import screening
    from tests.strategies import world

    profile = world.add_profile(f"scale-{run}", watch_margin_ppm=300_000, cooldown_seconds=3_600, **_wide())
    tickers = [f"KXS{run}-{number}" for number in range(count)]
    for ticker in tickers:
        world.add_event(ticker, WATCHED, certified=True)
        world.publish(ticker, world.books_of(ticker, WATCHED))
    screening.screen(world.add_scan().pk)

    if not cycle.run().candidates:
        raise RuntimeError("no event is a candidate")

    def begin(number: int) -> None:
        _publish(tickers[number])
        messages.send(messages.EVALUATE_EVENT, tickers[number])

    return begin, lambda: Decision.objects.filter(profile=profile).count()


def _forget_what_was_decided() -> None:
    """Nobody buys it, and what it was about is over."""
    from kalbot.common import cache
    from markets.models import Market
    from strategies.models import Decision, Profile

    Profile.objects.update(is_active=False)
    Decision.objects.all().delete()
    Market.objects.update(status="closed")
    cache.broker().delete(cache.key("execution"))


def _decisions(exchange: Any, run: int, count: int, profiles: int) -> Drive:
    """Decisions in turn of ``profiles`` live profiles, each on an event of its own; done is what is open."""
    from kalbot.common import clock, messages
    from strategies.cycle import handover
    from strategies.models import Decision
    from tests.trading import world
    from tests.trading.twin import Twin
    from trading.models import Denial, Position, PositionStatus

    wide = {"mode": "live", "sending": "all_at_once", **_wide()}
    mine = [world.add_profile(f"scale-{run}-{number}", **wide) for number in range(profiles)]
    made = []
    for number in range(count):
        twin = Twin(f"KXT{run}-{number}", beside=exchange)
        for bid, ask in PAYING:
            twin.add_market([(bid, SIZE)], [(ask, SIZE)])
        asks = dict(zip(twin.markets, (ask for _, ask in PAYING), strict=True))
        made.append(world.decide(mine[number % profiles], twin.row, asks, 100))

    def begin(number: int) -> None:
        decision = made[number]
        _publish(decision.event_id)
        decision.created_at = clock.now()
        Decision.objects.filter(pk=decision.pk).update(created_at=decision.created_at)
        messages.send(messages.EXECUTE_DECISION, str(decision.pk), handover.packed(decision))

    opened = Position.objects.filter(profile__in=mine, status=PositionStatus.OPEN)
    refused = Denial.objects.filter(decision__profile__in=mine)

    def done() -> int:
        if (denial := refused.first()) is not None:
            raise RuntimeError(f"a basket was not bought: {denial.code} {denial.detail}")
        return opened.count()

    return begin, done


def _publish(event: str) -> None:
    """Prices of ``event`` at which it pays, as new as now. The lease of their epoch never goes away meanwhile."""
    import msgspec

    from kalbot.common import cache, clock
    from markets.prices import EVENT_KEY, LEASE_KEY, EventRecord, Lease, MarketRecord
    from tests.trading.world import EPOCH

    at = clock.now_ms()
    legs = [
        MarketRecord(
            f"{event}-{n}", "active", bid, ask, 1, 1, at, at, False, True, ((bid, SIZE),), ((10_000 - ask, SIZE),)
        )
        for n, (bid, ask) in enumerate(PAYING)
    ]
    cache.prices().mset(
        {
            EVENT_KEY + event: msgspec.msgpack.encode(EventRecord(EPOCH, tuple(legs))),
            LEASE_KEY + "0": msgspec.msgpack.encode(Lease(EPOCH, at, "token")),
        }
    )


def _wide() -> dict[str, Any]:
    most = 10**12
    return {
        "capital": most,
        "max_drawdown": most,
        "max_open_positions": 10**6,
        "max_orders_per_minute": 10**6,
        "min_seconds_to_close": 60,
        "max_price_age_ms": 30_000,  # more workers than processors take longer
    }


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
