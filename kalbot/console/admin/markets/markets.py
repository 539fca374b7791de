"""The app ``markets``: series, events, markets, scans, certificates and the stream's inbox."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter

from kalbot.console.admin.lists.base import ReadOnlyAdmin, ReadOnlyInline
from kalbot.console.admin.lists.columns import column, event_link, key_link, label
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import Category, ChoicesDropdownFilter, EventCategory, choice, seen_values
from kalbot.console.admin.markets.review_form import ReviewForm
from kalbot.console.auth import audit
from kalbot.console.pages.strategy import event_story
from kalbot.console.ui.display import display
from kalbot.console.ui.links import list_url
from markets.models import Certificate, Event, FeeChange, Market, ReviewedSeries, Series
from markets.selectors import markets_of
from markets.terms import certificates

QUOTE_UNITS = {
    "price_bands": "stored price",
    "yes_bid": "price",
    "yes_ask": "price",
    "last_price": "price",
    "yes_bid_size": "count",
    "yes_ask_size": "count",
    "volume": "count",
    "volume_24h": "count",
    "open_interest": "count",
    "settlement_value_e6": "money",
    "notional_e6": "money",
}


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    list_display = ["ticker", "title", "category", "frequency", "fee_type", "fee_multiplier_e6", "open_events"]
    list_filter = [Category, seen_values("fee_type"), seen_values("frequency")]
    search_fields = ["ticker", "title"]
    ordering = ["ticker"]
    units = {"fee_multiplier_e6": "ratio"}

    @display(description="Events")
    def open_events(self, series: Series) -> str:
        return format_html(
            '<a class="k-link" href="{}">open events</a>', list_url("markets.event", series__ticker=series.pk)
        )


class MarketInline(ReadOnlyInline):
    model = Market
    ordering = ["ticker"]
    verbose_name_plural = "outcomes"
    fields = [
        "ticker",
        "yes_sub_title",
        "status",
        "yes_bid",
        "yes_ask",
        "last_price",
        "volume",
        "open_interest",
        "result",
    ]
    readonly_fields = fields
    units = QUOTE_UNITS


class CertificateInline(ReadOnlyInline):
    model = Certificate
    ordering = ["-version"]
    verbose_name_plural = "certificates"
    fields = ["version", "status", "kind", "evidence", "reason", "actor", "created_at", "ended_at"]
    readonly_fields = fields


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = [
        "ticker",
        "title",
        key_link("series"),
        "category",
        "market_count",
        "mutually_exclusive",
        column("close_time", "ago", "Closes"),
        "volume",
        "open_interest",
    ]
    list_filter = [
        choice("open", "open", {"yes": ("Open", {"is_open": True}), "no": ("Gone", {"is_open": False})}, "yes"),
        Category,
        ("mutually_exclusive", BooleanRadioFilter),
    ]
    search_fields = ["ticker", "title"]
    sorts = {"ticker", "volume", "open_interest", "close_time", "market_count"}
    ordering = ["-volume"]
    linked_by = {"series__ticker"}
    units = {"volume": "count", "open_interest": "count", "fee_multiplier_override_e6": "ratio"}
    inlines = [MarketInline, CertificateInline]
    readonly_fields = ["rules"]
    fieldsets = [
        (
            "The stored row",
            {
                "classes": ["collapse"],
                "fields": [
                    "ticker",
                    "title",
                    "sub_title",
                    "series",
                    "category",
                    "close_time",
                    "strike_date",
                    "is_open",
                    "mutually_exclusive",
                    "market_count",
                    "volume",
                    "open_interest",
                ],
            },
        ),
        (
            "Rules",
            {
                "fields": [
                    "rules",
                    "settlement_sources",
                    "rules_hash",
                    "collateral_return_type",
                    "strike_period",
                    "fee_type_override",
                    "fee_multiplier_override_e6",
                    "exchange_index",
                ],
                "classes": ["collapse"],
            },
        ),
        (
            "Catalogue",
            {"fields": [("last_scan", "first_seen_at", "updated_at", "content_hash")], "classes": ["collapse"]},
        ),
    ]

    change_form_outer_before_template = "console/event.html"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context.update(event_story.context(kwargs["obj"]))
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Rules of the first outcome")
    def rules(self, event: Event) -> str:
        market = markets_of(event).order_by("ticker").first()
        return format_html("<p>{}</p><p>{}</p>", market.rules_primary, market.rules_secondary) if market else "–"


@admin.register(Market)
class MarketAdmin(ExportedAdmin):
    list_display = [
        "outcome",
        event_link(),
        label("status"),
        "yes_bid",
        "yes_ask",
        "last_price",
        "volume",
        "open_interest",
        column("close_time", "ago", "Closes"),
        "result",
    ]
    list_filter = [
        seen_values("status"),
        EventCategory,
        choice(
            "quoted",
            "quote",
            {
                "both": ("Both sides", {"yes_bid__isnull": False, "yes_ask__isnull": False}),
                "none": ("No ask", {"yes_ask__isnull": True}),
            },
        ),
    ]
    list_select_related = ["event"]
    search_fields = ["ticker", "yes_sub_title", "event__title"]
    sorts = {"outcome", "volume", "close_time"}
    ordering = ["ticker"]
    units = QUOTE_UNITS

    @display(description="Outcome", ordering="ticker")
    def outcome(self, market: Market) -> SafeString:
        """Its name, and the ticker below it; the link around both is the list's own."""
        return format_html(
            '<span class="k-titled">{}</span><small class="k-quiet">{}</small>',
            market.yes_sub_title or market.pk,
            market.pk,
        )


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        event_link(),
        label("status"),
        "kind",
        "actor",
        column("created_at", "ago", "Since"),
        "reason",
    ]
    list_filter = [("status", ChoicesDropdownFilter), seen_values("kind"), EventCategory]
    list_select_related = ["event"]
    search_fields = ["event__ticker", "event__title"]
    ordering = ["-id"]


