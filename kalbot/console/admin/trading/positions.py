"""The app ``trading``: positions and all they are made of. Nothing here can be changed by a form; people act by dialogs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kalbot.common.units import format_decimal
from kalbot.console.admin.lists.base import ReadOnlyAdmin, ReadOnlyInline
from kalbot.console.admin.lists.columns import column, event_link, key_link, label, market_link, words
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import (
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
    choice,
    seen_values,
)
from kalbot.console.admin.trading.orders import outcome_tag
from kalbot.console.dialogs.exits import ForceExit, WithdrawExit
from kalbot.console.dialogs.quotes import WithdrawQuote
from kalbot.console.dialogs.register import detail_action
from kalbot.console.pages.positions import position_story
from kalbot.console.ui import formats, waits
from kalbot.console.ui.display import display
from kalbot.console.ui.held import floors_of_held, grade_of_held
from kalbot.console.ui.markup import signed, tag
from markets.terms.grades import Grade
from markets.terms.special_settlements import residual
from trading import waiting
from trading.closing import exits
from trading.denials import DenialCode
from trading.models import (
    ACTIVE,
    TERMINAL,
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
    "open_cost": "money",
    "open_fees": "money",
}
ORDER_UNITS = {"price": "price", "count": "count", "filled_count": "count", "reported_fill_count": "count"}


def _moment(at: datetime | None) -> str:
    return "" if at is None else timezone.localtime(at).isoformat()


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
        "outcome",
        "error_code",
        "actor",
    ]
    readonly_fields = fields
    units = ORDER_UNITS

    @display(description="Status")
    def outcome(self, order: Order) -> SafeString:
        """Its status while it is on its way, afterwards whether it was filled."""
        return outcome_tag(order)


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
        event_link(),
        words("kind"),
        "state",
        column("matched_count", "count", "Baskets"),
        "cost_now",
        "least",
        "realised",
        column("created_at", "since", "Age"),
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
        ("grade", ChoicesDropdownFilter),
    ]
    list_select_related = ["profile", "event"]
    search_fields = ["event__ticker", "event__title", "=id"]
    sorts = {"number", "cost_now", "realised", "created_at"}
    ordering = ["-id"]
    linked_by = {
        *("ended_at__gte", "ended_at__lte", "legs__bought_count__gt"),
        *("decision__created_at__gte", "opened_at__isnull"),
    }
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
        "returned": "money",
        "orphan_limit": "money",
    }
    left_out = ("guaranteed", "grade", "floor", "states")
    computed = {
        "held_floor": lambda position: "" if position.held_floor is None else format_decimal(position.held_floor, 6),
        "held_grade": grade_of_held,
        "opened_as": lambda position: Grade(position.grade).label,
        "waits_for": lambda position: position.waiting.what if position.waiting else "",
        "waits_since": lambda position: _moment(position.waiting and position.waiting.since),
        "next_try": lambda position: _moment(position.waiting and position.waiting.next_try),
        "at_discretion": lambda position: residual(position.event_id),
    }
    inlines = [LegInline, OrderInline, PositionEventInline]
    actions_detail = ["force_exit", "withdraw_exit", "withdraw_quote"]
    actions_row = ["force_exit"]
    fieldsets = [
        (
            "The stored row",
            {
                "classes": ["collapse"],
                "fields": [
                    ("status", "mode", "profile", "kind"),
                    ("event", "decision", "close_type"),
                    ("target_count", "matched_count", "cost", "floor"),
                    ("grade_now", "grade", "revoked"),
                    ("realised",),
                    ("reserved", "fees", "proceeds", "payout"),
                    ("created_at", "opened_at", "ended_at", "next_step_at", "triage_opt_out"),
                ],
            },
        ),
    ]

    change_form_outer_before_template = "console/position.html"
    force_exit = detail_action(ForceExit, "Force exit", icon="logout", name="force_exit")
    withdraw_quote = detail_action(WithdrawQuote, "Withdraw quotes", icon="undo", name="withdraw_quote")
    withdraw_exit = detail_action(WithdrawExit, "Withdraw exit", icon="undo", name="withdraw_exit")

    def prepare_rows(self, rows: Iterable[Position]) -> None:
        floors, found = floors_of_held(rows), waiting.of_all(rows)
        for row in rows:
            row.held_floor, row.waiting = floors[row.pk], found.get(row.pk)  # type: ignore[attr-defined]  # no columns

    @display(description="Cost", ordering="cost", amount=("cost", "money"))
    def cost_now(self, position: Position) -> SafeString:
        """What is held cost; nothing where nothing is held."""
        return signed("money", position.cost or None, getattr(position, "_decimals", {}).get("cost", 2))

    @display(description="Pays at least", amount=("floor", "money"))
    def least(self, position: Position) -> SafeString | str:
        """The floor of what is held, and below it how sure that is."""
        places = getattr(position, "_decimals", {}).get("floor", 2)
        amount = signed("money", getattr(position, "held_floor", None), places)
        return format_html("{}<br>{}", amount, tag(grade_of_held(position))) if position.cost else amount

    @display(description="Status", ordering="status")
    def state(self, position: Position) -> SafeString:
        """The status, and below it the code of why nothing was bought or why something is still held, and what it waits for."""
        code = position.residual_code or position.close_code
        shown = tag(position.status, hint=position.get_status_display())
        words = waits.unusual(getattr(position, "waiting", None))
        if words:
            shown = format_html('{}<small class="k-quiet k-below">{}</small>', shown, words)
        if not code:
            return shown
        sentence = next((known.sentence for known in DenialCode if known == code), code)
        return format_html(
            '{}<br><small class="k-quiet k-below" title="{}">{}</small>', shown, sentence, code.replace("_", " ")
        )

    @display(description="Held is")
    def grade_now(self, position: Position) -> SafeString | str:
        """The grade of what is held now; booking recounts it with every fill, sale and settlement."""
        return tag(grade_of_held(position)) if position.cost else formats.NOTHING

    @display(description="Position", ordering="id")
    def number(self, position: Position) -> str:
        return f"#{position.pk}"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("obj") is not None:
            context.update(position_story.seen_by(request, position_story.context(kwargs["obj"])))
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        position = Position.objects.filter(pk=object_id, status__in=ACTIVE).first()
        if position is None:
            return []
        hidden = set()
        if exits.open_request(position) is None:
            hidden.add("withdraw_exit")
        if not position.quoting or position.status not in exits.QUOTED or position.quote_withdrawn:
            hidden.add("withdraw_quote")
        found = super().get_actions_detail(request, object_id)
        return [one for one in found if not any(one.action_name.endswith(name) for name in hidden)]


@admin.register(Leg)
class LegAdmin(ExportedAdmin):
    list_display = [
        "__str__",
        key_link("position", text="#{}"),
        market_link(),
        "side",
        "target_count",
        "bought_count",
        "bought_cost",
        "sold_count",
        "sold_proceeds",
        "payout",
    ]
    list_filter = [seen_values("position__mode", "mode"), seen_values("side")]
    list_select_related = ["market__event"]
    search_fields = ["market__ticker", "market__yes_sub_title", "market__event__title", "=position__id"]
    ordering = ["-id"]
    units = LEG_UNITS


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
    search_fields = ["=position__id", "position__event__title", "reason"]
    ordering = ["-id"]
    units = {"data": "stored figures"}
