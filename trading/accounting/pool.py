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
from trading.denials import DenialCode
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
    """One profile with its free cash, what its waiting baskets lock in all, and the best return (a day and dollar) of these; a
    lender's ``hurdle`` is what its own money is expected to earn. ``has_unused``: it borrowed a while ago, and some of it is free;
    ``is_short``: it has less than nothing, because a person took out what it had lent; ``gave_back``: in this run, or a while ago."""

    profile: Profile
    free: int
    waits: int = 0
    best: float = 0.0
    hurdle: float = 0.0
    has_unused: bool = False
    is_short: bool = False
    gave_back: bool = False
    may_buy: bool = True
    """Whether it is active and not halted. What stops a profile from new risk stops its money from new risk elsewhere."""
    leaves: bool = False
    """Whether a sale of its own waits for cash: what takes risk away comes before what adds some elsewhere."""

    @property
    def lends(self) -> bool:
        """Whether it lends at all now."""
        return self.profile.lend_above is not None and self.may_buy and not self.leaves

    @property
    def spare(self) -> int:
        """What it may lend now: what its own waiting baskets need stays, were it borrowed for them or not."""
        return max(0, self.free - self.waits - (self.profile.lend_above or 0)) if self.lends else 0

    @property
    def needs(self) -> int:
        """What its waiting baskets need beyond what is free. Who gave something back asks for no more."""
        return 0 if self.gave_back else max(0, self.waits - self.free)


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
    consenting = Q(lend_above__isnull=False, shadow_of=None) | Q(borrow_up_to__gt=0, shadow_of=None)
    in_debt = {pk for pair in owed() for pk in pair}  # whatever they consent to by now, and whatever else was moved
    profiles = Profile.objects.filter(consenting | Q(pk__in=in_debt)).order_by("mode", "subaccount", "pk")
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
    with transaction.atomic():
        ledger.ensure_funded(profile)
        balance = ProfileBalance.objects.select_for_update().get(profile=profile)
        now = Profile.objects.get(pk=profile.pk)  # a person may have paid in and raised the limit since it was read
        debts = owed()
        borrowed = sum(amount for (borrower, _), amount in debts.items() if borrower == profile.pk)
        lent = sum(amount for (_, lender), amount in debts.items() if lender == profile.pk)
        own = -balance.capital - balance.realised - borrowed + lent
        amount = min(own - now.sweep_above, balance.cash - borrowed)
        if (
            _leaves(profile)
            or now.profits != Profile.Profits.SWEEP
            or -balance.capital != now.working
            or amount < LEAST
        ):
            return 0
        return amount if ledger.move(profile, -amount, CapitalChange.Kind.SWEEP, "kalbot") else 0


def _member(profile: Profile) -> Member:
    balance = ProfileBalance.objects.filter(profile=profile).first()
    hurdle = Hurdle.objects.filter(profile=profile).first()
    cash = (0 if balance is None else balance.cash + balance.capital) + profile.working
    free = min(cash, candidates.exposure(profile, clock.now()).capital_left)
    member = Member(profile, max(0, free), is_short=free < 0, hurdle=0.0 if hurdle is None else hurdle.return_a_day)
    member.may_buy, member.leaves = _may_buy(profile), _leaves(profile)
    loans = CapitalChange.objects.filter(profile=profile, kind=POOL, other__isnull=False)
    now = clock.now()
    member.has_unused = not loans.filter(amount__gt=0, at__gt=now - UNUSED).exists()
    member.gave_back = _gave_back(loans)
    if not member.may_buy or member.gave_back:
        return member
    waiting = sorted(_waiting(profile), key=lambda one: -one.return_a_day)
    slots = profile.max_open_positions - Position.objects.filter(profile=profile, status__in=ACTIVE).count()
    worth_it = [one for one in waiting[: max(0, slots)] if one.return_a_day > member.hurdle]
    if worth_it:
        member.waits = sum(one.locked for one in worth_it)
        member.best = worth_it[0].return_a_day
    return member


def _may_buy(profile: Profile) -> bool:
    return profile.is_active and profile.shadow_of_id is None and halt.current(profile) is halt.State.ACTIVE


def _leaves(profile: Profile) -> bool:
    """Whether it sells something that takes back more returned collateral than there is cash for."""
    waits = Position.objects.filter(profile=profile, status__in=ACTIVE, residual_code=DenialCode.SALE_NEEDS_FUNDS)
    return waits.exists()


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
        if taker.leaves and not giver.leaves:
            continue
        back = min(wanted, taker.free)
        if back >= min(LEAST, amount) > 0 and _move(taker, giver, back, is_loan=False):
            debts[borrower, lender] = amount - back
            taker.gave_back = True
            yield Moved(taker.profile.name, giver.profile.name, back)


def _lend(members: Mapping[int, Member], debts: dict[tuple[int, int], int]) -> Iterator[Moved]:
    """Who has the best basket waiting is served first, from those whose own money is expected to earn least."""
    takers = sorted((one for one in members.values() if one.needs), key=lambda one: (-one.best, one.profile.pk))
    for taker in takers:
        owes = sum(amount for (who, _), amount in debts.items() if who == taker.profile.pk)
        missing = min(taker.needs, taker.profile.borrow_up_to - owes)
        for giver in _givers(list(members.values()), taker):
            amount = min(missing, giver.spare)
            if amount >= LEAST and _move(giver, taker, amount, is_loan=True):
                key = (taker.profile.pk, giver.profile.pk)
                debts[key] = debts.get(key, 0) + amount
                missing -= amount
                yield Moved(giver.profile.name, taker.profile.name, amount)


def _givers(members: Sequence[Member], taker: Member) -> list[Member]:
    able = [one for one in members if one is not taker and one.spare >= LEAST and one.hurdle < taker.best]
    return sorted(able, key=lambda one: (one.hurdle, one.profile.pk))


def _move(giver: Member, taker: Member, amount: int, *, is_loan: bool) -> bool:
    """Both ledgers or neither; the rows are locked in the order of their ids. Whether the giver still had as much, and it was still so
    agreed."""
    both = sorted([(giver, taker, -amount), (taker, giver, amount)], key=lambda one: one[0].profile.pk)
    try:
        with transaction.atomic():
            for member, other, change in both:
                if not ledger.move(member.profile, change, POOL, "kalbot", other.profile):
                    raise _Overtaken
            holds = _may_be_lent if is_loan else _was_owed
            if not holds(giver.profile, taker.profile):
                raise _Overtaken
    except _Overtaken:
        return False
    giver.free -= amount
    taker.free += amount
    return True


def _was_owed(giver: Profile, taker: Profile) -> bool:
    """Whether what was given back was owed: the run may have been held up, and another have given it back. Checked when it is booked and
    both ledgers are held, as is the other one."""
    return (taker.pk, giver.pk) not in owed()


def _may_be_lent(giver: Profile, taker: Profile) -> bool:
    """Whether both consent to what was lent, as they are now and with what another run may have lent."""
    now = Profile.objects.in_bulk([giver.pk, taker.pk])
    lender, borrower = now[giver.pk], now[taker.pk]
    owes = sum(amount for (who, _), amount in owed().items() if who == borrower.pk)
    left = ProfileBalance.objects.get(profile=lender).cash
    keeps = lender.lend_above is not None and left >= lender.lend_above
    return keeps and owes <= borrower.borrow_up_to and _may_buy(lender) and _may_buy(borrower)


class _Overtaken(Exception):
    """The giver's cash went elsewhere meanwhile, or what was agreed no longer is."""
