"""Exits on request: everything that the position holds is sold, or the part that was requested. Phases as in ``buy``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

from django.db import transaction

from kalbot.common import clock
from kalbot.common.units import CONTRACT
from trading import ended_beside, states
from trading.books.live_books import LiveBooks
from trading.closing import exit_counts, exit_preview, exit_prices
from trading.closing.exit_preview import floor_beside, guaranteed_floor
from trading.closing.exit_prices import LeastPrices, Quoted
from trading.closing.waiting import TOO_FEW
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.orders import finality, inflight, sell_ladder
from trading.execution.orders.sell_ladder import Sale
from trading.execution.phases import selling
from trading.execution.phases.selling import Holding
from trading.execution.sizing import baskets
from trading.leases import Lease
from trading.models import CloseType, ExitRequest, Leg, Order, Position, PositionStatus
from trading.safety import protections

SOLD: Final = "everything is sold"
EXIT_PATIENCE: Final = timedelta(minutes=3)
"""How long an exit waits for bids, on live books, before what is left becomes an explicit residual (see ``_leaves_alone``)."""


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
    """Cancel what rests, sell what is requested; flat, open with what is kept, or an explicit residual when nobody bids for long enough."""
    request = selling.open_request(position)
    if (left := selling.still_open(position)) is not None:
        return selling.waits(position, left)
    open_sales = finality.open_sales(position)
    legs = inflight.legs_of(position)
    wanted = exit_counts.to_sell(request.counts if request is not None else [], legs)
    if not any(leg.held for leg in legs):
        return _flat(position, lease, request)
    if request is not None and not wanted:
        return _kept(position, lease, request, legs)
    if request is None:
        return _give_up(position, lease, None, Refusal(DenialCode.REQUEST_WITHDRAWN))
    try:
        live = selling.books(position, [leg for leg, _ in wanted], request)
    except Denied as denied:
        states.schedule(position, position.next_step_at, deadline_at=None)
        return selling.stuck(position, denied.refusal)
    if (pause := selling.must_pause(position, live)) is not None:
        return selling.waits(position, pause)
    refusal = selling.exchange_shut(position) or _sell_some(position, lease, request, legs, wanted, live, open_sales)
    if refusal is None:
        after = selling.next_rung(position)
        if not isinstance(after, Refusal):
            return not exit_counts.to_sell(request.counts, after)
        refusal = after
    is_over = refusal.code is DenialCode.MARKET_CLOSED
    if is_over or (refusal.code in TOO_FEW and _is_patience_over(position) and not _leaves_alone(position, request)):
        return _give_up(position, lease, request, refusal)
    if refusal.code not in (*TOO_FEW, DenialCode.ORDER_UNSETTLED):  # which is part of a try, no other reason
        states.schedule(position, position.next_step_at, deadline_at=None)
    return selling.stuck(position, refusal)


def _is_patience_over(position: Position) -> bool:
    """Whether bids were too few for long enough. The time counts from the first live book without them, again after every wait
    for the feed, for a pause or for a halt."""
    now = clock.now()
    if position.deadline_at is None:
        states.schedule(position, position.next_step_at, deadline_at=now + EXIT_PATIENCE)
        return False
    return now >= position.deadline_at


def _leaves_alone(position: Position, request: ExitRequest) -> bool:
    """Whether the exit has sold legs and not those that it belongs with: it waits for bids, however long, until these are sold too, their
    markets settle or it is withdrawn. Whoever requested it, and of a coverage too: what is left is no more what somebody chose to hold."""
    legs, target = list(position.legs.all()), position.target_count
    matched = baskets.matched(legs, target)
    meant = exit_counts.meant_alone(request.counts, legs, target) if request.counts else {}
    return any(baskets.excess(leg, matched, target) > meant.get(leg.pk, 0) for leg in legs)


def _sell_some(
    position: Position,
    lease: Lease,
    request: ExitRequest,
    legs: list[Leg],
    wanted: list[Holding],
    live: LiveBooks,
    open_sales: list[Order],
) -> Refusal | None:
    """One try. None when an order was sent, else why not."""
    accepted = exit_prices.loaded(request.least_prices)
    least: LeastPrices = {**exit_preview.of_fills_since(legs, accepted), **accepted}
    whole = bool(guaranteed_floor(position, legs)) and not request.below_floor
    if whole and (position.quoting or _has_ended(legs)):
        least = _not_below_floor(position, legs, least, live)
    now, refusal = selling.ready(position, wanted, live, open_sales)
    if whole and refusal is not None:
        return refusal
    sales = [Sale(leg, count, least[exit_counts.key(leg)]) for leg, count in now]
    takes = _takes(sales, live)

    def fit(sold: Mapping[int, int]) -> list[Sale]:
        return whole_baskets(position, legs, sales, {**takes, **sold})

    not_sold = selling.sell(
        position,
        lease,
        live,
        fit({}) if whole else sales,
        purpose=Order.Purpose.EXIT,
        reason=request.reason,
        actor=request.actor,
        fit=fit if whole else None,
    )
    if not_sold is None:
        return None
    passes = refusal is not None and refusal.code is not DenialCode.MARKET_CLOSED
    return refusal if refusal is not None and (passes or not sales) else not_sold


def _has_ended(legs: list[Leg]) -> bool:
    """Whether a market of its legs has ended: what is left may be sure of more than when the prices were accepted."""
    settled = {leg.market_id for leg in legs if leg.settled_count}
    return bool(settled or ended_beside.paid_by_sold(legs, settled))


def _not_below_floor(position: Position, legs: list[Leg], least: LeastPrices, live: LiveBooks) -> LeastPrices:
    """``least``, or higher ones where what filled after the request, or what is left when others have settled, would be sold for less than
    it is sure to pay."""
    floor, beside = guaranteed_floor(position, legs), exit_counts.beside(legs, position.target_count)
    if floor_beside(position, legs):
        beside = {}
    whole = [
        Quoted(key, count, least[key])
        for leg in legs
        if (count := leg.held - beside.get(key := exit_counts.key(leg), 0))
    ]
    if exit_prices.worth(whole, least, live.fees) >= floor:
        return least
    return {**least, **exit_prices.for_total(whole, floor, live.fees)}


def _takes(sales: list[Sale], live: LiveBooks) -> dict[int, int]:
    """How much of each leg (by its id) the bids take at its least price."""
    return {
        sale.leg.pk: sell_ladder.sellable(selling.sale_bids(live, sale.leg), sale.count, sale.least)[0]
        for sale in sales
    }


def whole_baskets(position: Position, legs: list[Leg], sales: list[Sale], takes: Mapping[int, int]) -> list[Sale]:
    """What may be sold of a guaranteed basket: of every leg as much as the same number of whole baskets holds, so that what is left
    is guaranteed too. What is beyond the whole baskets goes first: where it pays for itself, the same share of each leg. The leg with the
    fewest bids first. ``takes``: how much of each leg (by its id) is bought, or has been bought already."""
    target, matched = position.target_count, baskets.matched(legs, position.target_count)
    shares = _shares_beside(position, legs, takes)
    if shares is not None:
        return [Sale(sale.leg, count, sale.least) for sale in sales if (count := shares.get(sale.leg.pk, 0)) > 0]
    sold = min((_most_sold(leg, takes.get(leg.pk, 0), matched, target) for leg in legs), default=0)
    left = matched - max(0, sold)
    found = [
        Sale(sale.leg, count, sale.least)
        for sale in sales
        if (count := min(takes[sale.leg.pk], baskets.excess(sale.leg, left, target))) > 0
    ]
    return sorted(found, key=lambda sale: (takes[sale.leg.pk] - sale.count, sale.leg.sequence))


def _shares_beside(position: Position, legs: list[Leg], takes: Mapping[int, int]) -> dict[int, int] | None:
    """Of what each leg (by its id) holds beyond the whole baskets the same share, as far as the bids take it. None where all of it can be
    sold, or where it is not sure to pay anything."""
    beside = exit_counts.beside(legs, position.target_count)
    extra = {leg.pk: beside[exit_counts.key(leg)] for leg in legs if beside[exit_counts.key(leg)]}
    if all(takes.get(pk, 0) >= count for pk, count in extra.items()) or not floor_beside(position, legs):
        return None
    step = CONTRACT if all(count % CONTRACT == 0 for count in extra.values()) else 1
    sold, of = min(((takes.get(pk, 0), count) for pk, count in extra.items()), key=lambda one: Fraction(*one))
    return {pk: count * sold // of // step * step for pk, count in extra.items()}


def _most_sold(leg: Leg, takes: int, matched: int, target: int) -> int:
    """Whole baskets that may be sold if the leg's bids take ``takes``."""
    spare = baskets.excess(leg, matched, target)
    low, high = 0, matched
    while low < high:
        middle = (low + high + 1) // 2
        if baskets.excess(leg, matched - middle, target) <= max(takes, spare):
            low = middle
        else:
            high = middle - 1
    return low


