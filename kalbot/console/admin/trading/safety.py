"""What keeps trading safe: denials, exit requests, locks, the switch, reconciliations and what they found."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column, event_link, key_link, label, market_link, sentence, words
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import (
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
    choice,
    open_or_ended,
    seen_values,
)
from kalbot.console.admin.lists.tickers import TickerAdmin, ticker_column
from kalbot.console.dialogs.discrepancies import ResolveDiscrepancy
from kalbot.console.dialogs.locks import RemoveLock
from kalbot.console.dialogs.register import detail_action
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from kalbot.console.ui.markup import tag
from trading.models import (
    AccountTransaction,
    Correction,
    Denial,
    Discrepancy,
    ExchangeAccount,
    ExitRequest,
    ForeignOrder,
    LiveEventClaim,
    Lock,
    Reconciliation,
    TradingState,
)

MODE = ("mode", ChoicesDropdownFilter)
PROFILE = ("profile", RelatedDropdownFilter)


@admin.register(Denial)
class DenialAdmin(ExportedAdmin):
    list_display = [
        "code",
        "mode",
        key_link("decision.profile"),
        event_link("decision.event"),
        "detail",
        column("at", "ago", "At"),
    ]
    list_filter = [
        seen_values("code"),
        seen_values("decision__mode", "mode"),
        ("decision__profile", RelatedDropdownFilter),
    ]
    list_select_related = ["decision__event", "decision__profile"]
    search_fields = ["decision__event__ticker", "decision__event__title", "detail"]
    ordering = ["-id"]

    @display(description="Mode", ordering="decision__mode")
    def mode(self, denial: Denial) -> SafeString:
        return tag(denial.decision.mode)


@admin.register(ExitRequest)
class ExitRequestAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        key_link("position", text="#{}"),
        event_link("position.event"),
        label("status"),
        "source",
        "actor",
        "reason",
        "at_least",
        "below_floor",
        "result",
        column("created_at", "ago", "Requested"),
    ]
    list_filter = [("status", ChoicesDropdownFilter), seen_values("source")]
    list_select_related = ["position__event"]
    search_fields = ["=position__id", "position__event__ticker", "position__event__title", "reason"]
    ordering = ["-id"]
    units = {"least_prices": "stored figures", "counts": "stored figures"}

    @display(description="At least")
    def at_least(self, obj: ExitRequest) -> str:
        """The least price of each leg that was accepted."""
        return ", ".join(
            f"{row['side'].upper()} {row['ticker']} {formats.price(row['price'])}" for row in obj.least_prices
        )


@admin.register(Lock)
class LockAdmin(ReadOnlyAdmin):
    list_display = [
        words("code"),
        key_link("profile"),
        sentence("reason"),
        "actor",
        column("until", "ago", "Until"),
        sentence("end_note", "Ended early"),
        column("created_at", "ago", "Since"),
    ]
    list_filter = [PROFILE, seen_values("code")]
    list_select_related = ["profile"]
    ordering = ["-until"]
    actions_detail = ["remove"]
    actions_row = ["remove"]
    remove = detail_action(RemoveLock, "Lift lock", icon="lock_open", name="remove")


@admin.register(TradingState)
class TradingStateAdmin(ReadOnlyAdmin):
    list_display = ["of", label("state"), "reason", "actor", column("changed_at", "ago", "Since")]
    list_select_related = ["profile"]
    ordering = ["scope"]

    @display(description="Scope", ordering="scope")
    def of(self, row: TradingState) -> str:
        return str(row.profile or "all profiles")


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        label("mode"),
        "trigger",
        column("started_at", "ago", "Started"),
        "orders",
        "fills",
        "positions",
        "repaired",
        "differences",
        column("balance_difference", "signed", "Balance difference"),
        "error",
    ]
    list_filter = [
        MODE,
        seen_values("trigger"),
        choice("found", "found", {"differences": ("With differences", {"differences__gt": 0})}),
    ]
    units = {"balance_difference": "signed"}


@admin.register(Discrepancy)
class DiscrepancyAdmin(TickerAdmin):
    ticker_field = "key"
    list_display = [
        "code",
        label("mode"),
        key_link("profile"),
        ticker_column("key", "About"),
        "ours",
        "theirs",
        column("first_seen_at", "ago", "First seen"),
        column("resolved_at", "ago", "Resolved"),
        "resolution",
    ]
    list_filter = [open_or_ended("resolved_at"), MODE, PROFILE, seen_values("code")]
    list_select_related = ["profile"]
    search_fields = ["key", "resolution"]
    exclude = ["amount"]  # money or contracts by its code; ours and theirs say it in words
    ordering = ["-id"]
    actions_detail = ["resolve"]
    actions_row = ["resolve"]
    resolve = detail_action(ResolveDiscrepancy, "Resolve", icon="done_all", name="resolve")

    def before(self) -> list[str]:
        """Contracts of a market are compared by subaccount."""
        return ["", *(f"{one}:" for one in ExchangeAccount.objects.values_list("subaccount", flat=True))]


@admin.register(LiveEventClaim)
class LiveEventClaimAdmin(ReadOnlyAdmin):
    list_select_related = ["event"]
    list_display = [event_link(), "subaccount", key_link("position", text="#{}")]
    search_fields = ["event__ticker", "event__title"]
    ordering = ["-id"]


@admin.register(ForeignOrder)
class ForeignOrderAdmin(TickerAdmin):
    list_display = [
        "exchange_order_id",
        "subaccount",
        ticker_column("ticker"),
        "side",
        "price",
        "count",
        column("filled_count", "count", "Filled"),
        "is_resting",
        column("last_seen_at", "ago", "Seen"),
    ]
    list_filter = ["is_resting"]
    search_fields = ["ticker", "exchange_order_id"]
    ordering = ["-id"]
    units = {"price": "price", "count": "count", "filled_count": "count", "remaining_count": "count"}


@admin.register(AccountTransaction)
class AccountTransactionAdmin(TickerAdmin):
    list_display = [
        label("kind"),
        "account",
        column("amount", "signed", "Cash"),
        ticker_column("ticker"),
        column("count", "count", "Contracts"),
        "actor",
        "reason",
        column("created_at", "ago", "Booked"),
    ]
    list_filter = [seen_values("kind")]
    search_fields = ["ticker", "key", "reason"]
    ordering = ["-id"]
    units = {"amount": "signed", "count": "count"}


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyAdmin):
    list_display = [
        market_link("leg.market"),
        event_link("leg.market.event"),
        column("count", "count", "Contracts fewer"),
        column("proceeds", "money", "Proceeds"),
        column("cost", "money", "Cost"),
        "actor",
        "reason",
        column("created_at", "ago", "Booked"),
    ]
    list_select_related = ["leg__market__event"]
    search_fields = ["leg__market__ticker", "leg__market__yes_sub_title", "leg__market__event__title", "key", "reason"]
    ordering = ["-id"]
    units = {"count": "count", "proceeds": "money", "fees": "money", "cost": "money"}
