"""The stream itself, with every check switched on; only rows and task messages have nowhere to go."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.streaming.frames import event_of, tickers

PATIENCE = 120.0


def run(
    port: int, markets: int, messages: int, result: Any, scheme: str = "ws", truth: str = "", names: Sequence[str] = ()
) -> None:
    """Until the flood is over; sends (messages, wall seconds, CPU seconds, facts).

    ``truth``: a file with the books that readers must see at the end. ``names``: the markets, if not those of the flood.
    """
    import django

    django.setup()
    import redis

    from markets.streaming.assembly import price_connection
    from markets.streaming.loop import Stream
    from markets.streaming.output.metrics import rss_mb

    logging.disable(logging.WARNING)
    living: list[Any] = []
    stream = Stream(
        _session_maker(port, scheme),
        price_connection(),
        _Watchlist(names or tickers(markets)),  # type: ignore[arg-type]
        _Nowhere(),  # type: ignore[arg-type]
        _Nowhere(),  # type: ignore[arg-type]
        on_connection=lambda connection: living.append(connection) if connection else None,
    )
    thread = threading.Thread(target=stream.run)
    server = redis.Redis.from_url(os.environ["REDIS_URL"])
    thread.start()
    try:
        base, redis_cpu = _wait_for_flood(stream, server, markets)
        while not (living and living[-1].intake.tally.ignored_types["flood_over"]):
            _still_patient(stream, base[0] + PATIENCE)
            time.sleep(0.005)
        wall, cpu = time.perf_counter() - base[0], time.process_time() - base[1]
        time.sleep(0.3)
        facts = {
            "gaps": stream.metrics.gaps,
            "suspected": stream.books.suspected,
            "rejected": stream.metrics.rejected,
            "flushes": stream.metrics.flushes,
            "records": stream.metrics.records,
            "redis_cpu_seconds": round(_cpu(server) - redis_cpu, 3),
            "rss_mb": rss_mb(),
            "lag_ms": stream.metrics.lag_ms,
        }
        if truth:
            facts["readers_agree_with_truth"] = _agrees(truth)
    finally:
        stream.stop()
        thread.join()
    result.send((messages, wall, cpu, facts))


def _wait_for_flood(stream: Any, server: Any, markets: int) -> tuple[tuple[float, float, int], float]:
    """(wall, CPU, messages) and Redis' CPU when the flood begins; a few answers to beats are not yet the flood."""
    give_up = time.perf_counter() + PATIENCE
    while stream.metrics.messages < markets:
        _still_patient(stream, give_up)
        time.sleep(0.01)
    base, redis_cpu = (0.0, 0.0, stream.metrics.messages), 0.0
    while stream.metrics.messages - base[2] < 20:
        _still_patient(stream, give_up)
        base = (time.perf_counter(), time.process_time(), stream.metrics.messages)
        redis_cpu = _cpu(server)
        time.sleep(0.02)
    return base, redis_cpu


def _still_patient(stream: Any, give_up: float) -> None:
    if time.perf_counter() > give_up:
        raise RuntimeError(f"the flood did not end: {stream.metrics.messages} messages came ({stream.metrics.error})")


class _Watchlist:
    """Every market, for ever."""

    def __init__(self, names: Sequence[str]) -> None:
        self.current: dict[str, dict[str, str]] = {}
        self.fee_multipliers: dict[str, int] = {}
        self.quoted: frozenset[str] = frozenset()
        self.in_families: frozenset[str] = frozenset()
        for name in names:
            self.current.setdefault(event_of(name), {})[name] = "active"


class _Nowhere:
    """Takes the place of inbox and notifier."""

    waiting = written = sent = suppressed = 0

    def put(self, message: object) -> None: ...

    def notify(self, name: str, *arguments: object, interval: float = 0.0) -> None: ...

    def may_leave(self, name: str, *arguments: object, interval: float) -> bool:
        return True

    def left(self, name: str, *arguments: object) -> None: ...


def _session_maker(port: int, scheme: str) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from markets.kalshi.environment import Environment
    from markets.kalshi.signing import Signer
    from markets.streaming.assembly import make_session

    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    where = Environment("bench", "http://127.0.0.1:1/trade-api/v2", f"{scheme}://127.0.0.1:{port}/trade-api/ws/v2")
    signer = Signer.from_pem("bench", pem)
    return lambda: make_session(where, signer)


def _cpu(server: Any) -> float:
    info = server.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _agrees(truth: str) -> bool:
    """Whether a reader sees exactly the books of ``truth``, none of them suspect."""
    from markets.prices import PUBLISHED_LEVELS, PriceReader

    said = json.loads(Path(truth).read_text())
    books = said.get("books", said)
    read = PriceReader().events(sorted({event_of(name) for name in books}))
    for name, book in books.items():
        market = read[event_of(name)].markets.get(name)
        if market is None or market.depth is None or market.suspect:
            return False
        for side, levels in (("yes", market.depth.yes_bids), ("no", market.depth.no_bids)):
            best = sorted(((int(p), c) for p, c in book[side].items()), reverse=True)[:PUBLISHED_LEVELS]
            if list(levels) != best:
                return False
    return True
