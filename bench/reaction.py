"""From a frame on the wire to the decision it causes: stream, Redis, broker, worker and strategy as they run in production.

Each trial cheapens two outcomes of an event of its own, so that buying all of them pays; the time counts from sending the second
delta to the ``created_at`` of the decision's row. All on this machine, one clock. The worker is idle but for the cycle over all
candidates that beat asks for every few seconds, which runs here as in production.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bench.listing import serve
from bench.streaming.connection import Connection
from bench.streaming.stage import percentiles, prepare, write_key
from kalbot.common.life import die_with_parent
from simulator.listing.series import derive_series, rules_text

ROOT = Path(__file__).resolve().parent.parent
SERIES = "KXHIGHNY"
"""Its rules are in a form that is read; each event is a day of its own."""
LEGS = ("less", "between", "greater")
WAIT = 5.0
BEAT_SECONDS = 5.0


class Exchange:
    """The listing over HTTP and the books over a WebSocket, of ``count`` events with three outcomes each."""

    def __init__(self, count: int) -> None:
        days = (datetime.now(UTC) + timedelta(days=1 + n) for n in range(count))
        self._days = {f"{SERIES}-{day:%y%b%d}".upper(): f"{day:%b %d, %Y}" for day in days}
        self.tickers = list(self._days)
        self._series = derive_series(SERIES, "Climate and Weather", "", 0)
        self.watched: set[str] = set()
        self._seq = 0
        self._connection: Connection | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.ws_url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/trade-api/ws/v2"
        threading.Thread(target=self._accept, daemon=True).start()

    # what ``bench.scan.serve`` asks for
    @property
    def series(self) -> bytes:
        listed = {name: getattr(self._series, name) for name in ("ticker", "title", "category", "settlement_sources")}
        return json.dumps({"series": [{**listed, "fee_type": "quadratic", "fee_multiplier": 1}]}).encode()

    def page(self, start: int) -> bytes:
        return json.dumps({"events": [self._event(ticker) for ticker in self.tickers], "cursor": ""}).encode()

    def send(self, ticker: str, side: str, price: int, count: int) -> None:
        message = {
            "market_ticker": ticker,
            "price_dollars": f"{price / 10_000:.4f}",
            "delta_fp": f"{count / 100:.2f}",
            "side": side,
        }
        self._send("orderbook_delta", {**message, "ts_ms": int(time.time() * 1000)})

    def _event(self, ticker: str) -> dict[str, Any]:
        return {
            "event_ticker": ticker,
            "series_ticker": SERIES,
            "title": "Highest temperature?",
            "category": self._series.category,
            "mutually_exclusive": True,
            "collateral_return_type": "MECNET",
            "markets": [self._market(ticker, leg) for leg in range(3)],
        }

    def _market(self, event: str, leg: int) -> dict[str, Any]:
        strikes = ({"cap_strike": 80}, {"floor_strike": 80, "cap_strike": 81}, {"floor_strike": 81})
        words = ("79° or below", "80° to 81°", "82° or above")
        about = {"strike_type": LEGS[leg], "yes_sub_title": words[leg], **strikes[leg]}
        primary, secondary = rules_text(self._series, "", self._days[event], about, 3)
        return {
            **about,
            "ticker": f"{event}-B{leg}",
            "event_ticker": event,
            "market_type": "binary",
            "status": "active",
            "result": "",
            "notional_value_dollars": "1.0000",
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
            "yes_bid_dollars": "0.2500",
            "yes_bid_size_fp": "100.00",
            "yes_ask_dollars": "0.3600",
            "yes_ask_size_fp": "100.00",
            "volume_fp": "5000.00",
            "open_interest_fp": "2000.00",
            "rules_primary": primary,
            "rules_secondary": secondary,
            "close_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400)),
        }

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = Connection(sock, self._snapshots)
            threading.Thread(target=self._connection.answer_commands, daemon=True).start()

    def _snapshots(self, tickers: list[str]) -> None:
        for ticker in tickers:
            self.watched.add(ticker)
            self._send(
                "orderbook_snapshot",
                {
                    "market_ticker": ticker,
                    "yes_dollars_fp": [["0.2500", "100.00"]],
                    "no_dollars_fp": [["0.6400", "100.00"]],
                },
            )

    def _send(self, kind: str, message: dict[str, Any]) -> None:
        self._seq += 1
        assert self._connection is not None
        self._connection.send(msgspec.json.encode({"type": kind, "sid": 2, "seq": self._seq, "msg": message}))


def prepare_stages(exchange: Exchange) -> None:
    """Catalogue, profile, verdicts and watchlist, by the product's own services."""
    from django.core.management import call_command

    from markets import connect
    from markets.catalogue import scan
    from strategies.cycle import cycle
    from strategies.models import Profile
    from strategies.screening import screening

    call_command("migrate", verbosity=0)
    dollar = 1_000_000
    Profile.objects.create(
        name="reaction",
        mode="sim",
        kinds=["all_yes"],
        least_grade="if_determined",
        min_profit=1,
        min_margin_ppm=0,
        watch_margin_ppm=300_000,
        capital=10**6 * dollar,
        max_drawdown=10**6 * dollar,
        max_open_positions=10_000,
        max_orders_per_minute=100_000,
        min_seconds_to_close=60,
    )
    with connect.client() as client:
        row = scan.scan(client)
    if row.status != row.Status.DONE:
        raise RuntimeError(row.error)
    screening.screen(row.pk)
    cycle.run()


