"""What a profile's quotes may leave alone in one day: those begun since midnight, and those from before that could still fill then."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Expression, F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from kalbot.common.db.prepared import total
from trading.models import ACTIVE, TERMINAL, Position


def limits_of_day(own: QuerySet[Position], midnight: datetime | Expression) -> Combinable:
    """The sum of ``orphan_limit``, micro-dollars, over those of a profile's ``own`` positions that count towards the budget of the day that
    began at ``midnight``, as part of a larger query. A quote that rests across midnight counts for both days: nobody knows in which of them
    it fills. What opened before counts no more. Each sort is found by an index of its own."""
    before = own.filter(created_at__lt=midnight)
    at_work = before.filter(Q(opened_at=None) | Q(opened_at__gte=midnight), status__in=ACTIVE)
    ended = before.filter(status__in=TERMINAL, opened_at__gte=midnight, ended_at__gte=midnight)
    sorts = (own.filter(created_at__gte=midnight), at_work, ended)
    first, *others = (Coalesce(total(rows, F("orphan_limit")), 0) for rows in sorts)
    return sum(others, start=first)
