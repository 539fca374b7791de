"""The plan of a decision on the books of now: its legs, the write tokens that the account has, and the largest size that fits."""

from __future__ import annotations

from kalbot.common.units import dollars
from markets.book import Side
from markets.kalshi.token_buckets import UNSCOPED
from strategies.collateral.funds import Purchase
from strategies.models import Decision, Mode, Profile
from trading.books.live_books import LiveBooks
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.sizing import baskets, planner, walk
from trading.execution.sizing.planner import Plan, PlanLeg, WriteBudget
from trading.venues import account_limits, connection


def purchases_of(plan: Plan) -> list[Purchase]:
    """The plan's legs at their worst costs."""
    return [
        Purchase(leg.ticker, Side(leg.side), leg.count, walk.most_for(leg.limit, leg.count, leg.fees))
        for leg in plan.legs
    ]


def legs_of(decision: Decision, live: LiveBooks) -> list[PlanLeg]:
    """The decision's legs with the books of now, matched by ticker and side."""
    return [
        PlanLeg(
            ticker=leg["ticker"],
            side=leg["side"],
            count=int(leg["count"]),
            limit=int(leg["limit_price"]),
            asks=live.asks(leg["ticker"], leg["side"]),
            bids=live.bids(leg["ticker"], leg["side"]),
            fees=live.fee(leg["ticker"]),
            seen=live.version(leg["ticker"]),
        )
        for leg in decision.legs
    ]


def plan_of(decision: Decision, legs: list[PlanLeg], *, smallest: bool = False) -> Plan:
    """The largest plan, up to the decision's size, that depth and leg-risk budget carry and that still meets margin and
    least profit on the books of now. A profile that sends all legs at once sends them one by one where the account's bucket
    does not hold them at once. ``smallest``: one step, leg by leg, whatever little it earns. Raises Denied with the refusal of the
    full size."""
    profile = decision.profile
    together = profile.sending == Profile.Sending.TOGETHER and not smallest
    budget = write_budget(decision, together)
    risked, step = profile.leg_risk_budget, profile.count_step or 1
    most = step if smallest else decision.count
    found = planner.largest(planner.scaled(legs, most, decision.count), most, step, risked, budget, together=together)
    if together and isinstance(found, Refusal) and found.code is DenialCode.RATE_LIMIT:
        together, budget = False, write_budget(decision, False)
        found = planner.largest(legs, decision.count, step, risked, budget)
    if not isinstance(found, Plan):
        raise Denied(found.code, found.detail)
    if not baskets.still_worth(decision, profile, found.count, found.cost, whole_plan=not smallest):
        full = planner.plan(legs, decision.count, risked, budget, together=together)
        if not isinstance(full, Plan):
            raise Denied(full.code, f"{full.detail}; {found.count / 100:g} would fit but earn too little")
        raise Denied(DenialCode.MARGIN_GONE, f"{found.count / 100:g} baskets now cost {dollars(found.cost)}")
    return found


def taken(decision: Decision, legs: list[PlanLeg], live: LiveBooks, smallest: bool) -> Plan:
    """The same; where orders of our own stand in its way, that is what it is denied for."""
    try:
        return plan_of(decision, legs, smallest=smallest)
    except Denied as denied:
        hidden = next((leg for leg in legs if live.hides_asks(leg.ticker, leg.side, leg.limit)), None)
        if denied.code is not DenialCode.DEPTH or hidden is None:
            raise
        raise Denied(DenialCode.OWN_ORDER, f"{hidden.side} {hidden.ticker}: {denied.detail}") from None


def write_budget(decision: Decision, together: bool) -> WriteBudget:
    """The account's write bucket as last learnt (else the Basic tier's), and what it holds now. Paper keeps to the same limits,
    on a bucket of its own that is full."""
    write = account_limits.lately().write
    available = write.bucket_capacity
    if decision.mode == Mode.LIVE:
        # a batch bills the unscoped bucket, a single order that of its shard (docs/kalshi-protocol.md 3)
        shard = UNSCOPED if together else decision.event.exchange_index
        available = min(available, connection.client().transport.limiter.available("write", shard))
    return WriteBudget(write.bucket_capacity, write.refill_rate, available)
