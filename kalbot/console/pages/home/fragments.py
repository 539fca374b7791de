"""The parts of the dashboard that refresh by themselves. Each answer carries the server's time, so that a frozen page is obvious."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from kalbot.common import clock
from kalbot.console.pages.home.dashboard import PARTS, may_see
from kalbot.console.pages.home.reading import Reading


@never_cache
def part(request: HttpRequest, part: str) -> HttpResponse:
    """One part of the dashboard as a fragment."""
    if part not in PARTS:
        raise Http404
    if not may_see(request, part):
        raise PermissionDenied
    return render(request, f"console/parts/{part}.html", {**PARTS[part](Reading()), "now": clock.now()})
