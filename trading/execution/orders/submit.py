"""Sending one order: its row is committed before the request leaves, and its id is spent forever.

A worker that takes over goes on from the row alone (``record`` says what each status means).
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.db import transaction
from structlog.contextvars import bound_contextvars

from kalbot.common import clock
from kalbot.common.db import direct, instances
from kalbot.common.db.pipeline import Statement
from strategies.models import Kind
from trading.execution.orders import client_ids, gate, record
from trading.execution.orders.client_ids import ClientId
from trading.leases import Lease
from trading.models import Leg, Order, OrderError, OrderStatus, Position
from trading.reconciliation import collateral_learning
from trading.venues import factory, grids
from trading.venues.protocol import Check, Refused, Unresolved

SEND_WAITS: Final = (0.1, 0.25, 0.5)
"""Seconds before an order that was refused for the rate limit is sent again under the same id."""
log = logging.getLogger(__name__)


def place(
    lease: Lease,
    position: Position,
    leg: Leg,
    *,
    action: str,
    purpose: str,
    price: int,
    count: int,
    keep_back: int = 0,
    reason: str = "",
    actor: str = "kalbot",
    **columns: Any,
) -> Order:
    """Store an order and send it. Returns the row as it is afterwards; never raises for what the venue answers.

    ``price`` is the limit in the leg's own side, ``count`` in 1/100 contract. Overtaken if the lease is gone.
    """
    with transaction.atomic():
        lease.renew()
        order = new_order(
            position, leg, action=action, purpose=purpose, price=price, count=count, reason=reason, **columns
        )
        order.actor = actor
        order.lease_token = lease.token
        direct.insert([order])
        record.say(order)
    send(order, keep_back)
    return order


def new_order(position: Position, leg: Leg, *, reason: str = "", **columns: Any) -> Order:
    """An order of the leg, about to be sent, not stored yet."""
    order = instances.new(
        Order,
        id=client_ids.make(
            ClientId(
                profile=position.profile_id,
                position=position.pk,
                legs=len(position.decision.legs),
                kind=Kind(position.kind),
                action=columns["action"],
                purpose=columns["purpose"],
                side=leg.side,
            )
        ),
        profile=position.profile,
        mode=position.mode,
        position=position,
        leg=leg,
        side=leg.side,
        exchange_index=leg.market.exchange_index,
        subaccount=position.profile.subaccount,
        reason=reason[:300],
        status=OrderStatus.SENDING,
        sent_at=clock.now(),
        attempts=1,
        book_version=leg.seen if columns["action"] == Order.Action.BUY else "",
        **columns,
    )
    order.begun = clock.monotonic()
    return order


def send(order: Order, keep_back: int = 0, beside: list[Statement] | None = None) -> None:
    """Send an order stored as ``sending``; tried again under the same id only after a refusal that allows it. ``beside``: see
    ``record.acknowledge_all``."""
    with bound_contextvars(order=str(order.pk)):
        collateral_learning.before(order)
        _send(order, keep_back, beside)
        collateral_learning.after(order)


def _send(order: Order, keep_back: int, beside: list[Statement] | None) -> None:
    venue = factory.venue_for(order.mode)
    for pause in (*SEND_WAITS, None):
        try:
            record.no_transaction()
            answer = venue.create(order, keep_back, gate.of(order))
        except Refused as refusal:
            if refusal.retry and pause is not None:
                clock.sleep(pause)
                if not record.mark_resent(order):
                    return
                continue
            record.reject(order, refusal, is_final=True)
            grids.refused(order)
            return
        except Unresolved as unclear:
            record.mark_unknown(order, unclear)
            resolve(order, wanted=True)
            return
        record.acknowledge(order, answer, beside)
        if order.status == OrderStatus.UNKNOWN:  # the answer named another order
            resolve(order, wanted=True)
        return


def resolve(order: Order, wanted: bool) -> bool:
    """Find out what became of an order that may or may not exist. True when that is known now. ``wanted``: it is sent again if it
    could be sent new."""
    check = gate.of(order)
    if wanted:
        try:
            check()
        except Refused as refused:
            log.info("order %s is not sent again: %s", order.pk, refused)
            wanted, check = False, gate.of_probe(order)
    else:
        check = gate.of_probe(order)
    return _resolve(order, wanted, check)


def search(order: Order) -> bool:
    """The same without sending anything: what is not listed is known to be absent once its signature has lapsed."""
    return _resolve(order, False, gate.nothing)


def _resolve(order: Order, wanted: bool, check: Check) -> bool:
    try:
        record.no_transaction()
        with bound_contextvars(order=str(order.pk)):
            answer = factory.venue_for(order.mode).resolve(order, wanted, check)
    except (Refused, Unresolved) as error:
        log.warning("order %s: outcome still unknown (%s)", order.pk, error)
        return False
    if answer is None:
        expected = (OrderStatus.SENDING, OrderStatus.UNKNOWN)
        record.move(order, expected, OrderStatus.REJECTED, error_code=OrderError.NEVER_ARRIVED, ended_at=clock.now())
    else:
        record.acknowledge(order, answer)
    return True
