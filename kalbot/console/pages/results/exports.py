"""Exports: a year of fills, closed lots, ledger or the exchange's own form as CSV; and the exchange's file laid beside our rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from kalbot.common import clock
from kalbot.console.exports import compare, rows, write
from kalbot.console.exports.check import check
from kalbot.console.exports.history import ZONE, DoesNotAddUp, Scope
from kalbot.console.exports.kept import Line
from kalbot.console.ui.tickers import titles
from strategies.models import Mode, Profile

LINES_SHOWN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A file: its name for people, its lines and columns, and what a person must be allowed to see."""

    title: str
    lines: Callable[[Scope], Iterable[Line]]
    columns: tuple[str, ...]
    permissions: tuple[str, ...]


TRADES: Final = ("trading.view_fill", "trading.view_settlement", "trading.view_position")
KINDS: Final = {
    "fills": Kind(
        "Fills and settlements, one a line",
        rows.fills_and_settlements,
        (
            *("time", "kind", "action", "profile", "mode", "position", "event", "event_title", "market", "outcome"),
            *("side", "count", "price", "amount", "fee", "cost_basis", "proceeds", "realised", "id"),
        ),
        TRADES,
    ),
    "tax": Kind(
        "Tax year: closed lots, first in first out",
        rows.tax_lots,
        (
            *("profile", "mode", "position", "event", "event_title", "market", "outcome", "side", "count", "acquired"),
            *("disposed", "term", "by", "cost_basis", "proceeds", "realised"),
        ),
        TRADES,
    ),
    "totals": Kind(
        "Tax year: totals of each profile",
        rows.tax_totals,
        (
            *("profile", "mode", "year", "term", "lots", "count", "cost_basis", "proceeds", "realised"),
            "fees_included",
        ),
        TRADES,
    ),
    "exchange": Kind(
        "Closed lots in the exchange's own form",
        rows.exchange_lines,
        (
            *("type", "quantity_fp", "market_ticker", "side", "entry_price_dollars", "exit_price_dollars"),
            *("open_fees_dollars", "close_fees_dollars", "realized_pnl_without_fees_dollars"),
            *("realized_pnl_with_fees_dollars", "close_timestamp", "open_timestamp"),
        ),
        TRADES,
    ),
    "ledger": Kind(
        "Ledger, one entry a line",
        rows.ledger_lines,
        ("time", "transaction", "kind", "profile", "mode", "position", "account", "amount", "memo", "key"),
        ("trading.view_ledgertransaction",),
    ),
}


class ScopeForm(forms.Form):
    """Which rows. Sim and live never come into one file."""

    kind = forms.ChoiceField(
        choices=[(name, kind.title) for name, kind in KINDS.items()], widget=UnfoldAdminSelectWidget()
    )
    mode = forms.ChoiceField(choices=Mode.choices, initial=Mode.LIVE, widget=UnfoldAdminSelectWidget())
    profile = forms.ModelChoiceField(
        Profile.objects.order_by("name"), required=False, empty_label="every profile", widget=UnfoldAdminSelectWidget()
    )
    year = forms.IntegerField(min_value=2021, max_value=2100, widget=UnfoldAdminIntegerFieldWidget())

    def scope(self) -> Scope:
        """The rows that the form names; the year is New York's."""
        return Scope.of_tax_year(self.cleaned_data["profile"], self.cleaned_data["mode"], self.cleaned_data["year"])


class CompareForm(forms.Form):
    """The exchange's file of a tax year; only live trades are on the exchange."""

    year = forms.IntegerField(min_value=2021, max_value=2100, widget=UnfoldAdminIntegerFieldWidget())
    file = forms.FileField(label="The exchange's CSV", widget=UnfoldAdminFileFieldWidget())


@permission_required(TRADES, raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Both forms; the first posts to ``download``, the second here."""
    year = clock.now().astimezone(ZONE).year
    form = CompareForm(request.POST, request.FILES) if request.method == "POST" else CompareForm(initial={"year": year})
    found: compare.Comparison | None = None
    if request.method == "POST" and form.is_valid():
        content, actor = form.cleaned_data["file"].read(), request.user.get_username()
        try:
            found = check(content, form.cleaned_data["year"], actor=actor)
        except compare.NotTheForm as error:
            form.add_error("file", str(error))
        except DoesNotAddUp as error:
            form.add_error(None, str(error))
    return _shown(request, ScopeForm(initial={"year": year, "mode": Mode.LIVE}), form, found)


def _shown(
    request: HttpRequest,
    form: ScopeForm,
    beside: CompareForm,
    found: compare.Comparison | None = None,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Exports",
        "form": form,
        "compare": beside,
        "found": found,
        "most": LINES_SHOWN,
    }
    if found is not None:
        other = [line for line in found.lines if line.words == compare.AGREES]
        context["lines"] = [*found.missing, *found.unmatched, *other][:LINES_SHOWN]
        context["differences"] = found.differences[:LINES_SHOWN]
        shown = {one.trade.market for one in context["lines"]} | {one.market for one in context["differences"]}
        context["titles"] = titles(shown)
    return TemplateResponse(request, "console/exports.html", context, status=status)


@permission_required("trading.view_fill", raise_exception=True)
def download(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The file, or the form again with what is wrong."""
    form = ScopeForm(request.GET)
    if not form.is_valid():
        return _shown(request, form, CompareForm(), status=400)
    name = form.cleaned_data["kind"]
    kind, scope = KINDS[name], form.scope()
    if not request.user.has_perms(kind.permissions):
        raise PermissionDenied
    try:
        lines = write.lines(kind.lines(scope), kind.columns)
    except DoesNotAddUp as error:
        form.add_error(None, f"{error} No file was made; a reconciliation says what is missing.")
        return _shown(request, form, CompareForm(), status=409)
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    file = f"kalbot-{name}-{scope.mode}-{form.cleaned_data['year']}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer
