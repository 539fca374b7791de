"""Near misses as episodes: an event comes close, stays close, and goes. One row an episode, not one an evaluation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from django.db.models import BigIntegerField, CharField, F

from kalbot.common.db import bulk
from kalbot.common.db.batches import batched
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.db.retry import retried
from strategies.models import NearMiss, Profile
from strategies.screening.verdict import Verdict

QUIET: Final = timedelta(seconds=15)
"""A verdict that changes nothing is written at most this often."""

_SAID: Final = ("constraint", "distance_ppm", "kind", "value", "limit", "flip")
_SEEN: Final = (*_SAID, "best_distance_ppm", "evaluations", "last_seen_at")
_NEARER: Final = (*_SEEN, "summary")


class _Row(NamedTuple):
    """What is read of an open episode."""

    event: str
    pk: int
    constraint: str
    best_distance_ppm: int
    summary: dict[str, Any]
    evaluations: int
    last_seen_at: datetime


_COLUMNS: Final = ("event_id", "pk", "constraint", "best_distance_ppm", "summary", "evaluations", "last_seen_at")
_RUNNING: Final = PreparedColumns(
    lambda: NearMiss.objects.filter(
        profile=Param("profile", BigIntegerField()), ended_at=None, event__in=Among("tickers", CharField())
    ).values_list(*_COLUMNS)
)


_OPEN: Final = PreparedColumns(
    lambda: NearMiss.objects.filter(profile=Param("profile", BigIntegerField()), ended_at=None).values_list(
        "event_id", "last_seen_at"
    )
)


def follow(profile: Profile, near: Mapping[str, Verdict], ended: Mapping[str, str], at: datetime) -> int:
    """Open or continue the episodes of ``near`` (event ticker -> verdict) and close those of ``ended`` (-> what it became).

    Episodes of events in neither are left alone. The row of the nearest verdict keeps its basket (``summary``), because that is
    the one whose counterfactual is worth knowing. Returns the number of rows written. Safe against a racing call: the
    database holds one open episode a profile and event.
    """
    running = _running(profile, list({*near, *ended}))
    fresh = [_opened(profile, ticker, verdict, at) for ticker, verdict in near.items() if ticker not in running]
    moved: dict[tuple[str, ...], list[tuple[int, tuple[Any, ...]]]] = {_SEEN: [], _NEARER: []}
    for ticker, verdict in near.items():
        row = running.get(ticker)
        if row is not None and _is_worth_a_write(row, verdict, at):
            columns, values = _continued(row, verdict, at)
            moved[columns].append((row.pk, values))
    for batch in batched(fresh):
        retried(partial(NearMiss.objects.bulk_create, batch, ignore_conflicts=True))
    for columns, rows in moved.items():
        bulk.update_rows(NearMiss, columns, rows)
    closed = 0
    by_reason: dict[str, list[int]] = {}
    for ticker, became in ended.items():
        if ticker in running:
            by_reason.setdefault(became[:40], []).append(running[ticker].pk)
    for became, ids in by_reason.items():
        for keys in batched(ids):
            open_ones = NearMiss.objects.filter(pk__in=keys, ended_at=None)
            closed += retried(partial(open_ones.update, ended_at=at, ended_as=became))
    return len(fresh) + sum(map(len, moved.values())) + closed


def go_on(profile: Profile, tickers: Collection[str], at: datetime) -> None:
    """The open episodes of these events go on, and there is nothing new to say of them."""
    for batch in batched(list(tickers)):
        rows = NearMiss.objects.filter(profile=profile, ended_at=None, event_id__in=batch)
        retried(partial(rows.update, last_seen_at=at, evaluations=F("evaluations") + 1))


def running(profile: Profile) -> dict[str, datetime]:
    """Events with an open episode -> when it was last seen."""
    return dict(_OPEN.rows(profile=profile.pk))


def _running(profile: Profile, tickers: Collection[str]) -> dict[str, _Row]:
    batches = batched(list(tickers))
    rows = (row for batch in batches for row in _RUNNING.rows(profile=profile.pk, tickers=batch))
    return {row[0]: _Row(*row) for row in rows}


def _opened(profile: Profile, ticker: str, verdict: Verdict, at: datetime) -> NearMiss:
    row = NearMiss(profile=profile, event_id=ticker, started_at=at, last_seen_at=at, summary=dict(verdict.summary))
    for name, value in zip(_SAID, _said(verdict), strict=True):
        setattr(row, name, value)
    row.best_distance_ppm = _distance(verdict)
    return row


def _is_worth_a_write(row: _Row, verdict: Verdict, at: datetime) -> bool:
    is_nearer = _distance(verdict) < row.best_distance_ppm
    return is_nearer or _code(verdict) != row.constraint or at - row.last_seen_at >= QUIET


def _continued(row: _Row, verdict: Verdict, at: datetime) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The columns that the verdict changes in the row, and their values."""
    best = min(row.best_distance_ppm, _distance(verdict))
    values = (*_said(verdict), best, row.evaluations + 1, at)
    is_nearest = best < row.best_distance_ppm or not row.summary
    return (_NEARER, (*values, dict(verdict.summary))) if is_nearest else (_SEEN, values)


def _said(verdict: Verdict) -> tuple[Any, ...]:
    """The values of ``_SAID``, as the database holds them."""
    return (
        _code(verdict),
        _distance(verdict),
        verdict.kind,
        verdict.value[:60],
        verdict.limit[:60],
        verdict.flip[:300],
    )


def _code(verdict: Verdict) -> str:
    return "" if verdict.constraint is None else verdict.constraint.value


def _distance(verdict: Verdict) -> int:
    return verdict.distance_ppm or 0
