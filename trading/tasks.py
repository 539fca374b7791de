"""Celery tasks: each calls one service. Names and queues are in ``kalbot.common.messages``."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from kalbot.common import cache, messages
from kalbot.common.covered import unless_covered
from markets import incentives, selectors
from strategies.models import Mode, Profile
from trading import express, sweeper
from trading.accounting import pool
from trading.closing import settlement
from trading.execution import executor
from trading.models import Position, PositionStatus
from trading.quoted import idle, records
from trading.reconciliation import inbox, reconcile
from trading.safety import protections
from trading.venues import connection

express.crew.connect()


@shared_task(name=messages.EXECUTE_DECISION)
def execute_decision(decision_id: str, handed: str = "") -> int | None:
    """Carry out a decision."""
    position = executor.execute(decision_id, handed)
    return position.pk if position is not None else None


@shared_task(name=messages.EXIT_POSITION)
def exit_position(position_id: int) -> str:
    """Take a position one step on; an open exit request makes that step an exit."""
    return executor.step(position_id).status


@shared_task(name=messages.REPRICE)
def reprice(event_ticker: str) -> int:
    """Step what is quoted in an event whose prices moved, and in families of it. Returns how many positions."""
    events = selectors.with_families([event_ticker])
    quoting = Position.objects.filter(event_id__in=events, status=PositionStatus.QUOTING).order_by("pk")
    return len([executor.step(pk) for pk in quoting.values_list("pk", flat=True)])


@shared_task(name=messages.REPLACE_QUOTE)
def replace_quote(profile_id: int, event_ticker: str, why: str) -> int:
    """Withdraw a quote that has bought nothing for one that is expected to return more. Returns how many."""
    return idle.replace(profile_id, event_ticker, why)


@shared_task(name=messages.COUNT_QUOTES)
def count_quotes() -> int:
    """Count what quotes of each series have brought, and read which markets pay for resting orders. Returns how many series have a
    record."""
    with cache.lock("count_quotes", 60) as acquired:
        if not acquired:
            return 0
        if Profile.objects.filter(is_active=True).exclude(quoting=Profile.Quoting.NONE).exists():
            incentives.refresh(connection.public())
        return records.refresh()


@shared_task(name=messages.APPLY_MESSAGES)
def apply_messages() -> int:
    """Apply waiting fills and order updates."""
    with cache.lock("apply_messages", 30) as acquired:
        return inbox.apply_waiting() if acquired else 0


@shared_task(bind=True, name=messages.SWEEP)
def sweep(self: Any) -> int:
    """Take up work that was left behind, and messages that wait, unless a run since the message was sent has."""
    with unless_covered(self.request, messages.SWEEP) as one:
        if not one.needed:
            return 0
        inbox.apply_waiting()
        return sweeper.sweep()


@shared_task(bind=True, name=messages.SWEEP_EXITS)
def sweep_exits(self: Any) -> int:
    """Take up positions whose next step takes risk away, unless a run since the message was sent has."""
    with unless_covered(self.request, messages.SWEEP_EXITS) as one:
        return sweeper.sweep_exits() if one.needed else 0


@shared_task(bind=True, name=messages.RECONCILE)
def reconcile_books(self: Any, trigger: str = "schedule") -> list[int]:
    """Compare with the exchange and audit our own books, unless a run since the message was sent has. ``reconnect`` also pauses new
    baskets for a moment."""
    if trigger == "reconnect":
        protections.after_feed_gap("the price feed reconnected")
    modes = [Mode.SIM]
    if Profile.objects.filter(mode=Mode.LIVE).exists():
        modes.append(Mode.LIVE)
    with cache.lock("reconcile", 120) as acquired:
        if not acquired:
            return []
        with unless_covered(self.request, messages.RECONCILE) as one:
            rows = [reconcile.run(mode, trigger) for mode in modes] if one.needed else []
            one.failed = any(row.error for row in rows)
            return [row.differences for row in rows]


@shared_task(bind=True, name=messages.SETTLE)
def settle(self: Any) -> int:
    """Book what has become final, unless a run since the message was sent has."""
    with cache.lock("settle", 60) as acquired:
        if not acquired:
            return 0
        with unless_covered(self.request, messages.SETTLE) as one:
            return settlement.run() if one.needed else 0


@shared_task(name=messages.MOVE_CAPITAL)
def move_capital() -> int:
    """Sweep profits, give back what is idle, lend what is waited for. Returns how many loans and returns."""
    with cache.lock("move_capital", 60) as acquired:
        return len(pool.run()) if acquired else 0
