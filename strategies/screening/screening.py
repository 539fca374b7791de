"""Screening: after each scan, one verdict for every open event and every active profile.

The universe is every event that the scan left open. Each is judged once a profile, the counts are checked to add up, only
rows that changed are written, and the books of the most promising events are watched.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import CharField, Q, QuerySet

from kalbot.common import clock
from kalbot.common.db import fetch
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Among, Prepared
from markets.models import Scan
from strategies.catalogue import live_quotes
from strategies.catalogue.universe import EventView
from strategies.models import Profile, Screening
from strategies.models import Verdict as VerdictRow
from strategies.profiles import alike
from strategies.screening import counterfactual, episodes, kept, passing, verdict_rows, versions, watchlist
from strategies.screening.filters import Rules
from strategies.screening.verdict import QuoteCache, Status, Verdict, judge

log = logging.getLogger(__name__)

WARN_SHARE: Final = 0.95
FORGOTTEN: Final = timedelta(minutes=10)
"""An open episode of a candidate that no cycle has seen for this long is closed."""


class CountsDoNotAddUp(AssertionError):
    """An event of the universe has no verdict, or two."""


class _Shared(NamedTuple):
    """What is the same for all profiles that judge alike. ``said``: what their rows say; ``totals``: of the screening; ``books``: which are
    watched."""

    judged: Mapping[str, Verdict]
    said: Mapping[str, verdict_rows.Said]
    totals: Mapping[str, object]
    books: watchlist.Books


def screen(scan_id: int | None = None, only: str = "") -> list[Screening]:
    """Judge the universe as ``scan_id`` (default: the last finished scan) left it, for every active profile, or ``only`` the one of
    that name.

    Shadows have no verdicts while their live profile, which they follow, is on. Profiles that judge alike are judged for once. Returns
    the rows written, one a profile; none without a scan.
    """
    scan = Scan.objects.filter(pk=scan_id).first() if scan_id else None
    scan = scan or Scan.objects.filter(status=Scan.Status.DONE).order_by("-id").first()
    if scan is None:
        return []
    at, events = clock.now(), live_quotes.load_universe()
    cache: QuoteCache = {}
    rows: list[Screening] = []
    for group in alike.groups([profile for profile in active_profiles() if only in ("", profile.name)]):
        judged = judge_all(group[0], events, clock.now_ms(), cache)
        shared = _Shared(
            judged, verdict_rows.columns(judged), tally(judged, len(events)), watchlist.books_of(group[0], judged)
        )
        rows += [_screen(profile, scan, shared, at) for profile in group]
    _forget_the_inactive()
    counterfactual.record(clock.now())
    kept.keep(events)
    return rows


def active_profiles() -> list[Profile]:
    """Profiles that judge and decide for themselves, by name: all but the shadows of live profiles that are on."""
    return _ACTIVE.rows()


def interested(events: Sequence[str]) -> Fetch[list[Profile]]:
    """Those of ``active_profiles`` that have one of ``events`` as a candidate."""
    return fetch.rows_of(_INTERESTED, events=events)


def _active() -> QuerySet[Profile]:
    alone = Q(shadow_of=None) | Q(shadow_of__is_active=False)
    return Profile.objects.filter(alone, is_active=True).order_by("name")


def _with_candidates() -> QuerySet[Profile]:
    candidates = VerdictRow.objects.filter(event__in=Among("events", CharField()), status=VerdictRow.Status.CANDIDATE)
    return _active().filter(pk__in=candidates.values("profile"))


_ACTIVE: Final = Prepared(_active)
_INTERESTED: Final = Prepared(_with_candidates)


def judge_all(
    profile: Profile, events: Mapping[str, EventView], at_ms: int, cache: QuoteCache | None = None
) -> dict[str, Verdict]:
    """The verdict of every event, by ticker."""
    rules = Rules.of(profile)
    cache = {} if cache is None else cache
    known = passing.of(profile)
    if known is None:
        return {ticker: judge(event, rules, at_ms, cache) for ticker, event in events.items()}
    return {t: judge(event, rules, at_ms, cache, known.misses(event, rules, at_ms)) for t, event in events.items()}


def _screen(profile: Profile, scan: Scan, shared: _Shared, at: datetime) -> Screening:
    """Write what ``profile``, and all that judge like it, think of the universe."""
    began = time.monotonic()
    verdict_rows.write(profile, shared.judged, shared.said, scan.pk, at)
    _follow_episodes(profile, shared.judged, at)
    watched = watchlist.watch(profile, shared.books)
    totals = {**shared.totals, "watched": watched, "duration_ms": int((time.monotonic() - began) * 1000)}
    row, _ = Screening.objects.update_or_create(scan=scan, profile=profile, defaults=totals)
    if row.warning:
        log.warning(
            "one filter refuses nearly every event: profile %s, scan %s: %s", profile.name, scan.pk, row.warning
        )
    return row


def tally(judged: Mapping[str, Verdict], universe_size: int) -> dict[str, object]:
    """The totals of one screening. Raises CountsDoNotAddUp unless every event has exactly one verdict."""
    by_status = Counter(verdict.status for verdict in judged.values())
    binding = Counter(verdict.constraint.value for verdict in judged.values() if verdict.constraint is not None)
    failed = Counter(reason.value for verdict in judged.values() for reason in verdict.failed)
    total = by_status[Status.CANDIDATE] + by_status[Status.NEAR_MISS] + by_status[Status.REJECTED]
    if not total == universe_size == by_status[Status.CANDIDATE] + binding.total():
        raise CountsDoNotAddUp(f"{total} verdicts ({dict(by_status)}) for {universe_size} events")
    return {
        "universe": universe_size,
        "candidates": by_status[Status.CANDIDATE],
        "near_misses": by_status[Status.NEAR_MISS],
        "rejected": by_status[Status.REJECTED],
        "counts": dict(binding.most_common()),
        "failed": dict(failed.most_common()),
        "warning": _warning(binding, failed, universe_size),
    }


def _warning(binding: Counter[str], failed: Counter[str], universe_size: int) -> str:
    """One sentence on every filter that refuses more than 95 % of all events, binding or hidden behind another."""
    refusing = {code: max(binding[code], failed[code]) for code in {*binding, *failed}}
    sentences = [
        f'"{code}" refuses {count / universe_size:.1%} of {universe_size} events'
        for code, count in sorted(refusing.items(), key=lambda item: -item[1])
        if count > WARN_SHARE * universe_size
    ]
    return "; ".join(sentences)[:300]


def _follow_episodes(profile: Profile, judged: Mapping[str, Verdict], at: datetime) -> None:
    """Near misses by the quotes open or go on; what is rejected or gone has ended. A candidate's episode is the cycle's."""
    near = {ticker: verdict for ticker, verdict in judged.items() if verdict.status is Status.NEAR_MISS}
    ended = {}
    for ticker, seen in episodes.running(profile).items():
        verdict = judged.get(ticker)
        if verdict is None:
            ended[ticker] = "closed"
        elif verdict.status is Status.REJECTED:
            ended[ticker] = f"rejected: {verdict.constraint}"
        elif verdict.status is Status.CANDIDATE and at - seen > FORGOTTEN:
            ended[ticker] = "candidate"
    episodes.follow(profile, near, ended, at)


def _forget_the_inactive() -> None:
    """A profile that is switched off, or that follows another, has neither verdicts nor watched events."""
    names = [profile.name for profile in active_profiles()]
    watchlist.drop_all_but(names)
    others = list(Profile.objects.exclude(name__in=names).values_list("pk", flat=True))
    if others and VerdictRow.objects.filter(profile__in=others).delete()[0]:
        versions.outdated(others)
