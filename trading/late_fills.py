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
from trading.execution.sizing import baskets
from trading.models import TERMINAL, Fill, Leg, LiveEventClaim, Order, Position, PositionStatus
from trading.safety import protections

log = logging.getLogger(__name__)
HOLDING = F("sold_count") + F("settled_count")


def reopen_all() -> int:
    """Reopen every position that has ended, or was opened as whole, and holds contracts that nobody acts on. Returns how many."""
    ended = Leg.objects.filter(position__status__in=TERMINAL, bought_count__gt=HOLDING)
    ids = set(ended.values_list("position_id", flat=True))
    late = Fill.objects.filter(
        order__action=Order.Action.BUY,
        order__position__status=PositionStatus.OPEN,
        order__position__residual_code="",
        created_at__gt=F("order__position__opened_at"),
    )
    ids |= set(late.values_list("order__position_id", flat=True))
    return sum(_reopen(position_id) for position_id in sorted(ids))


def _reopen(position_id: int) -> bool:
    position = Position.objects.select_related("profile").get(pk=position_id)
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    if position.status == PositionStatus.OPEN:
        unneeded = any(baskets.excess(leg, count, position.target_count) for leg in legs)
        if not unneeded:
            return False
    held = ", ".join(f"{leg.held / 100:g} {leg.side} {leg.market_id}" for leg in legs if leg.held)
    try:
        with transaction.atomic():
            if position.mode == Mode.LIVE:
                LiveEventClaim.objects.get_or_create(
                    position=position,
                    defaults={"event_id": position.event_id, "subaccount": position.profile.subaccount or 0},
                )
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
        log.critical("position %s holds %s and another one is active on the event", position_id, held)
        return False
    log.critical("position %s is reopened: a fill came late, it holds %s", position_id, held)
    protections.after_difference(position.profile, f"position #{position_id}: a fill came late")
    return True