def _flat(position: Position, lease: Lease, request: ExitRequest | None) -> bool:
    with transaction.atomic():
        _answer(position, request, ExitRequest.Outcome.FLAT, SOLD)
        states.transition(
            position,
            PositionStatus.CLOSED,
            reason=SOLD,
            lease=lease,
            close_type=CloseType.EXITED,
        )
    protections.after_end(position)
    return False


def _kept(position: Position, lease: Lease, request: ExitRequest, legs: list[Leg]) -> bool:
    """The part that was requested is sold; the rest goes on as an open position."""
    with transaction.atomic():
        _answer(position, request, ExitRequest.Outcome.PART, f"sold in part; {_holds(legs)} kept")
        states.transition(
            position,
            PositionStatus.OPEN,
            reason=f"sold in part; {_holds(legs)} kept",
            lease=lease,
            next_step_at=None,
            deadline_at=None,
            **_alone(position, legs, _kept_on_request(position, request, legs)),
        )
    return False


def _alone(position: Position, legs: list[Leg], why: Refusal | None) -> dict[str, Any]:
    """The residual of legs without their basket: ``why``, or none where nobody meant it, so that they are dealt with."""
    matched = baskets.matched(legs, position.target_count)
    alone = any(baskets.excess(leg, matched, position.target_count) for leg in legs)
    if why is None or not alone:
        return {"residual": "", "residual_code": ""}
    return {"residual": str(why)[:300], "residual_code": why.code}


