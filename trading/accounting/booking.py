"""Fills and settlements become legs, positions and ledger entries, each exactly once and all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from kalbot.common import clock, events
from markets.terms.grades import Grade
from trading import selectors, states
from trading.accounting import ledger
from trading.models import Account, CloseType, Correction, Fill, Leg, Order, Position, PositionStatus


@dataclass(frozen=True, slots=True)
class FillReport:
    """One execution as a venue reports it. ``price`` of the order's own side, ``fee`` net, both exact; ``at_ms`` Unix ms."""

    trade_id: str
    price: int
    count: int
    fee: int
    is_taker: bool
    at_ms: int


AVERAGES: Final = "averages"
"""Source of fills that stand for executions which were never listed. Once an order has one, those count as booked."""


class BookingError(Exception):
    """The exchange reports an execution that contradicts our rows. Nothing was booked; reconciliation reports it."""


def book_fill(order_id: UUID, report: FillReport, source: str) -> bool:
    """Book one execution of an order. False when it is booked already (whichever way it came first).

    Raises BookingError when it would fill beyond the order's count or sell more than the leg holds.
    """
    with transaction.atomic():
        position = Position.objects.select_for_update().get(orders=order_id)
        order = Order.objects.select_related("profile", "leg").get(pk=order_id)
        known = Q(trade_id=report.trade_id)
        if source != AVERAGES:
            known |= Q(source=AVERAGES)
        if Fill.objects.filter(known, order=order, mode=order.mode).exists():
            return False
        leg = order.leg
        if report.count <= 0:
            raise BookingError(f"{order.pk}: fill {report.trade_id} of {report.count}")
        if order.filled_count + report.count > order.count:
            raise BookingError(f"{order.pk}: {report.count} on top of {order.filled_count} of {order.count}")
        fill = Fill.objects.create(
            order=order,
            mode=order.mode,
            trade_id=report.trade_id,
            price=report.price,
            count=report.count,
            fee=report.fee,
            is_taker=report.is_taker,
            source=source,
            exchange_at=clock.from_ms(report.at_ms) if report.at_ms else None,
        )
        Order.objects.filter(pk=order.pk).update(filled_count=F("filled_count") + report.count)
        if order.action == Order.Action.BUY:
            _bought(position, leg, order, fill)
        else:
            _sold(position, leg, order, fill)
        recount(position)
        events.emit(
            events.Event.FILL,
            order=order.pk,
            position=order.position_id,
            profile=order.profile_id,
            mode=order.mode,
            market=leg.market_id,
            action=order.action,
            side=order.side,
            price=fill.price,
            count=fill.count,
            fee=fill.fee,
            source=fill.source,
        )
    return True


def _bought(position: Position, leg: Leg, order: Order, fill: Fill) -> None:
    paid = fill.price * fill.count
    spent = paid + fill.fee
    from_reserve = min(position.reserved, spent)
    ledger.post(
        profile=order.profile,
        kind="fill",
        key=f"fill:{fill.mode}:{order.pk}:{fill.trade_id}",
        entries=[
            (Account.RESERVED, -from_reserve),
            (Account.CASH, from_reserve - spent),
            (Account.POSITION_COST, paid),
            (Account.FEES, fill.fee),
        ],
        position=position,
        is_new=True,
        fill=fill,
    )
    Leg.objects.filter(pk=leg.pk).update(
        bought_count=F("bought_count") + fill.count,
        bought_cost=F("bought_cost") + spent,
        fees=F("fees") + fill.fee,
        open_cost=F("open_cost") + spent,
        open_fees=F("open_fees") + fill.fee,
    )
    Position.objects.filter(pk=position.pk).update(reserved=F("reserved") - from_reserve, fees=F("fees") + fill.fee)


def _sold(position: Position, leg: Leg, order: Order, fill: Fill) -> None:
    if fill.count > leg.held:
        raise BookingError(f"{order.pk}: sold {fill.count} of {leg.held} held")
    key = f"fill:{fill.mode}:{order.pk}:{fill.trade_id}"
    proceeds = fill.price * fill.count - fill.fee
    _take_out(position, leg, key=key, count=fill.count, proceeds=proceeds, fees=fill.fee, fill=fill)


def _take_out(
    position: Position,
    leg: Leg,
    *,
    key: str,
    count: int,
    proceeds: int,
    fees: int,
    fill: Fill | None = None,
    correction: Correction | None = None,
) -> None:
    """Book that ``count`` of what the leg holds became ``proceeds``, ``fees`` deducted."""
    cost, cost_fees = cost_share(leg, count)
    ledger.post(
        profile=position.profile,
        kind="fill" if fill is not None else "correction",
        key=key,
        entries=[
            (Account.CASH, proceeds),
            (Account.FEES, fees),
            (Account.FEES, -cost_fees - fees),
            (Account.POSITION_COST, cost_fees - cost),
            (Account.REALISED, cost - proceeds),
        ],
        position=position,
        is_new=True,
        fill=fill,
        correction=correction,
    )
    Leg.objects.filter(pk=leg.pk).update(
        sold_count=F("sold_count") + count,
        sold_proceeds=F("sold_proceeds") + proceeds,
        fees=F("fees") + fees,
        open_cost=F("open_cost") - cost,
        open_fees=F("open_fees") - cost_fees,
    )
    Position.objects.filter(pk=position.pk).update(
        proceeds=F("proceeds") + proceeds, fees=F("fees") + fees, realised=F("realised") + proceeds - cost
    )


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
        position = Position.objects.select_for_update().get(legs=leg_id)
        leg = Leg.objects.get(pk=leg_id)
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
        _take_out(position, leg, key=key, count=count, proceeds=proceeds, fees=fees, correction=made)
        recount(position)
        states.reload(position)
        states.note(position, f"{count / 100:g} {leg} left the account: {reason}", actor=actor, data=evidence)
        if position.status == PositionStatus.OPEN and not any(one.held for one in position.legs.all()):
            states.transition(
                position, PositionStatus.CLOSED, reason="nothing is left", actor=actor, close_type=CloseType.EXITED
            )
    return True


def cost_share(leg: Leg, count: int) -> tuple[int, int]:
    """(cost, fees within it) of ``count`` of what the leg holds. Rounded down, so what is held keeps the remainder and
    the last contract takes all of it: nothing is lost or made."""
    return leg.open_cost * count // leg.held, leg.open_fees * count // leg.held


def recount(position: Position) -> None:
    """Bring the position's cost, whole baskets, floor and guarantee to what its legs hold now. To be called by whatever
    changes a leg, in the same transaction."""
    held = selectors.held_now(position)
    Position.objects.filter(pk=position.pk).update(
        cost=held.cost,
        matched_count=held.matched,
        floor=held.floor,
        guaranteed=held.grade is not Grade.CONDITIONAL,
    )
