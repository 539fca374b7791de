"""From a decision to a position with its capital set aside, or to a denial with its code. Nothing is sent here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from operator import attrgetter
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Model, Q

from kalbot.common import clock, events
from kalbot.common.db import direct, instances
from kalbot.common.units import dollars
from strategies.models import Decision, Profile
from strategies.profiles.sharing import shares
from strategies.quoting.offer import Way
from trading import leases, premises, states
from trading.accounting import collateral, ledger
from trading.accounting.accounts import of_subaccount
from trading.books import live_books
from trading.denials import DenialCode, Denied
from trading.execution import handed, hours_and_books
from trading.execution.orders import gate
from trading.execution.phases import buy
from trading.execution.sizing import fitting, quotes, recheck, walk
from trading.execution.sizing.planner import Plan
from trading.leases import Lease
from trading.limits import behind_locks, risk
from trading.limits.intent import Intent
from trading.models import (
    WORKING,
    Denial,
    LedgerTransaction,
    Leg,
    Order,
    Position,
    PositionStatus,
    ProfileBalance,
)
from trading.reconciliation import reconcile

LONGEST_WAIT: Final = timedelta(seconds=20)
"""A decision older than this is not carried out: the prices that justified it are history. Neither is one from the future: a clock was
set back, and nobody knows its age."""
MOST_TRIES: Final = 3
"""Admissions of one decision in a row, each after what it rested on had changed meanwhile."""
log = logging.getLogger(__name__)


class _Changed(Exception):
    """What admission rested on is not so any more: it begins again with the decision and profile of now."""

    def __init__(self, now: Decision) -> None:
        super().__init__()
        self.now = now


@dataclass(frozen=True, slots=True)
class Admitted:
    """The position of a decision. With a ``lease`` its first ``orders`` are stored with it, to be sent at once."""

    position: Position
    lease: Lease | None = None
    legs: list[Leg] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


def admit(decision: Decision) -> Position | None:
    """Make the decision's position, or write its denial and return None. Idempotent: a second call finds the first's."""
    found = take_up(decision, sends=False)
    return None if found is None else found.position


def take_up(decision: Decision, *, sends: bool = True, by_message: bool = False) -> Admitted | None:
    """The same; ``sends``: the caller sends the first orders at once, so they are stored in the same transaction. ``by_message``: nobody
    is denied by what a message says, or by what was known of a profile."""
    try:
        return _tried(decision, sends)
    except Denied as denied:
        if by_message:
            return take_up(handed.read(decision.pk), sends=sends)
        found = _deny(decision, denied)
        return None if found is None else Admitted(found)


def _deny(decision: Decision, denied: Denied) -> Position | None:
    """Write the denial, unless another worker has admitted the decision meanwhile: then its position counts. That nothing may be sent
    at all is the first reason to name."""
    if denied.code is not DenialCode.EXPIRED:
        try:
            risk.may_send(decision.profile, reduces=False)
        except Denied as closed:
            denied = closed
    ledger.balance_of(decision.profile)
    with transaction.atomic():
        ProfileBalance.objects.select_for_update().get(profile=decision.profile)
        found = Position.objects.filter(decision=decision).first()
        if found is not None:
            return found
        _, made = Denial.objects.get_or_create(
            decision=decision, defaults={"code": denied.code, "detail": denied.detail[:300]}
        )
        if made:
            events.emit(
                events.Event.DENIAL,
                decision=decision.pk,
                profile=decision.profile_id,
                mode=decision.mode,
                event_ticker=decision.event_id,
                code=denied.code,
                detail=denied.detail,
            )
    return None


def _tried(decision: Decision, sends: bool) -> Admitted:
    """Admission, again where capital was not booked yet or decision and profile are not as they were read."""
    reconciled = False
    for _ in range(MOST_TRIES):
        try:
            return _admit(decision, sends)
        except _Changed as changed:
            ledger.ensure_funded(changed.now.profile)
            changed.now.event = decision.event
            decision = changed.now
        except Denied as denied:
            if denied.code is not DenialCode.NOT_RECONCILED or reconciled or not reconcile.ensure_reconciled():
                raise
            reconciled = True
    raise Denied(DenialCode.CAPITAL, "the profile changed again and again")


def _admit(decision: Decision, sends: bool) -> Admitted:
    profile = decision.profile
    if abs(clock.now() - decision.created_at) > LONGEST_WAIT:
        raise Denied(DenialCode.EXPIRED, f"decided {(clock.now() - decision.created_at).total_seconds():.0f} s ago")
    began = clock.monotonic()
    legs = {(leg["ticker"], leg["side"]): 0 for leg in decision.legs}
    basket = Intent(profile, decision, 0, legs)
    for market in basket.markets[:1]:
        if market.event_id == decision.event_id:
            decision.event = market.event
    live = hours_and_books.read(decision, basket)
    risk.market(basket, live)
    live = live_books.beside(live, basket.own_bids)
    collateral.check_family(decision, basket.markets, basket.account_collateral)
    reading = collateral.reading_for(profile, decision.event, decision.kind, basket.account_collateral)
    is_learning = reading is not None and bool(reading.get(collateral.LEARNING))
    if is_learning and decision.quote:
        raise Denied(DenialCode.COLLATERAL_LEARNING, "from a basket that is bought at once, not from quotes")
    wanted = fitting.legs_of(decision, live)
    plan = quotes.plan(decision, wanted) if decision.quote else fitting.taken(decision, wanted, live, is_learning)
    worst_of = {(leg.ticker, leg.side): walk.most_for(leg.limit, leg.count, leg.fees) for leg in plan.legs}
    # A quote sets aside the whole price: which legs it will hold, and so what is returned, nobody knows.
    funds = plan.worst_cost if decision.quote else collateral.funds_for(reading, fitting.purchases_of(plan))
    intent = basket.priced(plan.worst_cost, worst_of)
    if reading is not None:
        intent = intent.funded(funds)
    try:
        with transaction.atomic():
            # What is held is locked: nobody else admits for the profile while the limits are counted.
            locked = behind_locks.lock(intent, {Position: 1, Leg: len(plan.legs), LedgerTransaction: 1})
            handed.remember(locked.facts.profile)
            _same_account(profile, locked.facts.profile)
            found = risk.limits(intent, locked.facts)
            if found.unbooked or not (found.is_of(basket.account_collateral) and _is_same(found.decision, decision)):
                raise _Changed(found.decision)
            if is_learning:
                _learns_alone(profile)
            if not locked.held:
                # Another worker may have booked the profile's first capital since: then there is enough by now.
                if ProfileBalance.objects.filter(profile=profile, cash__gte=funds).exists():
                    raise _Changed(found.decision)
                raise Denied(DenialCode.CAPITAL, f"{dollars(funds)} are not free")
            at_once = sends and clock.monotonic() - began < recheck.CLEARED_FOR.total_seconds()
            at_once = at_once and not decision.quote
            with direct.together(locked.keys, commits=True) as message:
                admitted = _stored(decision, plan, intent, at_once, reading, risk.orphans_left(found))
                gate.ask(admitted.orders, message)
            return admitted
    except IntegrityError as error:
        log.debug("denied: %s", error)  # the database's own words name the constraint
        raise Denied(DenialCode.EVENT_TAKEN, decision.event_id) from None


def _learns_alone(profile: Profile) -> None:
    """Denied while another basket of the account is learnt from, or at work: its money would look like a difference."""
    account = Position.objects.filter(of_subaccount(profile.subaccount or 0), mode=profile.mode)
    if account.filter(Q(status__in=WORKING) | Q(status=PositionStatus.OPEN, collateral__learning=True)).exists():
        raise Denied(DenialCode.COLLATERAL_LEARNING)


def _same_account(read: Profile, now: Profile) -> None:
    """Denied if the profile has moved to another mode or subaccount since it was read."""
    if (read.mode, read.subaccount or 0) != (now.mode, now.subaccount or 0):
        raise Denied(DenialCode.MODE, f"{now.name} trades {now.mode} on subaccount {now.subaccount or 0} by now")


def _is_same(now: Decision, then: Decision) -> bool:
    """Whether decision and profile are as they were when the plan was made."""
    return all(
        _columns(type(one))(one) == _columns(type(one))(other)
        for one, other in ((now, then), (now.profile, then.profile))
    )


@cache
def _columns(model: type[Model]) -> Callable[[Model], tuple[Any, ...]]:
    """Reads every column of a row."""
    return attrgetter(*(column.attname for column in model._meta.concrete_fields))


def _stored(
    decision: Decision, plan: Plan, basket: Intent, at_once: bool, reading: collateral.Reading | None, orphans: int
) -> Admitted:
    """Position, legs, claim, reservation and events; ``at_once``: with a lease and the first orders, as about to be sent.
    ``orphans``: what a quote may leave beyond whole baskets, micro-dollars."""
    profile, now = decision.profile, clock.now()
    until = now + timedelta(seconds=leases.LEASE_SECONDS)
    token = leases.new_token() if at_once else ""
    position = instances.new(
        Position,
        profile=profile,
        mode=profile.mode,
        decision=decision,
        event=decision.event,
        kind=decision.kind,
        status=PositionStatus.EXECUTING if at_once else PositionStatus.PENDING,
        target_count=plan.count,
        sends_together=plan.together,
        reserved=basket.funds,
        collateral=None if reading is None else {**reading, collateral.FUNDS: basket.funds},
        quoting=decision.quote.get("way", ""),
        quote_band=decision.quote.get("band", ""),
        orphan_limit=orphans if decision.quote else 0,
        next_step_at=until,
        lease_token=token,
        lease_until=until if at_once else None,
        **premises.of(decision, basket.certified_states),
    )
    direct.insert([position])
    markets = {market.ticker: market for market in basket.markets}
    legs = [
        instances.new(
            Leg,
            position=position,
            market=markets[leg.ticker],
            side=leg.side,
            sequence=number,
            target_count=leg.count,
            limit_price=leg.limit,
        )
        for number, leg in enumerate(plan.legs)
    ]
    for leg, planned in zip(legs, plan.legs, strict=True):
        leg.seen = planned.seen
    direct.insert(legs)
    if shares(profile):
        states.claim(position, profile.subaccount or 0)
    ledger.book_reserve(position, basket.funds)
    admitted = states.event_of(position, _explain(decision, plan, basket.funds), data={"losses": plan.unwind_losses})
    admitted.from_status = admitted.to_status = PositionStatus.PENDING
    if not at_once:
        direct.insert([admitted])
        return Admitted(position)
    begun = states.event_of(position, "first order")
    begun.from_status = PositionStatus.PENDING
    direct.insert([admitted, begun])
    states.announce(position, PositionStatus.PENDING, PositionStatus.EXECUTING, reason=begun.reason)
    orders = buy.first_orders(position, legs)
    for order in orders:
        order.lease_token = token
    direct.insert(orders)
    return Admitted(position, Lease(position.pk, token), legs, orders)


def _explain(decision: Decision, plan: Plan, funds: int) -> str:
    size = f"{plan.count / 100:g} baskets"
    if plan.count < decision.count:
        size += f" (of {decision.count / 100:g} decided: depth or leg-risk budget)"
    if decision.quote:
        rests = {Way.ONE_LEG: decision.quote["leg"], Way.SEVERAL: "what keeps the margin", Way.ALL_LEGS: "every leg"}
        return f"{size}, {rests[Way(decision.quote['way'])]} rests, at most {dollars(plan.worst_cost)} reserved"
    way = "all legs at once" if plan.together else "the thinnest leg first"
    if decision.profile.sending == Profile.Sending.TOGETHER and not plan.together:
        way += " (the account's write limit does not carry all at once)"
    reserved = f"at most {dollars(funds)} reserved"
    if funds < plan.worst_cost:
        reserved = f"{dollars(funds)} reserved of {dollars(plan.worst_cost)} with collateral return"
    return f"{size}, {way}, {reserved}, worst unwind {dollars(plan.worst_unwind)}"
