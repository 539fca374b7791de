"""Which books the stream should keep: candidates first, then near misses, the most promising first.

Screening fills the list after each scan. Between scans ``refresh`` reads the live ticker quotes of every event that fails
on nothing but its price, and makes those that came close candidates at once: an edge does not wait for the next scan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.conf import settings

from kalbot.common import clock
from markets import watchlist
from markets.models import Watch
from markets.prices import Prices, Quote
from strategies.catalogue import family_gates, live_quotes, universe
from strategies.catalogue.universe import EventView
from strategies.models import Kind, Profile, Screening
from strategies.models import Verdict as VerdictRow
from strategies.profiles import alike
from strategies.reasons import LIFTED_BY_PRICES
from strategies.screening import versions
from strategies.screening.filters import Rules
from strategies.screening.verdict import QuoteCache, Status, Verdict, judge

CANDIDATE_PRIORITY: Final = 50
NEAR_PRIORITY: Final = 10


def most_events() -> int:
    """How many events' books one profile may watch (setting ``WATCH_EVENTS_PER_PROFILE``)."""
    return int(settings.WATCH_EVENTS_PER_PROFILE)


def candidate_source(name: str) -> str:
    """The name under which a profile watches the books of its candidates."""
    return f"candidate:{name}"


def near_source(name: str) -> str:
    """The same for its near misses."""
    return f"near:{name}"


class Books(NamedTuple):
    """Events whose books are wanted. ``beside``: of the candidates' families, where these have earned to speak of a bet on coverage."""

    candidates: list[str]
    near: list[str]
    beside: list[str]


def books_of(profile: Profile, judged: Mapping[str, Verdict]) -> Books:
    """The events whose books ``profile``, and all that judge like it, are to watch: the candidates and, as far as the limit allows, near
    misses."""
    most = most_events()
    candidates = _nearest(judged, Status.CANDIDATE)[:most]
    near = [t for t in _nearest(judged, Status.NEAR_MISS) if judged[t].constraint in LIFTED_BY_PRICES]
    near = near[: most - len(candidates)]
    beside = family_gates.siblings_of(candidates) if Kind.COVERAGE in profile.kinds else []
    return Books(candidates, near, beside)


def watch(profile: Profile, books: Books) -> int:
    """Watch these books and no others for ``profile``. Returns of how many events, but for those beside."""
    watchlist.replace(candidate_source(profile.name), [*books.candidates, *books.beside], CANDIDATE_PRIORITY)
    watchlist.replace(near_source(profile.name), books.near, NEAR_PRIORITY)
    return len(books.candidates) + len(books.near)


def drop_all_but(names: Collection[str]) -> None:
    """Watch nothing any more for profiles not in ``names``: switched off, renamed or deleted."""
    kept = {source(name) for name in names for source in (candidate_source, near_source)}
    ours = Watch.objects.filter(source__startswith="candidate:") | Watch.objects.filter(source__startswith="near:")
    for source in ours.values_list("source", flat=True).distinct():
        if source not in kept:
            watchlist.replace(source, [], 0)


def _nearest(judged: Mapping[str, Verdict], status: Status) -> list[str]:
    found = [(j.distance_ppm or 0, ticker) for ticker, j in judged.items() if j.status is status]
    return [ticker for _, ticker in sorted(found)]


@dataclass(slots=True)
class _Known:
    """What this process remembers between two refreshes: the events in play, and the quotes it has judged already."""

    screening_id: int = 0
    events: dict[str, EventView] = field(default_factory=dict)
    profiles: dict[int, set[str]] = field(default_factory=dict)
    judged: dict[str, tuple[Any, ...]] = field(default_factory=dict)


_known = _Known()


def refresh(
    profiles: Iterable[Profile], reader: Prices | None = None, only: Collection[str] | None = None
) -> dict[str, list[str]]:
    """Make candidates of the events (of ``only``, if given) whose live quotes have come close, and watch their books.

    Only events that fail on price alone, and only those whose quotes moved since this process judged them last, are judged again.
    Returns the tickers promoted, by profile name.
    """
    profiles = list(profiles)
    _load(profiles)
    tickers = _known.events.keys() if only is None else [ticker for ticker in only if ticker in _known.events]
    events = {ticker: _known.events[ticker] for ticker in tickers}
    moved = _moved(events, live_quotes.read(events.values(), reader)) if events else {}
    at, promoted = clock.now(), {}
    cache: QuoteCache = {}
    for group in alike.groups(profiles) if moved else []:
        rules, in_play = Rules.of(group[0]), [_known.profiles.get(profile.pk, set()) for profile in group]
        wanted = sorted(moved.keys() & set().union(*in_play))
        seen = {ticker: judge(moved[ticker], rules, clock.now_ms(), cache) for ticker in wanted}
        candidates = {ticker: j for ticker, j in seen.items() if j.status is Status.CANDIDATE}
        for profile, mine in zip(group, in_play, strict=True):
            close = {ticker: j for ticker, j in candidates.items() if ticker in mine}
            if close:
                promoted[profile.name] = _promote(profile, close, at)
                mine.difference_update(close)
    return promoted


def forget() -> None:
    """Empty this process's memory."""
    _known.screening_id, _known.events, _known.profiles, _known.judged = 0, {}, {}, {}


def _load(profiles: list[Profile]) -> None:
    newest = Screening.objects.order_by("-id").values_list("id", flat=True).first() or 0
    if newest == _known.screening_id:
        return
    rows = VerdictRow.objects.filter(profile__in=profiles, constraint__in=sorted(LIFTED_BY_PRICES)).exclude(
        status=Status.CANDIDATE
    )
    _known.profiles = {}
    for profile_id, ticker in rows.values_list("profile_id", "event_id"):
        _known.profiles.setdefault(profile_id, set()).add(ticker)
    tickers = set().union(*_known.profiles.values()) if _known.profiles else set()
    _known.events = universe.load(sorted(tickers))
    _known.judged = {}
    _known.screening_id = newest


def _moved(events: Mapping[str, EventView], quotes: Mapping[str, Quote]) -> dict[str, EventView]:
    """Those of ``events`` of which a quote differs from the last one judged, with their live quotes."""
    moved = {}
    for ticker, event in events.items():
        live = tuple(quotes.get(outcome.ticker) for outcome in event.outcomes)
        if any(live) and _known.judged.get(ticker) != live:
            _known.judged[ticker] = live
            moved[ticker] = live_quotes.overlay(event, quotes)
    return moved


def _promote(profile: Profile, close: Mapping[str, Verdict], at: datetime) -> list[str]:
    """Conditional on the verdict still being no candidate; the watchlist grows by those that won."""
    won = []
    for ticker, j in close.items():
        rows = VerdictRow.objects.filter(profile=profile, event_id=ticker).exclude(status=Status.CANDIDATE)
        won += [ticker] * rows.update(
            status=Status.CANDIDATE.value,
            constraint="",
            value=j.value,
            limit=j.limit,
            distance_ppm=j.distance_ppm,
            flip="",
            kind=j.kind,
            summary=j.summary,
            since=at,
            updated_at=at,
        )
    source = candidate_source(profile.name)
    watched = list(Watch.objects.filter(source=source).values_list("event_id", flat=True))
    if won:
        versions.count(profile.pk, candidates=1)
        beside = family_gates.siblings_of(won) if Kind.COVERAGE in profile.kinds else []
        watchlist.replace(source, [*won, *beside, *watched][: most_events()], CANDIDATE_PRIORITY)
    return won


__all__ = ["books_of", "candidate_source", "drop_all_but", "forget", "most_events", "near_source", "refresh", "watch"]
