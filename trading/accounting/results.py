"""What a profile made in a time: realised profit, fees, baskets, win rate, returns, drawdown, best and worst. Selectors, exact integers.

Realised profit comes from the ledger's entries and from nowhere else, so that results and ledger cannot differ. Sim and live are never
added up: a result is of one profile. Money is micro-dollars; shares are millionths.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from kalbot.common import clock
from kalbot.common.units import PPM
from strategies.models import Profile
from trading.models import TERMINAL, Account, Fill, LedgerEntry, Leg, Position, ProfileBalance

DAY_ZONE: Final = ZoneInfo("America/New_York")
"""The zone in which days, weeks, months and years begin: the exchange's own."""
PERIODS: Final = ("day", "week", "month", "year", "all")
SECONDS_A_DAY: Final = 86_400
FEW: Final = 20
"""Ended baskets below which one more or less changes a rate by a twentieth and more."""


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
    """One profile in one time. ``won``: ended baskets with a profit; ``capital_days``: micro-dollars locked, times days;
    ``drawdown``: the greatest fall of realised profit from its high within the time, basket by basket; ``best`` and ``worst``: (position,
    profit)."""

    profile: Profile
    since: datetime | None
    until: datetime
    realised: int
    fees: int
    ended: int
    won: int
    capital_days: int
    drawdown: int
    best: tuple[int, int] | None
    worst: tuple[int, int] | None

    @property
    def says_little(self) -> bool:
        """Whether its rates are of too few baskets to compare with another time or profile."""
        return 0 < self.ended < FEW

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
        """Realised for each dollar locked for a day; None where nothing was."""
        return self.realised * PPM // self.capital_days if self.capital_days > 0 else None


EARLIEST: Final = date(1970, 1, 1)
"""Nobody traded before; days about the year 1 have no moment in other zones."""
Step = tuple[datetime, int]
"""(moment, change in micro-dollars)."""


def days(
    first: date | None, last: date | None, now: datetime, zone: ZoneInfo = DAY_ZONE
) -> tuple[datetime | None, datetime]:
    """(since, until) of the days from ``first`` to ``last``, both whole, in ``zone``; without them from the beginning, until now."""
    since = None if first is None else datetime.combine(max(first, EARLIEST), time(), zone)
    if last is None or last >= now.date() + timedelta(days=1):
        return since, now
    until = datetime.combine(max(last, EARLIEST) + timedelta(days=1), time(), zone) - timedelta(microseconds=1)
    return since, min(until, now)


def ended(profile: Profile, since: datetime | None, until: datetime) -> QuerySet[Position]:
    """The positions that ended in a time, of those that bought something."""
    return ended_of([profile.pk], since, until)


def ended_of(profiles: Collection[int], since: datetime | None, until: datetime) -> QuerySet[Position]:
    """The same of several profiles, by their ids."""
    rows = Position.objects.filter(profile__in=profiles, status__in=TERMINAL, ended_at__lte=until)
    rows = rows.filter(Exists(Leg.objects.filter(position=OuterRef("pk"), bought_count__gt=0)))
    return rows if since is None else rows.filter(ended_at__gte=since)


