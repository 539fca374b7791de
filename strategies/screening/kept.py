"""The universe of the last screening, kept for pages that count what a filter would let through while a person types.

The worker that screens writes it once; a console process decodes it once. It is what the verdicts of that screening rest on, quotes
included, so the counts are those that a screening of now would have given, but for the time that has passed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
import redis

from kalbot.common import cache, clock
from strategies.catalogue.universe import EventView
from strategies.models import Profile
from strategies.screening.filters import FILTERS, Rules
from strategies.screening.verdict import QuoteCache, Status, judge

UNIVERSE_KEY: Final = "screened:universe"
VERSION_KEY: Final = "screened:version"
LIFE: Final = 6 * 3_600
"""Seconds; counts on an older universe would say nothing."""
MOST_QUOTES: Final = 200_000
log = logging.getLogger(__name__)
_decoder = msgspec.msgpack.Decoder(list[EventView])


@dataclass(slots=True)
class Universe:
    """Every open event of a screening. ``quotes``: baskets at their best prices, as far as they were needed."""

    version: bytes
    at: datetime
    events: list[EventView]
    quotes: QuoteCache = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """Events that pass every structural filter of a profile, those of them that are candidates by their quotes, of how many."""

    passing: int
    candidates: int
    universe: int
    at: datetime


def keep(events: Mapping[str, EventView] | Collection[EventView]) -> None:
    """Write the universe. A Redis that does not take it costs the counts, not the screening."""
    if cache.is_isolated():
        return
    rows = list(events.values() if isinstance(events, Mapping) else events)
    stamp = str(clock.now_ms())
    try:
        client = cache.prices()
        client.set(cache.key(UNIVERSE_KEY), msgspec.msgpack.encode(rows), ex=LIFE)
        client.set(cache.key(VERSION_KEY), stamp, ex=LIFE)
    except redis.RedisError as error:
        log.warning("the screened universe is not kept: %s", error)


_last: Universe | None = None


def universe() -> Universe | None:
    """The universe of the last screening, decoded once a process; None where none is kept."""
    global _last
    try:
        client = cache.prices()
        version = client.get(cache.key(VERSION_KEY))
        if not isinstance(version, bytes):
            return None
        if _last is not None and _last.version == version:
            return _last
        content = client.get(cache.key(UNIVERSE_KEY))
    except redis.RedisError:
        return None
    if not isinstance(content, bytes):
        return None
    _last = Universe(version, clock.from_ms(int(version)), _decoder.decode(content))
    return _last


def count(profile: Profile) -> Count | None:
    """What ``profile`` (stored or not) would find in the universe of the last screening; None where none is kept."""
    found = universe()
    if found is None:
        return None
    rules, now_ms = Rules.of(profile), clock.now_ms()
    passing = [event for event in found.events if passes(event, rules, now_ms)]
    if len(found.quotes) > MOST_QUOTES:
        found.quotes.clear()
    candidates = sum(judge(event, rules, now_ms, found.quotes).status is Status.CANDIDATE for event in passing)
    return Count(len(passing), candidates, len(found.events), found.at)


def passes(event: EventView, rules: Rules, now_ms: int) -> bool:
    """Whether the event passes every structural filter; the first that it misses ends the check."""
    return all(check(event, rules, now_ms) is None for _, check in FILTERS)
