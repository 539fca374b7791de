"""What is left of a position's leg-risk budget."""

from __future__ import annotations

from django.db.models import Sum

from trading.models import Account, LedgerEntry, Order, Position


def left(position: Position) -> int:
    """What leaving a half-filled basket may still lose, micro-dollars; negative where more is lost already. Losses already taken are part
    of the budget, whoever made them. Gains add nothing to it: what somebody else's sale, an exit or a settlement gained makes up for no
    loss of its own unwinding."""
    return position.profile.leg_risk_budget + min(0, position.realised, -_lost_unwinding(position))


def _lost_unwinding(position: Position) -> int:
    entries = LedgerEntry.objects.filter(
        account=Account.REALISED,
        transaction__fill__order__position=position,
        transaction__fill__order__purpose=Order.Purpose.UNWIND,
    )
    lost: int | None = entries.aggregate(total=Sum("amount"))["total"]
    return lost or 0
