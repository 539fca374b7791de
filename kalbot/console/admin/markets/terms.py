"""Registered contract terms and what happened to them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from kalbot.console.admin.lists.base import ReadOnlyAdmin, ReadOnlyInline
from kalbot.console.admin.lists.columns import column, label
from kalbot.console.admin.lists.versions import SeenForm
from kalbot.console.auth import audit
from kalbot.console.dialogs.register import detail_action
from kalbot.console.dialogs.terms import ApproveTerms, WithdrawTerms
from markets.models import ContractTerms, TermsChange
from markets.terms.registry import changes


class TermsChangeInline(ReadOnlyInline):
    model = TermsChange
    ordering = ["-id"]
    verbose_name_plural = "changes"
    fields = ["at", "kind", "series_ticker", "detail", "actor"]
    readonly_fields = fields


class TermsForm(SeenForm):
    """Content that says something else than its column is for is refused in the form."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name in changes.LISTS:
            if name in cleaned and cleaned[name] is None:  # an empty field
                cleaned[name] = []
        try:
            changes.check_content(cleaned)
        except changes.TermsError as error:
            self.add_error(None, str(error))
        return cleaned


@admin.register(ContractTerms)
class ContractTermsAdmin(ReadOnlyAdmin):
    """Editing makes a new version, a proposal; only the dialog approves one."""

    list_display = [
        "title",
        "exchange",
        "version",
        label("status"),
        "no_data",
        column("fetched_at", "ago", "Fetched"),
        "fetch_error",
    ]
    list_filter = [("status", ChoicesDropdownFilter), ("exchange", ChoicesDropdownFilter)]
    search_fields = ["title", "url"]
    ordering = ["exchange", "url", "-version"]
    inlines = [TermsChangeInline]
    form = TermsForm
    own = [
        "url",
        "exchange",
        "version",
        "status",
        *changes.CONTENT,
        "note",
        "actor",
        "approved_sha256",
        "fetched_sha256",
        "fetched_at",
        "fetch_error",
        "unreachable_since",
    ]
    approve = detail_action(ApproveTerms, "Approve", icon="verified", name="approve")
    withdraw = detail_action(WithdrawTerms, "Withdraw", icon="block", name="withdraw")
    actions_detail = ["approve", "withdraw"]

    def has_change_permission(self, request: HttpRequest, obj: ContractTerms | None = None) -> bool:
        return request.user.has_perm("console.review_certificate")

    def get_fields(self, request: HttpRequest, obj: ContractTerms | None = None) -> list[str]:
        return [*self.own, "seen"] if self.has_change_permission(request, obj) else self.own

    def get_readonly_fields(self, request: HttpRequest, obj: ContractTerms | None = None) -> list[str]:
        if not self.has_change_permission(request, obj):
            return list(self.own)
        return [name for name in self.own if name not in (*changes.CONTENT, "note")]

    def save_model(self, request: HttpRequest, obj: ContractTerms, form: ModelForm[Any], change: bool) -> None:
        changed = {name: form.cleaned_data[name] for name in form.changed_data if name in changes.CONTENT}
        stored = ContractTerms.objects.get(pk=obj.pk)
        if changed:
            who, why = request.user.get_username(), obj.note or "edited in the admin"
            changes.revise(stored, changed, who, why)
            audit.record("revise_terms", actor=who, reason=why, target=str(stored), result=", ".join(changed))
