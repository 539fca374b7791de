"""Exports: a year of fills, closed lots, ledger or the exchange's own form as CSV; and the exchange's file laid beside our rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from kalbot.common import clock
from kalbot.console.exports import compare, rows, write
from strategies.models import Mode, Profile

ZONE: Final = ZoneInfo("America/New_York")
"""The exchange's tax year."""
KINDS: Final[dict[str, tuple[str, Callable[[rows.Scope], Iterable[rows.Line]], tuple[str, ...], str]]] = {
    "fills": (
        "Fills and settlements, one a line",
        rows.fills_and_settlements,
        (
            *("time", "kind", "action", "profile", "mode", "position", "event", "event_title", "market", "outcome"),
            *("side", "count", "price", "amount", "fee", "cost_basis", "proceeds", "realised", "id"),
        ),
        "trading.view_fill",
    ),
    "tax": (
        "Closed lots of the year, first in first out",
        rows.tax_lots,
        (
            *("profile", "mode", "position", "event", "event_title", "market", "outcome", "side", "count", "acquired"),
            *("disposed", "term", "by", "cost_basis", "proceeds", "realised"),
        ),
        "trading.view_fill",
    ),
    "exchange": (
        "Closed lots in the exchange's own form",
        rows.exchange_lines,
        (
            *("type", "quantity_fp", "market_ticker", "side", "entry_price_dollars", "exit_price_dollars"),
            *("open_fees_dollars", "close_fees_dollars", "realized_pnl_without_fees_dollars"),
            *("realized_pnl_with_fees_dollars", "close_timestamp", "open_timestamp"),
        ),
        "trading.view_fill",
    ),
    "ledger": (
        "Ledger, one entry a line",
        rows.ledger_lines,
        ("time", "transaction", "kind", "profile", "mode", "position", "account", "amount", "memo", "key"),
        "trading.view_ledgertransaction",
    ),
}


class ScopeForm(forms.Form):
    """Which rows. Sim and live never come into one file."""

    kind = forms.ChoiceField(
        choices=[(name, found[0]) for name, found in KINDS.items()], widget=UnfoldAdminSelectWidget()
    )
    mode = forms.ChoiceField(choices=Mode.choices, initial=Mode.LIVE, widget=UnfoldAdminSelectWidget())
    profile = forms.ModelChoiceField(
        Profile.objects.order_by("name"), required=False, empty_label="every profile", widget=UnfoldAdminSelectWidget()
    )
    year = forms.IntegerField(min_value=2021, max_value=2100, widget=UnfoldAdminIntegerFieldWidget())

    def scope(self) -> rows.Scope:
        """The rows that the form names; the year is New York's."""
        return scope_of(self.cleaned_data["profile"], self.cleaned_data["mode"], self.cleaned_data["year"])


class CompareForm(forms.Form):
    """The exchange's file of a tax year; only live trades are on the exchange."""

    year = forms.IntegerField(min_value=2021, max_value=2100, widget=UnfoldAdminIntegerFieldWidget())
    file = forms.FileField(label="The exchange's CSV", widget=UnfoldAdminFileFieldWidget())


def scope_of(profile: Profile | None, mode: str, year: int) -> rows.Scope:
    """A year of one profile, or of every profile that ever traded in a mode."""
    chosen = (profile.pk,) if profile is not None else tuple(Profile.objects.values_list("pk", flat=True))
    return rows.Scope.of_year(chosen, mode, year, ZONE)


@permission_required("trading.view_fill", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Both forms; the first posts to ``download``, the second here."""
    year = clock.now().astimezone(ZONE).year
    form = CompareForm(request.POST, request.FILES) if request.method == "POST" else CompareForm(initial={"year": year})
    found: compare.Comparison | None = None
    if request.method == "POST" and form.is_valid():
        try:
            theirs, skipped = compare.read(form.cleaned_data["file"].read())
        except compare.NotTheForm as error:
            form.add_error("file", str(error))
        else:
            ours = rows.exchange_lines(scope_of(None, Mode.LIVE, form.cleaned_data["year"]))
            found = compare.compare(ours, theirs)
            found.skipped = skipped
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Exports",
        "form": ScopeForm(initial={"year": year, "mode": Mode.LIVE}),
        "compare": form,
        "found": found,
    }
    return TemplateResponse(request, "console/exports.html", context)


@permission_required("trading.view_fill", raise_exception=True)
def download(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The file, or the form again with what is wrong."""
    form = ScopeForm(request.GET)
    if not form.is_valid():
        context = {**admin.site.each_context(request), "title": "Exports", "form": form, "compare": CompareForm()}
        return TemplateResponse(request, "console/exports.html", context, status=400)
    kind = form.cleaned_data["kind"]
    _, make, columns, permission = KINDS[kind]
    if not request.user.has_perm(permission):
        raise PermissionDenied
    scope = form.scope()
    answer = StreamingHttpResponse(write.lines(make(scope), columns), content_type="text/csv; charset=utf-8")
    name = f"kalbot-{kind}-{scope.mode}-{form.cleaned_data['year']}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
