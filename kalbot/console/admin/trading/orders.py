"""Orders and their fills, read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter

from kalbot.console.admin.lists.base import ReadOnlyInline
from kalbot.console.admin.lists.columns import column, key_link, label, link, market_link
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
    seen_values,
)
from kalbot.console.ui import order_words
from kalbot.console.ui.display import display
from kalbot.console.ui.markup import tag
from trading.models import (
    Fill,
    Order,
    Position,
)

MODE = ("mode", ChoicesDropdownFilter)
PROFILE = ("profile", RelatedDropdownFilter)
ORDER_UNITS = {
    "price": "price",
    "count": "count",
    "filled_count": "count",
    "reported_fill_count": "count",
    "queue_ahead": "count",
    "shrunk_to": "count",
    "reported_cost": "money",
}


def outcome_tag(order: Order) -> SafeString:
    """The outcome as a label; its sentence on hover."""
    word = order_words.outcome(order)
    return tag(word, hint=order_words.ENDED.get(word, order.get_status_display()))


class FillInline(ReadOnlyInline):
    model = Fill
    ordering = ["id"]
    fields = ["created_at", "trade_id", "price", "count", "fee", "is_taker", "source"]
    readonly_fields = fields
    units = {"price": "price", "count": "count", "fee": "money"}


@admin.register(Order)
class OrderAdmin(ExportedAdmin):
    list_display = [
        "short_id",
        label("mode"),
        key_link("profile"),
        key_link("position", text="#{}"),
        "action",
        "purpose",
        market_link("leg.market", "side"),
        "price",
        "count",
        column("filled_count", "count", "Filled"),
        "outcome",
        column("error_code", "text", "Error"),
        column("created_at", "ago", "Made"),
    ]
    list_filter = [
        MODE,
        PROFILE,
        ("status", ChoicesDropdownFilter),
        ("action", ChoicesDropdownFilter),
        ("purpose", ChoicesDropdownFilter),
        ("created_at", RangeDateTimeFilter),
    ]
    list_select_related = ["profile", "leg__market__event"]
    search_fields = ["exchange_order_id", "leg__market__ticker", "leg__market__event__title", "=position__id"]
    sorts = {"created_at", "price", "count"}
    ordering = ["-created_at"]
    units = ORDER_UNITS
    inlines = [FillInline]
    readonly_fields = ["became", "in_force", "ended_for_good"]

    @display(description="Status", ordering="status")
    def outcome(self, order: Order) -> SafeString:
        """Its status while it is on its way, afterwards whether it was filled."""
        return outcome_tag(order)

    @display(description="What became of it")
    def became(self, order: Order) -> SafeString:
        """The outcome with its sentence, on the order's own page."""
        word = order_words.outcome(order)
        return format_html("{} {}", tag(word), order_words.ENDED.get(word, order.get_status_display()))

    def get_fields(self, request: HttpRequest, obj: Order | None = None) -> list[Any]:
        written = {"time_in_force": "in_force", "is_final": "ended_for_good"}
        left_out = ("became", "status", *written.values())
        names = [name for name in super().get_fields(request, obj) if name not in left_out]
        return ["became", *(written.get(name, name) for name in names)]

    @display(description="Can more of it fill?")
    def ended_for_good(self, order: Order) -> str:
        return order_words.can_fill_more(order)

    @display(description="Time in force")
    def in_force(self, order: Order) -> str:
        """How long the exchange tries to fill it, in words."""
        return order_words.in_force(order.time_in_force)

    @display(description="Order")
    def short_id(self, order: Order) -> str:
        return str(order.pk)[:8]


@admin.register(Fill)
class FillAdmin(ExportedAdmin):
    list_display = [
        "trade_id",
        label("mode"),
        "position",
        market_link("order.leg.market"),
        "side",
        "price",
        "count",
        "fee",
        "is_taker",
        "source",
        column("created_at", "ago", "Booked"),
    ]
    list_filter = [MODE, seen_values("source"), ("is_taker", BooleanRadioFilter)]
    list_select_related = ["order__leg__market__event"]
    search_fields = ["trade_id", "order__leg__market__ticker", "order__leg__market__event__title"]
    sorts = {"price", "count", "fee"}
    ordering = ["-id"]
    units = {"price": "price", "count": "count", "fee": "money"}

    @display(description="Position")
    def position(self, fill: Fill) -> SafeString | str:
        return link(Position(pk=fill.order.position_id), f"#{fill.order.position_id}")

    @display(description="Side")
    def side(self, fill: Fill) -> str:
        return f"{fill.order.action} {fill.order.side.upper()}"
