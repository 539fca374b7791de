"""From the sending of a frame to another process that has the event's record in its hands, at one rate."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from bench.streaming import ours
from bench.streaming.frames import LEGS, STAMPED, event_of, stamp, tickers
from bench.streaming.stage import Running, flood, percentiles

EVENTS: Final = 32
"""The reader cares for so many of the events, as a strategy task does; to decode all of them would measure the reader."""


def watch(seconds: float, result: Any) -> None:
    """On each PUBLISH, read the records of our events and see how long ago each market's newest frame was sent. Every announced change
    is read; what was conflated before it was written counts once, with its newest frame. Frames carry microseconds where the
    exchange has its milliseconds."""
    import django

    django.setup()
    import redis

    from markets.prices import CHANGED_CHANNEL, PriceReader

    client = redis.Redis.from_url(os.environ["REDIS_URL"] + "/1")
    reader, listener = PriceReader(client), client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANGED_CHANNEL)
    mine = {event_of(name) for name in tickers(EVENTS * LEGS)}
    seen: dict[str, int] = {}
    latencies: list[float] = []
    end = time.time() + seconds
    while time.time() < end:
        names: set[str] = set()
        message = listener.get_message(timeout=0.2)
        while message is not None:
            names |= mine.intersection(message["data"].decode().split())
            message = listener.get_message()
        if not names:
            continue
        prices = reader.events(list(names))
        at = stamp()
        for event in prices.values():
            for market in event.markets.values():
                sent = market.exchange_ms
                if sent >= STAMPED and sent > seen.get(market.ticker, 0):  # a snapshot carries milliseconds
                    seen[market.ticker] = sent
                    latencies.append((at - sent) / 1000)
    result.send(latencies)


def measure(rate: float, seconds: float, markets: int) -> dict[str, Any]:
    """Percentiles of a run of ``seconds`` at ``rate`` messages a second."""
    messages = int(rate * seconds)
    with flood(markets=markets, messages=messages, rate=rate, stamped=True) as port:
        watching = Running(watch, seconds + 7)
        count, wall, cpu, facts = Running(ours.run, port, markets, messages).answer()
        times = watching.answer()
    if not times:
        raise RuntimeError("the watcher saw nothing")
    return {
        "rate": rate,
        "per_second": round(count / wall),
        "samples": len(times),
        **percentiles(times),
        "core_share": round(cpu / wall, 2),
        **facts,
    }
