"""Whether what a process remembers of a profile's verdict rows still holds: two counts in the database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.db import transaction
from django.db.models import BigIntegerField, F

from kalbot.common.db import bulk, pipeline
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.models import VerdictVersion

_ROWS: Final = PreparedColumns(
    lambda: VerdictVersion.objects.filter(pk=Param("profile", BigIntegerField())).values_list("rows")
)
_CANDIDATES: Final = PreparedColumns(
    lambda: VerdictVersion.objects.filter(pk__in=Among("profiles", BigIntegerField())).values_list("pk", "candidates")
)


def candidates(profile_ids: Collection[int]) -> dict[int, int]:
    """How often it has changed which events are candidates, by profile. Read it before the rows."""
    return dict.fromkeys(profile_ids, 0) | dict(_CANDIDATES.rows(profiles=list(profile_ids)))


def rows(profile_id: int) -> int:
    """How often a screening has rewritten rows of the profile. Read it before the rows."""
    found = _ROWS.rows(profile=profile_id)
    return int(found[0][0]) if found else 0


def count(profile_id: int, *, rows: int = 0, candidates: int = 0) -> int:
    """Count up, after the rows were written. Returns the count of rewritten rows that this call has made."""
    with transaction.atomic():
        added = bulk.adding(VerdictVersion, ("rows", "candidates"), [(profile_id, (rows, candidates))])
        changed, found = pipeline.rows_of(added, _ROWS.statement(profile=profile_id))
        if not changed:
            VerdictVersion.objects.bulk_create([VerdictVersion(profile_id=profile_id)], ignore_conflicts=True)
            _, found = pipeline.rows_of(added, _ROWS.statement(profile=profile_id))
        return int(found[0][0])


def outdated(profile_ids: Collection[int]) -> None:
    """Count up both for profiles whose rows were removed."""
    VerdictVersion.objects.filter(pk__in=profile_ids).update(rows=F("rows") + 1, candidates=F("candidates") + 1)
