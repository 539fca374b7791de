"""The app ``trading``: positions and all they are made of. Nothing here can be changed by a form; people act by dialogs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display

from kalbot.console.admin.base import ReadOnlyAdmin, ReadOnlyInline, column, key_link, label, link, words
from kalbot.console.admin.exports import ExportedAdmin
from kalbot.console.admin.filters import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
    choice,
    seen_values,
)
from kalbot.console.dialogs.exits import ForceExit
from kalbot.console.dialogs.register import detail_action
from kalbot.console.pages import position_story
from kalbot.console.ui.markup import number, signed
from trading.models import (
    ACTIVE,
    TERMINAL,
    Fill,
    LedgerEntry,
    LedgerTransaction,
    Leg,
    Order,
    Position,
    PositionEvent,
)

MODE = ("mode", ChoicesDropdownFilter)
PROFILE = ("profile", RelatedDropdownFilter)
LEG_UNITS = {
    "target_count": "count",
    "limit_price": "price",
    "bought_count": "count",
    "bought_cost": "money",
    "fees": "money",
    "sold_count": "count",
    "sold_proceeds": "money",
    "settled_count": "count",
    "payout": "money",
}
ORDER_UNITS = {"price": "price", "count": "count", "filled_count": "count", "reported_fill_count": "count"}


class LegInline(ReadOnlyInline):
    model = Leg
    fields = [
        "side",
        "market",
        "target_count",
        "limit_price",
        "bought_count",
        "bought_cost",
        "sold_count",
        "sold_proceeds",
        "settled_count",
        "payout",
    ]
    readonly_fields = fields
    units = LEG_UNITS


class OrderInline(ReadOnlyInline):
    model = Order
    ordering = ["created_at"]
    fields = [
        "created_at",
        "action",
        "purpose",
        "side",
        "leg",
        "price",
        "count",
        "filled_count",
        "status",
        "error_code",
        "actor",
    ]
    readonly_fields = fields
    units = ORDER_UNITS


class PositionEventInline(ReadOnlyInline):
    model = PositionEvent
    verbose_name_plural = "events"
    fields = ["at", "from_status", "to_status", "actor", "reason"]
    readonly_fields = fields
    show_change_link = False


@admin.register(Position)
class PositionAdmin(ExportedAdmin):
    list_display = [
        "number",
        label("mode"),
        key_link("profile"),
        key_link("event"),
        words("kind"),
        label("status"),
        column("matched_count", "count", "Baskets"),
        "cost",
        "floor",
        "guaranteed",
        "realised",
        column("created_at", "ago", "Age"),
    ]
    list_filter = [
        choice(
            "held",
            "state",
            {"active": ("Active", {"status__in": ACTIVE}), "ended": ("Ended", {"status__in": TERMINAL})},
        ),
        MODE,
        PROFILE,
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("guaranteed", BooleanRadioFilter),
    ]
    list_select_related = ["profile"]
    search_fields = ["event__ticker", "event__title", "=id"]
    sorts = {"number", "cost", "realised", "created_at"}
    ordering = ["-id"]
    units = {
        "target_count": "count",
        "matched_count": "count",
        "reserved": "money",
        "cost": "money",
        "fees": "money",
        "proceeds": "money",
        "payout": "money",
        "realised": "gain",
        "floor": "money",
    }
    inlines = [LegInline, OrderInline, PositionEventInline]
    actions_detail = ["force_exit"]
    actions_row = ["force_exit"]
    fieldsets = [
        (
            "Columns",
            {
                "classes": ["tab"],
                "fields": [
                    "status",
                    "mode",
                    "profile",
                    "event",
                    "kind",
                    "decision",
                    "target_count",
                    "matched_count",
                    "cost",
                    "floor",
                    "guaranteed",
                    "realised",
                    "close_type",
                ],
            },
        ),
        ("Amounts", {"fields": ["reserved", "fees", "proceeds", "payout"], "classes": ["tab"]}),
        (
            "Times",
            {"fields": ["created_at", "opened_at", "ended_at", "next_step_at", "triage_opt_out"], "classes": ["tab"]},
        ),
    ]

    change_form_outer_before_template = "console/position.html"
    force_exit = detail_action(ForceExit, "Force exit", icon="logout", name="force_exit")

    @display(description="Position", ordering="id")
    def number(self, position: Position) -> str:
        return f"#{position.pk}"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context.update(position_story.context(kwargs["obj"]))
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        if not Position.objects.filter(pk=object_id, status__in=ACTIVE).exists():
            return []
        return super().get_actions_detail(request, object_id)


@admin.register(Leg)
class LegAdmin(ExportedAdmin):
    list_display = [
        "__str__",
        key_link("position", text="#{}"),
        key_link("market"),
        "side",
        "target_count",
        "bought_count",
        "bought_cost",
        "sold_count",
        "sold_proceeds",
        "payout",
    ]
    list_filter = [seen_values("position__mode", "mode"), seen_values("side")]
    search_fields = ["market__ticker", "=position__id"]
    ordering = ["-id"]
    units = LEG_UNITS


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
        "side",
        "market",
        "price",
        "count",
        column("filled_count", "count", "Filled"),
        label("status"),
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
    list_select_related = ["profile", "leg"]
    search_fields = ["exchange_order_id", "leg__market__ticker", "=position__id"]
    sorts = {"created_at", "price", "count"}
    ordering = ["-created_at"]
    units = ORDER_UNITS
    inlines = [FillInline]

    @display(description="Order")
    def short_id(self, order: Order) -> str:
        return str(order.pk)[:8]

    @display(description="Market")
    def market(self, order: Order) -> SafeString:
        return number(order.leg.market_id)


@admin.register(Fill)
class FillAdmin(ExportedAdmin):
    list_display = [
        "trade_id",
        label("mode"),
        "position",
        "market",
        "price",
        "count",
        "fee",
        "is_taker",
        "source",
        column("created_at", "ago", "Booked"),
    ]
    list_filter = [MODE, seen_values("source"), ("is_taker", BooleanRadioFilter)]
    list_select_related = ["order__leg"]
    search_fields = ["trade_id", "order__leg__market__ticker"]
    sorts = {"price", "count", "fee"}
    ordering = ["-id"]
    units = {"price": "price", "count": "count", "fee": "money"}

    @display(description="Position")
    def position(self, fill: Fill) -> SafeString | str:
        return link(Position(pk=fill.order.position_id), f"#{fill.order.position_id}")

    @display(description="Market")
    def market(self, fill: Fill) -> SafeString:
        return number(f"{fill.order.side.upper()} {fill.order.leg.market_id}")


class LedgerEntryInline(ReadOnlyInline):
    model = LedgerEntry
    ordering = ["id"]
    fields = ["account", "amount"]
    readonly_fields = fields
    units = {"amount": "gain"}
    tab = False


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ExportedAdmin):
    list_display = [
        "id",
        label("mode"),
        key_link("profile"),
        words("kind"),
        key_link("position", text="#{}"),
        "cash",
        "memo",
        column("at", "ago", "At"),
    ]
    list_filter = [MODE, PROFILE, seen_values("kind"), ("at", RangeDateTimeFilter)]
    list_select_related = ["profile"]
    search_fields = ["key", "=position__id"]
    ordering = ["-id"]
    inlines = [LedgerEntryInline]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("entries")

    @display(description="Cash")
    def cash(self, booking: LedgerTransaction) -> SafeString:
        return signed("gain", sum(entry.amount for entry in booking.entries.all() if entry.account == "cash"))


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ExportedAdmin):
    list_display = ["id", key_link("transaction", text="booking {}"), "account", "amount"]
    list_filter = [("account", ChoicesDropdownFilter)]
    ordering = ["-id"]
    units = {"amount": "gain"}


@admin.register(PositionEvent)
class PositionEventAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        key_link("position", text="#{}"),
        "from_status",
        "to_status",
        "actor",
        "reason",
        column("at", "ago", "At"),
    ]
    list_filter = [seen_values("to_status"), seen_values("actor")]
    search_fields = ["=position__id", "reason"]
    ordering = ["-id"]
