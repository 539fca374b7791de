"""Fills that come after their order was answered with less, or with nothing, and contracts that left the account without an order of ours:
whoever then holds legs without their basket is a position at work again.

Which positions these are is read from what the legs hold, never from the status alone, so that it does not matter whether a message,
a listing, a repair or a person's act changed a leg, nor who died in between. What a person or a budget keeps alone has its residual.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import F, QuerySet, prefetch_related_objects

from kalbot.common.db.prepared import Prepared
from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.models import Mode
from trading import states
from trading.denials import DenialCode
from trading.execution.orders import cancel as cancelling
from trading.execution.sizing import baskets
from trading.models import (
    ACTIVE,
    TERMINAL,
    Correction,
    Discrepancy,
    ExitRequest,
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
    work in the event, or because a person decided what it keeps, is named until it can.
    """
    ids = {position_id for found in (_ENDED, _UNEQUAL) for (position_id,) in found.rows()}
    count = sum(_tried(position_id) for position_id in sorted(ids))
    _name_broken()
    take_back_names()
    return count


_ENDED: Final = PreparedColumns(
    lambda: Leg.objects.filter(position__status__in=TERMINAL, bought_count__gt=HOLDING).values_list("position_id")
)


def _unequal() -> QuerySet[Leg, Any]:
    """Open positions without a residual of which a leg holds more than the whole baskets need (``baskets.excess``)."""
    open_ones = Leg.objects.filter(position__status=PositionStatus.OPEN, position__residual_code="")
    more = (F("bought_count") - F("sold_count") - 1) * F("position__target_count")
    legs = open_ones.annotate(more=more).filter(
        bought_count__gt=HOLDING, more__gte=F("target_count") * F("position__matched_count")
    )
    return legs.values_list("position_id").distinct()


_UNEQUAL: Final = PreparedColumns(_unequal)


def withdraw_left() -> int:
    """Cancel what still rests of positions that rest nothing: its answer was wrong, or a listing found it. Returns how many."""
    orders = _LEFT.rows()
    for order in orders:
        cancelling.refresh(order, cancel=True)
    return len(orders)


def _left() -> QuerySet[Order]:
    left = Order.objects.filter(status=OrderStatus.RESTING, position__status__in=(PositionStatus.OPEN, *TERMINAL))
    return left.select_related("leg", "leg__market", "profile", "position", "position__event")


_LEFT: Final = Prepared(_left)


def _tried(position_id: int) -> bool:
    """Reopen one; one that fails does not keep the others waiting."""
    try:
        return _reopen(position_id)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("position %s was not reopened; it will be tried again", position_id)
        return False


def _reopen(position_id: int) -> bool:
    position = Position.objects.select_related("profile").get(pk=position_id)
    legs = list(position.legs.all())
    if not _needs_work(position, legs):
        return False
    held = holds(legs)
    code, what = _cause(position)
    try:
        with transaction.atomic():
            if position.mode == Mode.LIVE:
                LiveEventClaim.objects.filter(position=position).delete()
                states.claim(position, position.profile.subaccount or 0)
            states.transition(
                position,
                PositionStatus.UNWINDING,
                reason=f"{what}: holds {held}",
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
    log.critical("position %s is reopened: %s, it holds %s", position_id, what, held)
    _name(code, position, held)
    if code is Discrepancy.Code.LATE_FILL:
        protections.after_difference(position.profile, f"position #{position_id}: {what}")
    return True


def _cause(position: Position) -> tuple[Discrepancy.Code, str]:
    """What came last: a correction of a leg, or a fill."""
    taken = Correction.objects.filter(leg__position=position).order_by("-created_at").first()
    filled = Fill.objects.filter(order__position=position).order_by("-created_at").first()
    if taken is not None and (filled is None or taken.created_at >= filled.created_at):
        return Discrepancy.Code.LEGS_ALONE, "contracts left the account without an order of ours"
    return Discrepancy.Code.LATE_FILL, "a fill came late"


def _needs_work(position: Position, legs: list[Leg]) -> bool:
    """Whether nobody acts on what it holds. Since it was found another sweep may have reopened it, or its markets settled; an exit that
    was requested sells first."""
    if position.status in TERMINAL:
        return any(leg.held for leg in legs)
    if position.status != PositionStatus.OPEN or position.residual_code:
        return False
    if position.exit_requests.filter(status=ExitRequest.Status.OPEN).exists():
        return False
    return is_unequal(position, legs)


def is_unequal(position: Position, legs: Iterable[Leg]) -> bool:
    """Whether a leg holds more than the whole baskets need."""
    legs = list(legs)
    count = baskets.matched(legs, position.target_count)
    return any(baskets.excess(leg, count, position.target_count) for leg in legs)


def holds(legs: Iterable[Leg]) -> str:
    """What the legs hold, in words."""
    return ", ".join(f"{leg.held / 100:g} {leg.side} {leg.market_id}" for leg in legs if leg.held)


def _name_broken() -> None:
    """Name the open positions whose baskets broke beside what a person, or an exit that ended, had left."""
    broken = _BROKEN.rows()
    prefetch_related_objects(broken, "legs")
    for position in broken:
        _name(Discrepancy.Code.LEGS_ALONE, position, holds(position.legs.all()))


_BROKEN: Final = Prepared(
    lambda: Position.objects.filter(status=PositionStatus.OPEN, residual_code=DenialCode.BASKET_BROKEN).select_related(
        "profile"
    )
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


def take_back_names() -> None:
    """End the names of positions that have dealt with what they were reopened for."""
    for row in _NAMED.rows():
        position = Position.objects.filter(pk=row.key).first()
        if position is not None and _is_unfinished(position):
            continue
        if row.resolved_at is not None:
            discrepancies.is_over(row)
        else:
            discrepancies.close(row, actor=discrepancies.ACTOR, resolution="the position has dealt with it")


_NAMED: Final = Prepared(
    lambda: Discrepancy.objects.filter(
        discrepancies.IN_MIND,
        code__in=(Discrepancy.Code.LATE_FILL, Discrepancy.Code.LEGS_ALONE, Discrepancy.Code.ENDED_HOLDS),
    )
)


def _is_unfinished(position: Position) -> bool:
    if position.status == PositionStatus.OPEN:
        return position.residual_code == DenialCode.BASKET_BROKEN
    return position.status in ACTIVE or any(leg.held for leg in position.legs.all())
