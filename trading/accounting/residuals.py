"""What becomes of the residual of an open position when something was booked on its legs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from trading.denials import DenialCode
from trading.execution.sizing import baskets
from trading.models import Leg, Position, PositionStatus


def after(position: Position, legs: Collection[Leg], changed: Mapping[int, Mapping[str, int]]) -> dict[str, str]:
    """Columns of the position, none where its residual stays. ``legs``: all of them, as they are now. ``changed``: by leg id, what was
    booked on its columns just now.

    Where more is without its basket than before, orphans are weighed again, and so is what is kept for its floor whatever was bought or
    sold of it; legs that a person kept, or an exit left, without their basket are theirs to decide on. Whole baskets that an exit could
    not sell are like any that are open: what breaks one of them is dealt with.
    """
    if position.status != PositionStatus.OPEN or not position.residual_code:
        return {}
    if position.residual_code == DenialCode.HELD_FOR_FLOOR and any(_gained(columns) for columns in changed.values()):
        return {"residual": "", "residual_code": ""}
    if not _is_more_alone(position.target_count, legs, changed):
        return {}
    if position.residual_code == DenialCode.ORPHANS_HELD or not _was_alone(position.target_count, legs, changed):
        return {"residual": "", "residual_code": ""}
    code = DenialCode.BASKET_BROKEN
    return {"residual": f"{code.sentence} ({position.residual})"[:300], "residual_code": code}


def _is_more_alone(target: int, legs: Collection[Leg], changed: Mapping[int, Mapping[str, int]]) -> bool:
    before, now = _alone_before(target, legs, changed), baskets.matched(legs, target)
    return any(baskets.excess(leg, now, target) > before[leg.pk] for leg in legs)


def _was_alone(target: int, legs: Collection[Leg], changed: Mapping[int, Mapping[str, int]]) -> bool:
    return any(_alone_before(target, legs, changed).values())


def _alone_before(target: int, legs: Collection[Leg], changed: Mapping[int, Mapping[str, int]]) -> dict[int, int]:
    """By leg id, what was held without its basket before the change, 1/100 contract."""
    before = {leg.pk: baskets.kept(leg) - _gained(changed.get(leg.pk, {})) for leg in legs}
    was = min(baskets.whole(before[leg.pk], leg.target_count, target) for leg in legs)
    return {leg.pk: max(0, before[leg.pk] - baskets.needed(was, leg.target_count, target)) for leg in legs}


def _gained(columns: Mapping[str, int]) -> int:
    return columns.get("bought_count", 0) - columns.get("sold_count", 0)
