"""What comes from the exchange: scans, watched events, the stream's inbox."""

from __future__ import annotations

from django.contrib import admin

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import RAW, column, event_link, label
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import ChoicesDropdownFilter, choice
from kalbot.console.admin.lists.tickers import TickerAdmin, ticker_column
from markets.models import ExchangeMessage, Scan, Watch


@admin.register(Scan)
class ScanAdmin(ExportedAdmin):
    list_display = [
        "__str__",
        label("status"),
        column("started_at", "ago", "Started"),
        column("duration_ms", "ms", "Took"),
        "pages",
        "events",
        "markets",
        "combos_left_out",
        "rejected",
        "events_written",
        "markets_written",
        "events_gone",
    ]
    list_filter = [("status", ChoicesDropdownFilter)]
    units = {"duration_ms": "ms"}


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin):
    list_display = [event_link(), "source", "priority", column("created_at", "ago", "Since")]
    list_select_related = ["event"]
    search_fields = ["event__ticker", "event__title", "source"]
    ordering = ["-priority", "id"]


@admin.register(ExchangeMessage)
class ExchangeMessageAdmin(TickerAdmin):
    list_display = [
        "id",
        label("kind"),
        ticker_column("market_ticker"),
        column("received_at", "ago", "Received"),
        column("applied_at", "ago", "Applied"),
        "error",
    ]
    ticker_field = "market_ticker"
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        choice(
            "state",
            "state",
            {
                "waiting": ("Waiting", {"applied_at__isnull": True}),
                "error": ("With an error", {"error__gt": ""}),
            },
        ),
    ]
    search_fields = ["market_ticker", "key"]
    units = {"exchange_ms": "at_ms", "body": RAW, "payload": RAW}
    ordering = ["-id"]
