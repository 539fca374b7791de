"""What a profile's capital is expected to earn elsewhere: learnt from every basket that paid, bought or not; while that is little, from
what paid for profiles that judge alike, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from strategies.allocation.hurdle import FEWEST, SHORTEST, hurdle
from strategies.cycle import holdings
from strategies.models import Hurdle, Opportunity, Profile
from strategies.profiles import alike


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


def of(profile: Profile, stored: Known | None, offers: Iterable[Offer], capital: int, *, price_waits: bool) -> float:
    """Profit a day and locked dollar below which a basket takes the place of a better one; 0 = none. As ``stored``, or learnt again where
    that is older than ten minutes, from ``offers`` too, which then are kept (see ``note``). ``capital``: all that is at work,
    micro-dollars; profits that work too are part of it, for what grows carries more, and less is passed over. ``price_waits``: what is
    stored counts for longer; the next cycle learns it again (``refresh``)."""
    if stored is not None and (price_waits or not _is_old(stored)):
        return stored.return_a_day
    note(profile, offers)
    learnt = _learn(profile, capital)
    return 0.0 if learnt is None else learnt.return_a_day


def refresh(profile: Profile, stored: Known | None, capital: int) -> bool:
    """Learn it where nothing or something old is ``stored``, so that no price waits for it. That nothing was offered yet is stored too.
    Whether it was learnt; ``capital``: see ``of``."""
    if profile.allocation == Profile.Allocation.FIRST_COME or not (stored is None or _is_old(stored)):
        return False
    if _learn(profile, capital) is None:
        now = clock.now()
        nothing = {"return_a_day": 0.0, "opportunities": 0, "since": now, "at": now}
        Hurdle.objects.update_or_create(profile=profile, defaults=nothing)
    return True


def _is_old(stored: Known) -> bool:
    return not timedelta() <= clock.now() - stored.at < AGAIN


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
    found = _seen([profile], now)
    if len(found) < FEWEST or now - found[0].at < timedelta(days=SHORTEST):
        found = _seen([profile, *_alike(profile)], now)
    if not found:
        return None
    offers = [Offer(one.event_id, Money(one.locked), Money(one.profit), one.days, 0) for one in found]
    first = found[0].at
    least = hurdle(offers, Money(max(0, capital)), (now - first).total_seconds() / _DAY)
    learnt, _ = Hurdle.objects.update_or_create(
        profile=profile,
        defaults={"return_a_day": least, "opportunities": len(found), "since": first, "at": now},
    )
    return learnt


def _seen(profiles: Sequence[Profile], now: datetime) -> list[Opportunity]:
    """What was offered to any of them, the earliest first; each event once, as it was offered to the first of them."""
    rows = Opportunity.objects.filter(profile__in=profiles, at__gt=now - WINDOW, at__lte=now)
    place = {profile.pk: number for number, profile in enumerate(profiles)}
    by_event = {one.event_id: one for one in sorted(rows, key=lambda one: -place[one.profile_id])}
    return sorted(by_event.values(), key=lambda one: (one.at, one.event_id))


def _alike(profile: Profile) -> list[Profile]:
    """The others that judge as ``profile`` does, with other money or in another mode, and for which a basket locks as much: what they were
    offered is what a profile without a history would have been."""
    collateral, own = holdings.current().collateral, alike.key_of(profile)
    others = Profile.objects.exclude(pk=profile.pk).order_by("pk")
    return [one for one in others if alike.key_of(one) == own and collateral(one).now() == collateral(profile).now()]
