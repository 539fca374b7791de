"""The price stream against a flood: messages a second, Redis included, beside the plain way in the same run.

``--rate N`` measures latency instead: frame on the wire to a reader in another process that has the event's record.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PLAIN_SHARE = 20
"""The plain way gets this part of the messages: it needs that much longer for each."""


@contextmanager
def flood(**options: Any) -> Iterator[int]:
    """The flooding server in a process of its own; yields its port."""
    command = [sys.executable, "-m", "bench.flood_server"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if line[:1] != ["ready"]:
            raise RuntimeError("the flooding server did not start")
        yield int(line[1])
    finally:
        process.kill()
        process.wait()


@contextmanager
def servers() -> Iterator[Path]:
    """A Redis of our own, named in the environment before Django reads its settings."""
    from kalbot.local.servers import start_redis

    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as folder:
        os.environ["KALBOT_STATE"] = folder
        server = start_redis(Path(folder) / "redis")
        os.environ["REDIS_URL"] = server.url
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
        try:
            yield Path(folder)
        finally:
            server.stop()


# -- the plain way -----------------------------------------------------------------------------------------------------


def plain(port: int, markets: int, messages: int, result: Any) -> None:
    """``WebSocketApp``, ``json``, ``Decimal``, and one SET for every message."""
    import decimal

    import redis
    import websocket

    from bench.flood_server import tickers

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    books: dict[str, dict[str, dict[decimal.Decimal, decimal.Decimal]]] = {}
    seen = {"count": 0, "first": 0.0, "cpu": 0.0}

    def on_open(app: Any) -> None:
        app.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker"]}}))
        body = {"channels": ["orderbook_delta"], "market_tickers": tickers(markets)}
        app.send(json.dumps({"id": 2, "cmd": "subscribe", "params": body}))

    def on_message(app: Any, text: str) -> None:
        frame = json.loads(text)
        kind, message = frame["type"], frame.get("msg") or {}
        if kind == "flood_over":
            app.close()
            return
        if kind == "orderbook_snapshot":
            books[message["market_ticker"]] = {
                side: {decimal.Decimal(p): decimal.Decimal(c) for p, c in message.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
            return
        if kind not in ("ticker", "orderbook_delta"):
            return
        if not seen["count"]:
            seen["first"], seen["cpu"] = time.perf_counter(), time.process_time()
        seen["count"] += 1
        name = message["market_ticker"]
        if kind == "ticker":
            record = {
                key: str(decimal.Decimal(message[key])) for key in ("yes_bid_dollars", "yes_ask_dollars", "volume_fp")
            }
            client.set(f"quote:{name}", json.dumps(record))
            return
        levels = books[name][message["side"]]
        price = decimal.Decimal(message["price_dollars"])
        levels[price] = levels.get(price, decimal.Decimal(0)) + decimal.Decimal(message["delta_fp"])
        if levels[price] <= 0:
            del levels[price]
        best = {side: str(max(found)) for side, found in books[name].items() if found}
        client.set(f"book:{name}", json.dumps(best))

    app = websocket.WebSocketApp(f"ws://127.0.0.1:{port}/trade-api/ws/v2", on_open=on_open, on_message=on_message)
    app.run_forever()
    result.send((seen["count"], time.perf_counter() - seen["first"], time.process_time() - seen["cpu"], {}))


# -- ours --------------------------------------------------------------------------------------------------------------


def ours(port: int, markets: int, messages: int, result: Any, scheme: str = "ws", truth: str = "") -> None:
    """The stream itself, with every check switched on; only rows and task messages have nowhere to go."""
    import django

    django.setup()
    import logging

    import certifi
    import redis

    from kalbot.common.clock import now_ms
    from markets.stream import price_connection
    from markets.streaming.figures import rss_mb
    from markets.streaming.loop import Stream

    logging.disable(logging.WARNING)
    if scheme == "wss":
        certifi.where = lambda: os.environ["KALBOT_BENCH_CA"]  # the bench's own certificate, not the world's
    living: list[Any] = []
    stream = Stream(
        _session_maker(port, scheme),
        price_connection(),
        _Wishes(markets),
        _Nowhere(),
        _Nowhere(),
        on_connection=lambda connection: living.append(connection) if connection else None,
    )
    thread = threading.Thread(target=stream.run)
    server = redis.Redis.from_url(os.environ["REDIS_URL"])
    thread.start()
    give_up = time.monotonic() + 120
    while stream.figures.messages < markets and time.monotonic() < give_up:
        time.sleep(0.01)
    base, redis_cpu = (0.0, 0.0, stream.figures.messages), 0.0
    while stream.figures.messages - base[2] < 20:  # a few answers to beats are not yet the flood
        base = (time.perf_counter(), time.process_time(), stream.figures.messages)
        redis_cpu = _cpu(server)
        time.sleep(0.02)
    while not (living and living[-1].intake.tally.ignored_types["flood_over"]):
        if time.monotonic() > give_up:
            stream.stop()
            thread.join()
            raise RuntimeError(
                f"the flood did not end: {stream.figures.messages} messages came ({stream.figures.error})"
            )
        time.sleep(0.005)
    wall, cpu = time.perf_counter() - base[0], time.process_time() - base[1]
    time.sleep(0.3)
    spent = _cpu(server) - redis_cpu
    facts = {
        "gaps": stream.figures.gaps,
        "doubted": stream.books.doubted,
        "rejected": stream.figures.rejected,
        "flushes": stream.figures.flushes,
        "records": stream.figures.records,
        "redis_cpu_seconds": round(spent, 3),
        "rss_mb": rss_mb(),
        "lag_ms": stream.figures.lag_ms,
    }
    if truth:
        facts["readers_agree_with_truth"] = _agrees(markets, truth, now_ms())
    stream.stop()
    thread.join()
    result.send((messages, wall, cpu, facts))


class _Wishes:
    """Every market of the flood, for ever."""

    def __init__(self, markets: int) -> None:
        from bench.flood_server import event_of, tickers

        self.current: dict[str, dict[str, str]] = {}
        self.fee_multipliers: dict[str, int] = {}
        for name in tickers(markets):
            self.current.setdefault(event_of(name), {})[name] = "active"


class _Nowhere:
    """Takes the place of inbox and nudger."""

    waiting = written = sent = 0

    def put(self, message: object) -> None: ...

    def ask(self, name: str, *arguments: object, interval: float = 0.0) -> None: ...


def _session_maker(port: int, scheme: str) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from markets.kalshi.environment import Environment
    from markets.kalshi.signing import Signer
    from markets.stream import make_session

    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    where = Environment("bench", "http://127.0.0.1:1/trade-api/v2", f"{scheme}://127.0.0.1:{port}/trade-api/ws/v2")
    signer = Signer.from_pem("bench", pem)
    return lambda: make_session(where, signer)


def _cpu(server: Any) -> float:
    info = server.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _agrees(markets: int, truth: str, now: int) -> bool:
    from bench.flood_server import event_of
    from markets.prices import PriceReader

    books = json.loads(Path(truth).read_text())
    read = PriceReader().events(sorted({event_of(name) for name in books}))
    for name, book in books.items():
        market = read[event_of(name)].markets.get(name)
        if market is None or market.depth is None or market.suspect:
            return False
        for side, levels in (("yes", market.depth.yes_bids), ("no", market.depth.no_bids)):
            if dict(levels) != {int(p): c for p, c in book[side].items()}:
                return False
    return True


# -- latency -----------------------------------------------------------------------------------------------------------


def watcher(markets: int, seconds: float, result: Any) -> None:
    """Another process: told by PUBLISH, it reads the event's record and looks how long ago the frame had come."""
    import django

    django.setup()
    import redis

    from markets.prices import CHANGED_CHANNEL, PriceReader

    client = redis.Redis.from_url(os.environ["REDIS_URL"] + "/1")
    reader, listener = PriceReader(client), client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANGED_CHANNEL)
    latencies: list[float] = []
    end = time.time() + seconds
    while time.time() < end:
        message = listener.get_message(timeout=0.2)
        if not message:
            continue
        while (later := listener.get_message()) is not None:  # behind: only the newest counts
            message = later
        names = message["data"].decode().split()[:16]
        prices = reader.events(names)
        at = time.time() * 1000
        newest = max((m.receive_ms for e in prices.values() for m in e.markets.values()), default=0)
        if newest:
            latencies.append(at - newest)
    result.send(sorted(latencies))


