"""Capital where it is used: idle cash of profiles that lend goes to the profile whose basket waits for it, and comes back when it is idle
there. What profits a profile gives up is swept here, too.

Who takes part says so in its own columns: ``lend_above`` and ``borrow_up_to``. Money goes between profiles of one mode and one
account only, each way as one booking in either ledger, so isolation holds: a lender can lose nothing but the use of its money, for a
borrower's own losses stay in its ledger, and what it owes is given back from what is free there first. Micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from kalbot.common import clock
from kalbot.common.units import Money
from strategies.allocation.choice import Offer
from strategies.cycle import candidates
from strategies.cycle.evaluation import most_cost
from strategies.models import Hurdle, Kind, Opportunity, Profile, Verdict
from strategies.reasons import Reason
from trading.accounting import ledger
from trading.limits import day
from trading.models import ACTIVE, CapitalChange, Position, ProfileBalance
from trading.safety import halt

WAITING: Final = timedelta(minutes=3)
"""A basket that was passed over within this time waits still: verdicts that say nothing new are written once a minute."""
UNUSED: Final = timedelta(minutes=10)
"""What was lent and is still free after this time goes back, whatever waits."""
AGAIN: Final = timedelta(minutes=30)
"""Who gave something back borrows no more for this time, so that money does not go to and fro."""
LEAST: Final = 1_000_000
"""Less is not worth two bookings."""
POOL: Final = CapitalChange.Kind.POOL


@dataclass(slots=True)
class Member:
    """One profile with its free cash, what its waiting baskets need beyond it, and the best return (a day and dollar) of these; a
    lender's ``hurdle`` is what its own money is expected to earn. ``has_unused``: it borrowed a while ago, and some of it is free;
    ``is_short``: it has less than nothing, because a person took out what it had lent."""

    profile: Profile
    free: int
    needs: int = 0
    best: float = 0.0
    hurdle: float = 0.0
    has_unused: bool = False
    is_short: bool = False
    may_buy: bool = True
    """Whether it is active and not halted. What stops a profile from new risk stops its money from new risk elsewhere."""

    @property
    def lends(self) -> bool:
        """Whether it lends at all now."""
        return self.profile.lend_above is not None and self.may_buy

    @property
    def spare(self) -> int:
        """What it may lend now. Who waits itself lends nothing."""
        return max(0, self.free - (self.profile.lend_above or 0)) if self.lends and not self.needs else 0


@dataclass(frozen=True, slots=True)
class Moved:
    """``amount`` went from the free cash of one profile to another's."""

    giver: str
    taker: str
    amount: int


def owed() -> dict[tuple[int, int], int]:
    """(borrower, lender) -> what is owed, above zero."""
    rows = CapitalChange.objects.filter(kind=POOL).values_list("profile", "other").annotate(Sum("amount")).order_by()
    return {(borrower, lender): amount for borrower, lender, amount in rows if lender is not None and amount > 0}


def run() -> list[Moved]:
    """Sweep, give back what is idle, then lend. One run at a time."""
    for profile in Profile.objects.filter(profits=Profile.Profits.SWEEP, is_active=True, shadow_of=None):
        sweep(profile)
    consenting = Q(lend_above__isnull=False) | Q(borrow_up_to__gt=0) | ~Q(moved=0)
    profiles = Profile.objects.filter(consenting, shadow_of=None).order_by("mode", "subaccount", "pk")
    moved: list[Moved] = []
    for _, group in groupby(profiles, key=lambda one: (one.mode, one.subaccount or 0)):
        members = {profile.pk: _member(profile) for profile in group}
        debts = owed()
        moved += _give_back(members, debts)
        moved += _lend(members, debts)
    return moved


def sweep(profile: Profile) -> int:
    """With profits that are swept: take out what the profile's own money has grown to beyond its limit, of its free cash, once in a
    day of its zone. Returns how much."""
    if profile.profits != Profile.Profits.SWEEP:
        return 0
    since = day.midnight(profile)
    if CapitalChange.objects.filter(profile=profile, kind=CapitalChange.Kind.SWEEP, at__gte=since).exists():
        return 0
    borrowed = sum(amount for (borrower, _), amount in owed().items() if borrower == profile.pk)
    lent = sum(amount for (_, lender), amount in owed().items() if lender == profile.pk)
    with transaction.atomic():
        ledger.ensure_funded(profile)
        balance = ProfileBalance.objects.select_for_update().get(profile=profile)
        own = -balance.capital - balance.realised - borrowed + lent
        amount = min(own - profile.sweep_above, balance.cash - borrowed)
        if amount < LEAST:
            return 0
        return amount if ledger.move(profile, -amount, CapitalChange.Kind.SWEEP, "kalbot") else 0