@contextlib.contextmanager
def beat() -> Iterator[None]:
    """Asks for a cycle every few seconds."""
    from kalbot.common import messages

    over = threading.Event()

    def tick() -> None:
        messages.send_on_commit(messages.RUN_CYCLE)
        while not over.wait(BEAT_SECONDS):
            messages.send_on_commit(messages.RUN_CYCLE)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def trials(exchange: Exchange, pause: float) -> tuple[list[dict[str, float]], int]:
    """Milliseconds of each trial: to the start of the strategy task's cycle, and to the decision. And how many ended without one."""
    from strategies.models import Cycle, Decision

    found: list[dict[str, float]] = []
    lost = 0
    for event in exchange.tickers:
        exchange.send(f"{event}-B0", "no", 7300, 10_000)
        time.sleep(0.05)
        sent = time.time()
        exchange.send(f"{event}-B1", "no", 7300, 10_000)
        end = time.monotonic() + WAIT
        decision = None
        while decision is None and time.monotonic() < end:
            time.sleep(0.05)
            decision = Decision.objects.filter(event_id=event).first()
        if decision is None:
            lost += 1
        else:
            cycle = Cycle.objects.filter(started_at__lte=decision.created_at).order_by("-started_at").first()
            assert cycle is not None
            found.append(
                {
                    "cycle_starts": (cycle.started_at.timestamp() - sent) * 1000,
                    "decided": (decision.created_at.timestamp() - sent) * 1000,
                    **_stages(decision.trace, sent),
                }
            )
        time.sleep(pause)
    return found, lost


def _stages(trace: dict[str, int], sent: float) -> dict[str, float]:
    """Milliseconds of each stage of a decision's trace, the first since its delta was ``sent``."""
    found, before = {}, sent * 1e6
    for stage in ("received", "written", "notified", "started", "decided"):
        if stage in trace:
            found[f"stage_{stage}"] = (trace[stage] - before) / 1000
            before = trace[stage]
    return found


def run(count: int, pause: float, folder: Path) -> dict[str, Any]:
    exchange = Exchange(count)
    server, rest = serve(exchange)  # type: ignore[arg-type]
    key = folder / "key.pem"
    write_key(key)
    os.environ.update(
        KALSHI_REST_URL=rest, KALSHI_WS_URL=exchange.ws_url, KALSHI_KEY_ID="bench", KALSHI_PRIVATE_KEY_PATH=str(key)
    )
    import django

    django.setup()
    prepare_stages(exchange)
    worker = ["-m", "celery", "-A", "kalbot", "worker", "--pool", "threads", "--concurrency", "4", "-Q", "strategy"]
    commands = [["manage.py", "stream"], [*worker, "--without-mingle", "--without-gossip", "--loglevel", "WARNING"]]
    log = (folder / "processes.log").open("wb")
    processes = [
        subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent)
        for command in commands
    ]
    try:
        end = time.monotonic() + 60
        while len(exchange.watched) < 3 * count and time.monotonic() < end:
            time.sleep(0.2)
        with beat():
            time.sleep(5)  # the worker is up by then
            times, lost = trials(exchange, pause)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        server.shutdown()
    if not times:
        raise RuntimeError((folder / "processes.log").read_text()[-3000:])
    return {
        "trials": count,
        "decisions": len(times),
        "without_decision": lost,
        "worker": f"idle, but a cycle over all candidates every {BEAT_SECONDS:g} s",
        "watched_markets": len(exchange.watched),
        **percentiles([time["decided"] for time in times], 1),
        "until_the_cycle_starts": percentiles([time["cycle_starts"] for time in times], 1),
        "stages": {
            name: percentiles(of, 1)
            for name in ("received", "written", "notified", "started", "decided")
            if (of := [time[f"stage_{name}"] for time in times if f"stage_{name}" in time])
        },
        "slowest_ms": [round(t["decided"], 1) for t in sorted(times, key=lambda t: -t["decided"])[:5]],
        "slowest_trials": sorted(range(len(times)), key=lambda n: -times[n]["decided"])[:5],
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench reaction", description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="frames whose way is timed (default %(default)s)")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between trials")
    parser.add_argument("--postgres", action="store_true", help="an embedded Postgres instead of SQLite")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), options.postgres)
        try:
            found = run(options.trials, options.pause, Path(name))
        finally:
            for stop in reversed(stops):
                stop()
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
