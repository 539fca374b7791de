"""A new installation: what is there, what is missing, and how to get it, in the order in which one thing needs the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from kalbot.console.admin.operations import last_line
from kalbot.console.models import TaskRecord
from kalbot.console.ops.health import heartbeats, schedule_status, status
from kalbot.console.ops.health.machinery import beat, workers
from kalbot.console.ui.links import list_url, page_url
from kalbot.console.ui.navigation import exchange
from markets.models import ContractTerms, Scan
from strategies.models import Profile, Screening
from trading.models import Position

NEEDS: Final = ("markets.view_scan", "strategies.view_profile", "trading.view_tradingstate")
"""What a person must be allowed to view to see this page."""


@dataclass(frozen=True)
class Step:
    """One thing that a working installation has. ``how``: what a person does for it; ``command``: what they type, if anything."""

    done: bool
    title: str
    how: str
    command: str = ""
    url: str = ""


def is_new() -> bool:
    """Whether nothing has been seen or done here yet: no scan has ended, no profile has screened, nothing was bought."""
    return not (
        Scan.objects.filter(status=Scan.Status.DONE).exists() or Screening.objects.exists() or Position.objects.exists()
    )


def steps() -> list[Step]:
    """What a working installation has, one after the other; the first that is not done is what to do now."""
    profile = Profile.objects.filter(is_active=True).order_by("name").first()
    missing = [one for one in schedule_status.wrong() if one.problem == "missing"]
    last = Scan.objects.order_by("-started_at").first()
    failed = f" The last one failed: {last.error[:160]}." if last is not None and last.error else ""
    return [
        Step(
            profile is not None,
            "Profiles and roles",
            "A profile says what may be bought and within which limits. Three are made that trade on paper only.",
            "python manage.py seed",
            list_url("strategies.profile"),
        ),
        Step(not missing, "Schedules", "They say what runs how often.", "python manage.py seed_schedules"),
        Step(
            has_key() or exchange() == "simulator",
            f"A key of the exchange ({exchange()})",
            "Events are listed without one, but live prices come with a key only, and without prices nothing is bought, not even on "
            "paper. Make it under API keys in your account at the exchange (its demo has accounts of its own), keep its file to "
            "yourself, name both in the environment and restart. Nothing is ordered live before a person switches it on twice.",
            "KALSHI_KEY_ID=... KALSHI_PRIVATE_KEY_PATH=/path/to/key.pem",
        ),
        Step(
            workers().state == status.OK and beat().state == status.OK,
            "Workers and beat",
            f"Beat says when, workers do it; each takes the queues that it is started for.{_unwell()}",
            "celery -A kalbot worker -Q exits,execution,trading,strategy,scan,triage,default\ncelery -A kalbot beat",
            f"{reverse('admin:operate')}#part-system",
        ),
        Step(
            status.stream().state != status.BAD,
            "Live prices",
            "One process holds the connection to the exchange.",
            "python manage.py stream",
        ),
        Step(
            Scan.objects.filter(status=Scan.Status.DONE).exists(),
            "The first scan",
            f"It reads every open event, takes a few minutes, and runs by itself as soon as there are workers and beat.{failed}",
            "python manage.py scan",
            list_url("markets.scan"),
        ),
        Step(
            ContractTerms.objects.filter(status=ContractTerms.Status.APPROVED).exists(),
            "Approved contract terms",
            "A basket is called guaranteed only under terms that a risk manager has read and approved. Without them a profile that "
            "takes guaranteed baskets only buys nothing; what is guaranteed if determined, and conditional baskets, need none.",
            url=list_url("markets.contractterms"),
        ),
    ]


def _unwell() -> str:
    """What is wrong with workers and beat that were started: nobody should start them a second time. Empty where nothing ever was."""
    parts = [one for one in (workers(), beat()) if one.state != status.OK] if heartbeats.signs() else []
    return f" Now: {' '.join(one.sentence for one in parts)}" if parts else ""


def has_key() -> bool:
    """Whether the environment names a key and its file."""
    return bool(settings.KALSHI_KEY_ID and (settings.KALSHI_PRIVATE_KEY_PATH or settings.KALSHI_PRIVATE_KEY))


def context() -> dict[str, Any]:
    """The steps, with the one to do now, and the two ways that need no exchange."""
    found = steps()
    failing = TaskRecord.objects.filter(status="failed").order_by("-started_at").first()
    return {
        "steps": found,
        "is_new": is_new(),
        "is_simulated": exchange() == "simulator",
        "next_step": next((one for one in found if not one.done), None),
        "failing": failing,
        "failing_words": last_line(failing.error) if failing is not None else "",
        "failing_url": page_url("console.taskrecord", failing.pk) if failing is not None else "",
    }


@permission_required(NEEDS, raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """The steps on a page of their own; the landing page shows them by itself while everything is empty."""
    return TemplateResponse(
        request,
        "console/first_run.html",
        {**admin.site.each_context(request), "title": "First steps", **context()},
    )