def _member(profile: Profile) -> Member:
    balance = ProfileBalance.objects.filter(profile=profile).first()
    hurdle = Hurdle.objects.filter(profile=profile).first()
    cash = (0 if balance is None else balance.cash + balance.capital) + profile.working
    free = min(cash, candidates.exposure(profile, clock.now()).capital_left)
    member = Member(profile, max(0, free), is_short=free < 0, hurdle=0.0 if hurdle is None else hurdle.return_a_day)
    member.may_buy = profile.is_active and halt.current(profile) is halt.State.ACTIVE
    loans = CapitalChange.objects.filter(profile=profile, kind=POOL, other__isnull=False)
    now = clock.now()
    member.has_unused = not loans.filter(amount__gt=0, at__gt=now - UNUSED).exists()
    if not member.may_buy or _gave_back(loans):
        return member
    waiting = sorted(_waiting(profile), key=lambda one: -one.return_a_day)
    slots = profile.max_open_positions - Position.objects.filter(profile=profile, status__in=ACTIVE).count()
    worth_it = [one for one in waiting[: max(0, slots)] if one.return_a_day > member.hurdle]
    if worth_it:
        member.needs = max(0, sum(one.locked for one in worth_it) - member.free)
        member.best = worth_it[0].return_a_day
    return member


def _gave_back(loans: QuerySet[CapitalChange]) -> bool:
    """Whether of a profile's moves in the pool a late one repaid what it owed. To lend lowers its cash as well, and repays nothing."""
    owes = dict(loans.values_list("other").annotate(Sum("amount")).order_by())
    late = loans.filter(at__gt=clock.now() - AGAIN).order_by("-pk").values_list("other", "amount")
    for other, amount in late:
        owes[other] -= amount
        if amount < 0 < owes[other]:
            return True
    return False


def _waiting(profile: Profile) -> Iterator[Offer]:
    """The sure baskets that pay and were not bought for want of capital; each as large as one position may be where its size on
    the books is not known."""
    rows = Verdict.objects.filter(
        profile=profile,
        status=Verdict.Status.CANDIDATE,
        live_constraint__in=[Reason.OUTRANKED.value, Reason.MAX_COST.value],
        live_at__gt=clock.now() - WAITING,
        kind__in=[Kind.ALL_YES, Kind.ALL_NO],
    )
    seen = {one.event_id: one for one in Opportunity.objects.filter(profile=profile, event__in=rows.values("event"))}
    for row in rows:
        known = seen.get(row.event_id)
        if known is not None:
            yield Offer(row.event_id, Money(known.locked), Money(known.profit), known.days, 0)
        else:
            yield from _by_quotes(profile, row)


def _by_quotes(profile: Profile, row: Verdict) -> Iterator[Offer]:
    """The basket of the last scan's quotes, which pays there, in the size that one position may have."""
    summary: Mapping[str, object] = row.summary or {}
    cost, pays, days = summary.get("cost"), summary.get("pays"), summary.get("days")
    if not isinstance(cost, int) or not isinstance(pays, int) or not 0 < cost < pays:
        return
    locked = most_cost(profile, profile.max_per_position)
    profit = locked * (pays - cost) // cost
    yield Offer(row.event_id, locked, Money(profit), float(days) if isinstance(days, int | float) else None, 0)


def _give_back(members: Mapping[int, Member], debts: dict[tuple[int, int], int]) -> Iterator[Moved]:
    """What is free at a borrower that nothing waits for, or whose lender has better use or lends no more, goes back."""
    for (borrower, lender), amount in sorted(debts.items()):
        if borrower not in members or lender not in members:
            continue
        taker, giver = members[borrower], members[lender]
        over = sum(owes for (who, _), owes in debts.items() if who == borrower) - taker.profile.borrow_up_to
        wanted = amount
        if not giver.is_short and not taker.has_unused and taker.best and giver.lends and giver.best <= taker.best:
            wanted = max(0, min(amount, over))
        back = min(wanted, taker.free)
        if back >= min(LEAST, amount) > 0 and _move(taker, giver, back):
            debts[borrower, lender] = amount - back
            yield Moved(taker.profile.name, giver.profile.name, back)


def _lend(members: Mapping[int, Member], debts: dict[tuple[int, int], int]) -> Iterator[Moved]:
    """Who has the best basket waiting is served first, from those whose own money is expected to earn least."""
    takers = sorted((one for one in members.values() if one.needs), key=lambda one: (-one.best, one.profile.pk))
    for taker in takers:
        owes = sum(amount for (who, _), amount in debts.items() if who == taker.profile.pk)
        missing = min(taker.needs, taker.profile.borrow_up_to - owes)
        for giver in _givers(list(members.values()), taker):
            amount = min(missing, giver.spare)
            if amount >= LEAST and _move(giver, taker, amount):
                key = (taker.profile.pk, giver.profile.pk)
                debts[key] = debts.get(key, 0) + amount
                missing -= amount
                yield Moved(giver.profile.name, taker.profile.name, amount)


def _givers(members: Sequence[Member], taker: Member) -> list[Member]:
    able = [one for one in members if one is not taker and one.spare >= LEAST and one.hurdle < taker.best]
    return sorted(able, key=lambda one: (one.hurdle, one.profile.pk))


def _move(giver: Member, taker: Member, amount: int) -> bool:
    """Both ledgers or neither; the rows are locked in the order of their ids. Whether the giver still had as much."""
    both = sorted([(giver, taker, -amount), (taker, giver, amount)], key=lambda one: one[0].profile.pk)
    try:
        with transaction.atomic():
            for member, other, change in both:
                if not ledger.move(member.profile, change, POOL, "kalbot", other.profile):
                    raise _Spent
    except _Spent:
        return False
    giver.free -= amount
    taker.free += amount
    taker.needs = max(0, taker.needs - amount)
    return True


class _Spent(Exception):
    """The giver's cash went elsewhere meanwhile."""
