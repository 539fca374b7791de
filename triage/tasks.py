"""Triage as Celery sees it: thin doors."""

from __future__ import annotations

from celery import shared_task

from kalbot.common import cache
from triage import advice, agent

PERIOD_SECONDS = 60
"""No run of the schedule takes longer; what is left over comes first in the next."""


@shared_task(name="triage.tasks.assess_positions", ignore_result=True)
def assess_positions() -> dict[str, int]:
    """Look at every open position, in batches that any triage worker may take."""
    with cache.lock("triage:schedule", PERIOD_SECONDS) as held:
        if not held:
            return {"skipped": 1}
        advice.end_of_ended_positions()
        ids = agent.open_position_ids()
        here, others = ids[: agent.BATCH], ids[agent.BATCH :]
        for start in range(0, len(others), agent.BATCH):
            assess_batch.apply_async(args=[others[start : start + agent.BATCH]], expires=PERIOD_SECONDS)
        return _summary(agent.look_at(here, seconds=PERIOD_SECONDS))


@shared_task(name="triage.tasks.assess_batch", ignore_result=True)
def assess_batch(position_ids: list[int]) -> dict[str, int]:
    """One batch of the schedule."""
    return _summary(agent.look_at(position_ids, seconds=PERIOD_SECONDS))


@shared_task(name="triage.tasks.assess_position", ignore_result=True)
def assess_position(position_id: int, trigger: str = "lifecycle") -> dict[str, int]:
    """One position at once, because something happened. ``trigger``: lifecycle, price, observation or person."""
    return _summary(agent.look_at([position_id], trigger=trigger, seconds=PERIOD_SECONDS))


def _summary(run: agent.Looked) -> dict[str, int]:
    return {name: getattr(run, name) for name in run.__slots__}
