"""Near misses as episodes: an event comes close, stays close, and goes. One row an episode, not one an evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db.models import F

from kalbot.common.db import bulk
from kalbot.common.db.batches import batched
from kalbot.common.db.retry import retried
from strategies.models import NearMiss, Profile
from strategies.screening.verdict import Verdict

QUIET: Final = timedelta(seconds=15)
"""A verdict that changes nothing is written at most this often."""

_SEEN: Final = [
    "kind",
    "constraint",
    "value",
    "limit",
    "distance_ppm",
    "best_distance_ppm",
    "flip",
    "summary",
    "evaluations",
    "last_seen_at",
]


def follow(profile: Profile, near: Mapping[str, Verdict], ended: Mapping[str, str], at: datetime) -> int:
    """Open or continue the episodes of ``near`` (event ticker -> verdict) and close those of ``ended`` (-> what it became).

    Episodes of events in neither are left alone. The row of the nearest verdict keeps its basket (``summary``), because that is
    the one whose counterfactual is worth knowing. Returns the number of rows written. Safe against a racing call: the
    database holds one open episode a profile and event.
    """
    tickers = list({*near, *ended})
    running = {row.event_id: row for row in _running(profile, tickers)}
    fresh = [_opened(profile, ticker, verdict, at) for ticker, verdict in near.items() if ticker not in running]
    moved = [
        running[ticker]
        for ticker, verdict in near.items()
        if ticker in running and _continued(running[ticker], verdict, at)
    ]
    for batch in batched(fresh):
        retried(partial(NearMiss.objects.bulk_create, batch, ignore_conflicts=True))
    bulk.update_rows(NearMiss, _SEEN, [(row.pk, [getattr(row, name) for name in _SEEN]) for row in moved])
    closed = 0
    by_reason: dict[str, list[int]] = {}
    for ticker, became in ended.items():
        if ticker in running:
            by_reason.setdefault(became[:40], []).append(running[ticker].pk)
    for became, ids in by_reason.items():
        for keys in batched(ids):
            rows = NearMiss.objects.filter(pk__in=keys, ended_at=None)
            closed += retried(partial(rows.update, ended_at=at, ended_as=became))
    return len(fresh) + len(moved) + closed


def go_on(profile: Profile, tickers: Collection[str], at: datetime) -> None:
    """The open episodes of these events go on, and there is nothing new to say of them."""
    for batch in batched(list(tickers)):
        rows = NearMiss.objects.filter(profile=profile, ended_at=None, event_id__in=batch)
        retried(partial(rows.update, last_seen_at=at, evaluations=F("evaluations") + 1))


def running(profile: Profile) -> dict[str, datetime]:
    """Events with an open episode -> when it was last seen."""
    rows = NearMiss.objects.filter(profile=profile, ended_at=None)
    return dict(rows.values_list("event_id", "last_seen_at"))


def _running(profile: Profile, tickers: Collection[str]) -> Iterable[NearMiss]:
    for batch in batched(list(tickers)):
        yield from NearMiss.objects.filter(profile=profile, ended_at=None, event_id__in=batch)


def _opened(profile: Profile, ticker: str, verdict: Verdict, at: datetime) -> NearMiss:
    row = NearMiss(profile=profile, event_id=ticker, started_at=at, last_seen_at=at)
    _describe(row, verdict)
    row.best_distance_ppm = _distance(verdict)
    row.summary = verdict.summary
    return row


def _continued(row: NearMiss, verdict: Verdict, at: datetime) -> bool:
    """Take the verdict into the row; False when it is not worth a write."""
    better = _distance(verdict) < row.best_distance_ppm
    if not better and _code(verdict) == row.constraint and at - row.last_seen_at < QUIET:
        return False
    _describe(row, verdict)
    if better or not row.summary:
        row.best_distance_ppm = min(row.best_distance_ppm, _distance(verdict))
        row.summary = verdict.summary
    row.evaluations += 1
    row.last_seen_at = at
    return True


def _describe(row: NearMiss, verdict: Verdict) -> None:
    row.constraint, row.distance_ppm, row.kind = _code(verdict), _distance(verdict), verdict.kind
    row.value, row.limit, row.flip = verdict.value[:60], verdict.limit[:60], verdict.flip[:300]


def _code(verdict: Verdict) -> str:
    return "" if verdict.constraint is None else verdict.constraint.value


def _distance(verdict: Verdict) -> int:
    return verdict.distance_ppm or 0
