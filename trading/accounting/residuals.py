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
    sold of it; what a person kept, or an exit left, is theirs to decide on.
    """
    if position.status != PositionStatus.OPEN or not position.residual_code:
        return {}
    if position.residual_code == DenialCode.HELD_FOR_FLOOR and any(_gained(columns) for columns in changed.values()):
        return {"residual": "", "residual_code": ""}
    if not _is_more_alone(position.target_count, legs, changed):
        return {}
    if position.residual_code == DenialCode.ORPHANS_HELD:
        return {"residual": "", "residual_code": ""}
    code = DenialCode.BASKET_BROKEN
    return {"residual": f"{code.sentence} ({position.residual})"[:300], "residual_code": code}


def _is_more_alone(target: int, legs: Collection[Leg], changed: Mapping[int, Mapping[str, int]]) -> bool:
    before = {leg.pk: baskets.kept(leg) - _gained(changed.get(leg.pk, {})) for leg in legs}
    was = min(baskets.whole(before[leg.pk], leg.target_count, target) for leg in legs)
    now = baskets.matched(legs, target)
    return any(
        baskets.excess(leg, now, target) > max(0, before[leg.pk] - baskets.needed(was, leg.target_count, target))
        for leg in legs
    )


def _gained(columns: Mapping[str, int]) -> int:
    return columns.get("bought_count", 0) - columns.get("sold_count", 0)
