"""Markets that ended beside what a position holds: those whose leg had been sold, and of a family those in which it never had one.

What they settled at says which of the listed states are left, or that none is: a market of a family that is settled at a price (a void, a
fair price) shows that the exchange does what no certificate of a family lists. Money: micro-dollars.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django.db.models import F, QuerySet

from kalbot.common.units import DOLLAR
from markets.kalshi.vocabulary import MarketStatus
from markets.models import FamilyMember, Market
from strategies.models import Kind
from trading.models import Leg, Position, PositionStatus


def paid_by_sold(legs: Sequence[Leg], settled: Collection[str]) -> Mapping[str, int]:
    """Market -> what its YES paid, of the legs that were sold before their market ended. ``settled``: markets of which a settlement is
    booked: it counts."""
    return {
        leg.market_id: value
        for leg in legs
        if leg.sold_count
        and not leg.held
        and leg.market_id not in settled
        and leg.market.status == MarketStatus.FINALIZED
        and (value := leg.market.settlement_value_e6) is not None
    }


def settled_at_a_price(position: Position, legs: Sequence[Leg]) -> str:
    """Another market of the family's events that was settled neither as Yes nor as No; empty if there is none, or the position is in no
    family."""
    if position.kind != Kind.FAMILY:
        return ""
    own = {leg.market_id for leg in legs}
    events = FamilyMember.objects.filter(family=position.event_id).values("event")
    found = _at_a_price().filter(event__in=events).exclude(pk__in=own).order_by("pk").first()
    return "" if found is None else found.pk


def _at_a_price() -> QuerySet[Market]:
    ended = Market.objects.filter(status=MarketStatus.FINALIZED, settlement_value_e6__isnull=False)
    return ended.exclude(settlement_value_e6__in=(0, DOLLAR))


def behind(mode: str | None) -> list[int]:
    """The open positions across events (of every mode by default) that hold something and of whose events a market has ended: what they
    are sure of may have changed although nothing of theirs was booked."""
    holding = Leg.objects.filter(bought_count__gt=F("sold_count") + F("settled_count")).values("position")
    found = Position.objects.filter(kind=Kind.FAMILY, status=PositionStatus.OPEN, pk__in=holding)
    found = found.filter(mode=mode) if mode else found
    families = FamilyMember.objects.filter(event__markets__status=MarketStatus.FINALIZED).values("family")
    return list(found.filter(event__in=families).order_by("pk").values_list("pk", flat=True))
