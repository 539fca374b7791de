"""Where the probabilities of whole families have earned their use for coverage. Without a row an event's own quotes count.

Whether an event has a family, and any gate is open, is read with the event itself; the rest only for events that have both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef, Subquery

from kalbot.common import clock
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.models import FamilyMember
from strategies.catalogue.corrections import lead_of
from strategies.models import FamilyGate

if TYPE_CHECKING:
    from strategies.catalogue.universe import EventView

_OPEN: Final = PreparedColumns(
    lambda: FamilyGate.objects.filter(ended_at=None).order_by().values_list("category", "lead_hours")
)


def family_of_event() -> Subquery:
    """The open family of the event of the outer query, while any gate is open; for a column of it."""
    is_any = Exists(FamilyGate.objects.filter(ended_at=None))
    rows = FamilyMember.objects.filter(is_any, event=OuterRef("pk"), family__is_open=True)
    return Subquery(rows.order_by("family_id").values("family_id")[:1])


def siblings_of(events: Collection[str]) -> list[str]:
    """The other members of the open families of ``events``, while any gate is open: whose books are wanted beside theirs."""
    if not events or not _OPEN.rows():
        return []
    families = FamilyMember.objects.filter(event__in=events, family__is_open=True).values("family")
    rows = FamilyMember.objects.filter(family__in=families).exclude(event__in=events).order_by("event_id")
    return list(rows.values_list("event_id", flat=True).distinct())


def open_for(views: Mapping[str, EventView], families: Mapping[str, str]) -> dict[str, str]:
    """Event -> family of those of ``families`` for which the gate is open now, by category and hours to the close, and on which there may
    be a bet on coverage. Reads nothing without ``families``."""
    if not families:
        return {}
    earned, now_ms = set(_OPEN.rows()), clock.now_ms()
    return {
        event: family
        for event, family in families.items()
        if (view := views.get(event)) is not None
        and view.exclusive
        and (view.category, lead_of(view.closes_ms, now_ms)) in earned
    }
