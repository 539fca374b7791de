"""The watchlist: the events whose order books the stream must keep, each with who needs it.

An entry is a row (event, source, priority), so it outlives every process. Higher layers write it, the stream reads the union;
the message on ``CHANGED_CHANNEL`` only makes the stream read it sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import redis
from django.db import transaction
from django.db.models import CharField, Max

from kalbot.common import cache
from kalbot.common.db import direct
from kalbot.common.db.batches import batched
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.kalshi.vocabulary import OPEN_STATUSES
from markets.models import Event, FamilyMember, Market, Watch
from markets.models.catalogue import FAMILY_PREFIX

CHANGED_CHANNEL: Final = cache.key("px:watch")
QUOTE_SOURCE: Final = "quote:"
"""How the source of an event's entry begins while something of ours rests in its books."""


def replace(source: str, event_tickers: Iterable[str], priority: int) -> None:
    """Make ``event_tickers`` exactly the entries of ``source``. Writes only the difference.

    ``source`` says who and why ("candidate:careful", "position:17"); a higher ``priority`` comes first when the stream's
    limit is reached. Concurrent calls of one source end with the entries of one of them, never in an error.
    """
    wanted = set(_books_of(event_tickers))
    if dict(_ENTRIES.rows(source=source)) == dict.fromkeys(wanted, priority):
        return
    with transaction.atomic():
        rows = dict(_ENTRIES.rows(source=source))
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
            transaction.on_commit(notify)


def keep(source: str, event_ticker: str, priority: int, *, is_new: bool = False) -> None:
    """Make sure that ``source`` has an entry for the event. ``is_new``: it has none, as far as is known."""
    books = _books_of([event_ticker])
    if is_new or not _KEPT.rows(source=source, events=books):
        direct.insert([Watch(event_id=ticker, source=source, priority=priority) for ticker in books], if_new=True)
        transaction.on_commit(notify)


_ENTRIES: Final = PreparedColumns(
    lambda: Watch.objects.filter(source=Param("source", CharField())).values_list("event_id", "priority")
)
_KEPT: Final = PreparedColumns(
    lambda: Watch.objects.filter(
        source=Param("source", CharField()), event__in=Among("events", CharField())
    ).values_list("pk")[:1]
)


def keeping(source: str, event_ticker: str, priority: int) -> list[Statement]:
    """Statements that do the same where ``source`` has no entry as far as is known, for the caller's transaction; the stream finds out
    when it reads the list the next time."""
    books = _books_of([event_ticker])
    return [direct.inserting(Watch(event_id=ticker, source=source, priority=priority)) for ticker in books]


def _books_of(events: Iterable[str]) -> list[str]:
    """The events whose books these are traded on: those of a family are its members'."""
    named = list(dict.fromkeys(events))
    families = [event for event in named if event.startswith(FAMILY_PREFIX)]
    if not families:
        return named
    members: dict[str, list[str]] = {}
    for family, event in FamilyMember.objects.filter(family__in=families).values_list("family_id", "event_id"):
        members.setdefault(family, []).append(event)
    return list(dict.fromkeys(one for event in named for one in members.get(event, [event])))


def quoted() -> frozenset[str]:
    """The events in which a quote rests: whoever rests one has an entry of such a source."""
    return frozenset(Watch.objects.filter(source__startswith=QUOTE_SOURCE).values_list("event_id", flat=True))


def in_families(event_tickers: Iterable[str]) -> frozenset[str]:
    """Those of these events that are members of an open family."""
    found: set[str] = set()
    for batch in batched(list(event_tickers)):
        found.update(
            FamilyMember.objects.filter(event__in=batch, family__is_open=True).values_list("event_id", flat=True)
        )
    return frozenset(found)


def notify() -> None:
    """Make the stream read the watchlist now. It does so every second anyway."""
    with suppress(redis.RedisError):
        cache.prices().publish(CHANGED_CHANNEL, b"")


def wanted(limit_markets: int, mine: Callable[[str], bool] = lambda event: True) -> dict[str, dict[str, str]]:
    """The events to watch, most important first, each with its markets' statuses in the catalogue; ``limit_markets`` in all.

    An event comes whole or not at all: a basket with half of its books is worth nothing. Markets that can no longer be
    traded are left out, and so are events for which ``mine`` is false.
    """
    ranked = (
        Watch.objects.values("event_id").annotate(most=Max("priority")).order_by("-most", "event_id")
    ).values_list("event_id", flat=True)
    chosen: dict[str, dict[str, str]] = {}
    free = limit_markets
    for batch in batched([event for event in ranked if mine(event)]):
        markets: dict[str, dict[str, str]] = {}
        rows = Market.objects.filter(event_id__in=batch, status__in=OPEN_STATUSES).order_by("ticker")
        for event_ticker, ticker, status in rows.values_list("event_id", "ticker", "status"):
            markets.setdefault(event_ticker, {})[ticker] = status
        for event_ticker in batch:
            found = markets.get(event_ticker, {})
            if found and len(found) <= free:
                chosen[event_ticker] = found
                free -= len(found)
    return chosen


def fee_multipliers(event_tickers: Iterable[str]) -> dict[str, int]:
    """The fee multiplier in millionths that the catalogue knows of each event. Coarse: it decides only what is worth evaluating."""
    found: dict[str, int] = {}
    for batch in batched(list(event_tickers)):
        rows = Event.objects.filter(pk__in=batch).values_list(
            "pk", "fee_multiplier_override_e6", "series__fee_multiplier_e6"
        )
        for ticker, override, multiplier in rows:
            found[ticker] = max(0, multiplier if override is None else override)
    return found
