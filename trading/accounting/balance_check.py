"""A profile's money counted in two ways that must agree: by the ledger's entries, and by the rows of its positions."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.models import Profile
from trading.models import Account, LedgerEntry, Leg, Position


def summary(profile: Profile) -> dict[str, int]:
    """``starting``, ``cash`` (reserved included), ``open_cost``, ``realised``, ``returned`` and ``difference``, micro-dollars.

    Cash and capital come from the entries, open cost, realised and returned from the positions' own rows, so that ``difference`` =
    starting + realised + returned - cash - open_cost compares two ways of counting and must be 0. Capital that is set but not yet
    booked counts as starting and as cash. One statement reads it all: a booking in between cannot look like a difference.
    """
    ((capital, moved, booked, free, held, made, back),) = _SUMMARY.rows(profile=profile.pk)
    unbooked = capital + moved + booked
    starting, cash = unbooked - booked, unbooked + free
    found = {"starting": starting, "cash": cash, "open_cost": held, "realised": made, "returned": back}
    return found | {"difference": starting + made + back - cash - held}


def _summary() -> QuerySet[Profile, Any]:
    entries = LedgerEntry.objects.filter(transaction__profile=OuterRef("pk"))
    return (
        Profile.objects.filter(pk=Param("profile", BigIntegerField()))
        .annotate(
            booked=_total(entries.filter(account=Account.CAPITAL), "transaction__profile", "amount"),
            free=_total(entries.filter(account__in=[Account.CASH, Account.RESERVED]), "transaction__profile", "amount"),
            held=_total(Leg.objects.filter(position__profile=OuterRef("pk")), "position__profile", "open_cost"),
            made=_total(Position.objects.filter(profile=OuterRef("pk")), "profile", "realised"),
            back=_total(Position.objects.filter(profile=OuterRef("pk")), "profile", "returned"),
        )
        .values_list("capital", "moved", "booked", "free", "held", "made", "back")
    )


def _total(rows: QuerySet[Any], by: str, column: str) -> Coalesce:
    """The sum of ``column`` over ``rows`` of one ``by``, 0 when there are none, as part of a larger statement."""
    return Coalesce(
        Subquery(rows.order_by().values(by).annotate(t=Sum(column)).values("t")), 0, output_field=BigIntegerField()
    )


_SUMMARY: Final = PreparedColumns(_summary)
