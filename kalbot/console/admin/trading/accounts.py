"""Money as it is kept: balances of profiles, settlements of legs, exchange accounts, and the paper exchange's own memory."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery, Sum
from django.http import HttpRequest
from django.utils.safestring import SafeString

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column, key_link, label, market_link, words
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import ChoicesDropdownFilter, RelatedDropdownFilter, choice, seen_values
from kalbot.console.dialogs.collateral import ChooseCollateral
from kalbot.console.dialogs.register import detail_action
from kalbot.console.ui.display import display
from kalbot.console.ui.markup import signed
from trading.models import ExchangeAccount, PaperOrder, Position, ProfileBalance, Settlement

MODE = ("mode", ChoicesDropdownFilter)


@admin.register(ProfileBalance)
class ProfileBalanceAdmin(ReadOnlyAdmin):
    """Running totals of the ledger. It keeps credit accounts (capital, realised) negative; people read them the other way round."""

    list_display = [
        key_link("profile"),
        label("mode"),
        "cash",
        "reserved",
        "position_cost",
        "fees_paid",
        "made",
        "capital",
        "equity",
        "high_water_mark",
        "drawdown",
    ]
    list_filter = [MODE]
    list_select_related = ["profile"]
    ordering = ["id"]
    units = dict.fromkeys(["cash", "reserved", "position_cost", "fees", "returned", "best_equity"], "money") | {
        "realised": "credit",
        "capital": "credit",
    }
    opens = "cash"

    def get_queryset(self, request: HttpRequest) -> Any:
        paid = Position.objects.filter(profile=OuterRef("profile")).order_by().values("profile")
        return super().get_queryset(request).annotate(paid_fees=Subquery(paid.annotate(t=Sum("fees")).values("t")))

    @display(description="Fees paid in all")
    def fees_paid(self, balance: Any) -> SafeString:
        return signed("money", balance.paid_fees or 0)

    @display(description="Equity at cost")
    def equity(self, balance: ProfileBalance) -> SafeString:
        """Capital and what was realised: cash, reserves and what is held, at its cost."""
        return signed("money", -balance.capital - balance.realised)

    @display(description="High-water mark of ended baskets")
    def high_water_mark(self, balance: ProfileBalance) -> SafeString:
        """Capital and the best that baskets which have ended ever realised: below equity while open baskets have gained."""
        return signed("money", balance.best_equity - balance.capital)

    @display(description="Drawdown")
    def drawdown(self, balance: ProfileBalance) -> SafeString:
        """How far equity lies below the mark now; what the limit of a profile is compared with."""
        return signed("money", max(0, balance.best_equity + balance.realised))

    @display(description="Realised", ordering="-realised")
    def made(self, balance: ProfileBalance) -> SafeString:
        return signed("gain", -balance.realised)


@admin.register(Settlement)
class SettlementAdmin(ExportedAdmin):
    list_display = [
        "id",
        label("mode"),
        market_link("leg.market", "leg.side"),
        "result",
        "paid_each",
        "count",
        "payout",
        "cost",
        "version",
        column("reversed_at", "ago", "Reversed"),
        column("created_at", "ago", "Booked"),
    ]
    list_filter = [
        MODE,
        seen_values("result"),
        choice("reversed", "reversed", {"yes": ("Reversed", {"reversed_at__isnull": False})}),
    ]
    list_select_related = ["leg__market__event"]
    search_fields = ["leg__market__ticker", "leg__market__yes_sub_title", "leg__market__event__title"]
    ordering = ["-id"]
    units = {"value_e6": "money", "count": "count", "payout": "money", "cost": "money", "fees": "money"}

    @display(description="Paid a contract")
    def paid_each(self, settlement: Settlement) -> SafeString:
        """What a contract of the side that was held paid; the row keeps what YES paid."""
        return signed("money", settlement.payout * 100 // settlement.count)


@admin.register(ExchangeAccount)
class ExchangeAccountAdmin(ReadOnlyAdmin):
    list_display = [
        "subaccount",
        "balance",
        column("difference", "signed", "Exchange less ours"),
        words("collateral", "Collateral return"),
        "opening",
        column("seen_at", "ago", "Seen"),
        column("compared_at", "ago", "Compared"),
    ]
    ordering = ["subaccount"]
    units = {
        "opening": "money",
        "balance": "money",
        "difference": "signed",
        "shards": "stored money",
        "opening_shards": "stored money",
        "foreign": "stored count",
    }
    actions_detail = ["collateral_return"]
    actions_row = ["collateral_return"]
    collateral_return = detail_action(ChooseCollateral, "Collateral return", icon="savings", name="collateral_return")


@admin.register(PaperOrder)
class PaperOrderAdmin(ReadOnlyAdmin):
    list_display = [
        key_link("order"),
        key_link("profile"),
        market_link(),
        "side",
        "action",
        "is_open",
        "filled_count",
        "remaining_count",
        "queue_ahead",
        column("at", "ago", "At"),
    ]
    list_filter = [
        ("profile", RelatedDropdownFilter),
        choice("open", "state", {"open": ("Resting", {"is_open": True})}),
    ]
    list_select_related = ["profile", "order__leg", "market__event"]
    search_fields = ["market__ticker", "market__event__title"]
    ordering = ["-at"]
    units = {
        **dict.fromkeys(["filled_count", "remaining_count", "queue_ahead", "queue_level", "queue_printed"], "count"),
        "fee_carried": "money",
        "prints_ms": "at_ms",
    }
