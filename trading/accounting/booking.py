"""Fills and settlements become legs, positions and ledger entries, each exactly once and all in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from kalbot.common.db import direct
from trading import selectors, states
from trading.accounting import collateral
from trading.accounting.fill_reports import BookingError, FillReport
from trading.accounting.position_booking import AVERAGES, PositionBooking, cost_share, recounted
from trading.models import CloseType, Correction, Position, PositionStatus

__all__ = ["AVERAGES", "book_fill", "book_fills", "correct", "cost_share", "recount"]


def book_fill(order_id: UUID, report: FillReport, source: str) -> bool:
    """Book one execution of an order. False when it is booked already (whichever way it came first).

    Raises BookingError when it would fill beyond the order's count or sell more than the leg holds.
    """
    return bool(book_fills({order_id: [report]}, source))


def book_fills(reports: Mapping[UUID, Iterable[FillReport]], source: str) -> int:
    """Book executions of orders of one position, all or none. Returns how many were not booked already. Raises BookingError."""
    with transaction.atomic():
        listed = {order_id: list(found) for order_id, found in reports.items()}
        booking = PositionBooking.of_orders(listed, sum(map(len, listed.values())))
        count = booking.add_all(listed, source)
        with direct.together(booking.keys, commits=True):
            booking.write()
    return count


def correct(
    leg_id: int,
    *,
    count: int,
    proceeds: int,
    fees: int = 0,
    key: str,
    evidence: dict[str, Any],
    actor: str,
    reason: str,
) -> bool:
    """Book that ``count`` contracts of a leg left the account without an order of ours, for ``proceeds`` (fees deducted).

    False when ``key`` is booked already. Raises BookingError when the leg holds fewer. Ends an open position of which nothing is left.
    """
    with transaction.atomic():
        booking = PositionBooking.of_leg(leg_id)
        position, leg = booking.position, booking.legs[leg_id]
        if Correction.objects.filter(key=key).exists():
            return False
        if not 0 < count <= leg.held:
            raise BookingError(f"{key}: {count} of {leg.held} held")
        cost, _ = cost_share(leg, count)
        made = Correction.objects.create(
            leg=leg,
            mode=position.mode,
            key=key,
            count=count,
            proceeds=proceeds,
            fees=fees,
            cost=cost,
            evidence=evidence,
            actor=actor,
            reason=reason[:300],
        )
        booking.take_out(leg, key, count, proceeds, fees, correction=made)
        booking.write()
        states.note(position, f"{count / 100:g} {leg} left the account: {reason}", actor=actor, data=evidence)
        if position.status == PositionStatus.OPEN and not any(one.held for one in booking.legs.values()):
            states.transition(
                position, PositionStatus.CLOSED, reason="nothing is left", actor=actor, close_type=CloseType.EXITED
            )
    return True


def follow_ended(position_id: int) -> None:
    """Bring the floor, guarantee and returned collateral of an open position to what markets say that ended beside what it holds; as it is
    where nothing changes."""
    with transaction.atomic():
        position = Position.objects.select_for_update().get(pk=position_id)
        if position.status != PositionStatus.OPEN:
            return
        now = recounted(selectors.held_now(position))
        if any(getattr(position, name) != value for name, value in now.items()):
            Position.objects.filter(pk=position.pk).update(**now)
        if position.returned != collateral.held_back(position):
            collateral.follow(position)


def recount(position: Position, brought: int = 0) -> None:
    """Bring the position's cost, whole baskets, floor, guarantee and returned collateral to what its legs hold now. To be called by
    whatever changes a leg, in the same transaction, with what that has ``brought`` in cash."""
    Position.objects.filter(pk=position.pk).update(**recounted(selectors.held_now(position)))
    collateral.follow(position, brought)
