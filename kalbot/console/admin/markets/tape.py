"""Holes in the tape: when nothing was recorded, why, and how much was lost."""

from __future__ import annotations

from django.contrib import admin

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column
from kalbot.console.admin.lists.filters import choice
from markets.models import TapeGap


@admin.register(TapeGap)
class TapeGapAdmin(ReadOnlyAdmin):
    list_display = [
        "writer",
        "reason",
        column("began_at", "ago", "Began"),
        column("ended_at", "ago", "Ended"),
        "dropped",
    ]
    list_filter = [
        choice(
            "open",
            "open",
            {"yes": ("Not written now", {"ended_at": None}), "no": ("Ended", {"ended_at__isnull": False})},
        )
    ]
    search_fields = ["writer", "reason"]
