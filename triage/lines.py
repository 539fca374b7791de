"""Between two schedules: coverage positions whose live coverage has crossed a line since the last look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kalbot.common import clock
from markets.prices import PriceReader
from strategies.models import Kind
from trading.models import Position, PositionStatus
from triage.assess import market_belief
from triage.gather import gather
from triage.models import Assessment

MOVE: Final = 0.05
"""A move of coverage since the last look that is worth a look of its own."""


def crossed(position_ids: Sequence[int], reader: PriceReader | None = None) -> list[int]:
    """Those whose coverage is now on the other side of the profile's line than at the last look, or moved by ``MOVE``.

    Positions that were never looked at are due in any case; those without usable prices are left to the schedule."""
    found = []
    gathered = gather(position_ids, clock.now_ms(), reader)
    last = _last_coverage(position_ids)
    for item in gathered:
        belief = market_belief(item.case) if item.case.now.price_problem is None else None
        if belief is None:
            continue
        covered = {leg.ticker for leg in item.case.legs if leg.side.value == "yes"}
        now, before = sum(belief.get(t, 0.0) for t in covered), last.get(item.position.pk)
        line = item.case.thresholds.coverage_line
        if before is None or abs(now - before) >= MOVE or (line is not None and (now < line) != (before < line)):
            found.append(item.position.pk)
    return found


def coverage_position_ids() -> list[int]:
    """Open coverage positions: the kind with a loss state."""
    return list(Position.objects.filter(status=PositionStatus.OPEN, kind=Kind.COVERAGE).values_list("pk", flat=True))


def _last_coverage(position_ids: Sequence[int]) -> dict[int, float]:
    rows = Assessment.objects.filter(position_id__in=position_ids).exclude(coverage_ppm=None).order_by("pk")
    return {position: ppm / 1_000_000 for position, ppm in rows.values_list("position_id", "coverage_ppm")}
