"""Calibration: what recorded prices said against what came, and whether correcting them has earned its use."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backtest.models import CalibrationReport
from kalbot.common import clock
from strategies.models import FamilyGate
from strategies.models.corrections import NEEDED


@permission_required("backtest.view_calibrationreport", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """The latest kept report; the lead is chosen by ``?lead=``."""
    report = CalibrationReport.objects.first()
    document: dict[str, Any] = report.document if report is not None else {}
    parts = document.get("prices", [])
    wanted = request.GET.get("lead", "")
    chosen = next((part for part in parts if str(part["lead"]) == wanted), parts[0] if parts else None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Calibration",
        "report": report,
        "document": document,
        "first": clock.from_ms(document["first_ms"]) if document else None,
        "last": clock.from_ms(document["last_ms"]) if document else None,
        "leads": [part["lead"] for part in parts],
        "chosen": chosen,
        "bins": [_bin(one) for one in (chosen or {}).get("bins", [])],
        "groups": [_group(one) for one in document.get("groups", [])],
        "across": _across(document.get("across", [])),
        "needed": NEEDED,
    }
    return TemplateResponse(request, "console/calibration.html", context)


def _bin(one: dict[str, Any]) -> dict[str, Any]:
    """A row with shares in per cent, and where its bar and mark stand."""
    return {
        "price": f"{one['low']:.0%} to {one['high']:.0%}",
        "markets": f"{one['markets']:,}",
        "said": f"{one['said']:.2%}",
        "came": f"{one['came']:.2%}",
        "interval": f"{one['from']:.2%} to {one['to']:.2%}",
        "differs": not one["from"] <= one["said"] <= one["to"],
        "width": one["came"] * 100,
        "at": one["said"] * 100,
    }


def _across(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each category and lead of the report, and for each gate: what coverage goes by there now."""
    gates = {(gate.category, gate.lead_hours): gate for gate in FamilyGate.objects.order_by("category", "-lead_hours")}
    rows = [{**_scored(one), "gate": gates.pop((one["category"], one["lead"]), None)} for one in lines]
    return rows + [{"category": gate.category, "lead": gate.lead_hours, "gate": gate} for gate in gates.values()]


def _scored(one: dict[str, Any]) -> dict[str, Any]:
    """What the report says of families in one category and lead."""
    interval = one["log_interval"]
    return {
        **one,
        "difference": f"{one['log']:+.4f}" + ("" if interval is None else f" ± {interval:.4f}"),
        "e_value": f"{one['e_value']:.2f}",
    }


def _group(one: dict[str, Any]) -> dict[str, Any]:
    """A row of the correction."""
    interval = one["log_interval"]
    longshots = one["longshots"]
    return {
        **one,
        "power": f"{one['power']:.3f}",
        "difference": f"{one['log']:+.4f}" + ("" if interval is None else f" ± {interval:.4f}"),
        "e_value": f"{one['e_value']:.2f}",
        "longshots": None
        if longshots is None
        else f"{longshots['said']:.2%} said, {longshots['came']:.2%} came ({longshots['from']:.2%} to {longshots['to']:.2%})",
    }
