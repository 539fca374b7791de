"""The app ``strategies``: what each profile thinks of each event, and what it decided. Profiles have a file of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column, event_link, key_link, sentence, words
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import (
    ChoicesDropdownFilter,
    EventCategory,
    OpenNearMiss,
    RelatedDropdownFilter,
    choice,
    seen_values,
)
from kalbot.console.ui import formats, verdicts
from kalbot.console.ui.display import display
from kalbot.console.ui.markup import number, signed, tag
from strategies.models import Cycle, NearMiss, Screening, Verdict

MISSED = ["value", "limit"]


@display(description="Constraint", ordering="constraint")
def constraint(row: Any) -> SafeString | str:
    """The binding constraint in plain words, and the measured value beside the required one."""
    if not row.constraint:
        return formats.NOTHING
    against = f"{row.value or formats.NOTHING} vs. {row.limit or formats.NOTHING}" if row.value or row.limit else ""
    return format_html('{}<small class="k-quiet k-below">{}</small>', row.constraint.replace("_", " "), against)


@admin.register(NearMiss)
class NearMissAdmin(ExportedAdmin):
    """Sorted by distance: the event closest to being bought is on top."""

    list_display = [
        event_link(),
        key_link("profile"),
        words("kind"),
        "distance",
        column("best_distance_ppm", "share", "Best"),
        constraint,
        sentence("flip", "What would flip it"),
        column("started_at", "ago", "Since"),
        column("outcome_profit", "gain", "If bought"),
    ]
    list_filter = [
        OpenNearMiss,
        ("profile", RelatedDropdownFilter),
        seen_values("constraint"),
        ("kind", ChoicesDropdownFilter),
        EventCategory,
    ]
    list_select_related = ["profile", "event"]
    search_fields = ["event__ticker", "event__title"]
    sorts = {"distance", "best_distance_ppm", "evaluations", "started_at"}
    ordering = ["distance_ppm"]
    opens = "distance"
    units = {
        "distance_ppm": "share",
        "best_distance_ppm": "share",
        "outcome_profit": "gain",
        "summary": "stored figures",
    }

    @display(description="Distance", ordering="distance_ppm", amount=("distance_ppm", "share"))
    def distance(self, miss: NearMiss) -> SafeString:
        """How far from passing; one without a distance passes and waits for its turn."""
        return signed("share", miss.distance_ppm) if miss.distance_ppm else number("passes, waits")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """Open ones nearest first. Of a million that have ended the latest are wanted, and sorting them all by distance
        would cost more than the page."""
        return ["distance_ppm"] if request.GET.get("is_open", "open") in ("", "open") else ["-id"]


@admin.register(Verdict)
class VerdictAdmin(ExportedAdmin):
    list_display = [
        event_link(),
        key_link("profile"),
        "verdict",
        words("kind"),
        constraint,
        column("distance_ppm", "share", "Distance"),
        sentence("flip", "What would flip it"),
        "live",
        column("since", "ago", "Since"),
    ]
    list_filter = [
        ("profile", RelatedDropdownFilter),
        ("status", ChoicesDropdownFilter),
        seen_values("constraint"),
        ("kind", ChoicesDropdownFilter),
        EventCategory,
    ]
    list_select_related = ["profile", "event"]
    search_fields = ["event__ticker", "event__title"]
    sorts = {"distance_ppm", "since"}
    ordering = ["-id"]
    linked_by = {"event__is_open__exact", "live_constraint"}
    units = {"distance_ppm": "share", "live_distance_ppm": "share", "summary": "stored figures"}

    @display(description="Verdict", ordering="status")
    def verdict(self, verdict: Verdict) -> SafeString:
        return tag(verdicts.word(verdict))

    @display(description="On live prices")
    def live(self, verdict: Verdict) -> SafeString | str:
        if not verdict.live_at:
            return formats.NOTHING
        return format_html(
            '{}<small class="k-quiet k-below">{}</small>',
            verdict.live_constraint.replace("_", " ") or formats.NOTHING,
            formats.ago(verdict.live_at),
        )


@admin.register(Screening)
class ScreeningAdmin(ExportedAdmin):
    list_display = [
        "id",
        key_link("profile"),
        key_link("scan", text="scan {}"),
        column("at", "ago", "At"),
        "universe",
        "candidates",
        "near_misses",
        "rejected",
        column("duration_ms", "ms", "Took"),
        "warning",
    ]
    list_filter = [("profile", RelatedDropdownFilter)]
    list_select_related = ["profile"]
    units = {"duration_ms": "ms"}


@admin.register(Cycle)
class CycleAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        column("started_at", "ago", "Started"),
        "trigger",
        column("duration_ms", "ms", "Took"),
        column("read_ms", "ms", "Reading prices"),
        "candidates",
        "evaluated",
        "decisions",
        "refusals",
    ]
    list_filter = [
        seen_values("trigger"),
        choice("decided", "decisions", {"yes": ("With decisions", {"decisions__gt": 0})}),
    ]
    units = {"duration_ms": "ms", "read_ms": "ms", "prices_after_ms": "ms"}

    @display(description="Refused because of")
    def refusals(self, cycle: Cycle) -> str:
        return (
            ", ".join(f"{code.replace('_', ' ')} {number}" for code, number in sorted(cycle.refused.items()))
            or formats.NOTHING
        )
