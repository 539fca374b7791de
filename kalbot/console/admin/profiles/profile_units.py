"""The settings of a profile in the units in which people write and read them: their names, what they mean, and their values."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import Field

from kalbot.console.admin.lists.columns import Column, title_of
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from strategies.models import Kind, Profile

MONEY = {
    "min_profit": "Least profit of a whole basket after fees.",
    "capital": "What this profile may have at work and in cash together.",
    "sweep_above": "With sweeping: what its own money may grow to. Once a day what is free above it is taken out.",
    "lend_above": "Free cash above this may be lent to profiles of the same mode and account; empty = it lends nothing.",
    "borrow_up_to": "Most that it may owe to other profiles; 0 = it borrows nothing.",
    "max_per_event": "Most at risk in one event: the cost of every position there, and what was lost in it already.",
    "max_per_position": "Most cost of one basket.",
    "max_per_leg": "Most cost of one leg.",
    "max_daily_loss": "Realised loss since midnight, in the time zone below, that stops new baskets for the day.",
    "max_drawdown": "Fall from the best equity that stops new baskets.",
    "leg_risk_budget": "Most that unwinding a half-filled basket may be expected to cost before it is begun.",
    "triage_min_gain": "Least gain of an automatic exit over holding.",
    "orphan_budget": "Most that contracts which filled without the rest of their basket may have cost, in one event.",
    "orphan_budget_day": "The same for all quotes of a day in the time zone of the daily loss, those that rested across midnight too.",
}
MAY_BE_EMPTY = {"lend_above"}
COUNTS = {
    "min_volume": "Contracts traded in the whole event.",
    "min_open_interest": "Contracts open in the whole event.",
    "min_depth": "Least size at the best price of every leg.",
    "count_step": "Sizes are multiples of this.",
    "quote_count": "Baskets quoted in one event; fewer where a budget or the books allow fewer.",
}
PERCENTS: dict[str, tuple[str, int, int]] = {
    "coverage_threshold_ppm": (
        "Least probability that a covered outcome wins. Of coverage baskets only: they are bets, not arbitrage. On 1,170 settled "
        "events each leg beyond the second cost more than it covered: a basket of the three likeliest lost 5.6 ± 2.0 cents a "
        "dollar of payout, one of the four likeliest 6.7 ± 0.4.",
        500_000,
        1_000_000,
    ),
    "min_margin_ppm": ("Least profit over cost, after fees.", -1_000_000, 1_000_000),
    "plausible_margin_ppm": (
        "A margin of the floor above this is held until a person has approved the event: free money usually means that something was "
        "misread.",
        10_000,
        1_000_000,
    ),
    "min_expected_margin_ppm": (
        "Of coverage baskets only: least expected profit over cost; may be negative.",
        -1_000_000,
        1_000_000,
    ),
    "min_annualised_ppm": (
        "Least return a year on the capital that is locked until settlement; 0 = no requirement.",
        0,
        1_000_000_000,
    ),
    "watch_margin_ppm": (
        "Events that miss by less than this share of the payout have their books watched.",
        0,
        500_000,
    ),
    "near_miss_ppm": ("Farthest a near miss may be from passing.", 0, 1_000_000),
    "quote_min_margin_ppm": ("Least profit over cost of a basket whose quotes fill.", 0, 1_000_000),
}
RATIOS = {
    "triage_evidence_ppm": "E-value that a source must reach before it may drive exits; 20 means 1 chance in 20 of fooling us."
}
LABELS = {
    "min_outcomes": "Outcomes, at least",
    "max_outcomes": "Outcomes, at most",
    "min_volume": "Volume, at least",
    "min_open_interest": "Open interest, at least",
    "min_depth": "Depth, at least",
    "min_seconds_to_close": "Seconds to close, at least",
    "max_days_to_close": "Days to close, at most",
    "near_miss_ppm": "A near miss is within",
    "watch_margin_ppm": "Watch books within",
    "coverage_threshold_ppm": "Coverage, at least",
    "min_margin_ppm": "Margin, at least",
    "min_profit": "Profit, at least",
    "plausible_margin_ppm": "Held above a margin of",
    "min_expected_margin_ppm": "Expected margin, at least",
    "min_annualised_ppm": "Return a year, at least",
    "count_step": "Size in steps of",
    "max_per_event": "Most in one event",
    "max_per_position": "Most in one basket",
    "max_per_leg": "Most in one leg",
    "leg_risk_budget": "Most lost by unwinding",
    "max_daily_loss": "Daily loss, at most",
    "day_zone": "A day begins at midnight in",
    "max_drawdown": "Drawdown, at most",
    "max_open_positions": "Open positions, at most",
    "max_orders_per_minute": "Orders a minute, at most",
    "max_price_age_ms": "Price age, at most (ms)",
    "cooldown_seconds": "Pause after a basket (s)",
    "complete_seconds": "Completing may take (s)",
    "triage_min_gain": "Gain, at least",
    "triage_min_hold_seconds": "Hold, at least (s)",
    "triage_evidence_ppm": "Evidence, at least",
    "on_partial": "Half-filled basket",
    "sending": "Legs are sent",
    "is_active": "Active",
    "quoting": "What may rest",
    "quote_sides": "Side",
    "quote_families": "One leg of a family",
    "quote_min_margin_ppm": "Margin of a quote, at least",
    "quote_count": "Baskets quoted in an event",
    "max_quotes": "Quotes at once, at most",
    "orphan_budget": "Orphans in one event, at most",
    "orphan_budget_day": "Orphans in a day, at most",
    "orphans": "Orphans",
    "quote_stop_seconds": "Nothing rests in the last (s)",
    "count_incentives": "Count incentive programmes",
    "shape": "Shape",
    "allocation": "When money is short",
    "profits": "What is earned",
    "sweep_above": "Swept above",
    "lend_above": "Lends free cash above",
    "borrow_up_to": "Borrows, at most",
    "collateral_return": "Collateral return, on paper",
    "kinds": "Kinds of basket",
}


HELP: dict[str, str] = {**MONEY, **COUNTS, **RATIOS, **{name: text for name, (text, _, _) in PERCENTS.items()}}
"""What the settings with a unit mean, for who only reads them."""
PLAIN_LISTS = {"series_exclude", "blackout"}
"""Lists of which an empty one stands for nothing; elsewhere it stands for everything."""


@cache
def setting(name: str) -> Column:
    """A read-only column of a setting, as the form calls and writes it."""

    def shown(profile: Profile) -> str:
        value = getattr(profile, name)
        return formats.NOTHING if value is None else in_unit(name, value) or formats.NOTHING

    shown.__name__ = name
    return display(description=str(LABELS.get(name) or title_of(str(_field(name).verbose_name))))(shown)


def _field(name: str) -> Field[Any, Any]:
    found = Profile._meta.get_field(name)
    assert isinstance(found, Field)
    return found


def word(name: str, code: str) -> str:
    """A code among a setting's choices as the form calls it; other text as it is."""
    choices = {"kinds": Kind.choices}.get(name) or _field(name).flatchoices
    return str(dict(choices).get(code, code))


def in_unit(name: str, value: Any) -> str:
    """A profile's value as a person reads it, for comparisons and checklists."""
    if name in MONEY:
        return formats.money(value)
    if name in COUNTS:
        return f"{formats.count(value)} contracts"
    if name in PERCENTS:
        return formats.percent(value)
    if name in RATIOS:
        return formats.ratio(value)
    if name in PLAIN_LISTS and not value:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(" to ".join(one) if isinstance(one, list) else word(name, str(one)) for one in value) or "all"
    return word(name, value) if isinstance(value, str) else str(value)
