"""When a basket stands, and when the rest of it has to go."""

from __future__ import annotations

from collections.abc import Iterable

from trading import states
from trading.execution.sizing import baskets
from trading.models import Leg, Position, PositionStatus
from trading.states import Lease

S = PositionStatus


def is_balanced(position: Position, legs: Iterable[Leg]) -> bool:
    """Whether every leg holds exactly what the whole baskets need, and there is at least one."""
    legs = list(legs)
    count = baskets.matched(legs, position.target_count)
    return count > 0 and not any(baskets.excess(leg, count, position.target_count) for leg in legs)


def open_with(position: Position, held: Lease, count: int, why: str) -> None:
    """The basket stands: from now on it is watched, not traded."""
    floor = position.decision.floor * count // position.decision.count
    cost = sum(leg.open_cost for leg in position.legs.all())
    states.transition(
        position,
        S.OPEN,
        reason=f"{count / 100:g} baskets open: {why}",
        held=held,
        matched_count=count,
        floor=floor,
        guaranteed=position.decision.guaranteed and floor > cost,
        next_step_at=None,
        deadline_at=None,
    )


def to_unwinding(position: Position, held: Lease, why: str) -> bool:
    """Give up completing; keep the whole baskets and sell the rest."""
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    states.transition(position, S.UNWINDING, reason=why, held=held, matched_count=count)
    return True
