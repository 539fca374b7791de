"""Rows that a request names: a name or number that is none is refused in a sentence, not as an empty list or a bare "Not Found"."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet
from ninja.errors import HttpError

from strategies.models import Profile

Row = TypeVar("Row", bound=Model)


def profile(name: str) -> Profile | None:
    """The profile of that name; None for empty text. HttpError 404 when there is none."""
    return wanted_profile(name) if name else None


def wanted_profile(name: str) -> Profile:
    """The profile of that name. HttpError 404 when there is none."""
    found = Profile.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Profile.objects.order_by("name").values_list("name", flat=True)[:20]) or "none"
        raise HttpError(404, f'There is no profile "{name[:80]}"; known: {known}.')
    return found


def row(rows: QuerySet[Row], pk: int) -> Row:
    """The row with this number. HttpError 404 when there is none."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise HttpError(404, f"There is no {rows.model._meta.verbose_name} {pk}.")
    return found
