"""Profiles side by side: the settings that differ, what each made, and what became of the events that each screened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.console.admin.profiles.profile_units import LABELS, in_unit
from kalbot.console.ops.equity import unrealised_of
from kalbot.console.pages.results.results import result_of
from kalbot.console.ui import formats
from strategies import reasons
from strategies.models import Profile, Screening
from trading.accounting import results
from trading.accounting.results import PERIODS

MOST: Final = 4
OWN: Final = {"id", "name", "created_at", "updated_at", "description"}
"""Columns that every profile has for itself."""


@dataclass(frozen=True, slots=True)
class Line:
    """One property of every profile, in their order."""

    name: str
    cells: tuple[str, ...]


@permission_required(["strategies.view_profile", "trading.view_position"], raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """``?name=careful&name=balanced&period=month``; without names the first two."""
    every = list(Profile.objects.order_by("mode", "name"))
    named = request.GET.getlist("name")
    chosen = [one for one in every if one.name in named][:MOST] or every[:2]
    period = request.GET.get("period", "month")
    period = period if period in PERIODS else "month"
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Compare profiles",
        "every": every,
        "chosen": chosen,
        "most": MOST,
        "period": period,
        "periods": PERIODS,
        "settings": settings(chosen),
        "made": made(chosen, period),
        "funnel": funnel(chosen),
        "modes": {profile.mode for profile in chosen},
    }
    return TemplateResponse(request, "console/profile_compare.html", context)


def settings(profiles: Sequence[Profile]) -> list[Line]:
    """The settings that are not the same in all of them, as a person reads them."""
    found = []
    for field in Profile._meta.concrete_fields:
        if field.name in OWN:
            continue
        values = [getattr(profile, field.name) for profile in profiles]
        if all(value == values[0] for value in values):
            continue
        title = str(LABELS.get(field.name) or str(field.verbose_name).removesuffix(" ppm").capitalize())
        cells = (formats.NOTHING if value is None else in_unit(field.name, value) for value in values)
        found.append(Line(title, tuple(cells)))
    return found


def made(profiles: Sequence[Profile], period: str) -> list[Line]:
    """What each made in a period; every profile for itself, for they may be of two modes."""
    now = clock.now()
    since = results.begin(period, now)
    rows = [result_of(profile, since, now, now) for profile in profiles]
    now_worth = unrealised_of(profiles)
    open_ = [now_worth[profile.pk][0] for profile in profiles]
    table = {
        "Realised": [formats.gain(one.realised) for one in rows],
        "Unrealised": [formats.gain(one) for one in open_],
        "Fees paid": [formats.money(one.fees) for one in rows],
        "Baskets that ended": [str(one.ended) for one in rows],
        "Win rate": [formats.share(one.win_rate_ppm) for one in rows],
        "Return on capital": [formats.share(one.on_capital_ppm) for one in rows],
        "Return a day on what was locked": [formats.share(one.on_capital_days_ppm) for one in rows],
        "Drawdown": [formats.money(one.drawdown) for one in rows],
        "Best basket": [formats.gain(one.best[1]) if one.best else formats.NOTHING for one in rows],
        "Worst basket": [formats.gain(one.worst[1]) if one.worst else formats.NOTHING for one in rows],
    }
    return [Line(name, tuple(cells)) for name, cells in table.items()]


def funnel(profiles: Sequence[Profile]) -> list[Line]:
    """The last screening of each: how many events, how many of them which constraint refused, how many are candidates."""
    last = [Screening.objects.filter(profile=profile).order_by("-id").first() for profile in profiles]

    def cells(read: Any) -> tuple[str, ...]:
        return tuple(formats.NOTHING if one is None else f"{read(one):,}" for one in last)

    codes = sorted(
        {code for one in last if one is not None for code in one.counts},
        key=lambda code: -max(one.counts.get(code, 0) for one in last if one is not None),
    )
    known = {reason.value: reason.sentence for reason in reasons.Reason}
    lines = [Line("Screened", cells(lambda one: one.universe))]
    lines += [Line(known.get(code, code), cells(lambda one, code=code: one.counts.get(code, 0))) for code in codes]
    lines.append(Line("Near misses among them", cells(lambda one: one.near_misses)))
    lines.append(Line("Candidates", cells(lambda one: one.candidates)))
    return lines
