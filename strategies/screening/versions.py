"""Whether what a process remembers of a profile's verdict rows still holds: two counts in the database."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import F

from strategies.models import VerdictVersion


def candidates(profile_ids: Collection[int]) -> dict[int, int]:
    """How often it has changed which events are candidates, by profile. Read it before the rows."""
    rows = VerdictVersion.objects.filter(pk__in=profile_ids)
    return dict.fromkeys(profile_ids, 0) | dict(rows.values_list("pk", "candidates"))


def rows(profile_id: int) -> int:
    """How often a screening has rewritten rows of the profile. Read it before the rows."""
    return VerdictVersion.objects.filter(pk=profile_id).values_list("rows", flat=True).first() or 0


def count(profile_id: int, *, rows: int = 0, candidates: int = 0) -> int:
    """Count up, after the rows were written. Returns the count of rewritten rows that this call has made."""
    with transaction.atomic():
        found = VerdictVersion.objects.filter(pk=profile_id)
        added = {"rows": F("rows") + rows, "candidates": F("candidates") + candidates}
        if not found.update(**added):
            VerdictVersion.objects.bulk_create([VerdictVersion(profile_id=profile_id)], ignore_conflicts=True)
            found.update(**added)
        return found.values_list("rows", flat=True).get()


def outdated(profile_ids: Collection[int]) -> None:
    """Count up both for profiles whose rows were removed."""
    VerdictVersion.objects.filter(pk__in=profile_ids).update(rows=F("rows") + 1, candidates=F("candidates") + 1)
