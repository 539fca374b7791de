"""What a report has earned is put into force: corrections of probabilities, and gates for those of families."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from strategies.models import FamilyGate, ProbabilityCorrection


def use(found: dict[str, Any]) -> int:
    """Put the corrections of a report that have earned their use in the place of those in force; returns how many."""
    rows = [
        ProbabilityCorrection(
            category=one["category"],
            lead_hours=one["lead"],
            power=one["power"],
            e_value=one["e_value"],
            events=one["events"],
        )
        for one in found["groups"]
        if one["is_used"]
    ]
    with transaction.atomic():
        ProbabilityCorrection.objects.all().delete()
        ProbabilityCorrection.objects.bulk_create(rows)
    return len(rows)


def use_families(found: dict[str, Any]) -> int:
    """The same of the probabilities of families: what is earned takes the place of the gates in force, with nothing scored since; returns
    how many are open."""
    rows = [
        FamilyGate(category=one["category"], lead_hours=one["lead"], e_value=one["e_value"], events=one["events"])
        for one in found["across"]
        if one["has_earned"]
    ]
    with transaction.atomic():
        FamilyGate.objects.all().delete()
        FamilyGate.objects.bulk_create(rows)
    return len(rows)
