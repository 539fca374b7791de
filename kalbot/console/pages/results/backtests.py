"""Backtests that somebody kept: listed and compared, and one with its curve and tables."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST

from backtest.models import BacktestRun
from backtest.options import BadOption
from backtest.report import terminal
from backtest.report.results import UNJUDGED
from backtest.studies import by_workers
from kalbot.common import clock
from kalbot.common.wording import many
from kalbot.console.ui.plots import Plot
from strategies.reasons import sentence_of

SHOWN: Final = 100
GROUPS: Final = {"category": "category", "kind": "kind", "entry": "reason of entry", "hour": "hour", "series": "series"}
VARIED: Final = {
    "size": "Capacity: profit against size",
    "latency": "Sensitivity to latency",
    "fees": "Sensitivity to fees",
}


@permission_required("backtest.view_backtestrun", raise_exception=True)
def listing(request: HttpRequest) -> HttpResponse:
    """The latest runs side by side."""
    runs = list(BacktestRun.objects.filter(study=None).defer("result", "coverage")[:SHOWN])
    context: dict[str, Any] = {**admin.site.each_context(request), "title": "Backtests", "runs": runs}
    return TemplateResponse(request, "console/backtests.html", context)


@permission_required("backtest.view_backtestrun", raise_exception=True)
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One run."""
    run = get_object_or_404(BacktestRun, pk=pk)
    result: dict[str, Any] = run.result
    lines = by_workers.lines(run)
    plot = Plot("dollars", legend=False)
    plot.line("realised", [(clock.from_ms(at), money / 1_000_000) for at, money in result.get("equity", [])])
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Backtest of {run.profile}",
        "run": run,
        "result": result,
        "hours": run.coverage.get("hours", {}),
        "missing_days": terminal.missing_days(days) if (days := _missing_days(run)) else "",
        "lacking": sorted({name for about in run.coverage.get("about", []) for name in about.get("absent", [])}),
        "assumed": _assumed(run),
        "annualised": terminal.percent(result.get("annualised")),
        "unknown": terminal.unknown(holes, result["unknown_ms"], result["stayed_unknown"])
        if (holes := result.get("holes"))
        else "",
        "on_locked": terminal.percent(result.get("return_on_locked")),
        "too_few": run.baskets < terminal.FEW,
        "funnel": [
            (count, sentence_of(code) or code, code in UNJUDGED) for code, count in result.get("funnel", {}).items()
        ],
        "groups": [
            (title, [(key, group) for key, group in result.get("by", {}).get(name, {}).items()])
            for name, title in GROUPS.items()
        ],
        "positions": [{**p, "at": clock.from_ms(p["at_ms"])} for p in result.get("positions", [])[:SHOWN]],
        "varied": [(title, [one for one in lines if one.varied == name]) for name, title in VARIED.items()],
        "advice": result.get("advice", []),
        "missed": [{**m, "at": clock.from_ms(m["from_ms"])} for m in result.get("missed", [])[:20]],
        **plot.context("equity"),
    }
    return TemplateResponse(request, "console/backtest.html", context)


def _missing_days(run: BacktestRun) -> list[date]:
    return [date.fromisoformat(day) for day in run.coverage.get("missing_days", [])]


def _assumed(run: BacktestRun) -> list[str]:
    """What the tape's writers took for granted, and the fees that the run itself assumed."""
    found = {name for about in run.coverage.get("about", []) for name in about.get("assumed", [])}
    events = run.result.get("assumed_fees", 0)
    own = (
        [f"fees of {many(events, 'event')} whose series were recorded without: {run.options.get('fees')} x 1"]
        if events
        else []
    )
    return [*sorted(found), *own]


@require_POST
@permission_required("console.change_limits", raise_exception=True)
def vary(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue what shows how much a run depends on its size, its latency and the exchange's fees."""
    run = get_object_or_404(BacktestRun, pk=pk)
    try:
        study = by_workers.sensitivity(run, actor=request.user.get_username())
    except (BadOption, FileNotFoundError) as error:
        messages.error(request, str(error))
    else:
        messages.info(request, f"{study.runs.count()} runs are queued; this page shows them as they are done.")
    return redirect("admin:backtest", pk)
