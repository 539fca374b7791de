"""From a decision to a position with its capital set aside, or to a denial with its code. Nothing is sent here."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction

from kalbot.common import clock, events
from kalbot.common.units import dollars
from markets import exchange_hours, watchlist
from markets.kalshi.token_buckets import UNSCOPED
from strategies.models import Decision, Mode, Profile
from trading import ledger, live_books, premises, reconcile, risk, shard_cash, states
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.sizing import baskets, planner, walk
from trading.execution.sizing.planner import Plan, PlanLeg, WriteBudget
from trading.live_books import LiveBooks
from trading.models import Denial, Leg, LiveEventClaim, Position, ProfileBalance
from trading.venues import account_limits, connection

LONGEST_WAIT: Final = timedelta(seconds=20)
"""A decision older than this is not carried out: the prices that justified it are history. Neither is one from the future: a clock was
set back, and nobody knows its age."""
WATCH_PRIORITY: Final = 100
log = logging.getLogger(__name__)


def admit(decision: Decision) -> Position | None:
    """Make the decision's position, or write its denial and return None. Idempotent: a second call finds the first's."""
    found = Position.objects.filter(decision=decision).first()
    if found is not None or Denial.objects.filter(decision=decision).exists():
        return found
    try:
        return _admit(decision)
    except Denied as denied:
        return _deny(decision, denied)


def _deny(decision: Decision, denied: Denied) -> Position | None:
    """Write the denial, unless another worker has admitted the decision meanwhile: then its position counts."""
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


def _admit(decision: Decision) -> Position:
    profile = decision.profile
    if abs(clock.now() - decision.created_at) > LONGEST_WAIT:
        raise Denied(DenialCode.EXPIRED, f"decided {(clock.now() - decision.created_at).total_seconds():.0f} s ago")
    risk.may_send(profile, reduces=False)
    if profile.mode == Mode.LIVE:
        reconcile.ensure_reconciled()
        exchange_hours.ensure(connection.client(), decision.event.exchange_index)
    ledger.ensure_funded(profile)
    live = live_books.read(decision.event)
    legs = plan_legs(decision, live)
    first = _intent(decision, legs, sum(walk.most_for(leg.limit, leg.count, leg.fees) for leg in legs))
    risk.market(first, live)
    plan = fitting_plan(decision, legs)
    return _reserve(decision, plan)


def plan_legs(decision: Decision, live: LiveBooks) -> list[PlanLeg]:
    """The decision's legs with the books of now, matched by ticker and side."""
    return [
        PlanLeg(
            ticker=leg["ticker"],
            side=leg["side"],
            count=int(leg["count"]),
            limit=int(leg["limit_price"]),
            asks=live.asks(leg["ticker"], leg["side"]),
            bids=live.bids(leg["ticker"], leg["side"]),
            fees=live.fees,
        )
        for leg in decision.legs
    ]


def fitting_plan(decision: Decision, legs: list[PlanLeg]) -> Plan:
    """The largest plan, up to the decision's size, that depth and leg-risk budget carry and that still meets margin and
    least profit on the books of now. A profile that sends all legs at once sends them one by one where the account's bucket
    does not hold them at once. Raises Denied with the refusal of the full size."""
    profile = decision.profile
    together = profile.sending == Profile.Sending.TOGETHER
    budget = write_budget(decision, together)
    risked, step = profile.leg_risk_budget, profile.count_step or 1
    found = planner.largest(legs, decision.count, step, risked, budget, together=together)
    if together and isinstance(found, Refusal) and found.code is DenialCode.RATE_LIMIT:
        together, budget = False, write_budget(decision, False)
        found = planner.largest(legs, decision.count, step, risked, budget)
    if not isinstance(found, Plan):
        raise Denied(found.code, found.detail)
    if not baskets.still_worth(decision, profile, found.count, found.cost, whole_plan=True):
        full = planner.plan(legs, decision.count, risked, budget, together=together)
        if not isinstance(full, Plan):
            raise Denied(full.code, f"{full.detail}; {found.count / 100:g} would fit but earn too little")
        raise Denied(DenialCode.MARGIN_GONE, f"{found.count / 100:g} baskets now cost {dollars(found.cost)}")
    return found


