"""Markets that ended beside what a position holds: those whose leg had been sold, and those in which it never had one.

What they settled at says which of the listed states are left, or that none is: a market that is settled at a price (a void, a fair price)
shows that the exchange may do what the certificate does not list, and no certificate of a family does. Money: micro-dollars.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.units import DOLLAR
from markets.kalshi.vocabulary import MarketStatus
from markets.models import FamilyMember, Market
from strategies.models import Kind
from trading.models import Leg, Position, PositionStatus

_BUYING: Final = (PositionStatus.PENDING, PositionStatus.QUOTING, PositionStatus.EXECUTING, PositionStatus.COMPLETING)


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


def settled_at_a_price(position: Position, legs: Sequence[Leg]) -> Mapping[str, int]:
    """Market -> what its YES paid, of the other markets of the position's event, or of its family's events, that were settled neither as
    Yes nor as No. Not read while it is being bought: settlements bring it up to date when it is open."""
    if position.status in _BUYING:
        return {}
    own = [leg.market_id for leg in legs]
    found = _at_a_price().filter(_of_events([position.event_id])).exclude(pk__in=own).order_by("pk")
    return {ticker: value for ticker, value in found.values_list("pk", "settlement_value_e6") if value is not None}


def _of_events(events: Collection[str]) -> Q:
    """Markets of these events; of a family those of its members."""
    return Q(event__in=events) | Q(event__in=FamilyMember.objects.filter(family__in=events).values("event"))


def _at_a_price() -> QuerySet[Market]:
    ended = Market.objects.filter(status=MarketStatus.FINALIZED, settlement_value_e6__isnull=False)
    return ended.exclude(settlement_value_e6__in=(0, DOLLAR))


def behind(mode: str | None) -> list[int]:
    """The open positions (of every mode by default) that hold something and of whose event a market was settled at a price, or of whose
    family's events any has ended, or for which collateral was returned and any market has ended: what they are sure of, or what is returned
    for them, may have changed although nothing of theirs was booked."""
    return [pk for pk, its in _BEHIND.rows() if mode in {None, its}]


def _changed() -> QuerySet[Position, Any]:
    """Positions of every mode, by their ids, with their modes."""
    holding = Leg.objects.filter(bought_count__gt=F("sold_count") + F("settled_count")).values("position")
    families = FamilyMember.objects.filter(event__markets__status=MarketStatus.FINALIZED).values("family")
    ended = Market.objects.filter(status=MarketStatus.FINALIZED).values("event")
    changed = Q(kind=Kind.FAMILY, event__in=families) | Q(event__in=_at_a_price().values("event"))
    changed |= Q(collateral__isnull=False, event__in=ended)
    found = Position.objects.filter(changed, status=PositionStatus.OPEN, pk__in=holding)
    return found.order_by("pk").values_list("pk", "mode")


_BEHIND: Final = PreparedColumns(_changed)
