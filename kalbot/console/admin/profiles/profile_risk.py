"""Which changes of a profile let more risk in, and which ask for a reason: all of them, but for those that are named as harmless.

A setting that is new and stands nowhere here asks for a reason too; a test wants it placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from markets.terms.grades import Grade
from strategies.models import Profile

HARMLESS: Final = {"name", "description", "near_miss_ppm", "watch_margin_ppm", "reason", "seen"}
"""What changes nothing about what is bought, sold or risked: names, and what is shown or watched."""
MORE_IS_LOOSER: Final[dict[str, bool]] = {
    "capital": True,
    "borrow_up_to": True,
    "max_per_event": True,
    "max_per_position": True,
    "max_per_leg": True,
    "max_open_positions": True,
    "max_orders_per_minute": True,
    "max_daily_loss": True,
    "max_drawdown": True,
    "leg_risk_budget": True,
    "max_price_age_ms": True,
    "complete_seconds": True,
    "max_days_to_close": True,
    "max_outcomes": True,
    "plausible_margin_ppm": True,
    "orphan_budget": True,
    "orphan_budget_day": True,
    "max_quotes": True,
    "quote_count": True,
    "quote_families": True,
    "quote_min_margin_ppm": False,
    "quote_stop_seconds": False,
    "cooldown_seconds": False,
    "coverage_threshold_ppm": False,
    "min_margin_ppm": False,
    "min_profit": False,
    "min_expected_margin_ppm": False,
    "min_annualised_ppm": False,
    "min_depth": False,
    "min_seconds_to_close": False,
    "min_volume": False,
    "min_open_interest": False,
    "triage_min_gain": False,
    "triage_evidence_ppm": False,
    "sweep_above": True,
    "lend_above": False,
    "min_outcomes": False,
    "is_active": True,
    "collateral_return": True,
}
"""Numbers and switches, and which way lets more risk in."""
LOOSER_BY_ORDER: Final[dict[str, Sequence[str]]] = {
    "least_grade": tuple(Grade),
    "triage_policy": Profile.TriagePolicy.values,
    "profits": (Profile.Profits.WAIT, Profile.Profits.SWEEP, Profile.Profits.KEEP),
    "quoting": Profile.Quoting.values,
}
"""Choices from the tightest to the loosest."""
MORE_ENTRIES_ARE_LOOSER: Final[dict[str, bool]] = {
    "kinds": True,
    "categories": True,
    "series_include": True,
    "series_exclude": False,
    "blackout": False,
}
"""Lists, and whether an entry more lets more risk in."""
EMPTY_IS_ALL: Final = {"categories", "series_include"}
"""Lists of which an empty one stands for everything."""
NO_ORDER: Final = {
    "subaccount",
    "shape",
    "allocation",
    "count_step",
    "sending",
    "on_partial",
    "quote_sides",
    "orphans",
    "count_incentives",
    "day_zone",
    "triage_min_hold_seconds",
}
"""Neither way is looser; a change asks for a reason all the same."""


def needs_a_reason(name: str) -> bool:
    """Whether changing this setting wants a person's reason."""
    return name not in HARMLESS


def loosened(name: str, before: Any, after: Any) -> bool:
    """Whether a change of ``name`` lets more risk in, as far as the setting has an order."""
    if name in MORE_IS_LOOSER:
        return _number_loosened(MORE_IS_LOOSER[name], before, after)
    if name in LOOSER_BY_ORDER:
        order = list(LOOSER_BY_ORDER[name])
        return after not in order or (before in order and order.index(after) > order.index(before))
    if name in MORE_ENTRIES_ARE_LOOSER:
        return _entries_loosened(name, before or [], after or [])
    return False


def _number_loosened(more: bool, before: Any, after: Any) -> bool:
    if before is None or after is None:  # an empty one lends nothing
        return before is None and after is not None
    return bool(after > before if more else after < before)


def _entries_loosened(name: str, before: Sequence[Any], after: Sequence[Any]) -> bool:
    if name in EMPTY_IS_ALL and not (before and after):
        return bool(before) and not after
    added, gone = [one for one in after if one not in before], [one for one in before if one not in after]
    return bool(added if MORE_ENTRIES_ARE_LOOSER[name] else gone)
