"""Verdict rows: one a profile and event, written only where something changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strategies.judgement import Judgement
from strategies.models import Profile, Verdict

BATCH: Final = 1000
_COMPARED: Final = ("status", "constraint", "value", "limit", "distance_ppm", "flip", "kind")
_WRITTEN: Final = [*_COMPARED, "summary", "scan", "since", "updated_at"]


def write(profile: Profile, judged: Mapping[str, Judgement], scan_id: int | None, at: datetime) -> int:
    """Make the profile's rows say what ``judged`` says, and nothing else. Returns how many rows were written.

    ``since`` moves only when status or constraint changes. What the cycle wrote (``live_*``, ``decisions``) is never
    touched, and rows of events that are not in ``judged`` are removed: there is one verdict a *scanned* event.
    """
    stored = {row[0]: row[1:] for row in _rows(profile)}
    changed = []
    for ticker, judgement in judged.items():
        old = stored.get(ticker)
        new = tuple(_short(getattr(judgement, name)) for name in _COMPARED)
        if old is not None and old[1:] == new:
            continue
        since = old[0] if old is not None and old[1:3] == new[:2] else at
        changed.append(_row(profile, ticker, new, judgement.summary, scan_id, since, at))
    for batch in _batches(changed):
        Verdict.objects.bulk_create(
            batch, update_conflicts=True, unique_fields=["profile", "event"], update_fields=_WRITTEN
        )
    for gone in _batches(sorted(stored.keys() - judged.keys())):
        Verdict.objects.filter(profile=profile, event_id__in=gone).delete()
    return len(changed)


def _rows(profile: Profile) -> Iterator[tuple[Any, ...]]:
    rows = Verdict.objects.filter(profile=profile).values_list("event_id", "since", *_COMPARED)
    return rows.iterator(chunk_size=5000)


def _row(
    profile: Profile,
    ticker: str,
    values: tuple[Any, ...],
    summary: dict[str, Any],
    scan_id: int | None,
    since: datetime,
    at: datetime,
) -> Verdict:
    fields = dict(zip(_COMPARED, values, strict=True))
    return Verdict(
        profile=profile, event_id=ticker, summary=summary, scan_id=scan_id, since=since, updated_at=at, **fields
    )


def _short(value: Any) -> Any:
    """Text as its column can hold it: 60 characters are enough for a value, 300 for a sentence."""
    if not isinstance(value, str) or len(value) <= 60:
        return value
    return value[:300]


def _batches(items: Sequence[Any]) -> Iterator[Any]:
    return (items[i : i + BATCH] for i in range(0, len(items), BATCH))
