"""Verdict rows: one a profile and event, written only where something changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from kalbot.common import bulk
from kalbot.common.batches import batched
from strategies.models import Profile
from strategies.models import Verdict as VerdictRow
from strategies.screening.verdict import Verdict

BATCH: Final = 1000
_COMPARED: Final = ("status", "constraint", "value", "limit", "distance_ppm", "flip", "kind")
_WRITTEN: Final = (*_COMPARED, "summary", "scan", "since", "updated_at")


Said = tuple[Any, ...]
"""The values of ``_COMPARED``, as the database holds them."""


def columns(judged: Mapping[str, Verdict]) -> dict[str, Said]:
    """What the rows of these verdicts say, by event ticker: the same for every profile that judges alike."""
    return {ticker: _columns(verdict) for ticker, verdict in judged.items()}


def write(
    profile: Profile, judged: Mapping[str, Verdict], said: Mapping[str, Said], scan_id: int | None, at: datetime
) -> int:
    """Make the profile's rows hold the verdicts ``judged`` (by event ticker; ``said``: their ``columns``), and no others. Returns how
    many rows were written.

    ``since`` moves only when status or constraint changes. What the cycle wrote (``live_*``, ``decisions``) is never
    touched, and rows of events that are not in ``judged`` are removed: there is one verdict a *scanned* event.
    """
    stored = {row[0]: row[1:] for row in _rows(profile)}
    new: list[VerdictRow] = []
    changed: list[tuple[int, tuple[Any, ...]]] = []
    for ticker, new_values in said.items():
        old = stored.get(ticker)
        if old is not None and old[2:] == new_values:
            continue
        verdict = judged[ticker]
        if old is None:
            values = dict(zip(_COMPARED, new_values, strict=True))
            new.append(
                VerdictRow(
                    profile=profile, event_id=ticker, summary=verdict.summary, scan_id=scan_id, since=at, **values
                )
            )
        else:
            since = old[1] if old[2:4] == new_values[:2] else at
            changed.append((old[0], (*new_values, verdict.summary, scan_id, since, at)))
    for batch in batched(new, BATCH):
        VerdictRow.objects.bulk_create(
            batch, update_conflicts=True, unique_fields=["profile", "event"], update_fields=_WRITTEN
        )
    bulk.update_rows(VerdictRow, _WRITTEN, changed)
    for gone in batched(sorted(stored.keys() - judged.keys()), BATCH):
        VerdictRow.objects.filter(profile=profile, event_id__in=gone).delete()
    return len(new) + len(changed)


def _rows(profile: Profile) -> Iterator[tuple[Any, ...]]:
    rows = VerdictRow.objects.filter(profile=profile).values_list("event_id", "pk", "since", *_COMPARED)
    return rows.iterator(chunk_size=5000)


def _columns(verdict: Verdict) -> Said:
    constraint = "" if verdict.constraint is None else verdict.constraint.value
    rest = (verdict.value, verdict.limit, verdict.distance_ppm, verdict.flip, verdict.kind)
    return verdict.status.value, constraint, *map(_short, rest)


def _short(value: Any) -> Any:
    """Text as its column can hold it: 60 characters are enough for a value, 300 for a sentence."""
    if not isinstance(value, str) or len(value) <= 60:
        return value
    return value[:300]
