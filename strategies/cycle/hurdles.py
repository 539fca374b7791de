"""What a profile's capital is expected to earn elsewhere: learnt from every basket that paid, bought or not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.units import Money
from strategies.allocation.choice import Offer
from strategies.allocation.hurdle import hurdle
from strategies.models import Hurdle, Opportunity, Profile

WINDOW: Final = timedelta(days=10)
AGAIN: Final = timedelta(minutes=10)
_DAY: Final = 86_400.0


def of(profile: Profile) -> float:
    """Profit a day and locked dollar below which a basket takes the place of a better one; 0 = none. Learnt again every ten minutes."""
    now = clock.now()
    known = Hurdle.objects.filter(profile=profile).first()
    if known is None or not timedelta() <= now - known.at < AGAIN:
        known = _learn(profile)
    return 0.0 if known is None else known.return_a_day


def note(profile: Profile, offers: Iterable[Offer]) -> None:
    """Keep what was offered, each event as it was seen first."""
    Opportunity.objects.bulk_create(
        (
            Opportunity(
                profile=profile,
                event_id=offer.key,
                at=clock.now(),
                locked=offer.locked,
                profit=offer.profit,
                days=offer.days,
            )
            for offer in offers
        ),
        ignore_conflicts=True,
    )


def prune() -> int:
    """Delete what no window reaches. Returns how many rows."""
    return Opportunity.objects.filter(at__lt=clock.now() - WINDOW).delete()[0]


def _learn(profile: Profile) -> Hurdle | None:
    now = clock.now()
    rows = Opportunity.objects.filter(profile=profile, at__gt=now - WINDOW, at__lte=now).order_by("at")
    found = list(rows.values_list("event_id", "locked", "profit", "days", "at"))
    if not found:
        return None
    offers = [Offer(key, Money(locked), Money(profit), days, 0) for key, locked, profit, days, _ in found]
    first = found[0][-1]
    least = hurdle(offers, Money(max(0, profile.working)), (now - first).total_seconds() / _DAY)
    learnt, _ = Hurdle.objects.update_or_create(
        profile=profile,
        defaults={"return_a_day": least, "opportunities": len(found), "since": first, "at": now},
    )
    return learnt
