"""The profiles that a new installation starts with: on paper, all of them. Only a person makes a live one, in the console."""

from __future__ import annotations

from typing import Any, Final

from django.db import DatabaseError

from kalbot.common.errors import KalbotError
from markets.terms.grades import Grade
from strategies.models import DOLLAR, Kind, Mode, Profile

GUARANTEED_ONLY: Final[dict[str, Any]] = {
    "kinds": [Kind.ALL_YES.value, Kind.ALL_NO.value],
    "min_profit": DOLLAR // 10,
    "watch_margin_ppm": 100_000,
    "near_miss_ppm": 50_000,
}
"""Columns of a profile that buys guaranteed baskets only."""

SEEDED: Final[dict[str, dict[str, Any]]] = {
    "careful": {
        **GUARANTEED_ONLY,
        "mode": Mode.SIM.value,
        "description": "On paper: only baskets that pay more than they cost however the event ends.",
    },
    "balanced": {
        **GUARANTEED_ONLY,
        "least_grade": Grade.IF_DETERMINED.value,
        "mode": Mode.SIM.value,
        "description": "On paper: as careful, but also where every rule was read and nobody has registered the contract terms.",
    },
    "coverage": {
        "mode": Mode.SIM.value,
        "is_active": False,
        "description": "On paper: bets on the likely outcomes of a weather event where market prices give the bet a gain on "
        "average. Not guaranteed: when an outcome that it left out wins, all that it paid is lost.",
        "categories": ["Climate and Weather"],
        "kinds": [Kind.COVERAGE.value],
        "coverage_threshold_ppm": 900_000,
        "min_expected_margin_ppm": 0,
        "min_profit": DOLLAR // 10,
        "max_per_position": 50 * DOLLAR,
        "max_per_event": 50 * DOLLAR,
        "max_per_leg": 50 * DOLLAR,
        "watch_margin_ppm": 100_000,
    },
}
"""name -> columns that differ from the model's defaults."""


def seed() -> list[Profile]:
    """Create the seeded profiles that are missing; what a person has edited stays. Returns those created."""
    created = []
    for name, columns in SEEDED.items():
        profile, is_new = Profile.objects.get_or_create(name=name, defaults=columns)
        if is_new:
            created.append(profile)
    return created


def definition(name: str) -> Profile | None:
    """A seeded profile as an unsaved row, or None if no profile of that name is seeded."""
    return Profile(name=name, **SEEDED[name]) if name in SEEDED else None


class NoSuchProfile(KalbotError):
    """Neither stored nor seeded; the message lists those that are."""


def find(name: str) -> Profile:
    """The stored profile, or the seeded definition where there is no row (or no database). Raises NoSuchProfile."""
    try:
        stored = Profile.objects.filter(name=name).first()
        names = set(Profile.objects.values_list("name", flat=True))
    except DatabaseError:
        stored, names = None, set()
    found = stored or definition(name)
    if found is None:
        raise NoSuchProfile(f'There is no profile "{name}"; known: {", ".join(sorted(names | SEEDED.keys()))}.')
    return found
