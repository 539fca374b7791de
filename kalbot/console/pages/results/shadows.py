"""Paper against live: what both made of the same decisions, side by side and never added up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.console.admin.profiles.profile_units import LABELS
from kalbot.console.ui.links import list_url
from strategies.cycle import shadows
from strategies.models import Mode, Profile
from trading import shadow
from trading.denials import SENTENCES

DAYS = (1, 7, 30)
SHOWN = 40


@permission_required("trading.view_position", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Each live profile that has a paper twin, over the chosen number of days."""
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted.isdigit() and int(wanted) in DAYS else DAYS[1]
    since = clock.now() - timedelta(days=days)
    twins = Profile.objects.exclude(shadow_of=None).select_related("shadow_of").order_by("name")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Paper against live",
        "days": days,
        "choices": DAYS,
        "now": clock.now(),
        "without": Profile.objects.filter(mode=Mode.LIVE, shadows=None).order_by("name"),
        "reports": [report(twin.shadow_of, twin, since) for twin in twins if twin.shadow_of is not None],
    }
    return TemplateResponse(request, "console/shadows.html", context)


def report(live: Profile, paper: Profile, since: Any) -> dict[str, Any]:
    """One report for the template, with the latest pairs first."""
    found = shadow.report(live, paper, since)
    return {
        "report": found,
        "filled": found.filled(),
        "denied": [(mode, code, sentence(code), number) for (mode, code), number in found.denied.items()],
        "unlike_live": sum(pair.live.result or 0 for pair in found.unlike),
        "unlike_paper": sum(pair.paper.result or 0 for pair in found.unlike),
        "unlike": [LABELS.get(name, name.replace("_", " ")) for name in shadows.differing(live, paper)],
        "pairs": found.pairs[::-1][:SHOWN],
        "more": max(0, len(found.pairs) - SHOWN),
        "live_url": list_url(
            "strategies.decision",
            profile__id__exact=live.pk,
            created_at__gte=found.begun.isoformat(),
            without_copy=paper.pk,
        ),
    }


def sentence(code: str) -> str:
    """The sentence of a denial code; codes of older versions stand for themselves."""
    return {known.value: words for known, words in SENTENCES.items()}.get(code, code)
