"""Said against came: by price, category and time to close, with 95 % intervals, and what the correction is worth. Ready for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, Final

from backtest.calibration.correction import judge, judge_across
from backtest.calibration.observe import Observed

EDGES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 1.0)
Z: Final = 1.959964
FEW: Final = 30
"""Events below which a group says nothing."""

PUBLIC: Final[tuple[tuple[str, str, str], ...]] = (
    ("contracts bought at 5 cents won", "4.18 %", "72.1 million trades, 2021 to 2025 (Jon Becker, MIT)"),
    ("takers, on what they staked", "-1.12 %", "the same"),
    ("makers, on what they staked", "+1.12 %", "the same"),
    ("what takers lose to makers: least, in finance", "0.2 %", "the same"),
    ("what takers lose to makers: most, in media", "7 %", "the same"),
)
"""Figure, value, source: published by others on all of the exchange's trades, to compare with."""


def report(observed: Sequence[Observed]) -> dict[str, Any]:
    """Tables by price (all observations of a lead, all markets), and one line a category and lead."""
    leads = sorted({one.lead for one in observed}, reverse=True)
    categories = sorted({one.category for one in observed})
    return {
        "events": len({one.event for one in observed}),
        "observations": len(observed),
        "first_ms": min((one.at_ns for one in observed), default=0) // 10**6,
        "last_ms": max((one.settled_ns for one in observed), default=0) // 10**6,
        "prices": [{"lead": lead, "bins": bins(one for one in observed if one.lead == lead)} for lead in leads],
        "groups": [
            line
            for category in categories
            for lead in leads
            if (line := _group(category, lead, [o for o in observed if (o.category, o.lead) == (category, lead)]))
        ],
        "across": [
            line
            for category in categories
            for lead in leads
            if (line := _across(category, lead, [o for o in observed if (o.category, o.lead) == (category, lead)]))
        ],
        "public": [list(row) for row in PUBLIC],
    }


def bins(observed: Iterable[Observed]) -> list[dict[str, Any]]:
    """Markets by what their price said: mean of it, how often they won, and Wilson's interval of that.

    The markets of one event are not independent (one wins): the intervals are those of independent markets.
    """
    pairs = [(price, ticker == one.winner) for one in observed for ticker, price in one.prices.items()]
    found = []
    for low, high in pairwise(EDGES):
        inside = [(p, won) for p, won in pairs if low <= p < high or (high == EDGES[-1] and p == high)]
        if inside:
            count, won = len(inside), sum(won for _, won in inside)
            bounds = wilson(won, count)
            said, came = sum(p for p, _ in inside) / count, won / count
            found.append(
                {
                    "low": low,
                    "high": high,
                    "markets": count,
                    "said": said,
                    "came": came,
                    "from": bounds[0],
                    "to": bounds[1],
                }
            )
    return found


def wilson(won: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927). ``count`` > 0."""
    share, z2 = won / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z * sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _group(category: str, lead: int, observed: Sequence[Observed]) -> dict[str, Any] | None:
    if not observed:
        return None
    judged = judge(observed)
    return {
        "category": category,
        "lead": lead,
        "events": judged.events,
        "days": judged.days,
        "too_few": judged.events < FEW,
        "power": judged.power,
        "log": judged.log_difference,
        "log_interval": judged.log_interval if judged.days > 1 else None,
        "brier": judged.brier_difference,
        "brier_interval": judged.brier_interval if judged.days > 1 else None,
        "e_value": judged.e_value,
        "days_counted": judged.days_counted,
        "is_used": judged.is_used and judged.events >= FEW,
        "longshots": _longshots(observed),
    }


def _across(category: str, lead: int, observed: Sequence[Observed]) -> dict[str, Any] | None:
    judged = judge_across(observed)
    if not judged.events:
        return None
    return {
        "category": category,
        "lead": lead,
        "events": judged.events,
        "days": judged.days,
        "log": judged.log_difference,
        "log_interval": judged.log_interval if judged.days > 1 else None,
        "e_value": judged.e_value,
        "has_earned": judged.has_earned and judged.events >= FEW,
    }


def _longshots(observed: Sequence[Observed]) -> dict[str, Any] | None:
    """Markets at 10 cents or less: said, came, interval."""
    pairs = [(p, t == one.winner) for one in observed for t, p in one.prices.items() if p <= 0.1]
    if not pairs:
        return None
    won = sum(w for _, w in pairs)
    low, high = wilson(won, len(pairs))
    said = sum(p for p, _ in pairs) / len(pairs)
    return {"markets": len(pairs), "said": said, "came": won / len(pairs), "from": low, "to": high}
