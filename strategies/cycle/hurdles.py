"""What a profile's capital is expected to earn elsewhere: learnt from every basket that paid, bought or not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import BigIntegerField

from kalbot.common import clock
from kalbot.common.db import soon
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.units import Money
from strategies.allocation.choice import Offer
from strategies.allocation.hurdle import hurdle
from strategies.models import Hurdle, Opportunity, Profile


class Known(NamedTuple):
    """Profit a day and locked dollar, and when it was learnt."""

    return_a_day: float
    at: datetime


WINDOW: Final = timedelta(days=10)
AGAIN: Final = timedelta(minutes=10)
_DAY: Final = 86_400.0
_KNOWN: Final = PreparedColumns(
    lambda: Hurdle.objects.filter(profile=Param("profile", BigIntegerField())).values_list("return_a_day", "at")
)


def known(profile: Profile) -> Fetch[Known | None]:
    """What is stored of a profile; None where nothing is."""
    return Fetch(
        ((_KNOWN, {"profile": profile.pk}),),
        lambda rows: next((Known(float(least), at) for least, at in rows[0]), None),
    )


def of(profile: Profile, stored: Known | None, offers: Iterable[Offer], capital: int) -> float:
    """Profit a day and locked dollar below which a basket takes the place of a better one; 0 = none. As ``stored``, or learnt again where
    that is older than ten minutes, from ``offers`` too, which then are kept (see ``note``). ``capital``: all that is at work,
    micro-dollars; profits that work too are part of it, for what grows carries more, and less is passed over."""
    if stored is not None and timedelta() <= clock.now() - stored.at < AGAIN:
        return stored.return_a_day
    note(profile, offers)
    learnt = _learn(profile, capital)
    return 0.0 if learnt is None else learnt.return_a_day


def note(profile: Profile, offers: Iterable[Offer]) -> None:
    """Keep what was offered, each event as it was seen first. Nothing that is decided now waits for it."""
    rows = [
        Opportunity(
            profile=profile,
            event_id=offer.key,
            at=clock.now(),
            locked=offer.locked,
            profit=offer.profit,
            days=offer.days,
        )
        for offer in offers
    ]
    soon.insert(rows)  # a lost one is offered again, or is one of hundreds


def prune() -> int:
    """Delete what no window reaches. Returns how many rows."""
    return Opportunity.objects.filter(at__lt=clock.now() - WINDOW).delete()[0]


def _learn(profile: Profile, capital: int) -> Hurdle | None:
    now = clock.now()
    rows = Opportunity.objects.filter(profile=profile, at__gt=now - WINDOW, at__lte=now).order_by("at")
    found = list(rows.values_list("event_id", "locked", "profit", "days", "at"))
    if not found:
        return None
    offers = [Offer(key, Money(locked), Money(profit), days, 0) for key, locked, profit, days, _ in found]
    first = found[0][-1]
    least = hurdle(offers, Money(max(0, capital)), (now - first).total_seconds() / _DAY)
    learnt, _ = Hurdle.objects.update_or_create(
        profile=profile,
        defaults={"return_a_day": least, "opportunities": len(found), "since": first, "at": now},
    )
    return learnt