def in_process(target: Any, *arguments: Any) -> Any:
    """Run ``target`` in a fresh process; it answers through a pipe given as keyword ``result``."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=arguments, kwargs={"result": there})
    process.start()
    there.close()
    return process, here


def answer(started: Any) -> Any:
    process, pipe = started
    try:
        return pipe.recv()
    finally:
        process.join()


def measure(name: str, target: Any, messages: int, options: Any, **more: Any) -> dict[str, Any]:
    """One run against a flood of its own."""
    with flood(markets=options.markets, messages=messages, **more.pop("server", {})) as port:
        count, wall, cpu, facts = answer(
            in_process(target, port, options.markets, messages)
            if not more
            else _with(target, port, options.markets, messages, more)
        )
    found = {"messages": count, "per_second": round(count / wall), "per_cpu_second": round(count / cpu), **facts}
    print(f"{name}: {found['per_second']:,} messages/s", file=sys.stderr)
    return found


def _with(target: Any, port: int, markets: int, messages: int, more: dict[str, Any]) -> Any:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(port, markets, messages), kwargs={"result": there, **more})
    process.start()
    there.close()
    return process, here


def throughput(options: Any, folder: Path) -> dict[str, Any]:
    """Plain and ours, and if asked ours again over TLS."""
    truth = str(folder / "truth.json")
    found = {
        "plain": measure("plain", plain, max(2_000, options.messages // PLAIN_SHARE), options),
        "ours": measure("ours", ours, options.messages, options, server={"truth": truth}, truth=truth),
    }
    if options.tls:
        pem = certificate(folder)
        os.environ["KALBOT_BENCH_CA"] = pem
        found["ours_tls"] = measure(
            "ours, TLS", ours, options.messages // 2, options, server={"certificate": pem}, scheme="wss"
        )
    base = found["plain"]["per_second"]
    ratios = {name: round(run["per_second"] / base, 1) for name, run in found.items()}
    ratios |= {
        f"{name}_per_cpu_second": round(run["per_cpu_second"] / found["plain"]["per_cpu_second"], 1)
        for name, run in found.items()
    }
    return {"runs": found, "times_the_plain_way": ratios}


def latency(options: Any) -> dict[str, Any]:
    """Percentiles at one rate."""
    messages = int(options.rate * options.seconds)
    with flood(markets=options.markets, messages=messages, rate=options.rate) as port:
        watching = in_process(watcher, options.markets, options.seconds + 6)
        running = in_process(ours, port, options.markets, messages)
        count, wall, _, facts = answer(running)
        times = answer(watching)
    if not times:
        raise RuntimeError("the watcher saw nothing")
    at = {f"p{p}_ms": round(times[min(len(times) - 1, int(len(times) * p / 100))], 2) for p in (50, 90, 99)}
    return {"rate": options.rate, "per_second": round(count / wall), "samples": len(times), **at, **facts}


def certificate(folder: Path) -> str:
    """A certificate for 127.0.0.1 with its key in one PEM file."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench stream", description=__doc__)
    parser.add_argument("--markets", type=int, default=4096)
    parser.add_argument("--messages", type=int, default=400_000)
    parser.add_argument("--rate", type=float, default=0, help="messages a second: measure latency instead")
    parser.add_argument("--seconds", type=float, default=5, help="length of a latency run")
    parser.add_argument(
        "--tls", action="store_true", help="ours once more over TLS (not dependable yet: the flooding server may stall)"
    )
    options = parser.parse_args(argv)
    with servers() as folder:
        found = latency(options) if options.rate else throughput(options, folder)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