def write_budget(decision: Decision, together: bool) -> WriteBudget:
    """The account's write bucket as last learnt (else the Basic tier's), and what it holds now. Paper keeps to the same limits,
    on a bucket of its own that is full."""
    write = account_limits.known().write
    available = write.bucket_capacity
    if decision.mode == Mode.LIVE:
        # a batch bills the unscoped bucket, a single order that of its shard (docs/kalshi-protocol.md 3)
        shard = UNSCOPED if together else decision.event.exchange_index
        available = min(available, connection.client().transport.limiter.available("write", shard))
    return WriteBudget(write.bucket_capacity, write.refill_rate, available)


def _intent(decision: Decision, legs: list[PlanLeg], worst: int) -> risk.Intent:
    worst_of = {(leg.ticker, leg.side): walk.most_for(leg.limit, leg.count, leg.fees) for leg in legs}
    return risk.Intent(decision.profile, decision, worst, worst_of)


def _reserve(decision: Decision, plan: Plan) -> Position:
    profile = decision.profile
    try:
        with transaction.atomic():
            # Whoever holds this row admits alone for the profile: the limits below are counted behind it.
            balance = ProfileBalance.objects.select_for_update(of=("self",)).select_related("profile")
            _same_account(profile, balance.get(profile=profile).profile)
            if profile.mode == Mode.LIVE:
                # Profiles of one subaccount share its cash.
                shard_cash.lock(profile.subaccount or 0, decision.event.exchange_index)
            if Denial.objects.filter(decision=decision).exists():
                raise Denied(DenialCode.DENIED_ELSEWHERE)
            risk.limits(_intent(decision, list(plan.legs), plan.worst_cost))
            position = Position.objects.create(
                profile=profile,
                mode=profile.mode,
                decision=decision,
                event=decision.event,
                kind=decision.kind,
                target_count=plan.count,
                sends_together=plan.together,
                **premises.of(decision),
                next_step_at=clock.now() + timedelta(seconds=states.LEASE_SECONDS),
            )
            Leg.objects.bulk_create(
                Leg(
                    position=position,
                    market_id=leg.ticker,
                    side=leg.side,
                    sequence=number,
                    target_count=leg.count,
                    limit_price=leg.limit,
                )
                for number, leg in enumerate(plan.legs)
            )
            if profile.mode == Mode.LIVE:
                LiveEventClaim.objects.create(
                    event=decision.event, subaccount=profile.subaccount or 0, position=position
                )
            ledger.reserve(position, plan.worst_cost)
            watchlist.replace(f"position:{position.pk}", [decision.event_id], WATCH_PRIORITY)
            states.note(position, _explain(decision, plan), to=position.status, data={"losses": plan.unwind_losses})
    except IntegrityError as error:
        raise Denied(DenialCode.EVENT_TAKEN, f"{decision.event_id} ({type(error).__name__})") from None
    return position


def _same_account(read: Profile, now: Profile) -> None:
    """Denied if the profile has moved to another mode or subaccount since it was read."""
    if (read.mode, read.subaccount or 0) != (now.mode, now.subaccount or 0):
        raise Denied(DenialCode.MODE, f"{now.name} trades {now.mode} on subaccount {now.subaccount or 0} by now")


def _explain(decision: Decision, plan: Plan) -> str:
    size = f"{plan.count / 100:g} baskets"
    if plan.count < decision.count:
        size += f" (of {decision.count / 100:g} decided: depth or leg-risk budget)"
    way = "all legs at once" if plan.together else "the thinnest leg first"
    if decision.profile.sending == Profile.Sending.TOGETHER and not plan.together:
        way += " (the account's write limit does not carry all at once)"
    return f"{size}, {way}, at most {dollars(plan.worst_cost)} reserved, worst unwind {dollars(plan.worst_unwind)}"
