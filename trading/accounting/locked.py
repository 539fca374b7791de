"""What of a profile's capital is locked, by what and until when; what idle money waits for; and what locked money has earned by week.

Money is micro-dollars; returns are shares a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, Q, QuerySet, Sum

from kalbot.common.units import Money
from markets.models import Market
from strategies.allocation.choice import Offer
from strategies.catalogue import settling
from strategies.models import Hurdle, Opportunity, Profile, Verdict
from strategies.reasons import Reason
from trading.accounting import balance_check, pool, results
from trading.models import ACTIVE, CapitalChange, Position

WAITS: Final = Q(live_constraint__in=[Reason.OUTRANKED.value, Reason.HURDLE.value]) | Q(
    live_constraint=Reason.MAX_COST.value, status=Verdict.Status.CANDIDATE
)
"""Verdicts of baskets that pay and for which money is wanting, or kept for better ones."""
MOST_WAITING: Final = 5


@dataclass(frozen=True, slots=True)
class Locked:
    """One position: ``amount`` is its cost and what is set aside for it, less what collateral return has credited."""

    position: Position
    amount: int
    until: datetime | None

    def return_a_day(self, now: datetime) -> float | None:
        """What its floor earns on what it locks, a day until then; None where either is not known or nothing is locked."""
        if self.until is None or self.amount <= 0 or self.position.floor <= 0:
            return None
        days = max((self.until - now) / timedelta(days=1), 1 / 24)
        return (self.position.floor - self.position.cost) / self.amount / days


@dataclass(frozen=True, slots=True)
class Waiting:
    """A basket that pays and is not bought: by which reason, what it would lock and earn a day on that (None: not known)."""

    event_id: str
    title: str
    reason: str
    locks: int | None
    return_a_day: float | None


@dataclass(frozen=True, slots=True)
class Week:
    """One week of a profile: ``locked`` is what was held on average, ``total`` its capital and profit on average since it had any,
    ``realised`` what it made, ``ended`` how many baskets ended; ``partly``: nothing had ever been held before it, so that the average of
    what was held is over days without any trading."""

    begin: datetime
    realised: int
    locked: int
    ended: int = 0
    partly: bool = False
    total: int = 0

    @property
    def says_little(self) -> bool:
        """Whether its returns are of too few baskets, or of too little time, to compare a week with another."""
        return self.partly or self.ended < results.FEW

    @property
    def on_locked(self) -> float | None:
        """Profit over what was locked on average."""
        return self.realised / self.locked if self.locked > 0 else None

    @property
    def on_all(self) -> float | None:
        """Profit over all the money that the profile had on average, idle or not, in that week: what it has today says nothing about
        a week before a deposit or a withdrawal."""
        return self.realised / self.total if self.total > 0 else None


@dataclass(frozen=True, slots=True)
class Capital:
    """Where a profile's capital is. ``free``: neither locked nor set aside; ``passed_over``: baskets that pay and wait, by reason;
    ``borrowed``, ``lent`` and ``swept``: what was moved so far, none below zero; ``moves``: the latest of these; ``waiting``: the
    five of these baskets that return most."""

    profile: Profile
    total: int
    free: int
    returned: int
    locked: tuple[Locked, ...]
    hurdle: float
    passed_over: dict[str, int]
    weeks: tuple[Week, ...]
    borrowed: int = 0
    lent: int = 0
    swept: int = 0
    moves: tuple[CapitalChange, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    @property
    def in_positions(self) -> int:
        """Everything that positions lock."""
        return sum(one.amount for one in self.locked)


def capital_of(profile: Profile, now: datetime, weeks: int = 8) -> Capital:
    """See Capital. ``now`` in UTC."""
    summary = balance_check.summary(profile)
    locked = _locked(profile)
    hurdle = Hurdle.objects.filter(profile=profile).first()
    waiting = Verdict.objects.filter(WAITS, profile=profile, live_at__gt=now - timedelta(hours=1))
    passed = Counter(waiting.order_by("live_constraint").values_list("live_constraint", flat=True))
    debts = pool.owed()
    changes = CapitalChange.objects.filter(profile=profile).exclude(kind=CapitalChange.Kind.CAPITAL)
    swept = changes.filter(kind=CapitalChange.Kind.SWEEP).aggregate(n=Sum("amount", default=0))["n"]
    return Capital(
        borrowed=sum(amount for (borrower, _), amount in debts.items() if borrower == profile.pk),
        lent=sum(amount for (_, lender), amount in debts.items() if lender == profile.pk),
        swept=-swept,
        moves=tuple(changes.select_related("other").order_by("-id")[:10]),
        profile=profile,
        total=summary["starting"] + summary["realised"],
        free=summary["cash"] - sum(one.position.reserved for one in locked),
        returned=summary["returned"],
        locked=locked,
        hurdle=0.0 if hurdle is None else hurdle.return_a_day,
        passed_over=dict(passed),
        waiting=tuple(_waiting(profile, waiting)),
        weeks=tuple(_weeks(profile, now, weeks)),
    )


def _waiting(profile: Profile, rows: QuerySet[Verdict]) -> list[Waiting]:
    """Those that return most first, by what was known of each when it was first seen on its books."""
    seen = {one.event_id: one for one in Opportunity.objects.filter(profile=profile, event__in=rows.values("event"))}
    found = []
    for event, title, reason in rows.order_by("event").values_list("event", "event__title", "live_constraint"):
        known = seen.get(event)
        offer = known and Offer(event, Money(known.locked), Money(known.profit), known.days, 0)
        returns = offer.return_a_day if offer and offer.locked > 0 else None
        found.append(Waiting(event, title or event, reason, known.locked if known else None, returns))
    return sorted(found, key=lambda one: -(one.return_a_day or 0.0))[:MOST_WAITING]


def _locked(profile: Profile) -> tuple[Locked, ...]:
    positions = list(Position.objects.filter(profile=profile, status__in=ACTIVE).select_related("event"))
    ends = dict(
        Market.objects.filter(event__in=[position.event_id for position in positions])
        .values_list("event_id")
        .annotate(ends=Max("expected_expiration_time"))
    )
    ends |= dict(
        Market.objects.filter(event__families__family__in=[position.event_id for position in positions])
        .values_list("event__families__family")
        .annotate(ends=Max("expected_expiration_time"))
    )
    late = settling.late_ms()
    found = []
    for position in positions:
        moments = [at for at in (position.event.close_time, ends.get(position.event_id)) if at is not None]
        later = timedelta(milliseconds=late.get(position.event.series_id, 0))
        amount = position.cost + position.reserved - position.returned
        found.append(Locked(position, amount, max(moments) + later if moments else None))
    return tuple(sorted(found, key=lambda one: (one.until is None, one.until or one.position.created_at)))


def _weeks(profile: Profile, now: datetime, number: int) -> list[Week]:
    begin = results.begin("week", now)
    assert begin is not None
    first = begin - timedelta(weeks=number - 1)
    held, made = results.held_steps(profile), results.realised_steps(profile, first)
    owned = results.owned_steps(profile)
    ends = [at for at in results.ended(profile, first, now).values_list("ended_at", flat=True) if at is not None]
    weeks = []
    for week in range(number):
        start = first + timedelta(weeks=week)
        end = min(start + timedelta(weeks=1), now)
        realised = sum(amount for at, amount in made if start <= at < end)
        days = max(results.elapsed(start, end) / timedelta(days=1), 1 / 24)
        locked = results.capital_days([step for step in held if step[0] < end], start, end) / days
        ended = sum(1 for at in ends if start <= at < end)
        weeks.append(
            Week(start, realised, int(locked), ended, bool(held) and held[0][0] > start, _owned(owned, start, end))
        )
    return weeks


def _owned(steps: Sequence[results.Step], start: datetime, end: datetime) -> int:
    """The money on average between the two, from the first of it on: days before a profile had any are not counted. Micro-dollars."""
    before = [step for step in steps if step[0] < end]
    since = max(start, before[0][0]) if before else end
    days = results.elapsed(since, end) / timedelta(days=1)
    return int(results.capital_days(before, since, end) / days) if days > 0 else 0
