"""What profiles are worth: capital, what was realised, and what selling everything at the bids of now would make. Kept once an hour."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kalbot.common import clock
from kalbot.console.models import EquitySample
from kalbot.console.pages.positions import open_positions
from strategies.models import Profile
from trading.accounting import results
from trading.accounting.results import Step
from trading.models import ProfileBalance

TRIES: Final = 5
"""Readings of a profile that books something while its positions are valued."""
GAP: Final = timedelta(hours=2)
"""For so long a sample holds. Later the ledger says more than what was worth something then."""
HOUR: Final = 3_600
Unrealised = tuple[int | None, int]
"""(micro-dollars, open positions without live books)."""


class Booked(NamedTuple):
    """Totals of a profile's ledger, micro-dollars, as people read them."""

    capital: int
    realised: int
    cash: int
    cost: int
    fees: int


def unrealised_of(profiles: Iterable[Profile]) -> dict[int, Unrealised]:
    """By profile: what selling now would make at the live bids, and how many open positions have no live book. None: nothing is open, or
    nothing of it has one."""
    found: dict[int, Unrealised] = {profile.pk: (None, 0) for profile in profiles}
    rows = open_positions.matching().filter(profile__in=found)
    for total in open_positions.totals(open_positions.valued(rows)):
        if total.profile is not None and total.profile.pk in found:
            found[total.profile.pk] = (total.unrealised, total.unpriced)
    return found


def of_now(profiles: Iterable[Profile], open_: Mapping[int, Unrealised]) -> dict[int, int]:
    """What each profile is worth with what ``open_`` says of it, micro-dollars; those without booked capital or profit are left out."""
    booked = _booked([profile.pk for profile in profiles])
    return {pk: one.capital + one.realised + (open_[pk][0] or 0) for pk, one in booked.items()}


def now(profiles: Iterable[Profile]) -> list[EquitySample]:
    """What each profile is worth now, not stored. Those without booked capital or profit are left out, and those that never stood still
    while their positions were valued: half of a sale is no value."""
    open_ = {profile.pk: profile for profile in profiles}
    found: list[EquitySample] = []
    for _ in range(TRIES):
        before = _booked(open_)
        valued = unrealised_of(open_[pk] for pk in before)
        after = _booked(before)
        still = [pk for pk, booked in before.items() if after.get(pk) == booked]
        found += [_sample(open_[pk], before[pk], *valued[pk]) for pk in still]
        open_ = {pk: open_[pk] for pk in before if pk not in still}
        if not open_:
            break
    return found


def sample() -> int:
    """Keep what every profile is worth, the first reading of each hour. How many rows are new."""
    rows = now(Profile.objects.order_by("pk"))
    before = EquitySample.objects.count()
    EquitySample.objects.bulk_create(rows, ignore_conflicts=True)
    return EquitySample.objects.count() - before


def samples(profile: Profile, since: datetime | None, until: datetime) -> list[EquitySample]:
    """What was kept of a profile in its mode, in order."""
    rows = EquitySample.objects.filter(profile=profile, mode=profile.mode, at__lte=until)
    return list((rows if since is None else rows.filter(at__gte=since)).select_related("profile").order_by("at"))


def history(
    profile: Profile, since: datetime | None, until: datetime, gains: Sequence[Step] | None = None
) -> list[Step]:
    """Equity over a time: (moment, micro-dollars from then on). Samples where there are any, and booked equity where there are none,
    as before the first one; empty for a profile of which no capital was booked by then. ``gains``: see ``equity_steps``."""
    booked = results.equity_steps(profile, since, until, gains)
    # a sample of a moment before the time holds on into it
    kept = samples(profile, since and since - GAP, until)
    return joined(booked, [(one.at, one.equity) for one in kept], since, until)


def joined(booked: list[Step], kept: list[Step], since: datetime | None, until: datetime) -> list[Step]:
    """Steps of booked equity, but not of a time for which a sample holds (``GAP``); there the samples stand. Each in order; nothing
    before ``since``."""
    found: list[Step] = []
    begin = since
    for number, (at, level) in enumerate(kept):
        found += _between(booked, begin, at)
        found.append((at if since is None else max(at, since), level))
        following = kept[number + 1][0] if number + 1 < len(kept) else until
        begin = min(at + GAP, following)
    return found + _between(booked, begin, until)


def _between(booked: list[Step], begin: datetime | None, end: datetime) -> list[Step]:
    """The steps from ``begin`` until before ``end``, first what holds at ``begin``."""
    if begin is not None and begin >= end:
        return []
    inside = [step for step in booked if (begin is None or step[0] > begin) and step[0] < end]
    held = [step for step in booked if begin is not None and step[0] <= begin]
    return [(begin, held[-1][1]), *inside] if held and begin is not None else inside


def _booked(profiles: Collection[int]) -> dict[int, Booked]:
    """The totals by profile, of those that have booked any capital or profit."""
    rows = ProfileBalance.objects.filter(profile__in=profiles).exclude(capital=0, realised=0).order_by("pk")
    return {row.profile_id: Booked(-row.capital, -row.realised, row.cash, row.position_cost, row.fees) for row in rows}


def _sample(profile: Profile, booked: Booked, unrealised: int | None, unpriced: int) -> EquitySample:
    at = clock.now()
    return EquitySample(
        profile=profile,
        mode=profile.mode,
        at=at,
        hour=int(at.timestamp()) // HOUR,
        capital=booked.capital,
        realised=booked.realised,
        unrealised=unrealised or 0,
        unpriced=unpriced,
    )
