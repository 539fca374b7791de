"""The ledger: transactions with their entries, read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from kalbot.console.admin.lists.base import ReadOnlyInline
from kalbot.console.admin.lists.columns import column, key_link, label, value_at, words
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
    seen_values,
)
from kalbot.console.ui.display import display
from kalbot.console.ui.markup import signed
from trading.models import (
    Account,
    LedgerEntry,
    LedgerTransaction,
)

MODE = ("mode", ChoicesDropdownFilter)
PROFILE = ("profile", RelatedDropdownFilter)


class LedgerEntryInline(ReadOnlyInline):
    model = LedgerEntry
    ordering = ["id"]
    fields = ["account", "amount"]
    readonly_fields = fields
    units = {"amount": "signed"}
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
    search_fields = ["key", "=position__id", "position__event__ticker", "position__event__title"]
    ordering = ["-id"]
    inlines = [LedgerEntryInline]
    units = {"cash_moved": "gain", "realised": "credit"}

    def get_queryset(self, request: HttpRequest) -> Any:
        entries = LedgerEntry.objects.filter(transaction=OuterRef("pk"), account=Account.CASH).order_by()
        booked = entries.values("transaction").annotate(total=Sum("amount")).values("total")
        return super().get_queryset(request).annotate(cash_booked=Coalesce(Subquery(booked), Value(0)))

    @display(description="Cash", amount=("cash_booked", "signed"))
    def cash(self, booking: LedgerTransaction) -> SafeString:
        return signed(
            "signed", value_at(booking, "cash_booked"), getattr(booking, "_decimals", {}).get("cash_booked", 2)
        )


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ExportedAdmin):
    list_display = ["id", key_link("transaction", text="booking {}"), "account", "amount"]
    list_filter = [("account", ChoicesDropdownFilter)]
    ordering = ["-id"]
    units = {"amount": "signed"}