def result(profile: Profile, since: datetime | None, until: datetime) -> Result:
    """What ``profile`` made from ``since`` (None: from its beginning) to ``until``. A handful of queries."""
    gains = by_basket(profile, since, until)
    fills = Fill.objects.filter(order__profile=profile, created_at__lte=until)
    if since is not None:
        fills = fills.filter(created_at__gte=since)
    outcomes = sorted(ended(profile, since, until).values_list("realised", "pk"))
    return Result(
        profile=profile,
        since=since,
        until=until,
        realised=sum(amount for _, amount in gains),
        fees=fills.aggregate(total=Sum("fee"))["total"] or 0,
        ended=len(outcomes),
        won=sum(1 for made, _ in outcomes if made > 0),
        capital_days=capital_days(held_steps(profile), since, until),
        drawdown=drawdown(amount for _, amount in gains),
        best=outcomes[-1][::-1] if outcomes else None,
        worst=outcomes[0][::-1] if outcomes else None,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """The sums of a result alone, micro-dollars: what a summary of many profiles takes."""

    realised: int = 0
    fees: int = 0
    ended: int = 0
    won: int = 0


def made(mode: str, since: datetime | None = None, until: datetime | None = None) -> dict[int, Made]:
    """The same sums as ``result`` has, of each profile of a mode that has booked or ended anything in the time, by its id. Three
    queries, however many there are."""
    until = until or clock.now()
    entries = LedgerEntry.objects.filter(transaction__mode=mode, account=Account.REALISED, transaction__at__lte=until)
    fills = Fill.objects.filter(order__profile__mode=mode, created_at__lte=until)
    owners = Profile.objects.filter(mode=mode).values_list("pk", flat=True)
    over = ended_of(owners, since, until)
    if since is not None:
        entries, fills = entries.filter(transaction__at__gte=since), fills.filter(created_at__gte=since)
    realised = dict(entries.order_by().values_list("transaction__profile").annotate(Sum("amount")))
    fees = dict(fills.order_by().values_list("order__profile").annotate(Sum("fee")))
    counts = (
        over.order_by().values_list("profile").annotate(number=Count("pk"), won=Count("pk", filter=Q(realised__gt=0)))
    )
    ends = {pk: (number, won) for pk, number, won in counts}
    return {pk: Made(-realised.get(pk, 0), fees.get(pk, 0), *ends.get(pk, (0, 0))) for pk in {*realised, *fees, *ends}}


def realised_steps(profile: Profile, since: datetime | None = None, until: datetime | None = None) -> list[Step]:
    """Each change of realised profit in the ledger, in order; the ledger keeps profit as credit, here it is positive."""
    return [(at, -amount) for at, amount, _ in _realised(profile, since, until)]


def by_basket(profile: Profile, since: datetime | None = None, until: datetime | None = None) -> list[Step]:
    """The same, each basket once (see ``whole_baskets``)."""
    return whole_baskets(_realised(profile, since, until))


def _realised(
    profile: Profile, since: datetime | None, until: datetime | None
) -> Iterable[tuple[datetime, int, int | None]]:
    """The entries of realised profit: (moment, amount as the ledger has it, position)."""
    entries = LedgerEntry.objects.filter(transaction__profile=profile, account=Account.REALISED)
    if since is not None:
        entries = entries.filter(transaction__at__gte=since)
    if until is not None:
        entries = entries.filter(transaction__at__lte=until)
    rows = entries.order_by("transaction__at", "id")
    return rows.values_list("transaction__at", "amount", "transaction__position")


def whole_baskets(entries: Iterable[tuple[datetime, int, int | None]]) -> list[Step]:
    """Realised profit of ``entries`` in order, all of a basket at its last booking; what belongs to no basket stands alone.

    Legs are booked one by one, and in a sure basket all but one of them lose: between two bookings of one basket the sum is nothing
    that anybody ever had, and a drawdown measured there would be of no loss.
    """
    alone: list[Step] = []
    whole: dict[int, Step] = {}
    for at, amount, position in entries:
        if position is None:
            alone.append((at, -amount))
        else:
            whole[position] = (at, whole.get(position, (at, 0))[1] - amount)
    return sorted([*alone, *whole.values()], key=lambda step: step[0])


LOCKS: Final = (Account.RESERVED, Account.POSITION_COST, Account.FEES, Account.RETURNED)
"""What is not free: set aside, paid for what is held, and less what collateral return has credited."""


def held_steps(profile: Profile) -> list[Step]:
    """Each change of what is locked, in order: what is held at its cost with fees and what is set aside, less the collateral that was
    returned. What collateral return frees beyond the price would be less than nothing without what leaving early needs."""
    entries = LedgerEntry.objects.filter(transaction__profile=profile, account__in=LOCKS)
    return list(entries.order_by("transaction__at", "id").values_list("transaction__at", "amount"))


def owned_steps(profile: Profile) -> list[Step]:
    """Each change of a profile's capital (deposits, withdrawals, sweeps, loans) and realised profit, in order."""
    entries = LedgerEntry.objects.filter(
        transaction__profile=profile, account__in=[Account.CAPITAL, Account.REALISED]
    ).order_by("transaction__at", "id")
    return [(at, -amount) for at, amount in entries.values_list("transaction__at", "amount")]


def equity_steps(
    profile: Profile, since: datetime | None, until: datetime, gains: Sequence[Step] | None = None
) -> list[Step]:
    """Booked equity (capital and realised profit, so what is held counts at its cost) from ``since`` to ``until``: (moment, micro-dollars
    from then on), each basket once. It begins with ``since`` where something was booked by then, else with the first booking; empty
    without any. ``gains``: the steps of ``by_basket`` of the same time, where they have been read already."""
    gains = by_basket(profile, since, until) if gains is None else gains
    moved = LedgerEntry.objects.filter(
        transaction__profile=profile, account=Account.CAPITAL, transaction__at__lte=until
    )
    found: list[Step] = []
    level = 0
    if since is not None:
        if moved.filter(transaction__at__lt=since).exists():
            level = _owned_before(profile, since)
            found = [(since, level)]
        moved = moved.filter(transaction__at__gte=since)
    deposits = [(at, -amount) for at, amount in moved.values_list("transaction__at", "amount")]
    for at, change in sorted([*deposits, *gains], key=lambda step: step[0]):
        level += change
        found.append((at, level))
    return found


def _owned_before(profile: Profile, since: datetime) -> int:
    """Capital and realised profit as they were booked before ``since``: what is there now less what came since, in one statement. A whole
    ledger is not added up for a month of it."""
    later = LedgerEntry.objects.filter(
        transaction__profile=OuterRef("profile"),
        account__in=[Account.CAPITAL, Account.REALISED],
        transaction__at__gte=since,
    )
    summed = later.order_by().values("transaction__profile").annotate(total=Sum("amount")).values("total")
    rows = ProfileBalance.objects.filter(profile=profile).annotate(later=Coalesce(Subquery(summed), 0))
    return sum(row.later - row.capital - row.realised for row in rows)


def capital_days(steps: Iterable[Step], since: datetime | None, now: datetime) -> int:
    """Micro-dollars times days that were locked between ``since`` and ``now``, rounded down."""
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


def elapsed(start: datetime, end: datetime) -> timedelta:
    """The time that passed. Python subtracts two moments of one zone by their clocks, an hour off where summer time began between."""
    return end.astimezone(UTC) - start.astimezone(UTC)


def _microseconds(start: datetime, end: datetime) -> int:
    return max(0, elapsed(start, end) // timedelta(microseconds=1))


def drawdown(changes: Iterable[int]) -> int:
    """The greatest fall of a running sum from its high so far; at least 0."""
    total, high, fall = 0, 0, 0
    for change in changes:
        total += change
        high = max(high, total)
        fall = max(fall, high - total)
    return fall
