"""The form of a profile: units on screen, integers in the columns, problems in words, and what counts as loosening."""

from __future__ import annotations

from copy import copy
from typing import Any

from django import forms
from django.db import models
from django.forms import CheckboxSelectMultiple
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common.units import DOLLAR
from kalbot.console.admin.lists.versions import SeenForm
from kalbot.console.admin.profiles import profile_risk
from kalbot.console.admin.profiles.profile_units import COUNTS, LABELS, MAY_BE_EMPTY, MONEY, PERCENTS, RATIOS, in_unit
from kalbot.console.auth import audit
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
FIELDSETS: list[tuple[str | None, dict[str, Any]]] = [
    (None, {"fields": ["name", "description", "is_active", "mode", "subaccount", "shadow_of", "reason", "seen"]}),
    (
        "What is watched",
        {
            "classes": ["tab"],
            "fields": [
                "categories",
                "series_include",
                "series_exclude",
                ("min_outcomes", "max_outcomes"),
                ("min_volume", "min_open_interest"),
                "min_depth",
                ("min_seconds_to_close", "max_days_to_close"),
                "near_miss_ppm",
                "watch_margin_ppm",
            ],
        },
    ),
    (
        "What is bought",
        {
            "classes": ["tab"],
            "fields": [
                "kinds",
                "coverage_threshold_ppm",
                ("min_margin_ppm", "min_profit"),
                "least_grade",
                "plausible_margin_ppm",
                ("min_expected_margin_ppm", "min_annualised_ppm"),
                "shape",
                "allocation",
                "collateral_return",
                "count_step",
                "sending",
                "on_partial",
                "complete_seconds",
            ],
        },
    ),
    (
        "Quotes",
        {
            "classes": ["tab"],
            "fields": [
                "quoting",
                ("quote_sides", "quote_families"),
                ("quote_min_margin_ppm", "quote_count"),
                ("orphan_budget", "orphan_budget_day"),
                "orphans",
                ("max_quotes", "quote_stop_seconds"),
                "count_incentives",
            ],
        },
    ),
    (
        "Limits",
        {
            "classes": ["tab"],
            "fields": [
                "capital",
                ("profits", "sweep_above"),
                ("lend_above", "borrow_up_to"),
                ("max_per_event", "max_per_position"),
                ("max_per_leg", "leg_risk_budget"),
                ("max_daily_loss", "day_zone"),
                "max_drawdown",
                ("max_open_positions", "max_orders_per_minute"),
                "max_price_age_ms",
                "cooldown_seconds",
                "blackout",
            ],
        },
    ),
    (
        "Triage",
        {
            "classes": ["tab"],
            "fields": ["triage_policy", "triage_min_gain", "triage_min_hold_seconds", "triage_evidence_ppm"],
        },
    ),
]


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
        min_length=audit.LEAST_WORDS,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        label="Reason for this change",
        help_text="Kept in the history. Needed for every change but that of a name, a description or what is only shown or watched; "
        "a new profile needs none.",
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
        risky = [name for name in self.changed_data if profile_risk.needs_a_reason(name)]
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
        """After the instance has its values: problems between fields, in the words of the app that trades by them, beside whatever else
        is wrong, so that a person is refused once. What could not be read has no value: of it nothing is said but that."""
        unread = [name for name in self.errors if name in self.fields and name not in self.cleaned_data]
        super()._post_clean()  # type: ignore[misc]
        if "subaccount" in self.changed_data and self.instance.pk and mode_guard.has_open(self.instance):
            self.add_error("subaccount", "Something of this profile is open; end its positions first.")
        for name, sentence in certain_problems(self.instance, unread).items():
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, sentence)


def certain_problems(profile: Profile, unread: list[str]) -> dict[str, str]:
    """field -> sentence of what is wrong between fields, whatever the fields that could not be read were meant to be."""
    found = validation.every(profile)
    for name in unread:
        for value in _extremes(name):
            other = copy(profile)
            setattr(other, name, value)
            beside = validation.every(other)
            found = [problem for problem in found if problem in beside]
    return dict(reversed(found))


def _extremes(name: str) -> list[Any]:
    """Values of a setting between which every other lies, or all that it may have; of names, pauses and words none."""
    if name == "kinds":
        return [[], [*Kind.values], *([kind] for kind in Kind.values)]
    if name not in {field.name for field in Profile._meta.concrete_fields}:
        return []
    field = Profile._meta.get_field(name)
    if getattr(field, "choices", None):
        return [value for value, _ in field.flatchoices]  # type: ignore[union-attr]
    return [0, 1, 10 * MOST_MONEY] if isinstance(field, models.IntegerField) else []


def changes_in_words(form: ProfileForm, names: list[str]) -> list[str]:
    """``"Most in one event: $200.00 → $500.00"`` for each of ``names``."""
    words = []
    for name in names:
        field = form.fields[name]
        before, after = form.initial[name], form.cleaned_data[name]
        if isinstance(field, UnitField):
            words.append(f"{field.label}: {field.shown(before)} → {field.shown(after)}.")
        else:
            words.append(f"{field.label}: {in_unit(name, before)} → {in_unit(name, after)}.")
    return words
