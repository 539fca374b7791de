"""One day of a profile's settings live, on paper and replayed, side by side, and by how much each flatters the first."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from backtest.studies import same_day
from backtest.studies.same_day import Side
from kalbot.common import clock
from kalbot.common.units import dollars
from strategies.models import Profile
from trading.accounting.results import EARLIEST


@permission_required(
    ["strategies.view_profile", "trading.view_position", "backtest.view_backtestrun"], raise_exception=True
)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """The day of the query (``?day=2026-11-28``), else yesterday."""
    profile = get_object_or_404(Profile, pk=pk)
    day = chosen_day(request.GET.get("day", ""))
    since, until = same_day.bounds(profile, day)
    sides = same_day.sides(profile, day)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"The same day of {profile.name}",
        "profile": profile,
        "day": day,
        "before": day - timedelta(days=1),
        "after": day + timedelta(days=1),
        "hours": f"{(until - since).total_seconds() / 3600:g}",
        "sides": [(side, _address(side)) for side in sides],
        "lines": lines(sides),
        "first": sides[0].name if sides else "",
    }
    return TemplateResponse(request, "console/same_day.html", context)


def chosen_day(text: str) -> date:
    """A day as the query has it; yesterday for anything else, and for a day on which nobody can have traded."""
    today = clock.now().date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = EARLIEST
    return day if EARLIEST < day <= today else today - timedelta(days=1)


def _address(side: Side) -> str:
    if side.run is not None:
        return reverse("admin:backtest", args=[side.run.pk])
    return reverse("admin:strategies_profile_change", args=[side.profile.pk])


def lines(sides: list[Side]) -> list[tuple[str, list[str]]]:
    """Rows of the table: a name and one text a side. The last says by how much each made more than the first, where both had baskets."""
    rows: list[tuple[str, list[str]]] = [
        ("Decisions", [_number(side.decisions) for side in sides]),
        ("Denied", [_number(side.denied) for side in sides]),
        ("Baskets", [_number(side.baskets) for side in sides]),
        ("Still open", [_number(side.open) for side in sides]),
        ("Spent", [dollars(side.spent) for side in sides]),
        ("Fees", ["" if side.fees is None else dollars(side.fees) for side in sides]),
        ("Realised", [dollars(side.profit) for side in sides]),
        ("Hours of the day that were replayed", ["" if side.hours is None else f"{side.hours:.1f}" for side in sides]),
    ]
    return [*rows, ("Made more than the first", [_flattery(sides[0], side) for side in sides])] if sides else []


def _number(value: int | None) -> str:
    return "not kept by day" if value is None else f"{value:,}"


def _flattery(first: Side, side: Side) -> str:
    """Nothing where one of them had no basket, or something is still open: then it says nothing."""
    if side is first or not (first.baskets and side.baskets) or first.open or side.open:
        return ""
    return ("+" if side.profit > first.profit else "") + dollars(side.profit - first.profit)
