"""Families that a person revoked.

What was not believed is the one value of their events. So it holds in every group that has two of these, whichever event joins or leaves,
and for a ladder that was revoked by itself in every group that has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from markets.models import Certificate, FamilyMember


@dataclass(frozen=True, slots=True)
class Revoked:
    """One of them: its events, who revoked it and why."""

    events: frozenset[str]
    actor: str
    reason: str

    def holds_for(self, members: Collection[str]) -> bool:
        """Whether a family of ``members`` would rest on what was revoked."""
        return len(self.events.intersection(members)) >= min(2, len(self.events))


def revoked_families() -> list[Revoked]:
    """All that have an open event."""
    revoked = Certificate.objects.filter(status=Certificate.Status.REVOKED, event__is_family=True)
    living = FamilyMember.objects.filter(family__in=revoked.values("event"), event__is_open=True).values("family")
    members: dict[str, set[str]] = defaultdict(set)
    for family, event in FamilyMember.objects.filter(family__in=living).values_list("family_id", "event_id"):
        members[family].add(event)
    rows = revoked.filter(event__in=members).order_by("event_id").values_list("event_id", "actor", "reason")
    return [Revoked(frozenset(members[family]), actor, reason) for family, actor, reason in rows]