def _kept_on_request(position: Position, request: ExitRequest | None, legs: list[Leg]) -> Refusal | None:
    """Why legs are held without their basket, if a person wanted it so; None where all of that is somebody else's doing."""
    rows = request.counts if request is not None else []
    meant = exit_counts.meant_alone(rows, legs, position.target_count)
    if not meant:
        return None
    matched = baskets.matched(legs, position.target_count)
    alone = {leg: baskets.excess(leg, matched, position.target_count) for leg in legs}
    is_more = any(count > meant.get(leg.pk, 0) for leg, count in alone.items())
    names = ", ".join(str(leg) for leg, count in alone.items() if count)
    return Refusal(DenialCode.BASKET_BROKEN if is_more else DenialCode.KEPT_ON_REQUEST, names)


def _holds(legs: list[Leg]) -> str:
    return ", ".join(f"{leg.held / 100:g} {leg.side} {leg.market_id}" for leg in legs if leg.held)


def _give_up(position: Position, lease: Lease, request: ExitRequest | None, refusal: Refusal) -> bool:
    legs = list(position.legs.all())
    left = _holds(legs)
    residual: dict[str, Any] = {"residual": str(refusal)[:300], "residual_code": refusal.code}
    if refusal.code is DenialCode.REQUEST_WITHDRAWN or (request is not None and request.counts):
        residual = _alone(position, legs, _kept_on_request(position, request, legs) or refusal)
    with transaction.atomic():
        _answer(position, request, ExitRequest.Outcome.RESIDUAL, f"residual: {left} ({refusal})")
        states.transition(
            position,
            PositionStatus.OPEN,
            reason=f"exit ended with a residual: {left}; {refusal}",
            lease=lease,
            next_step_at=None,
            deadline_at=None,
            **residual,
        )
    return False


def _answer(position: Position, request: ExitRequest | None, outcome: ExitRequest.Outcome, result: str) -> None:
    """End the request. The position's row is locked before it, as by whoever requests or withdraws an exit meanwhile."""
    if request is not None:
        Position.objects.select_for_update().get(pk=position.pk)
        ExitRequest.objects.filter(pk=request.pk, status=ExitRequest.Status.OPEN).update(
            status=ExitRequest.Status.DONE, outcome=outcome, result=result[:300], ended_at=clock.now()
        )