@admin.register(ReviewedSeries)
class ReviewedSeriesAdmin(ReadOnlyAdmin):
    """A person's word about a whole series; writing one is a risk manager's act and is kept in the history of the admin."""

    list_display = [
        key_link("series"),
        "outcome_names",
        "reviewed_by",
        column("reviewed_at", "ago", "Reviewed"),
        "reason",
    ]
    search_fields = ["series__ticker", "series__title"]
    ordering = ["series"]
    autocomplete_fields = ["series"]
    exclude = ["reviewed_by"]
    form = ReviewForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("console.review_certificate")

    def has_change_permission(self, request: HttpRequest, obj: ReviewedSeries | None = None) -> bool:
        return request.user.has_perm("console.review_certificate")

    def has_delete_permission(self, request: HttpRequest, obj: ReviewedSeries | None = None) -> bool:
        return request.user.has_perm("console.review_certificate")

    def save_model(self, request: HttpRequest, obj: ReviewedSeries, form: object, change: bool) -> None:
        obj.reviewed_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        _kept(request, "change_reviewed_series" if change else "add_reviewed_series", obj)
        certificates.refresh_series(obj.series_id)

    def delete_model(self, request: HttpRequest, obj: ReviewedSeries) -> None:
        series = obj.series_id
        _kept(request, "delete_reviewed_series", obj)
        super().delete_model(request, obj)
        certificates.refresh_series(series)


def _kept(request: HttpRequest, name: str, row: ReviewedSeries) -> None:
    """The audit log has it: who said what of which series, and why."""
    names = f"outcome names: {row.outcome_names or 'none'}"
    audit.record(name, actor=request.user.get_username(), reason=row.reason, target=row.series_id, result=names)


@admin.register(FeeChange)
class FeeChangeAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        key_link("series"),
        "fee_type",
        "fee_multiplier_e6",
        column("scheduled_at", "ago", "Applies"),
    ]
    search_fields = ["series__ticker", "series__title"]
    ordering = ["-scheduled_at"]
    units = {"fee_multiplier_e6": "ratio"}
