"""Quotes that have bought nothing: those that may give way to a better one (``strategies.cycle.quote_places``)."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from strategies.models import Profile
from trading.closing import exits
from trading.models import Order, Position, PositionStatus

ACTOR: Final = "kalbot"


def quotes(profile: Profile) -> QuerySet[Position]:
    """Its baskets that are being quoted and of which no order has filled, by the books and by the exchange's last answers."""
    filled = Order.objects.filter(Q(filled_count__gt=0) | Q(reported_fill_count__gt=0), position=OuterRef("pk"))
    quoting = Position.objects.filter(profile=profile, status=PositionStatus.QUOTING, quote_withdrawn="")
    return quoting.filter(~Exists(filled))


def is_being_withdrawn(profile: Profile) -> bool:
    """Whether one of its quotes is being withdrawn, so that its place comes free."""
    return Position.objects.filter(profile=profile, status=PositionStatus.QUOTING).exclude(quote_withdrawn="").exists()


def replace(profile_id: int, event_ticker: str, why: str) -> int:
    """Withdraw the quote of the event, also that of the profile's shadows, if it still has bought nothing. Returns how many."""
    withdrawn = 0
    for profile in Profile.objects.filter(Q(pk=profile_id) | Q(shadow_of=profile_id)):
        for position in quotes(profile).filter(event_id=event_ticker):
            with suppress(exits.CannotExit):
                exits.withdraw_quote(position.pk, actor=ACTOR, reason=why)
                withdrawn += 1
    return withdrawn
