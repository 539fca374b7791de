"""Why not? The funnel of the last scan for one profile, whose counts add up and are links, and the story of one event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.console.pages.home import obstacles
from kalbot.console.pages.positions import explained
from kalbot.console.ui import verdicts
from kalbot.console.ui.links import list_url
from kalbot.console.ui.plots import Plot
from markets.models import Event, Scan
from strategies.models import Decision, NearMiss, Profile, Screening, Verdict
from strategies.reasons import Reason, sentence_of
from trading.models import Denial, Position

ORDER = {reason.value: place for place, reason in enumerate(Reason)}


@permission_required("strategies.view_verdict", raise_exception=True)
def funnel_page(request: HttpRequest) -> HttpResponse:
    """The funnel of one profile and its nearest misses."""
    profiles = list(Profile.objects.order_by("-is_active", "name"))
    chosen = next((p for p in profiles if p.name == request.GET.get("profile")), profiles[0] if profiles else None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Why not?",
        "profiles": profiles,
        "chosen": chosen,
        "now": clock.now(),
    }
    if chosen is not None:
        context["obstacles"] = obstacles.found(chosen, obstacles.of_request(request))
        context.update(funnel(chosen))
        near = verdicts.measured().filter(profile=chosen)
        context["nearest"] = near.select_related("event").order_by("distance_ppm")[:15]
        context["waiting"] = verdicts.waiting(chosen)
    return TemplateResponse(request, "console/why.html", context)


def funnel(profile: Profile) -> dict[str, Any]:
    """Stages from the universe to fills. Verdict rows are counted as they stand, so that each number equals its list."""
    screening = Screening.objects.filter(profile=profile).select_related("scan").order_by("-id").first()
    rows = Verdict.objects.filter(profile=profile, event__is_open=True)
    groups = rows.order_by().values_list("status", "constraint").annotate(number=Count("pk"))
    rejected = {code: number for status, code, number in groups if status == "rejected"}
    near = {code: number for status, code, number in groups if status == "near_miss"}
    candidates = sum(number for status, _, number in groups if status == "candidate")
    universe = sum(rejected.values()) + sum(near.values()) + candidates
    return {
        "screening": screening,
        "universe": universe,
        "candidates": candidates,
        "near_total": sum(near.values()),
        "steps": steps(profile, universe, rejected),
        "near": [
            {
                "code": code,
                "number": number,
                "says": sentence_of(code),
                "url": verdict_url(profile, "near_miss", code),
            }
            for code, number in sorted(near.items(), key=lambda pair: -pair[1])
        ],
        "near_verdicts": list_url(
            "strategies.verdict", profile__id__exact=profile.pk, status__exact="near_miss", event__is_open__exact=1
        ),
        "near_url": list_url("strategies.nearmiss", profile__id__exact=profile.pk),
        "candidates_url": list_url(
            "strategies.verdict", profile__id__exact=profile.pk, status__exact="candidate", event__is_open__exact=1
        ),
        "live": live_verdicts(profile),
        "after": after(profile, screening.scan if screening else None),
        "adds_up": screening is None or screening.universe == universe,
    }


def steps(profile: Profile, universe: int, rejected: dict[str, int]) -> list[dict[str, Any]]:
    """One line a filter in the order in which they bind: how many it refuses and how many are left."""
    left, found = universe, []
    for code in sorted(rejected, key=lambda code: (ORDER.get(code, len(ORDER)), code)):
        left -= rejected[code]
        found.append(
            {
                "code": code,
                "says": sentence_of(code),
                "refused": rejected[code],
                "left": left,
                "share": round(100 * rejected[code] / universe, 1) if universe else 0,
                "left_share": round(100 * left / universe, 1) if universe else 0,
                "url": verdict_url(profile, "rejected", code),
            }
        )
    return found


def live_verdicts(profile: Profile) -> list[dict[str, Any]]:
    """What stands between candidates and decisions: the last verdict of the cycles on live prices, by constraint."""
    rows = Verdict.objects.filter(profile=profile, status="candidate", event__is_open=True).order_by()
    groups = rows.values_list("live_constraint").annotate(number=Count("pk")).order_by("-number")
    return [
        {
            "code": code or "not evaluated yet",
            "number": number,
            "says": sentence_of(code),
            "url": list_url(
                "strategies.verdict",
                profile__id__exact=profile.pk,
                status__exact="candidate",
                live_constraint=code,
                event__is_open__exact=1,
            ),
        }
        for code, number in groups
    ]


def after(profile: Profile, scan: Scan | None) -> list[dict[str, Any]]:
    """What became of candidates since the scan began: decisions, denials, fills."""
    if scan is None:
        return []
    decisions = Decision.objects.filter(profile=profile, created_at__gte=scan.started_at)
    of, since = {"profile__id__exact": profile.pk}, scan.started_at.isoformat()
    taken = {**of, "created_at__gte": since}
    held = {**of, "decision__created_at__gte": since}
    return [
        {"title": "decisions", "number": decisions.count(), "url": list_url("strategies.decision", **taken)},
        {
            "title": "denied",
            "number": Denial.objects.filter(decision__in=decisions).count(),
            "url": list_url("strategies.decision", became="denied", **taken),
        },
        {
            "title": "positions",
            "number": Position.objects.filter(decision__in=decisions).count(),
            "url": list_url("trading.position", **held),
        },
        {
            "title": "filled",
            "number": Position.objects.filter(decision__in=decisions, opened_at__isnull=False).count(),
            "url": list_url("trading.position", opened_at__isnull=0, **held),
        },
    ]


def verdict_url(profile: Profile, status: str, code: str) -> str:
    """The rows behind one number of the funnel."""
    return list_url(
        "strategies.verdict",
        profile__id__exact=profile.pk,
        status__exact=status,
        constraint=code,
        event__is_open__exact=1,
    )


@permission_required(["strategies.view_verdict", "strategies.view_nearmiss"], raise_exception=True)
def event_page(request: HttpRequest, event: str) -> HttpResponse:
    """One event through the eyes of every profile, its near-miss episodes, and the best distance over time."""
    row = get_object_or_404(Event, pk=event)
    story, reader = explain(row, request.GET.get("profile", ""))
    episodes = list(NearMiss.objects.filter(event=row).select_related("profile").order_by("-id")[:50])
    context = {
        **admin.site.each_context(request),
        "title": f"Why not {row.ticker}?",
        "event": row,
        "now": clock.now(),
        "verdicts": Verdict.objects.filter(event=row).select_related("profile").order_by("profile__name"),
        "episodes": episodes,
        **distances(episodes),
        "story": story,
        "reader": reader,
    }
    return TemplateResponse(request, "console/why_event.html", context)


def explain(event: Event, name: str) -> tuple[list[str], str]:
    """The whole story of the event for the profile called ``name``, line by line; nothing without a profile."""
    profile = Profile.objects.filter(name=name).first()
    if profile is None:
        return [], ""
    try:
        return explained.lines(event.pk, profile), profile.name
    except KalbotError as error:
        return [str(error)], profile.name


def distances(episodes: list[NearMiss]) -> dict[str, str]:
    """Best distance of each episode for as long as it lasted, one line a profile; empty texts without episodes."""
    plot = Plot("best distance, %", from_zero=True, dots=True)
    for name in sorted({episode.profile.name for episode in episodes}):
        points: list[tuple[datetime, float | None]] = []
        for episode in sorted((e for e in episodes if e.profile.name == name), key=lambda e: e.started_at):
            end, best = episode.ended_at or plot.now, episode.best_distance_ppm / 10_000
            points += [(episode.started_at, best), (end, best), (end, None)]
        plot.line(name, points)
    return plot.context("distance")
