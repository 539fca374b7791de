"""What a profile made in a time: realised profit, fees, baskets, win rate, returns, drawdown, best and worst. Selectors, exact integers.

Realised profit comes from the ledger's entries and from nowhere else, so that results and ledger cannot differ. Sim and live are never
added up: a result is of one profile. Money is micro-dollars; shares are millionths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Sum

from kalbot.common.units import PPM
from strategies.models import Profile
from trading.models import TERMINAL, Account, Fill, LedgerEntry, Position

DAY_ZONE: Final = ZoneInfo("America/New_York")
"""The zone in which days, weeks, months and years begin: the exchange's own."""
PERIODS: Final = ("day", "week", "month", "year", "all")
SECONDS_A_DAY: Final = 86_400


def begin(period: str, now: datetime, zone: ZoneInfo = DAY_ZONE) -> datetime | None:
    """When the current day, week (from Monday), month or year began in ``zone``; None for all. ValueError for another word."""
    if period not in PERIODS:
        raise ValueError(f"{period!r} is none of {', '.join(PERIODS)}")
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        return midnight - timedelta(days=midnight.weekday())
    starts = {"day": midnight, "month": midnight.replace(day=1), "year": midnight.replace(month=1, day=1)}
    return starts.get(period)


@dataclass(frozen=True, slots=True)
class Result:
    """One profile in one time. ``won``: ended baskets with a profit; ``capital_days``: micro-dollars held, times days;
    ``drawdown``: the greatest fall of realised profit from its high within the time; ``best`` and ``worst``: (position, profit)."""

    profile: Profile
    since: datetime | None
    realised: int
    fees: int
    ended: int
    won: int
    capital_days: int
    drawdown: int
    best: tuple[int, int] | None
    worst: tuple[int, int] | None

    @property
    def win_rate_ppm(self) -> int | None:
        """Won of ended; None when none has ended."""
        return self.won * PPM // self.ended if self.ended else None

    @property
    def on_capital_ppm(self) -> int | None:
        """Realised over the profile's capital."""
        return self.realised * PPM // self.profile.capital if self.profile.capital else None

    @property
    def on_capital_days_ppm(self) -> int | None:
        """Realised for each dollar held for a day."""
        return self.realised * PPM // self.capital_days if self.capital_days else None


Step = tuple[datetime, int]
"""(moment, change in micro-dollars)."""


def result(profile: Profile, since: datetime | None, now: datetime) -> Result:
    """What ``profile`` made from ``since`` (None: from its beginning) until ``now``. A handful of queries."""
    gains = realised_steps(profile, since)
    ended = Position.objects.filter(profile=profile, status__in=TERMINAL).exclude(fees=0, realised=0)
    fills = Fill.objects.filter(order__profile=profile)
    if since is not None:
        ended, fills = ended.filter(ended_at__gte=since), fills.filter(created_at__gte=since)
    outcomes = sorted(ended.values_list("realised", "pk"))
    return Result(
        profile=profile,
        since=since,
        realised=sum(amount for _, amount in gains),
        fees=fills.aggregate(total=Sum("fee"))["total"] or 0,
        ended=len(outcomes),
        won=sum(1 for made, _ in outcomes if made > 0),
        capital_days=capital_days(held_steps(profile), since, now),
        drawdown=drawdown(amount for _, amount in gains),
        best=outcomes[-1][::-1] if outcomes else None,
        worst=outcomes[0][::-1] if outcomes else None,
    )


def realised_steps(profile: Profile, since: datetime | None = None) -> list[Step]:
    """Each change of realised profit in the ledger, in order; the ledger keeps profit as credit, here it is positive."""
    entries = LedgerEntry.objects.filter(transaction__profile=profile, account=Account.REALISED)
    if since is not None:
        entries = entries.filter(transaction__at__gte=since)
    rows = entries.order_by("transaction__at", "id").values_list("transaction__at", "amount")
    return [(at, -amount) for at, amount in rows]


def held_steps(profile: Profile) -> list[Step]:
    """Each change of what is held, at its cost with fees less the collateral that was returned for it, in order."""
    entries = LedgerEntry.objects.filter(
        transaction__profile=profile, account__in=[Account.POSITION_COST, Account.FEES, Account.RETURNED]
    )
    return list(entries.order_by("transaction__at", "id").values_list("transaction__at", "amount"))


def capital_days(steps: Iterable[Step], since: datetime | None, now: datetime) -> int:
    """Micro-dollars times days that were held between ``since`` and ``now``, rounded down."""
    total, held, last = 0, 0, since
    for at, change in steps:
        if last is not None and at > last:
            total += held * _microseconds(last, min(at, now))
            last = at
        elif last is None:
            last = at
        held += change
    if last is not None:
        total += held * _microseconds(last, now)
    return total // (SECONDS_A_DAY * 1_000_000)


def _microseconds(start: datetime, end: datetime) -> int:
    return max(0, (end - start) // timedelta(microseconds=1))


def drawdown(changes: Iterable[int]) -> int:
    """The greatest fall of a running sum from its high so far; at least 0."""
    total, high, fall = 0, 0, 0
    for change in changes:
        total += change
        high = max(high, total)
        fall = max(fall, high - total)
    return fall


@dataclass(frozen=True, slots=True)
class Group:
    """Ended baskets that have something in common."""

    name: str
    ended: int
    won: int
    realised: int


def by(profile: Profile, since: datetime | None, what: str, zone: ZoneInfo = DAY_ZONE) -> list[Group]:
    """Ended baskets by ``category``, ``kind`` or ``hour`` of their opening in ``zone``; the largest sums first, hours in order."""
    ended = Position.objects.filter(profile=profile, status__in=TERMINAL).exclude(fees=0, realised=0)
    if since is not None:
        ended = ended.filter(ended_at__gte=since)
    name: dict[str, Callable[[tuple[str, str, datetime]], str]] = {
        "category": lambda row: row[0] or "no category",
        "kind": lambda row: row[1].replace("_", " "),
        "hour": lambda row: f"{row[2].astimezone(zone):%H}:00",
    }
    made: dict[str, list[int]] = defaultdict(list)
    for category, kind, at, realised in ended.values_list("event__category", "kind", "created_at", "realised"):
        made[name[what]((category, kind, at))].append(realised)
    groups = [Group(key, len(sums), sum(1 for one in sums if one > 0), sum(sums)) for key, sums in made.items()]
    return sorted(groups, key=lambda one: (0 if what == "hour" else -one.realised, one.name))
