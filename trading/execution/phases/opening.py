"""When a basket is complete, and when the rest of it has to be sold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction

from kalbot.common import clock
from kalbot.common.units import dollars
from strategies.models import Profile
from strategies.quoting.offer import Way
from trading import states
from trading.accounting import collateral, ledger
from trading.accounting.position_booking import PositionBooking, cost_share
from trading.denials import DenialCode, Refusal
from trading.execution.phases import rescue
from trading.execution.sizing import baskets
from trading.leases import Lease
from trading.models import Leg, Position, PositionStatus


def is_balanced(position: Position, legs: Iterable[Leg]) -> bool:
    """Whether every leg holds exactly what the whole baskets need, and there is at least one."""
    legs = list(legs)
    count = baskets.matched(legs, position.target_count)
    return count > 0 and not any(baskets.excess(leg, count, position.target_count) for leg in legs)


def completed(position: Position, lease: Lease, count: int) -> None:
    """A half-filled basket is whole again: its quotes rest again where more is wanted, else it is open."""
    if position.quoting and Way(position.quoting).takes and count < position.target_count:
        why = f"{count / 100:g} baskets complete: the quote rests again"
        states.transition(
            position, PositionStatus.QUOTING, reason=why, lease=lease, next_step_at=None, deadline_at=None
        )
    else:
        open_with(position, lease, count, "completed", orphan_limit=0)


def hold_orphans(position: Position, lease: Lease, legs: Iterable[Leg]) -> bool:
    """Open a quoted basket whose rest did not fill as it is: what is alone is held until it settles. False where the profile sells it, or
    where it cost more than the budget of the event."""
    legs = list(legs)
    count = baskets.matched(legs, position.target_count)
    alone = [(leg, baskets.excess(leg, count, position.target_count)) for leg in legs]
    cost = sum(cost_share(leg, number)[0] for leg, number in alone if number)
    profile = position.profile
    if not position.quoting or profile.orphans != Profile.Orphans.HOLD or not 0 < cost <= profile.orphan_budget:
        return False
    names = ", ".join(f"{number / 100:g} {leg}" for leg, number in alone if number)
    text = f"{names} for {dollars(cost)} of {dollars(profile.orphan_budget)}"
    open_with(
        position,
        lease,
        count,
        f"orphans are held: {text}",
        orphan_limit=cost,
        residual=text[:300],
        residual_code=DenialCode.ORPHANS_HELD,
    )
    return True


def keep_what_is_sure(position: Position, lease: Lease, legs: list[Leg], unwound: int | None) -> bool:
    """Open what is held as it is, where it pays more than it cost in every listed state and a sale at the bids of now, which leaves
    ``unwound`` (None: it cannot be known), brings no more. False where it does not."""
    sure = rescue.sure_result(position, legs)
    if sure is None or (unwound is not None and unwound > sure):
        return False
    keep(position, lease, legs, sure)
    return True


def keep(position: Position, lease: Lease, legs: list[Leg], least: int) -> None:
    """Open what is held as it is: without the rest of its basket it earns ``least`` in the worst of the listed states, or more."""
    count = baskets.matched(legs, position.target_count)
    names = ", ".join(f"{leg.held / 100:g} {leg}" for leg in legs if leg.held)
    result = f"earn at least {dollars(least)}" if least > 0 else f"lose at most {dollars(-least)}"
    text = f"{names} {result} without the rest of the basket"
    code = DenialCode.HELD_FOR_FLOOR
    open_with(position, lease, count, text, orphan_limit=0, residual=text[:300], residual_code=code)


def open_with(
    position: Position, lease: Lease, count: int, why: str, booking: PositionBooking | None = None, **changes: Any
) -> None:
    """Open the position with ``count`` whole baskets: from now on it is monitored, not traded. ``booking``: written with it;
    ``changes``: further columns."""
    states.transition(
        position,
        PositionStatus.OPEN,
        reason=f"{count / 100:g} baskets open: {why}",
        lease=lease,
        booking=booking,
        next_step_at=None,
        deadline_at=None,
        **changes,
    )


def to_unwinding(position: Position, lease: Lease | None, refusal: Refusal, what: str = "completing given up") -> bool:
    """Give up completing; keep the whole baskets and sell the rest. Capital that waited for the purchase is free again."""
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    with transaction.atomic():
        states.transition(
            position,
            PositionStatus.UNWINDING,
            reason=f"{what}: {refusal}",
            lease=lease,
            matched_count=count,
            deadline_at=None,
        )
        noted = position.events.order_by("-id").values_list("pk", flat=True)[:1].get()
        ledger.release(position, noted, collateral.exit_reserve(position))
    states.reload(position)
    return True


def to_completing(
    position: Position, lease: Lease | None, count: int, why: str, data: dict[str, Any] | None = None
) -> bool:
    """Buy what the short legs lack, for as long as the profile allows; ``count`` whole baskets are held. ``data``: kept with the event."""
    states.transition(
        position,
        PositionStatus.COMPLETING,
        reason=f"{count / 100:g} whole baskets, legs unequal: {why}",
        lease=lease,
        data=data,
        matched_count=count,
        deadline_at=clock.now() + timedelta(seconds=position.profile.complete_seconds),
        residual="",
        residual_code="",
    )
    return True
