"""When a basket is complete, and when the rest of it has to be sold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from kalbot.common import clock
from trading import states
from trading.accounting import collateral, ledger
from trading.accounting.position_booking import PositionBooking
from trading.denials import Refusal
from trading.execution.sizing import baskets
from trading.models import Leg, Position, PositionStatus
from trading.states import Lease


def is_balanced(position: Position, legs: Iterable[Leg]) -> bool:
    """Whether every leg holds exactly what the whole baskets need, and there is at least one."""
    legs = list(legs)
    count = baskets.matched(legs, position.target_count)
    return count > 0 and not any(baskets.excess(leg, count, position.target_count) for leg in legs)


def open_with(position: Position, lease: Lease, count: int, why: str, booking: PositionBooking | None = None) -> None:
    """Open the position with ``count`` whole baskets: from now on it is monitored, not traded. ``booking``: written with it."""
    states.transition(
        position,
        PositionStatus.OPEN,
        reason=f"{count / 100:g} baskets open: {why}",
        lease=lease,
        booking=booking,
        next_step_at=None,
        deadline_at=None,
    )


def to_unwinding(position: Position, lease: Lease | None, refusal: Refusal) -> bool:
    """Give up completing; keep the whole baskets and sell the rest. Capital that waited for the purchase is free again."""
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    with transaction.atomic():
        states.transition(
            position,
            PositionStatus.UNWINDING,
            reason=f"completing given up: {refusal}",
            lease=lease,
            matched_count=count,
            deadline_at=None,
        )
        noted = position.events.order_by("-id").values_list("pk", flat=True)[:1].get()
        ledger.release(position, noted, collateral.exit_reserve(position))
    states.reload(position)
    return True


def to_completing(position: Position, lease: Lease | None, count: int, why: str) -> bool:
    """Buy what the short legs lack, for as long as the profile allows; ``count`` whole baskets are held."""
    states.transition(
        position,
        PositionStatus.COMPLETING,
        reason=f"{count / 100:g} whole baskets, legs unequal: {why}",
        lease=lease,
        matched_count=count,
        deadline_at=clock.now() + timedelta(seconds=position.profile.complete_seconds),
        residual="",
        residual_code="",
    )
    return True
