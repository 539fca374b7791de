"""The app ``triage``: what was seen of open positions and what is advised."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column, event_link, key_link, label, sentence
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import ChoicesDropdownFilter, seen_values
from kalbot.console.dialogs.advice import AcceptAdvice, DismissAdvice
from kalbot.console.dialogs.register import detail_action
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from triage.models import Advice, Assessment, Baseline, LearnedErrors, PointForecast, Recommendation, SourceForecast


@admin.register(Assessment)
class AssessmentAdmin(ExportedAdmin):
    list_display = [
        "id",
        key_link("position", text="#{}"),
        event_link("position.event"),
        label("advice"),
        column("sell_now", "money", "Sold now"),
        column("hold_expected", "money", "Held, expected"),
        column("floor", "money", "Held, least"),
        column("coverage_ppm", "share", "Coverage"),
        column("price_age_ms", "ms", "Price age"),
        "seen",
        column("at", "ago", "At"),
    ]
    list_filter = [("advice", ChoicesDropdownFilter)]
    list_select_related = ["position__event"]
    search_fields = ["=position__id", "position__event__ticker", "position__event__title"]
    ordering = ["-id"]
    units = {
        "sell_now": "money",
        "hold_expected": "money",
        "floor": "money",
        "best": "money",
        "sell_fees": "money",
        "gain": "gain",
        "annualised_ppm": "share",
        "coverage_ppm": "share",
        "break_even_ppm": "share",
        "price_age_ms": "ms",
        "sale_legs": "stored figures",
        "signals": "stored figures",
        "sources": "stored figures",
    }

    @display(description="Signals")
    def seen(self, assessment: Assessment) -> str:
        return ", ".join(signal.get("code", "?").replace("_", " ") for signal in assessment.signals) or formats.NOTHING


@admin.register(Recommendation)
class RecommendationAdmin(ExportedAdmin):
    list_display = [
        "id",
        key_link("position", text="#{}"),
        event_link("position.event"),
        label("advice"),
        "why",
        sentence("detail"),
        column("gain", "gain", "Gain of selling"),
        label("status"),
        "actor",
        column("opened_at", "ago", "Opened"),
    ]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("advice", ChoicesDropdownFilter),
        seen_values("reason"),
        seen_values("source"),
    ]
    list_select_related = ["position__event"]
    search_fields = ["=position__id", "detail", "position__event__ticker", "position__event__title"]
    ordering = ["-id"]
    units = {
        "gain": "gain",
        "reason": "reason",
        "opening": "stored figures",
        "plan": "stored figures",
        "score": "stored figures",
    }
    actions_detail = ["accept", "dismiss"]
    actions_row = ["accept", "dismiss"]
    accept = detail_action(AcceptAdvice, "Accept and exit", icon="check", name="accept")
    dismiss = detail_action(DismissAdvice, "Dismiss", icon="close", name="dismiss")

    @display(description="Reason", ordering="reason")
    def why(self, recommendation: Recommendation) -> str:
        """The signal in words."""
        return formats.reason(recommendation.reason)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """What is closed has no answer any more; advice to watch has no exit to accept."""
        row = Recommendation.objects.filter(pk=object_id, status=Recommendation.Status.OPEN).first()
        if row is None:
            return []
        found = super().get_actions_detail(request, object_id)
        return [one for one in found if row.advice == Advice.EXIT or not one.action_name.endswith("_accept")]


@admin.register(Baseline)
class BaselineAdmin(ReadOnlyAdmin):
    """What held when the position was opened; triage compares with it."""

    list_display = [
        "id",
        key_link("position", text="#{}"),
        "certified",
        column("coverage_ppm", "share", "Coverage"),
        column("at", "ago", "At"),
    ]
    search_fields = ["=position__id", "position__event__ticker", "position__event__title"]
    ordering = ["-id"]
    units = {"coverage_ppm": "share", "close_times": "stored at_ms", "last": "stored figures"}


@admin.register(SourceForecast)
class SourceForecastAdmin(ExportedAdmin):
    """What a source said against what the market said, and who was nearer once the event had settled."""

    list_display = [
        "id",
        "source",
        event_link(),
        "outcome",
        "brier",
        "brier_market",
        column("formed_at", "ago", "Formed"),
        column("settled_at", "ago", "Settled"),
    ]
    list_filter = [seen_values("source")]
    list_select_related = ["event"]
    search_fields = ["event__ticker", "event__title"]
    ordering = ["-id"]
    units = {"age_ms": "ms"}


@admin.register(PointForecast)
class PointForecastAdmin(ExportedAdmin):
    """The numbers that sources forecast, and what the events settled on: what errors are learned from."""

    list_display = [
        "id",
        "source",
        "subject",
        event_link(),
        "lead",
        "value",
        "bias",
        "spread",
        "version",
        "settled_on",
        "problem",
        column("issued_at", "ago", "Issued"),
        column("settled_at", "ago", "Settled"),
    ]
    list_filter = [seen_values("source"), seen_values("lead"), seen_values("problem")]
    list_select_related = ["event"]
    search_fields = ["event__ticker", "event__title", "subject"]
    ordering = ["-id"]


@admin.register(LearnedErrors)
class LearnedErrorsAdmin(ReadOnlyAdmin):
    """Versions of what was learned; the newest is in force."""

    list_display = ["id", "estimator", "settled", "weights", column("made_at", "ago", "Made")]
    ordering = ["-id"]
