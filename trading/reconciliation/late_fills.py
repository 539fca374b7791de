"""Fills that come after their order was answered with less, or with nothing: whoever holds them again is a position at work.

Which positions these are is read from what the legs hold, never from the status alone, so that it does not matter whether a message,
a listing or a repair booked the fill, nor who died in between.
"""

from __future__ import annotations

import logging

from django.db import IntegrityError, transaction
from django.db.models import F

from strategies.models import Mode
from trading import states
from trading.execution.orders import cancel as cancelling
from trading.execution.sizing import baskets
from trading.models import (
    ACTIVE,
    TERMINAL,
    Discrepancy,
    Fill,
    Leg,
    LiveEventClaim,
    Order,
    OrderStatus,
    Position,
    PositionStatus,
)
from trading.safety import discrepancies, protections

log = logging.getLogger(__name__)
HOLDING = F("sold_count") + F("settled_count")


def reopen_all() -> int:
    """Reopen every position that has ended, or was opened as whole, and holds contracts that nobody acts on. Returns how many.

    What is reopened is named until the position has dealt with it; what cannot be, because another position of the profile is at
    work in the event, is named until it can.
    """
    ended = Leg.objects.filter(position__status__in=TERMINAL, bought_count__gt=HOLDING)
    ids = set(ended.values_list("position_id", flat=True))
    late = Fill.objects.filter(
        order__position__status=PositionStatus.OPEN,
        order__position__residual_code="",
        created_at__gt=F("order__position__opened_at"),
    )
    ids |= set(late.values_list("order__position_id", flat=True))
    count = sum(_reopen(position_id) for position_id in sorted(ids))
    _take_back_names()
    return count


def withdraw_left() -> int:
    """Cancel what still rests of positions that rest nothing: its answer was wrong, or a listing found it. Returns how many."""
    done = (PositionStatus.OPEN, *TERMINAL)
    left = Order.objects.filter(status=OrderStatus.RESTING, position__status__in=done)
    orders = list(left.select_related("leg", "leg__market", "profile", "position", "position__event"))
    for order in orders:
        cancelling.refresh(order, cancel=True)
    return len(orders)


def _reopen(position_id: int) -> bool:
    position = Position.objects.select_related("profile").get(pk=position_id)
    legs = list(position.legs.all())
    if not _needs_work(position, legs):
        return False
    held = ", ".join(f"{leg.held / 100:g} {leg.side} {leg.market_id}" for leg in legs if leg.held)
    try:
        with transaction.atomic():
            if position.mode == Mode.LIVE:
                LiveEventClaim.objects.filter(position=position).delete()
                states.claim(position, position.profile.subaccount or 0)
            states.transition(
                position,
                PositionStatus.UNWINDING,
                reason=f"a fill came late: holds {held}",
                ended_at=None,
                close_type="",
                close_code="",
                next_step_at=None,
            )
    except states.Overtaken:
        return False
    except IntegrityError:
        _name(Discrepancy.Code.ENDED_HOLDS, position, held)
        return False
    log.critical("position %s is reopened: a fill came late, it holds %s", position_id, held)
    _name(Discrepancy.Code.LATE_FILL, position, held)
    protections.after_difference(position.profile, f"position #{position_id}: a fill came late")
    return True


def _needs_work(position: Position, legs: list[Leg]) -> bool:
    """Whether nobody acts on what it holds. Since it was found another sweep may have reopened it, or its markets settled."""
    if position.status in TERMINAL:
        return any(leg.held for leg in legs)
    count = baskets.matched(legs, position.target_count)
    return position.status == PositionStatus.OPEN and any(
        baskets.excess(leg, count, position.target_count) for leg in legs
    )


def _name(code: Discrepancy.Code, position: Position, held: str) -> None:
    discrepancies.found(
        None,
        code,
        str(position.pk),
        ours=position.get_status_display(),
        theirs=held,
        profile=position.profile,
        tightens=False,
    )


def _take_back_names() -> None:
    codes = (Discrepancy.Code.LATE_FILL, Discrepancy.Code.ENDED_HOLDS)
    for row in Discrepancy.objects.filter(code__in=codes, resolved_at=None):
        position = Position.objects.filter(pk=row.key).first()
        at_work = position is not None and position.status in ACTIVE and position.status != PositionStatus.OPEN
        ended = position is not None and position.status in TERMINAL
        if position is None or not (at_work or (ended and any(leg.held for leg in position.legs.all()))):
            discrepancies.close(row, actor=discrepancies.ACTOR, resolution="the position has dealt with it")
