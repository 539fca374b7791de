"""Who needs which order books: rooms above write wishes, the stream reads the sum of them.

A wish is a row (event, source, priority), so it outlives every process; the nudge on Redis only makes the stream look sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import redis
from django.db import transaction
from django.db.models import Max

from kalbot.common import cache
from kalbot.common.batches import batched
from markets.models import Event, Market, Watch

NUDGE_CHANNEL: Final = "px:watch"
TRADABLE: Final = ("initialized", "inactive", "active")


def replace(source: str, event_tickers: Iterable[str], priority: int) -> None:
    """Make ``event_tickers`` exactly what ``source`` wishes to have watched. Writes only the difference.

    ``source`` says who and why ("candidate:careful", "position:17"); a higher ``priority`` is kept first when there is not
    room for all. Concurrent calls of one source end in the wishes of one of them, never in an error.
    """
    wanted = set(event_tickers)
    with transaction.atomic():
        rows = dict(Watch.objects.filter(source=source).values_list("event_id", "priority"))
        gone = rows.keys() - wanted
        new = wanted - rows.keys()
        moved = [ticker for ticker in wanted & rows.keys() if rows[ticker] != priority]
        for batch in batched(sorted(gone)):
            Watch.objects.filter(source=source, event_id__in=batch).delete()
        for batch in batched(moved):
            Watch.objects.filter(source=source, event_id__in=batch).update(priority=priority)
        Watch.objects.bulk_create(
            [Watch(event_id=ticker, source=source, priority=priority) for ticker in sorted(new)],
            ignore_conflicts=True,
        )
        if gone or new or moved:
            transaction.on_commit(nudge)


def nudge() -> None:
    """Ask the stream to read the wishes now. It does so every second anyway."""
    with suppress(redis.RedisError):
        cache.prices().publish(NUDGE_CHANNEL, b"")


def wanted(limit_markets: int) -> dict[str, tuple[str, ...]]:
    """The events to watch with the markets of each, most important first, at most ``limit_markets`` markets in all.

    An event comes whole or not at all: a basket with half of its books is worth nothing. Markets that can no longer be
    traded are left out.
    """
    return {event: tuple(statuses) for event, statuses in wanted_statuses(limit_markets).items()}


def wanted_statuses(limit_markets: int, mine: Callable[[str], bool] = lambda event: True) -> dict[str, dict[str, str]]:
    """Like ``wanted``, with the status that the catalogue knows of each market. Only events that are ``mine``."""
    ranked = (
        Watch.objects.values("event_id").annotate(most=Max("priority")).order_by("-most", "event_id")
    ).values_list("event_id", flat=True)
    chosen: dict[str, dict[str, str]] = {}
    room = limit_markets
    for batch in batched([event for event in ranked if mine(event)]):
        markets: dict[str, dict[str, str]] = {}
        rows = Market.objects.filter(event_id__in=batch, status__in=TRADABLE).order_by("ticker")
        for event_ticker, ticker, status in rows.values_list("event_id", "ticker", "status"):
            markets.setdefault(event_ticker, {})[ticker] = status
        for event_ticker in batch:
            found = markets.get(event_ticker, {})
            if found and len(found) <= room:
                chosen[event_ticker] = found
                room -= len(found)
    return chosen


def fee_multipliers(event_tickers: Iterable[str]) -> dict[str, int]:
    """The fee multiplier in millionths that the catalogue knows of each event. Coarse: for deciding what deserves a look."""
    found: dict[str, int] = {}
    for batch in batched(list(event_tickers)):
        rows = Event.objects.filter(pk__in=batch).values_list(
            "pk", "fee_multiplier_override_e6", "series__fee_multiplier_e6"
        )
        for ticker, override, multiplier in rows:
            found[ticker] = max(0, multiplier if override is None else override)
    return found
