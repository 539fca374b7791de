"""Exits on request: everything that the position holds is sold. Phases as in ``buy``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction

from kalbot.common import clock
from trading import states
from trading.denials import DenialCode, Refusal
from trading.execution.orders import inflight
from trading.execution.phases import selling
from trading.models import CloseType, ExitRequest, Order, Position, PositionStatus
from trading.safety import protections
from trading.states import Lease

EXIT_PATIENCE: Final = timedelta(minutes=3)
"""How long an exit waits for bids before what is left becomes an explicit residual."""


def open_position(position: Position, lease: Lease) -> bool:
    """An open position is only ever left on request."""
    request = selling.open_request(position)
    if request is None:
        return False
    states.transition(
        position, PositionStatus.EXITING, reason=f"exit: {request.reason}", actor=request.actor, lease=lease
    )
    return True


def exiting(position: Position, lease: Lease) -> bool:
    """Cancel what rests, sell everything; flat, or an explicit residual when nobody bids for long enough."""
    request = selling.open_request(position)
    if not selling.all_ended(position):
        return inflight.wait(position)
    legs = list(position.legs.select_related("market"))
    wanted = [(leg, leg.held) for leg in legs if leg.held]
    if not wanted:
        return _flat(position, lease, request)
    if request is None:
        return _give_up(position, lease, None, Refusal(DenialCode.REQUEST_WITHDRAWN))
    refusal = selling.try_to_sell(
        position,
        lease,
        wanted,
        Order.Purpose.EXIT,
        request.reason,
        least=request.min_price,
        actor=request.actor,
    )
    if refusal is None:
        legs = selling.next_rung(position)
        return not any(leg.held for leg in legs) or selling.has_rungs_left(position)
    patience_over = clock.now() - request.created_at > EXIT_PATIENCE
    if refusal.code is DenialCode.MARKET_CLOSED or (refusal.code is DenialCode.NO_BID and patience_over):
        return _give_up(position, lease, request, refusal)
    return selling.stuck(position, refusal)


def _flat(position: Position, lease: Lease, request: ExitRequest | None) -> bool:
    with transaction.atomic():
        _answer(request, ExitRequest.Outcome.FLAT, "flat")
        states.transition(
            position,
            PositionStatus.CLOSED,
            reason="flat",
            lease=lease,
            close_type=CloseType.EXITED,
        )
    protections.after_end(position)
    return False


def _give_up(position: Position, lease: Lease, request: ExitRequest | None, refusal: Refusal) -> bool:
    legs = list(position.legs.all())
    left = ", ".join(f"{leg.held / 100:g} {leg.side} {leg.market_id}" for leg in legs if leg.held)
    with transaction.atomic():
        _answer(request, ExitRequest.Outcome.RESIDUAL, f"residual: {left} ({refusal})")
        states.transition(
            position,
            PositionStatus.OPEN,
            reason=f"exit ended with a residual: {left}; {refusal}",
            lease=lease,
            residual=str(refusal)[:300],
            residual_code=refusal.code,
            next_step_at=None,
        )
    return False


def _answer(request: ExitRequest | None, outcome: ExitRequest.Outcome, result: str) -> None:
    if request is not None:
        ExitRequest.objects.filter(pk=request.pk, status=ExitRequest.Status.OPEN).update(
            status=ExitRequest.Status.DONE, outcome=outcome, result=result[:300], ended_at=clock.now()
        )
