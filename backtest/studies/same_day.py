"""One day of one profile's settings: live, on paper, as the paper twin and replayed, side by side. Reads only; never a sum over modes.

Baskets belong to the day on which they were begun, by the profile's own time zone (a day of 23 or 25 hours where the clocks change). What a
basket made may have come later. A replay that covers a part of the day only says so: its hours are a line of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum

from backtest.models import BacktestRun
from kalbot.common import clock
from strategies.cycle import shadows
from strategies.models import Decision, Mode, Profile
from trading.models import TERMINAL, Denial, Position


@dataclass(frozen=True, slots=True)
class Side:
    """What one way of running the settings did with the day. Money in micro-dollars; ``hours`` of the day that were replayed, None where
    it was traded. ``decisions`` and ``denied`` are None where they were not kept by day."""

    name: str
    profile: Profile
    decisions: int | None
    denied: int | None
    baskets: int
    spent: int
    fees: int | None
    profit: int
    open: int
    run: BacktestRun | None = None
    hours: float | None = None


def bounds(profile: Profile, day: date) -> tuple[datetime, datetime]:
    """The beginning of a day of the profile and of the next."""
    zone = ZoneInfo(profile.day_zone)
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


def sides(profile: Profile, day: date) -> list[Side]:
    """Every way in which the settings of ``profile`` ran on ``day``: first live, then on paper, then replayed."""
    since, until = bounds(profile, day)
    return [*_traded(profile, since, until), *_replayed(profile, since, until)]


def alike(profile: Profile) -> list[Profile]:
    """Profiles with the same settings, this one among them: live ones first."""
    live = profile.shadow_of or profile
    related = Profile.objects.filter(Q(pk=live.pk) | Q(shadow_of=live) | Q(shadow_of=None)).order_by("pk")
    found = [one for one in related if one.pk == profile.pk or not shadows.differing(profile, one)]
    return sorted(found, key=lambda one: (one.mode != Mode.LIVE, one.shadow_of_id is not None, one.pk))


def _traded(profile: Profile, since: datetime, until: datetime) -> Iterator[Side]:
    for one in alike(profile):
        begun = Position.objects.filter(profile=one, created_at__gte=since, created_at__lt=until)
        bought = begun.filter(legs__bought_count__gt=0).distinct()
        spent: int | None = begun.aggregate(total=Sum("legs__bought_cost"))["total"]
        money: Mapping[str, int | None] = begun.aggregate(fees=Sum("fees"), profit=Sum("realised"))
        name = "live" if one.mode == Mode.LIVE else "paper twin" if one.shadow_of_id else "paper"
        yield Side(
            name,
            one,
            Decision.objects.filter(profile=one, created_at__gte=since, created_at__lt=until).count(),
            Denial.objects.filter(decision__profile=one, at__gte=since, at__lt=until).count(),
            bought.count(),
            spent or 0,
            money["fees"] or 0,
            money["profit"] or 0,
            bought.exclude(status__in=TERMINAL).count(),
        )


def _replayed(profile: Profile, since: datetime, until: datetime) -> Iterator[Side]:
    """The newest kept replay of the profile's name that covers most of the day."""
    runs = BacktestRun.objects.filter(
        profile=profile.name, status=BacktestRun.Status.DONE, study=None, first_at__lt=until, last_at__gt=since
    )
    best = max(runs, key=lambda run: (_overlap(run, since, until), run.pk), default=None)
    if best is None:
        return
    first, last = (moment.timestamp() * 1000 for moment in (since, until))
    listed = [one for one in best.result.get("positions", []) if first <= one["at_ms"] < last and one["spent"]]
    yield Side(
        "replayed",
        profile,
        None,
        None,
        len(listed),
        sum(one["spent"] for one in listed),
        sum(leg["fees"] for one in listed for leg in one["legs"]),
        sum(one["profit"] for one in listed),
        sum(one["ended_ms"] is None for one in listed),
        best,
        _overlap(best, since, until).total_seconds() / 3600,
    )


def _overlap(run: BacktestRun, since: datetime, until: datetime) -> timedelta:
    """How much of that time was replayed: without what the tape lacks in between."""
    begins, ends = max(run.first_at, since), min(run.last_at, until)
    lacking = [(clock.from_ms(a // 10**6), clock.from_ms(b // 10**6)) for a, b in run.coverage.get("missing", [])]
    gone = [min(after, ends) - max(before, begins) for before, after in lacking]
    return ends - begins - sum((part for part in gone if part > timedelta()), timedelta())
