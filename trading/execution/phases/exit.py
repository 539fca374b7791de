"""Out of a position: unwinding what a half-filled basket has too much of, and exits on request. Phases as in ``entry``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction

from kalbot.common import clock
from kalbot.common.errors import Infeasible
from kalbot.common.units import format_money
from trading import live_books, states
from trading.execution.orders import inflight, sell_ladder, submit
from trading.execution.phases import opening
from trading.execution.sizing import baskets
from trading.models import ExitRequest, Leg, Order, OrderStatus, Position, PositionStatus
from trading.safety import protections
from trading.states import Lease

S = PositionStatus
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 60.0
NOT_ACTIVE: Final = "market not active"
REFUSED_AS_CLOSED: Final = "market_inactive: the venue refused every sale"
EXIT_PATIENCE: Final = timedelta(minutes=3)
"""How long an exit keeps looking for bids before what is left becomes an explicit residual."""


def unwinding(position: Position, held: Lease) -> bool:
    """Sell what the whole baskets do not need, within what is left of the leg-risk budget, unless a person wants it all out."""
    request = ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()
    if request is not None:
        states.transition(position, S.EXITING, reason=f"exit: {request.reason}", actor=request.actor, held=held)
        return True
    if not _all_ended(position):
        return _later(position)
    legs = list(position.legs.select_related("market"))
    count = baskets.matched(legs, position.target_count)
    wanted = [(leg, extra) for leg in legs if (extra := baskets.excess(leg, count, position.target_count))]
    if not wanted:
        return _unwound(position, held, count)
    budget = position.profile.leg_risk_budget + min(0, position.realised)
    sent, why = _try_to_sell(position, held, wanted, Order.Purpose.UNWIND, budget, "unwind")
    if sent:
        return _next_rung(position)
    return _stuck(position, why or "no bid within the leg-risk budget")


def _unwound(position: Position, held: Lease, count: int) -> bool:
    lost = format_money(-position.realised)
    if count:
        opening.open_with(position, held, count, f"the rest was unwound for a loss of {lost}")
    else:
        states.transition(
            position,
            S.ABORTED,
            reason=f"unwound for a loss of {lost}",
            held=held,
            close_type="unwound",
            matched_count=0,
        )
    protections.after_unwind(position)
    return True


def opened(position: Position, held: Lease) -> bool:
    """An open position is only ever left on request."""
    request = ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()
    if request is None:
        return False
    states.transition(position, S.EXITING, reason=f"exit: {request.reason}", actor=request.actor, held=held)
    return True


def exiting(position: Position, held: Lease) -> bool:
    """Cancel what rests, sell everything; flat, or an explicit residual when nobody buys for long enough."""
    request = ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()
    if not _all_ended(position):
        return _later(position)
    legs = list(position.legs.select_related("market"))
    wanted = [(leg, leg.held) for leg in legs if leg.held]
    if not wanted:
        with transaction.atomic():
            _answer(request, "flat")
            states.transition(position, S.CLOSED, reason="flat", held=held, close_type="exit", matched_count=0)
        protections.after_end(position)
        return False
    if request is None:
        return _give_up(position, held, None, "the request was withdrawn")
    least = request.min_price
    sent, why = _try_to_sell(
        position, held, wanted, Order.Purpose.EXIT, None, request.reason, least=least, actor=request.actor
    )
    if sent:
        return _next_rung(position)
    shut = why in (NOT_ACTIVE, REFUSED_AS_CLOSED)
    if shut or (not why and clock.now() - request.created_at > EXIT_PATIENCE):
        return _give_up(position, held, request, why or f"no bid at {least} or better")
    return _stuck(position, why or f"no bid at {least} or better")


def _give_up(position: Position, held: Lease, request: ExitRequest | None, why: str) -> bool:
    legs = list(position.legs.all())
    left = ", ".join(f"{leg.held / 100:g} {leg.side} {leg.market_id}" for leg in legs if leg.held)
    with transaction.atomic():
        _answer(request, f"residual: {left} ({why})")
        states.transition(
            position,
            S.OPEN,
            reason=f"exit ended with a residual: {left}; {why}",
            held=held,
            residual=why[:300],
            matched_count=baskets.matched(legs, position.target_count),
            next_step_at=None,
        )
    return False


def _answer(request: ExitRequest | None, result: str) -> None:
    if request is not None:
        ExitRequest.objects.filter(pk=request.pk, status=ExitRequest.Status.OPEN).update(
            status=ExitRequest.Status.DONE, result=result[:300], ended_at=clock.now()
        )


def _try_to_sell(
    position: Position,
    held: Lease,
    wanted: list[tuple[Leg, int]],
    purpose: str,
    budget: int | None,
    reason: str,
    *,
    least: int = 1,
    actor: str = "kalbot",
) -> tuple[bool, str]:
    """(whether an order was sent, why not). ``budget`` caps the loss of all sales together; None caps by ``least`` only."""
    try:
        quoted = live_books.read(position.event)
        reason_not = quoted.unusable({leg.market_id for leg, _ in wanted}, position.profile.max_price_age_ms)
        if reason_not in ("dead_epoch", "stale", "suspect", "no_book"):
            return False, f"price_{reason_not}"
        wanted = [one for one in wanted if is_open(one[0], quoted)]
        if not wanted:
            return False, NOT_ACTIVE
        left = budget

        def cap(leg: Leg, count: int) -> int:
            nonlocal left
            if left is None:
                return least
            bids = quoted.bids(leg.market_id, leg.side)
            found = sell_ladder.cap_of_loss(bids, leg, count, left, quoted.fees)
            left -= max(0, sell_ladder.loss_at(bids, leg, count, found, quoted.fees))
            return found

        sent = sell_ladder.sell(held, position, quoted, wanted, purpose=purpose, cap=cap, actor=actor, reason=reason)
    except Infeasible as denied:
        return False, str(denied)
    return sent, ""


def is_open(leg: Leg, quoted: live_books.Quotes) -> bool:
    """Whether the leg's market takes orders, by the catalogue's row and by the stream."""
    market = quoted.prices.markets.get(leg.market_id)
    return leg.market.status == "active" and (market is None or market.status in ("active", ""))


def _all_ended(position: Position) -> bool:
    """Cancel what rests, ask about what is unclear, book what filled. True when nothing is in the air."""
    orders = inflight.orders_of(position)
    inflight.settle_all(orders, wanted=lambda order: order.action == Order.Action.SELL, cancel=True)
    inflight.gather(orders)
    return not any(order.status in submit.OPEN_STATUSES for order in orders)


def _next_rung(position: Position) -> bool:
    orders = [o for o in inflight.orders_of(position) if o.status == OrderStatus.BOOKING]
    inflight.gather(orders)
    pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** max(0, position.attempts - len(sell_ladder.RUNGS)))
    at = clock.now() + timedelta(seconds=pause)
    states.look_again(position, at, attempts=position.attempts + 1, residual="")
    legs = list(position.legs.all())
    if position.status == S.EXITING:
        return not any(leg.held for leg in legs) or position.attempts <= len(sell_ladder.RUNGS)
    return (
        opening.is_balanced(position, legs)
        or position.attempts <= len(sell_ladder.RUNGS)
        or not any(x.held for x in legs)
    )


def _stuck(position: Position, why: str) -> bool:
    """Nothing can be sold now: say why, tell whoever protects the profile, and look again later."""
    if position.residual != why[:300]:
        states.note(position, f"contracts are left: {why}")
        if not why.startswith("price_"):  # a feed that is away refuses new baskets by itself, and comes back
            protections.after_residual(position, why)
    pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(position.attempts, 10))
    at = clock.now() + timedelta(seconds=pause)
    states.look_again(position, at, attempts=position.attempts + 1, residual=why[:300])
    return False


def _later(position: Position) -> bool:
    states.look_again(position, clock.now() + timedelta(seconds=1))
    return False
