"""Capital: what is locked by what until when, what idle money waits for, and what locked money has earned by week."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.common.units import PPM
from strategies.models import Profile
from strategies.reasons import sentence_of
from trading.accounting import locked, results
from trading.accounting.locked import Capital
from trading.accounting.results import DAY_ZONE


@permission_required(["trading.view_position", "trading.view_ledgertransaction"], raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Every profile by itself, live ones first; never a sum over modes."""
    now = clock.now()
    profiles = Profile.objects.order_by("mode", "-is_active", "name")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Capital",
        "zone": DAY_ZONE.key,
        "rows": [row(locked.capital_of(profile, now), now) for profile in profiles],
    }
    return TemplateResponse(request, "console/capital.html", context)


def row(found: Capital, now: datetime) -> dict[str, Any]:
    """One profile for the template; shares in millionths."""
    return {
        "capital": found,
        "in_positions": ppm(found.in_positions / found.total if found.total > 0 else None),
        "hurdle": ppm(found.hurdle or None),
        "positions": [{"locked": one, "a_day": ppm(one.return_a_day(now))} for one in found.locked],
        "parts": any(one.position.reserved or one.position.returned for one in found.locked),
        "best_waiting": [(one, sentence_of(one.reason), ppm(one.return_a_day)) for one in found.waiting],
        "waiting": [(number, sentence_of(reason)) for reason, number in found.passed_over.items()],
        "weeks": [
            (
                week.begin.astimezone(DAY_ZONE).date(),
                replace(week, locked=round(week.locked, -4)),  # an average says nothing below the cent
                ppm(week.on_locked),
                ppm(week.on_all),
            )
            for week in found.weeks[::-1]
            if week.realised or week.locked
        ],
        "few": results.FEW if any(week.says_little for week in found.weeks if week.realised or week.locked) else 0,
    }


def ppm(share: float | None) -> int | None:
    """A share in millionths, as pages show it."""
    return None if share is None else round(share * PPM)
