"""The form of a profile: units on screen, integers in the columns, problems in words, and what counts as loosening."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import CheckboxSelectMultiple
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common.units import DOLLAR
from kalbot.console.admin.versions import SeenForm
from kalbot.console.ui import formats
from kalbot.console.ui.fields import (
    BlackoutField,
    CountField,
    KindsField,
    MoneyField,
    PercentField,
    RatioField,
    UnitField,
    WordsField,
)
from strategies.models import Kind, Mode, Profile
from strategies.profiles import names, validation
from trading.safety import mode_guard

MOST_MONEY = 10_000_000 * DOLLAR

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
    "orphan_budget_day": "The same for all quotes begun since midnight, in the time zone of the daily loss.",
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

#: Fields whose change is a change of risk and asks for a reason: name -> whether *more* is looser.
LIMITS: dict[str, bool] = {
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
}


def unit_fields() -> dict[str, UnitField]:
    """The form field of every column that holds an amount."""
    made: dict[str, UnitField] = {}
    for name, text in MONEY.items():
        made[name] = MoneyField(help_text=text, least=0, most=MOST_MONEY, required=name not in MAY_BE_EMPTY)
    for name, text in COUNTS.items():
        made[name] = CountField(help_text=text, least=1 if name == "count_step" else 0)
    for name, (text, least, most) in PERCENTS.items():
        made[name] = PercentField(help_text=text, least=least, most=most)
    for name, text in RATIOS.items():
        made[name] = RatioField(help_text=text, least=1_000_000)
    for name, field in made.items():
        field.label = LABELS.get(name) or name.removesuffix("_ppm").replace("_", " ").capitalize()
    return made


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
    "quote_min_margin_ppm": "Margin of a quote, at least",
    "quote_count": "Baskets quoted in an event",
    "max_quotes": "Quotes at once, at most",
    "orphan_budget": "Orphans in one event, at most",
    "orphan_budget_day": "Orphans in a day, at most",
    "orphans": "Orphans",
    "quote_stop_seconds": "Nothing rests in the last (s)",
    "shape": "Shape",
    "allocation": "When money is short",
    "profits": "What is earned",
    "sweep_above": "Swept above",
    "lend_above": "Lends free cash above",
    "borrow_up_to": "Borrows, at most",
    "collateral_return": "Collateral return, on paper",
    "kinds": "Kinds of basket",
}


class ProfileForm(SeenForm):
    """Every amount in its own unit; cross-field problems come from strategies and stand at their fields."""

    categories = WordsField(help_text="Names as Kalshi writes them, with commas. Empty: all.")
    series_include = WordsField(upper=True, help_text="Tickers with commas. Empty: all.")
    series_exclude = WordsField(upper=True, help_text="Tickers with commas.")
    kinds = KindsField(
        choices=Kind.choices,
        required=True,
        widget=CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one kind of basket."},
    )
    blackout = BlackoutField(
        help_text="Times without new baskets: Thu 03:00-05:00 America/New_York, Mon-Fri 23:30-00:30. Without a zone UTC is meant."
    )
    reason = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        label="Reason for this change",
        help_text="Kept in the history. Needed when a limit or threshold changes.",
    )
    locals().update(unit_fields())

    class Meta:
        model = Profile
        exclude = ["mode", "shadow_of"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, text in LABELS.items():
            if name in self.fields:
                self.fields[name].label = text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        risky = [name for name in self.changed_data if name in LIMITS]
        if self.instance.pk and risky and not cleaned.get("reason"):
            limits = ", ".join(str(self.fields[name].label).lower() for name in risky)
            self.add_error("reason", f"Please say why; you are changing: {limits}.")
        self._check_names(cleaned)
        if self.instance.mode == Mode.LIVE and cleaned.get("is_active") and "is_active" in self.changed_data:
            self.add_error("is_active", "A live profile is switched on by the Go live dialog, with its checklist.")
        return cleaned

    def _check_names(self, cleaned: dict[str, Any]) -> None:
        """Categories and series that are new in this form are known to the exchange; those kept from before may have ended."""
        for name, check in (
            ("categories", names.unknown_categories),
            ("series_include", names.unknown_series),
            ("series_exclude", names.unknown_series),
        ):
            before = getattr(self.instance, name) or [] if self.instance.pk else []
            added = [one for one in cleaned.get(name) or [] if one not in before]
            sentence = check(added) if added else ""
            if sentence:
                self.add_error(name, sentence)
        sentence = names.contradicts(cleaned.get("categories") or [], cleaned.get("series_include") or [])
        if sentence and "series_include" not in self.errors:
            self.add_error("series_include", sentence)

    def _post_clean(self) -> None:
        """After the instance has its values: problems between fields, in the words of the app that trades by them."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        if "subaccount" in self.changed_data and self.instance.pk and mode_guard.has_open(self.instance):
            self.add_error("subaccount", "Something of this profile is open; end its positions first.")
        for name, sentence in validation.problems(self.instance).items():
            self.add_error(name if name in self.fields else None, sentence)


def loosened(name: str, before: Any, after: Any) -> bool:
    """Whether a change of ``name`` lets more risk in."""
    more_is_looser = LIMITS.get(name)
    if more_is_looser is None or before is None or after is None:
        return False
    return bool(after > before if more_is_looser else after < before)


def changes_in_words(form: ProfileForm, names: list[str]) -> list[str]:
    """``"Most in one event: $200.00 → $500.00"`` for each of ``names``."""
    words = []
    for name in names:
        field = form.fields[name]
        show = field.shown if isinstance(field, UnitField) else str
        words.append(f"{field.label}: {show(form.initial[name])} → {show(form.cleaned_data[name])}.")
    return words


def in_unit(name: str, value: Any) -> str:
    """A profile's value as a person reads it, for comparisons and checklists."""
    if name in MONEY:
        return formats.money(value)
    if name in COUNTS:
        return f"{formats.count(value)} contracts"
    if name in PERCENTS:
        return formats.percent(value)
    if isinstance(value, list):
        return ", ".join(" to ".join(one) if isinstance(one, list) else str(one) for one in value) or "all"
    return formats.ratio(value) if name in RATIOS else str(value)
