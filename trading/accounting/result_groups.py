"""Ended baskets of a profile by what they have in common: category, kind, hour of their decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from strategies.models import Profile
from trading.accounting.results import DAY_ZONE, ended
from trading.models import Position


@dataclass(frozen=True, slots=True)
class Group:
    """Ended baskets that have something in common."""

    name: str
    ended: int
    won: int
    realised: int


GROUPS: Final = ("category", "kind", "hour")


def by(profile: Profile, since: datetime | None, until: datetime, zone: ZoneInfo = DAY_ZONE) -> dict[str, list[Group]]:
    """Ended baskets by ``category``, ``kind`` and ``hour`` of their decision in ``zone``, read once for all three; the largest sums
    first, hours in order."""
    made: dict[str, dict[str, list[int]]] = {what: defaultdict(list) for what in GROUPS}
    rows = ended(profile, since, until).values_list("event__category", "kind", "created_at", "realised")
    for category, kind, at, realised in rows:
        for what, name in _names(category, kind, at, zone).items():
            made[what][name].append(realised)
    return {what: _in_order(what, groups) for what, groups in made.items()}


def _in_order(what: str, made: Mapping[str, Sequence[int]]) -> list[Group]:
    groups = [Group(key, len(sums), sum(1 for one in sums if one > 0), sum(sums)) for key, sums in made.items()]
    return sorted(groups, key=lambda one: (0 if what == "hour" else -one.realised, one.name))


def members(
    profile: Profile, since: datetime | None, until: datetime, what: str, name: str, zone: ZoneInfo = DAY_ZONE
) -> list[Position]:
    """The baskets of one group, the largest profit first: the rows behind its numbers."""
    rows = ended(profile, since, until).select_related("event").order_by("-realised", "id")
    return [row for row in rows if _names(row.event.category, row.kind, row.created_at, zone)[what] == name]


def _names(category: str, kind: str, at: datetime, zone: ZoneInfo) -> dict[str, str]:
    """The groups that a basket belongs to, one of each of ``GROUPS``."""
    return {
        "category": category or "no category",
        "kind": kind.replace("_", " "),
        "hour": f"{at.astimezone(zone).hour:02d}:00",
    }
