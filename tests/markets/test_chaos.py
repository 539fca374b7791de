"""Real stream processes, killed, paused and cut off, under a reader that never stops: no stale price ever reads as live."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.conf import settings
from django.db.models import JSONField, Model

from kalbot.local.servers import RunningRedis, start_redis
from markets.prices import PriceReader, reading
from tests.markets.exchange import SmallExchange
from tests.markets.live_exchange import LiveExchange, wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_AGE_MS = 1_000
SLACK_MS = 400
LEGS = ("EVENT-A", "EVENT-B")


class World:
    """An exchange whose two legs always carry the same count, its history, a Redis and a database of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rest = SmallExchange()
        self.exchange = LiveExchange()
        for leg in LEGS:
            self.exchange.add(leg)
        self.redis: RunningRedis = start_redis(folder / "redis")
        key = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / "key.pem").write_bytes(key)
        (folder / "key.pem").chmod(0o600)
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_", "KALSHI_", "KALBOT_"))},
            "KALBOT_STATE": str(folder),
            "REDIS_URL": self.redis.url,
            "KALSHI_REST_URL": self.rest.url,
            "KALSHI_WS_URL": self.exchange.url,
            "KALSHI_KEY_ID": "test",
            "KALSHI_PRIVATE_KEY_PATH": str(folder / "key.pem"),
            "LOG_LEVEL": "INFO",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.manage("migrate", "-v0")
        self._seed()
        self.replaced: dict[int, float] = {}
        self.value = 1_000
        self.violations: list[str] = []
        self.sound = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._move, self._check)]
        for thread in self._threads:
            thread.start()

    def manage(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, check=True, timeout=300)

    def _seed(self) -> None:
        with sqlite3.connect(self.folder / "kalbot.sqlite3") as database:
            from markets.models import Event, Market, Series, Watch

            for model, rows in (
                (Series, [{"ticker": "S"}]),
                (Event, [{"ticker": "EVENT", "series_id": "S"}]),
                (Market, [{"ticker": leg, "event_id": "EVENT", "status": "active"} for leg in LEGS]),
                (Watch, [{"event_id": "EVENT", "source": "test", "priority": 1}]),
            ):
                for row in rows:
                    _insert(database, model(**row))

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.folder / f"stream-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "manage.py", "stream"], cwd=ROOT, env=self.env, stdout=log, stderr=log
        )
        self.processes.append(process)
        return process

    def start_standby(self) -> subprocess.Popen[bytes]:
        """A second process, once it stands by."""
        process = self.start()
        prices = redis.Redis.from_url(self.redis.url + "/1", socket_timeout=0.5)
        wait_for(lambda: any(prices.scan_iter(f"*:standby:{process.pid}")), 120)
        return process

    def reader(self) -> PriceReader:
        return PriceReader(redis.Redis.from_url(self.redis.url + "/1", socket_timeout=0.5), 1)

    def is_usable(self) -> bool:
        return self.reader().events(["EVENT"])["EVENT"].usable(LEGS, MAX_AGE_MS, _now()) is None

    def wait_usable(self) -> None:
        """As long as a busy machine needs to start a process."""
        wait_for(self.is_usable, 120)

    def rows(self, kind: str) -> list[str]:
        with sqlite3.connect(self.folder / "kalbot.sqlite3", timeout=10) as database:
            found = database.execute("select key from markets_exchangemessage where kind = ? order by id", (kind,))
            return [row[0] for row in found]

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(3)
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        self.redis.stop()
        self.exchange.close()
        self.rest.close()

    def _move(self) -> None:
        """Change both legs to a new count every 20 ms, and note when the old count was over."""
        while not self._stop.wait(0.02):
            new = self.value + 1
            for leg in LEGS:
                self.exchange.set_level(leg, "yes", 4000, new)
            self.replaced[self.value] = time.time() * 1000
            self.value = new

    def _check(self) -> None:
        """Read all the time. What reads as usable must have been the truth at most ``MAX_AGE_MS`` ago."""
        reader = self.reader()
        while not self._stop.is_set():
            event = reader.events(["EVENT"])["EVENT"]
            now = _now()
            if event.usable(LEGS, MAX_AGE_MS, now) is None:
                for leg in LEGS:
                    depth = event.markets[leg].depth
                    count = dict(depth.yes_bids)[4000] if depth else 0
                    over = self.replaced.get(count, now)
                    if now - over > MAX_AGE_MS + SLACK_MS:
                        self.violations.append(
                            f"{leg}: {count} was over {now - over:.0f} ms ago, age {event.age_ms(now)}"
                        )
                self.sound += 1
            time.sleep(0.002)


def _now() -> int:
    return int(time.time() * 1000)


