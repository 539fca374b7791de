"""Which positions and markets are an event's, as parts of a query that is run with its ticker as ``event``."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import CharField, Q, QuerySet

from kalbot.common.db.prepared import Param
from markets.models import Event, FamilyMember

EVENT: Final = Param("event", CharField())


def overlaps() -> Q:
    """Positions that have markets in common with the event: of itself, of its families, of its members, of their families. One list of
    events, so that their positions are found by an index however many there are."""
    families = FamilyMember.objects.filter(event=EVENT).values("family")
    beside = FamilyMember.objects.filter(event__in=_members()).values("family")
    return Q(event__in=_itself().union(_members(), families, beside, all=True))


def is_of_event() -> Q:
    """What belongs to the event, or of a family to one of its members."""
    return Q(event__in=_itself().union(_members(), all=True))


def _itself() -> QuerySet[Any, Any]:
    return Event.objects.filter(pk=EVENT).values("pk")


def _members() -> QuerySet[Any, Any]:
    return FamilyMember.objects.filter(family=EVENT).values("event")
