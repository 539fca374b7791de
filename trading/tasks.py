"""Celery tasks: each calls one service. Names and queues are in ``kalbot.common.messages``."""

from __future__ import annotations

from celery import shared_task

from kalbot.common import cache, messages
from strategies.models import Mode, Profile
from trading import inbox, reconcile, settlement, sweeper
from trading.execution import executor
from trading.safety import protections


@shared_task(name=messages.EXECUTE_DECISION)
def execute_decision(decision_id: str) -> int | None:
    """Carry out a decision."""
    position = executor.execute(decision_id)
    return position.pk if position is not None else None


@shared_task(name=messages.EXIT_POSITION)
def exit_position(position_id: int) -> str:
    """Take a position one step on; an open exit request makes that step an exit."""
    return executor.step(position_id).status


@shared_task(name=messages.APPLY_MESSAGES)
def apply_messages() -> int:
    """Apply waiting fills and order updates."""
    with cache.lock("apply_messages", 30) as acquired:
        return inbox.apply_waiting() if acquired else 0


@shared_task(name=messages.SWEEP)
def sweep() -> int:
    """Take up work that was left behind, and messages that wait."""
    inbox.apply_waiting()
    return sweeper.sweep()


@shared_task(name=messages.RECONCILE)
def reconcile_books(trigger: str = "schedule") -> list[int]:
    """Compare with the exchange and audit our own books. ``reconnect`` also pauses new baskets for a moment."""
    if trigger == "reconnect":
        protections.after_feed_gap("the price feed reconnected")
    modes = [Mode.SIM]
    if Profile.objects.filter(mode=Mode.LIVE).exists():
        modes.append(Mode.LIVE)
    with cache.lock("reconcile", 120) as acquired:
        return [reconcile.run(mode, trigger).differences for mode in modes] if acquired else []


@shared_task(name=messages.SETTLE)
def settle() -> int:
    """Book what has become final."""
    with cache.lock("settle", 60) as acquired:
        return settlement.run() if acquired else 0
