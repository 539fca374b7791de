"""Results: every profile side by side for a day, week, month, year or all; one profile's curve and groups; the same as CSV."""

from __future__ import annotations

import csv
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.common.units import format_decimal
from kalbot.console.ui.links import list_url
from kalbot.console.ui.plots import Plot
from strategies.models import Profile
from trading.accounting import results
from trading.accounting.results import PERIODS, Result
from trading.models import ACTIVE, Position
from triage.models import Assessment

POINTS = 300


@permission_required(["trading.view_position", "trading.view_ledgertransaction"], raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """One table for all profiles, never a sum over modes; below it the chosen profile in detail."""
    now = clock.now()
    period = request.GET.get("period", "month")
    period = period if period in PERIODS else "month"
    since = results.begin(period, now)
    profiles = list(Profile.objects.order_by("mode", "name"))
    rows = [results.result(profile, since, now) for profile in profiles]
    if request.GET.get("format") == "csv":
        return as_csv(rows, period)
    wanted = request.GET.get("profile", "")
    chosen = next((one for one in profiles if one.name == wanted), profiles[0] if profiles else None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Results",
        "periods": PERIODS,
        "period": period,
        "since": since,
        "zone": str(results.DAY_ZONE),
        "now": now,
        "rows": [
            {"result": one, "unrealised": unrealised(one.profile), "ended_url": ended_url(one.profile)} for one in rows
        ],
        "chosen": chosen,
    }
    if chosen is not None:
        context["groups"] = [(what, results.by(chosen, since, what)) for what in ("category", "kind", "hour")]
        context.update(curve(chosen, since))
    return TemplateResponse(request, "console/results.html", context)


def ended_url(profile: Profile) -> str:
    """The rows behind the numbers."""
    return list_url("trading.position", profile__id__exact=profile.pk, held="ended")


def unrealised(profile: Profile) -> tuple[int | None, int]:
    """(what selling now would make, by triage's last assessments; positions that none has assessed). None when nothing is held."""
    last = Assessment.objects.filter(position=OuterRef("pk")).order_by("-id").values("sell_now")[:1]
    held = Position.objects.filter(profile=profile, status__in=ACTIVE, cost__gt=0).annotate(sell=Subquery(last))
    rows = list(held.values_list("sell", "cost"))
    known = [sell - cost for sell, cost in rows if sell is not None]
    return (sum(known) if known else None), len(rows) - len(known)


def curve(profile: Profile, since: Any) -> dict[str, str]:
    """Realised profit of one profile over the time."""
    plot, total, points = Plot("dollars", legend=False), 0, []
    for at, change in results.realised_steps(profile, since):
        total += change
        points.append((at, total / 1e6))
    step = max(1, len(points) // POINTS)
    shown = [*points[::step], (plot.now, total / 1e6)] if points else []
    plot.line("realised, dollars", shown, colour="var(--color-primary-600)")
    return plot.context("curve")


COLUMNS = ("profile", "mode", "period", "since", "realised", "fees", "ended", "won", "capital_days", "drawdown")


def as_csv(rows: list[Result], period: str) -> HttpResponse:
    """The table as exact decimals."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="results-{period}.csv"'
    out = csv.writer(answer)
    out.writerow(COLUMNS)
    for one in rows:
        money = [format_decimal(value, 6) for value in (one.realised, one.fees)]
        held = [format_decimal(value, 6) for value in (one.capital_days, one.drawdown)]
        since = one.since.isoformat() if one.since else ""
        out.writerow([one.profile.name, one.profile.mode, period, since, *money, one.ended, one.won, *held])
    return answer
