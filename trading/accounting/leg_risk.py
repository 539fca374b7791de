"""What is left of a position's leg-risk budget."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Sum

from strategies.models import Kind
from trading.accounting.position_booking import cost_share
from trading.execution.sizing import baskets
from trading.models import Account, LedgerEntry, Leg, Order, Position


def left(position: Position) -> int:
    """What leaving a half-filled basket may still lose, micro-dollars; negative where more is lost already. Losses already taken are part
    of the budget, whoever made them. Gains add nothing to it: what somebody else's sale, an exit or a settlement gained makes up for no
    loss of its own unwinding."""
    return position.profile.leg_risk_budget + min(0, position.realised, -_lost_unwinding(position))


def left_to_sell(position: Position, legs: Sequence[Leg]) -> int:
    """The same for a sale of what the whole baskets do not need: what these have cost beyond what they pay, because they were completed
    at a loss, is lost too."""
    return left(position) - lost_completing(position, legs)


def lost_completing(position: Position, legs: Sequence[Leg]) -> int:
    """What the whole baskets lose for certain, beyond what the decision accepted for as many."""
    decision, target = position.decision, position.target_count
    count = baskets.matched(legs, target)
    if decision.kind == Kind.COVERAGE or not decision.guaranteed or not count:
        return 0
    extra = [(leg, baskets.excess(leg, count, target)) for leg in legs]
    cost = sum(leg.open_cost - (cost_share(leg, number)[0] if number else 0) for leg, number in extra)
    accepted = max(decision.floor, decision.max_cost) * count // decision.count
    return max(0, cost - accepted)


def _lost_unwinding(position: Position) -> int:
    entries = LedgerEntry.objects.filter(
        account=Account.REALISED,
        transaction__fill__order__position=position,
        transaction__fill__order__purpose=Order.Purpose.UNWIND,
    )
    lost: int | None = entries.aggregate(total=Sum("amount"))["total"]
    return lost or 0
