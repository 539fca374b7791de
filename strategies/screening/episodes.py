"""Near misses as episodes: an event comes close, stays close, and goes. One row an episode, not one a look."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from kalbot.common import bulk
from kalbot.common.batches import batched
from strategies.models import NearMiss, Profile

QUIET: Final = timedelta(seconds=15)
"""A look that changes nothing is written at most this often."""

_BATCH: Final = 500
_SEEN: Final = [
    "kind",
    "constraint",
    "value",
    "limit",
    "distance_ppm",
    "best_distance_ppm",
    "flip",
    "summary",
    "looks",
    "last_seen_at",
]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw of an event that missed closely. ``distance_ppm``: of the payout or of the limit, millionths."""

    constraint: str
    distance_ppm: int
    value: str = ""
    limit: str = ""
    flip: str = ""
    kind: str = ""
    summary: dict[str, Any] = field(default_factory=dict)


def follow(profile: Profile, near: Mapping[str, Look], ended: Mapping[str, str], at: datetime) -> int:
    """Open or go on with the episodes of ``near`` (event ticker -> look) and close those of ``ended`` (-> what it became).

    Episodes of events in neither are left alone. The row of the best look keeps its basket (``summary``), because that is
    the one whose counterfactual is worth knowing. Returns the number of rows written. Safe against a racing call: the
    database holds one open episode a profile and event.
    """
    tickers = list({*near, *ended})
    running = {row.event_id: row for row in _running(profile, tickers)}
    fresh = [_opened(profile, ticker, look, at) for ticker, look in near.items() if ticker not in running]
    moved = [
        running[ticker] for ticker, look in near.items() if ticker in running and _went_on(running[ticker], look, at)
    ]
    for batch in batched(fresh, _BATCH):
        NearMiss.objects.bulk_create(batch, ignore_conflicts=True)
    bulk.update_rows(NearMiss, _SEEN, [(row.pk, [getattr(row, name) for name in _SEEN]) for row in moved])
    closed = 0
    by_reason: dict[str, list[int]] = {}
    for ticker, became in ended.items():
        if ticker in running:
            by_reason.setdefault(became[:40], []).append(running[ticker].pk)
    for became, ids in by_reason.items():
        for batch in batched(ids, _BATCH):
            closed += NearMiss.objects.filter(pk__in=batch, ended_at=None).update(ended_at=at, ended_as=became)
    return len(fresh) + len(moved) + closed


def running(profile: Profile) -> dict[str, datetime]:
    """Events with an open episode -> when it was last seen."""
    rows = NearMiss.objects.filter(profile=profile, ended_at=None)
    return dict(rows.values_list("event_id", "last_seen_at"))


def _running(profile: Profile, tickers: Collection[str]) -> Iterable[NearMiss]:
    for batch in batched(list(tickers), _BATCH):
        yield from NearMiss.objects.filter(profile=profile, ended_at=None, event_id__in=batch)


def _opened(profile: Profile, ticker: str, look: Look, at: datetime) -> NearMiss:
    row = NearMiss(profile=profile, event_id=ticker, started_at=at, last_seen_at=at)
    _describe(row, look)
    row.best_distance_ppm = look.distance_ppm
    row.summary = look.summary
    return row


def _went_on(row: NearMiss, look: Look, at: datetime) -> bool:
    """Take the look into the row; False when it is not worth a write."""
    better = look.distance_ppm < row.best_distance_ppm
    if not better and look.constraint == row.constraint and at - row.last_seen_at < QUIET:
        return False
    _describe(row, look)
    if better or not row.summary:
        row.best_distance_ppm = min(row.best_distance_ppm, look.distance_ppm)
        row.summary = look.summary
    row.looks += 1
    row.last_seen_at = at
    return True


def _describe(row: NearMiss, look: Look) -> None:
    row.constraint, row.distance_ppm, row.kind = look.constraint, look.distance_ppm, look.kind
    row.value, row.limit, row.flip = look.value[:60], look.limit[:60], look.flip[:300]
