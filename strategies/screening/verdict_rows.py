"""Verdict rows: one a profile and event, written only where something changed."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db.models import BigIntegerField, CharField

from kalbot.common import clock
from kalbot.common.db import bulk
from kalbot.common.db.batches import batched
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.db.retry import retried
from strategies.models import Profile
from strategies.models import Verdict as VerdictRow
from strategies.screening import versions
from strategies.screening.verdict import Status, Verdict

BATCH: Final = 1000
_COMPARED: Final = ("status", "constraint", "value", "limit", "distance_ppm", "flip", "kind")
_WRITTEN: Final = (*_COMPARED, "summary", "scan", "since", "updated_at")
_CANDIDATE: Final = Status.CANDIDATE.value

Said = tuple[Any, ...]
"""The values of ``_COMPARED``, as the database holds them."""

_STORED_COLUMNS: Final = ("event_id", "pk", "since", *_COMPARED)
_STORED: Final = PreparedColumns(
    lambda: VerdictRow.objects.filter(
        profile=Param("profile", BigIntegerField()), event__in=Among("tickers", CharField())
    ).values_list(*_STORED_COLUMNS)
)

_LISTED: Final = PreparedColumns(
    lambda: VerdictRow.objects.filter(profile=Param("profile", BigIntegerField()), status=_CANDIDATE).values_list(
        "event_id"
    )
)

ALL_AGAIN: Final = 600.0
"""Seconds after which the rows themselves are read again, whatever is remembered of them."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What this process wrote last for a profile: all of its rows said this when the count was ``version``. ``rows``: key and ``since`` of
    those that it has changed, which are those that change again."""

    version: int
    said: Mapping[str, Said]
    until: float
    rows: dict[str, tuple[int, datetime]]


_kept: dict[int, _Kept] = {}


def columns(judged: Mapping[str, Verdict]) -> dict[str, Said]:
    """What the rows of these verdicts say, by event ticker: the same for every profile that judges alike."""
    return {ticker: _columns(verdict) for ticker, verdict in judged.items()}


def write(
    profile: Profile, judged: Mapping[str, Verdict], said: Mapping[str, Said], scan_id: int | None, at: datetime
) -> int:
    """Make the profile's rows hold the verdicts ``judged`` (by event ticker; ``said``: their ``columns``), and no others. Returns how
    many rows were written.

    ``since`` moves only when status or constraint changes. What the cycle wrote (``live_*``, ``decisions``) is never
    touched, and rows of events that are not in ``judged`` are removed: there is one verdict a *scanned* event. Rows that this process
    wrote itself, and nobody since, are not read again.
    """
    version = versions.rows(profile.pk)
    wanted, stored, rows = _to_compare(profile, said, version)
    new: list[VerdictRow] = []
    changed: list[tuple[int, tuple[Any, ...]]] = []
    gone = stored.keys() - said.keys()
    relisted = any(stored[ticker][2] == _CANDIDATE for ticker in gone)
    for ticker in wanted:
        new_values, old = said[ticker], stored.get(ticker)
        if old is not None and old[2:] == new_values:
            continue
        relisted = relisted or (new_values[0] == _CANDIDATE) != (old is not None and old[2] == _CANDIDATE)
        summary = judged[ticker].summary
        if old is None:
            values = dict(zip(_COMPARED, new_values, strict=True))
            new.append(
                VerdictRow(profile=profile, event_id=ticker, summary=summary, scan_id=scan_id, since=at, **values)
            )
        else:
            since = old[1] if old[2:4] == new_values[:2] else at
            changed.append((old[0], (*new_values, summary, scan_id, since, at)))
            rows[ticker] = old[0], since
    if new or changed or gone:
        # Counted before as well, so that what others remember does not outlive a process that is killed in between.
        _kept.pop(profile.pk, None)
        begun = versions.count(profile.pk, rows=1)
        _store(profile, new, changed, gone)
        ended = versions.count(profile.pk, rows=1, candidates=int(relisted))
        alone = begun == version + 1 and ended == version + 2
        version = ended if alone else -1  # another screening wrote at the same time: read it all again
    for ticker in gone:
        rows.pop(ticker, None)
    until = clock.monotonic() + ALL_AGAIN * (0.5 + random.random())
    _kept[profile.pk] = _Kept(version, said, until, rows)
    return len(new) + len(changed)


def forget() -> None:
    """Empty this process's memory."""
    _kept.clear()


def _to_compare(
    profile: Profile, said: Mapping[str, Said], version: int
) -> tuple[Collection[str], dict[str, tuple[Any, ...]], dict[str, tuple[int, datetime]]]:
    """The events whose rows may have to be written, the stored rows of those and of events that are gone, and what is known of rows."""
    kept = _kept.get(profile.pk)
    rows = VerdictRow.objects.filter(profile=profile)
    if kept is None or kept.version != version or clock.monotonic() >= kept.until:
        found = rows.values_list(*_STORED_COLUMNS).iterator(chunk_size=5000)
        return said.keys(), {row[0]: row[1:] for row in found}, {}
    before = kept.said
    wanted = {ticker for ticker, values in said.items() if before.get(ticker) != values}
    listed = (row[0] for row in _LISTED.rows(profile=profile.pk))
    promoted = {ticker for ticker in listed if ticker not in before or before[ticker][0] != _CANDIDATE}
    read = wanted | promoted | (before.keys() - said.keys())
    known = {ticker: kept.rows[ticker] for ticker in read & kept.rows.keys() - promoted}
    stored = {ticker: (*row, *before[ticker]) for ticker, row in known.items()}
    for batch in batched(sorted(read - known.keys())):
        stored |= {row[0]: row[1:] for row in _STORED.rows(profile=profile.pk, tickers=batch)}
    return (wanted | promoted) & said.keys(), stored, {t: row for t, row in kept.rows.items() if t not in promoted}


def _store(
    profile: Profile,
    new: Sequence[VerdictRow],
    changed: Sequence[tuple[int, tuple[Any, ...]]],
    gone: Collection[str],
) -> None:
    for batch in batched(new, BATCH):
        retried(partial(_insert, batch))
    bulk.update_rows(VerdictRow, _WRITTEN, changed)
    for tickers in batched(sorted(gone), BATCH):
        retried(VerdictRow.objects.filter(profile=profile, event_id__in=tickers).delete)


def _insert(rows: Sequence[VerdictRow]) -> None:
    VerdictRow.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["profile", "event"], update_fields=_WRITTEN
    )


def _columns(verdict: Verdict) -> Said:
    constraint = "" if verdict.constraint is None else verdict.constraint.value
    rest = (verdict.value, verdict.limit, verdict.distance_ppm, verdict.flip, verdict.kind)
    return verdict.status.value, constraint, *map(_short, rest)


def _short(value: Any) -> Any:
    """Text as its column can hold it: 60 characters are enough for a value, 300 for a sentence."""
    if not isinstance(value, str) or len(value) <= 60:
        return value
    return value[:300]
