"""Operate: the switch, locks, discrepancies, tasks, log and the state of every part, on one page."""

from __future__ import annotations

from typing import Any

import redis
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_celery_beat.models import PeriodicTask

from kalbot.common import clock
from kalbot.console.models import Act, LogRecord, TaskRecord
from kalbot.console.ops.health import heartbeats
from kalbot.console.ops.records import task_runs
from kalbot.console.pages.home import dashboard, obstacles
from kalbot.console.pages.home.reading import Reading
from kalbot.console.ui import formats, tickers
from strategies.models import Profile
from trading.models import Discrepancy, Lock, Order, OrderStatus, Reconciliation
from trading.safety import halt


@permission_required(
    [
        *("trading.view_tradingstate", "trading.view_lock", "trading.view_discrepancy", "trading.view_order"),
        *("console.view_logrecord", "console.view_act", "console.view_taskrecord"),
        *("strategies.view_profile", "django_celery_beat.view_periodictask"),
    ],
    raise_exception=True,
)
def page(request: HttpRequest) -> HttpResponse:
    """The page from which trading is run when something is wrong."""
    stops = obstacles.of_request(request)
    own = obstacles.by_profile(stops.active, stops)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Operate",
        "now": clock.now(),
        "state": halt.row_of(),
        "profiles": [(*row, own.get(row[0].pk)) for row in halt.of_each(Profile.objects.order_by("name"))],
        "locks": Lock.objects.filter(until__gt=clock.now()).select_related("profile").order_by("until")[:20],
        "discrepancies": tickers.named(
            list(Discrepancy.objects.filter(resolved_at=None).select_related("profile").order_by("-id")[:20]), "key"
        ),
        "compared": Reconciliation.objects.filter(error="").exclude(finished_at=None).order_by("-id").first(),
        "at_work": Order.objects.filter(status__in=[OrderStatus.SENDING, OrderStatus.RESTING, OrderStatus.UNKNOWN])
        .select_related("profile", "leg")
        .order_by("created_at")[:20],
        **dashboard.system(Reading(stops)),
        "depths": heartbeats.depths() or {},
        "signs": _signs(),
        "runs": sorted(task_runs.counts().items()),
        "failed": TaskRecord.objects.filter(status="failed").order_by("-started_at")[:8],
        "log": LogRecord.objects.order_by("-id")[:10],
        "acts": Act.objects.order_by("-id")[:10],
        "schedules": schedules(),
    }
    return TemplateResponse(request, "console/operate.html", context)


def _signs() -> dict[str, dict[str, Any]]:
    try:
        return heartbeats.signs()
    except redis.RedisError:
        return {}


def schedules() -> list[dict[str, Any]]:
    """What beat runs, with when it last sent each."""
    sent = heartbeats.last_sent()
    rows = PeriodicTask.objects.select_related("interval").exclude(task="celery.backend_cleanup").order_by("name")
    return [
        {
            "row": row,
            "every": formats.span(row.interval.schedule.run_every) if row.interval else "–",
            "sent": sent.get((row.task, row.queue or "default"), row.last_run_at),
        }
        for row in rows
    ]
