"""Evaluate now: what a profile thinks of today's market, without trading and without writing a row."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from kalbot.common import clock
from strategies.catalogue import live_quotes
from strategies.models import Profile
from strategies.reasons import sentence_of
from strategies.screening import screening

SHOWN = 40


def evaluate(request: HttpRequest, profile_id: str) -> HttpResponse:
    """Judges every open event as the last scan left it, by the profile as it stands; nearest first."""
    if not request.user.has_perm("strategies.view_profile"):
        raise PermissionDenied
    profile = get_object_or_404(Profile, pk=profile_id if profile_id.isdigit() else 0)
    judged = judge(profile)
    counts = Counter((item["status"], item["constraint"]) for item in judged)
    order = {"candidate": 0, "near_miss": 1, "rejected": 2}
    nearest = sorted(
        judged, key=lambda item: (order[item["status"]], item["distance_ppm"] is None, item["distance_ppm"] or 0)
    )
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Evaluate {profile.name} now",
        "profile": profile,
        "total": len(judged),
        "nearest": nearest[:SHOWN],
        "now": clock.now(),
        "counts": [
            {"status": status, "code": code, "number": number, "says": sentence_of(code)}
            for (status, code), number in sorted(counts.items(), key=lambda pair: (order[pair[0][0]], -pair[1]))
        ],
    }
    return TemplateResponse(request, "console/evaluate.html", context)


def judge(profile: Profile) -> list[dict[str, Any]]:
    """Today's verdict of ``profile`` on every open event, by the catalogue with the live quotes over it; writes nothing."""
    events = live_quotes.load_universe()
    names = ("status", "constraint", "value", "limit", "distance_ppm", "flip", "kind")
    return [
        {"event": ticker, "title": events[ticker].title, **{name: getattr(verdict, name) for name in names}}
        for ticker, verdict in screening.judge_all(profile, events, clock.now_ms()).items()
    ]