def _insert(database: sqlite3.Connection, row: Model) -> None:
    values: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            value = "2026-01-01 00:00:00"
        if isinstance(field, JSONField):
            value = "[]" if value == [] else "{}"
        if not (field.primary_key and value is None):
            values[str(field.column)] = value
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    database.execute(f"insert into {row._meta.db_table} ({names}) values ({marks})", list(values.values()))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    price_reader = reading
    host = urlsplit(made.env["KALSHI_REST_URL"]).netloc
    for name in (
        "EVENT_KEY",
        "LEASE_KEY",
        "METRICS_KEY",
    ):  # keys carry the exchange's host: this process reads what that one writes
        key = getattr(price_reader, name).removeprefix(settings.REDIS_PREFIX)
        monkeypatch.setattr(price_reader, name, f"{settings.KALBOT_ENVIRONMENT}:{host}:{key}")
    yield made
    made.close()


def kill(world: World, process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_sigkill_takes_prices_away_and_a_standby_takes_over(world: World) -> None:
    leader = world.start()
    world.wait_usable()
    world.start_standby()
    kill(world, leader)
    wait_for(lambda: not world.is_usable())
    world.wait_usable()
    time.sleep(1)
    assert world.violations == []
    assert world.sound > 100


def test_a_paused_leader_is_replaced_and_cannot_write_when_it_wakes(world: World) -> None:
    leader = world.start()
    world.wait_usable()
    world.start_standby()
    leader.send_signal(signal.SIGSTOP)
    wait_for(lambda: not world.is_usable())
    world.wait_usable()
    epoch = world.reader().events(["EVENT"])["EVENT"].epoch
    leader.send_signal(signal.SIGCONT)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert world.reader().events(["EVENT"])["EVENT"].epoch in ("", epoch)
        time.sleep(0.01)
    assert world.violations == []


def test_a_paused_process_alone_is_never_believed_while_it_catches_up(world: World) -> None:
    only = world.start()
    world.wait_usable()
    for pause in (0.5, 2.0, 5.0):
        only.send_signal(signal.SIGSTOP)
        time.sleep(pause)
        only.send_signal(signal.SIGCONT)
        world.wait_usable()
        time.sleep(0.5)
    assert world.violations == []


@pytest.mark.parametrize("polite", [True, False])
def test_a_restarted_redis_costs_a_moment(world: World, polite: bool) -> None:
    world.start()
    world.wait_usable()
    (world.redis.stop if polite else world.redis.kill)()
    for n in range(20):
        world.exchange.fill(f"while-away-{n}")
    time.sleep(3)
    world.redis.start_again()
    world.wait_usable()
    wait_for(lambda: len(world.rows("fill")) == 20)
    wait_for(lambda: world.reader().stream_status().get("redis_errors", 0) > 0)
    wait_for(lambda: world.reader().stream_status()["error"] == "", 5)  # it says no more what is over
    assert world.violations == []


def test_redis_and_the_connection_may_go_together(world: World) -> None:
    world.start()
    world.wait_usable()
    world.redis.kill()
    world.exchange.refuse = True
    before = world.exchange.attempts
    world.exchange.disconnect()
    time.sleep(12)
    assert 0 < world.exchange.attempts - before < 16  # it goes on trying, ever more patiently
    world.exchange.refuse = False
    wait_for(lambda: bool(world.exchange.clients), 20)
    time.sleep(0.5)
    for n in range(20):
        world.exchange.fill(f"while-away-{n}")
    time.sleep(1)
    world.redis.start_again()
    world.wait_usable()
    wait_for(lambda: len(world.rows("fill")) == 20)
    assert world.violations == []


def test_a_cut_network_is_noticed_and_mended(world: World) -> None:
    world.start()
    world.wait_usable()
    world.exchange.mute = True  # the socket stays open and nothing comes: the worst kind of cut
    wait_for(lambda: not world.is_usable())
    time.sleep(1)
    world.exchange.mute = False
    world.exchange.refuse = True
    world.exchange.disconnect()
    time.sleep(2)
    world.exchange.refuse = False
    world.wait_usable()
    assert world.violations == []


def test_fills_and_lifecycle_survive_a_locked_database(world: World) -> None:
    world.start()
    world.wait_usable()
    blocker = sqlite3.connect(world.folder / "kalbot.sqlite3", isolation_level=None)
    blocker.execute("begin immediate")
    for n in range(50):
        world.exchange.fill(f"t{n}")
        world.exchange.lifecycle({"market_ticker": "EVENT-A", "event_type": "activated"})
    world.exchange.fill("t7")  # the exchange says it twice
    time.sleep(5)
    assert world.is_usable()  # prices do not wait for the database
    blocker.execute("rollback")
    wait_for(lambda: len(world.rows("lifecycle")) == 50, 35)
    assert world.rows("fill") == [f"fill:t{n}:order-t{n}" for n in range(50)]


def test_sigterm_ends_the_process_within_two_seconds(world: World) -> None:
    process = world.start()
    world.wait_usable()
    world.exchange.fill("last")
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert process.wait(5) == 0
    assert time.monotonic() - began < 2
    assert not world.is_usable()
    assert world.rows("fill") == ["fill:last:order-last"]
