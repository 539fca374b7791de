"""Celery tasks of triage, each a thin wrapper.

``assess_positions`` and ``watch_lines`` have a place in the schedule; the others are sent from here. Fetching runs on the queue
``default``, so that a slow source never delays an assessment.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from celery import shared_task

from kalbot.common import cache, messages
from kalbot.common.db.batches import batched
from trading.closing import waiting
from trading.models import Position
from triage import advice, agent
from triage.assessment import family_opinions, triggers
from triage.learning import learn, points
from triage.scoring import advice_scores, forecasts
from triage.sources import refresh

log = logging.getLogger(__name__)

PERIOD_SECONDS = 60
"""No run of the schedule takes longer; what is left over comes first in the next."""
FETCH_SECONDS = 25
LEARN_SECONDS = 120
LEARN_EVERY_SECONDS = 60
"""What settled and has no value yet is not requested at each run of the schedule."""
LINES_SECONDS = 2
"""Of each three: with more positions than that reads, each run begins elsewhere."""


@shared_task(name="triage.tasks.assess_positions", ignore_result=True)
def assess_positions() -> dict[str, int]:
    """Assess every open position, in batches that any triage worker may take."""
    with cache.lock("triage:schedule", PERIOD_SECONDS) as acquired:
        if not acquired:
            return {"skipped": 1}
        _send(refresh_sources.name, queue="default")
        advice.end_of_ended_positions()
        family_opinions.watch()
        ids = agent.open_position_ids()
        here, others = ids[: agent.BATCH], ids[agent.BATCH :]
        for batch in batched(others, agent.BATCH):
            _send(assess_batch.name, batch, queue="triage")
        run = _summary(agent.assess_positions(here, seconds=PERIOD_SECONDS))
    if points.waiting(limit=1) or forecasts.settled_waiting():
        _send(learn_from_settled.name, queue="default")
    return run | {"advice_scored": advice_scores.score_settled()}


@shared_task(name="triage.tasks.assess_batch", ignore_result=True)
def assess_batch(position_ids: list[int], trigger: str = "schedule") -> dict[str, int]:
    """One batch: of the schedule, or of the positions about which a source brought something new (``observation``)."""
    return _summary(agent.assess_positions(position_ids, trigger=trigger, seconds=PERIOD_SECONDS))


@shared_task(name="triage.tasks.watch_lines", ignore_result=True)
def watch_lines() -> dict[str, int]:
    """Assessments that cannot wait for the schedule: a line crossed, something announced. Meant for every few seconds."""
    with cache.lock("triage:lines", PERIOD_SECONDS) as acquired:
        if not acquired:
            return {"skipped": 1}
        run = agent.assess_positions(triggers.announced(), trigger="lifecycle", seconds=PERIOD_SECONDS)
        crossed = triggers.crossed(triggers.coverage_position_ids(), seconds=LINES_SECONDS)
        run.add(agent.assess_positions(crossed, trigger="price", seconds=PERIOD_SECONDS))
        return _summary(run)


@shared_task(name="triage.tasks.refresh_sources", ignore_result=True)
def refresh_sources() -> dict[str, int]:
    """Fetch what is due, then assess the positions that it concerns."""
    with cache.lock("triage:refresh", FETCH_SECONDS + 5) as acquired:
        if not acquired:
            return {"skipped": 1}
        run = refresh.refresh(seconds=FETCH_SECONDS)
    about = Position.objects.filter(waiting.advised(), event_id__in=run.events).order_by("event_id", "pk")
    ids = list(about.values_list("pk", flat=True))
    for batch in batched(ids, agent.BATCH):
        _send(assess_batch.name, batch, "observation", queue="triage")
    return {"fetched": run.fetched, "failed": len(run.failed), "not_due": run.not_due, "fresh": len(run.fresh)}


@shared_task(name="triage.tasks.learn_from_settled", ignore_result=True)
def learn_from_settled() -> dict[str, int]:
    """After settlements: values, scores, and a new version of errors and weights."""
    with cache.lock("triage:learn", LEARN_SECONDS) as acquired:
        if not acquired or not cache.prices().set(cache.key("triage:learned"), 1, nx=True, ex=LEARN_EVERY_SECONDS):
            return {"skipped": 1}
        return asdict(learn.run())


def _send(name: str, *args: Any, queue: str) -> None:
    """Send a task that is worth nothing after the period."""
    messages.send(name, *args, queue=queue, expires=PERIOD_SECONDS)


def _summary(run: agent.RunSummary) -> dict[str, int]:
    return {name: getattr(run, name) for name in run.__slots__}
