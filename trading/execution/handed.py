"""A decision as it comes to the worker that carries it out: in its message, or read from the database."""

from __future__ import annotations

from uuid import UUID

from strategies.cycle import handover
from strategies.models import Decision, Profile

_profiles: dict[int, Profile] = {}
"""Profiles as admission read them last. An old one costs a second try, no more: what is decided on is compared with the rows of now."""


def remember(profile: Profile) -> None:
    """Keep a profile that was just read for the decisions that follow."""
    _profiles[profile.pk] = profile


def forget() -> None:
    """Another database follows: its profiles have the same numbers."""
    _profiles.clear()


def read(decision_id: UUID | str) -> Decision:
    """The decision with its profile. Decision.DoesNotExist."""
    return Decision.objects.select_related("profile").get(pk=decision_id)


def over(decision_id: UUID | str, text: str) -> Decision | None:
    """The decision as its message has it (``strategies.cycle.handover``), with the profile as this process read it last. None where
    either is missing."""
    decision = handover.unpacked(text)
    profile = None if decision is None else _profiles.get(decision.profile_id)
    if decision is None or profile is None or profile.mode != decision.mode or str(decision.pk) != str(decision_id):
        return None
    decision.profile = profile
    return decision
