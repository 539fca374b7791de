"""Quoting: legs rest in the book, are repriced as the books move, and are withdrawn for whatever forbids a new basket.

What fills of one quoted leg or of several is hedged at once (``complete``), and the quotes rest again afterwards. Where every leg rests and
none is taken, they fill in any order, inside the position's limit for orphans, until the time for quoting is over.

Each phase does what can be done now and returns True when the step should go on at once with the position's new state,
False when it has to wait (``next_step_at`` says until when).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from kalbot.common import clock
from strategies.models import Kind, Mode, Profile
from strategies.quoting.offer import Way
from trading import states
from trading.books import live_books, others_books
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.orders import finality, inflight, quote, record
from trading.execution.orders.batch import Wanted
from trading.execution.phases import opening, passing, quote_rows
from trading.execution.phases.quote_rows import QuoteRows
from trading.execution.sizing import baskets, quotes
from trading.execution.sizing.quotes import Rests
from trading.leases import Lease
from trading.limits import risk
from trading.limits.facts import Facts
from trading.limits.intent import Intent
from trading.models import OPEN_ORDERS, CloseType, Leg, Order, OrderStatus, Position, PositionStatus
from trading.reconciliation import reconcile
from trading.venues import connection, groups

STEP: Final = timedelta(seconds=1)
REFUSED_PAUSE: Final = timedelta(seconds=3)
LONGEST_PAUSE: Final = quote_rows.REFUSED
"""So long a leg is left alone after a refused quote, and twice as long after each further one, so that a book that is not the exchange's
neither uses up the profile's orders a minute nor write tokens."""
WAITED_OUT: Final = passing.CODES | {
    DenialCode.REDUCING,
    DenialCode.LOCKED,
    DenialCode.DISCREPANCY,
    DenialCode.CLOCK_SKEW,
    DenialCode.BLACKOUT,
    DenialCode.PAUSE_SOON,
    DenialCode.HOURS_UNKNOWN,
    DenialCode.ORDERS_PER_MINUTE,
    DenialCode.DAILY_LOSS,
    DenialCode.DRAWDOWN,
    DenialCode.ORPHAN_BUDGET,
    DenialCode.SHARD_CASH,
    DenialCode.NO_ORDER_GROUP,
    DenialCode.MARGIN_GONE,
    DenialCode.DEPTH,
    DenialCode.PRICE_NO_SIDE,
    DenialCode.OWN_ORDER,
}
"""While one of these holds, a basket that has filled in part rests nothing and waits; whatever else is found ends its quoting."""


def quoting(position: Position, lease: Lease) -> bool:
    """Hedge what filled, withdraw what may not rest, and rest what may."""
    rows = quote_rows.read(position)
    every = rows.orders
    unproved = [order for order in every if inflight.is_refused_in_batch(order)]
    is_known = inflight.find_refused(unproved)
    orders = [order for order in every if order.status in OPEN_ORDERS]
    ended = quote.ended_lately(every)
    if inflight.reread(ended):
        return True
    due = quote.due(orders)
    quote.refresh(due)
    if unproved or ended or due:  # the exchange was read, which takes a while and may have changed what was read
        rows = replace(quote_rows.read(position), orders=every)
    is_clear = is_known and all(order.status == OrderStatus.RESTING for order in orders if order.status in OPEN_ORDERS)
    legs = rows.legs
    if Way(position.quoting).takes and quotes.is_worth_a_hedge(position, legs):
        return _hedge(position, lease, legs, orders)
    found = _may_rest(position, rows)
    if isinstance(found, Refusal):
        return _stop(position, lease, orders, found)
    if not is_clear:
        return inflight.wait(position)
    rests, facts = found
    if not rests.bids:
        return _stop(position, lease, orders, Refusal(DenialCode.QUOTE_ENDED, "every basket has filled"))
    moving = [*_seconds(orders), *(order for order in orders if _must_move(order, rests))]
    if moving:
        return quote.withdraw(moving) or inflight.wait(position, 0.5)
    _set_limits(lease, legs, rests.limits)
    refused = _rest(position, lease, legs, every, rests, facts)
    if refused is not None:
        return _stop(position, lease, orders, refused)
    states.schedule(position, clock.now() + STEP, residual="", residual_code="")
    return False


def _hedge(position: Position, lease: Lease, legs: list[Leg], orders: list[Order]) -> bool:
    """The quoted leg filled: withdraw what is left of it and buy the others for exactly what filled."""
    if not quote.withdraw(orders):
        return inflight.wait(position, 0.5)
    legs = inflight.legs_of(position)
    with suppress(Denied):  # where no fees are known now, the limits of the last quote hold
        _set_limits(lease, legs, quotes.hedge_limits(position, legs, live_books.read_beside(position)))
    return opening.to_completing(position, lease, baskets.matched(legs, position.target_count), "a quote filled")


def _may_rest(position: Position, rows: QuoteRows) -> tuple[Rests, Facts] | Refusal:
    """What may rest now, or why nothing may: every limit of a new basket holds for a quote as long as it rests."""
    profile, decision, legs, request = position.profile, position.decision, rows.legs, rows.request
    if position.quote_withdrawn:
        return Refusal(DenialCode.QUOTE_WITHDRAWN, position.quote_withdrawn)
    if request is not None:
        return Refusal(DenialCode.QUOTE_WITHDRAWN, f"{request.actor}: {request.reason}")
    if profile.quoting == Profile.Quoting.NONE:
        return Refusal(DenialCode.QUOTE_ENDED, "the profile quotes no more")
    if position.kind == Kind.FAMILY and not profile.quote_families:
        return Refusal(DenialCode.QUOTE_ENDED, "the profile quotes no family any more")
    if position.quoting != profile.quoting and position.kind != Kind.FAMILY:
        return Refusal(
            DenialCode.QUOTE_ENDED, f"the profile quotes in another way now: {profile.get_quoting_display()}"
        )
    side = quotes.SIDE_OF.get(Kind(position.kind))
    if side is not None and profile.quote_sides not in (side.value, Profile.QuoteSides.BOTH):
        return Refusal(DenialCode.QUOTE_ENDED, f"the profile does not quote {side.value.upper()} any more")
    if not profile.is_active:
        return Refusal(DenialCode.INACTIVE_PROFILE, profile.name)
    until_ms = _until_ms(position, legs)
    if clock.now_ms() >= until_ms:
        stop, until = profile.quote_stop_seconds, clock.from_ms(until_ms)
        words = f"at {until:%Y-%m-%d %H:%M:%S} UTC, {stop} s before the event ends"
        return Refusal(DenialCode.QUOTE_ENDED, words)
    if rows.stopped is not None:
        return rows.stopped
    if position.mode == Mode.LIVE:
        if not rows.is_reconciled and not reconcile.ensure_reconciled():
            return Refusal(DenialCode.NOT_RECONCILED)
        connection.measure_clock()
    try:
        basket = Intent(profile, decision, 0, {(leg.market_id, leg.side): 0 for leg in legs}, position)
        facts = basket.read_with_facts()
        live = live_books.read(position.event, is_changed=basket.fees_changed)
        worst = {(leg.market_id, leg.side): leg.open_cost for leg in legs}
        at_work = position.cost - position.returned + position.reserved
        found = risk.limits(basket.priced(at_work, worst, orders=0), facts)
        risk.market(basket, live)
    except Denied as denied:
        return denied.refusal
    rests = quotes.wanted(position, legs, rows.orders, live, rows.beside)
    if isinstance(rests, Refusal):
        return rests
    for leg in legs:
        price, count = rests.bids.get(leg.pk, (0, 0))
        if leg.open_cost + price * count > profile.max_per_leg:
            return Refusal(DenialCode.MAX_PER_LEG, str(leg))
    return rests, found


def _until_ms(position: Position, legs: Sequence[Leg]) -> int:
    """When nothing may rest any more: what the decision says, or earlier where a market closes earlier by now."""
    stop = timedelta(seconds=position.profile.quote_stop_seconds)
    closes = [leg.market.close_time for leg in legs if leg.market.close_time is not None]
    ends = [int((at - stop).timestamp() * 1000) for at in closes]
    return min([int(position.decision.quote["until_ms"]), *ends])


def _must_move(order: Order, rests: Rests) -> bool:
    """Whether a resting order is withdrawn: for another price, for less, or for at least twice as much."""
    if order.status != OrderStatus.RESTING:
        return False
    price, count = rests.bids.get(order.leg_id, (0, 0))
    left = others_books.left_of(order)
    return order.price != price or left > count or 2 * left <= count


def _seconds(orders: Sequence[Order]) -> list[Order]:
    """Orders beside another one of their leg: an answer that was wrong had ended the first."""
    resting = {order.pk: order.leg_id for order in orders if order.status == OrderStatus.RESTING}
    first = {leg: pk for pk, leg in reversed(resting.items())}
    return [order for order in orders if order.pk in resting and first[order.leg_id] != order.pk]


def _rest(
    position: Position, lease: Lease, legs: Sequence[Leg], orders: list[Order], rests: Rests, facts: Facts
) -> Refusal | None:
    """Prolong what rests and place what does not, as far as the profile's orders a minute go. A leg whose quote was refused (it would have
    crossed a book that had moved) is left alone for a while. Refusal: of several quotes nothing bounds what may fill together."""
    occupied = _refused_lately(orders)
    kept = quotes.tokens_kept(position.profile, Way(position.quoting), len(legs))
    for order in orders:
        if order.status == OrderStatus.RESTING:
            quote.prolong(order, lease, kept)
            occupied.add(order.leg_id)
    free = [leg for leg in legs if leg.pk in rests.bids and leg.pk not in occupied]
    wanted = [Wanted(leg, *rests.bids[leg.pk]) for leg in free if finality.unsettled(position, [leg], orders) is None]
    if wanted and facts.sent + len(wanted) <= facts.profile.max_orders_per_minute:
        rests_already = any(order.status == OrderStatus.RESTING for order in orders)
        if position.quoting == Way.SEVERAL and not rests_already:
            record.no_transaction()
            refusal = groups.ready(position, kept)
            if refusal is not None:
                return None if refusal.code is DenialCode.RATE_LIMIT else refusal
        quote.place(lease, position, wanted, kept)
    return None


def _refused_lately(orders: Iterable[Order]) -> set[int]:
    """Legs whose last quotes, the oldest of ``orders`` first, were refused so lately that they are left alone."""
    pauses: dict[int, timedelta] = {}
    until: dict[int, datetime] = {}
    for order in orders:
        if order.status != OrderStatus.REJECTED:
            pauses.pop(order.leg_id, None)
        elif order.ended_at is not None:
            pause = pauses[order.leg_id] = min(LONGEST_PAUSE, 2 * pauses.get(order.leg_id, REFUSED_PAUSE / 2))
            until[order.leg_id] = order.ended_at + pause
    now = clock.now()
    return {leg for leg, at in until.items() if at > now}


def _set_limits(lease: Lease, legs: Sequence[Leg], limits: dict[int, int]) -> None:
    """Store at how much each leg may be bought, where that has changed."""
    changed = [(leg, limits[leg.pk]) for leg in legs if limits.get(leg.pk, leg.limit_price) != leg.limit_price]
    if not changed:
        return
    with transaction.atomic():
        lease.renew()
        for leg, price in changed:
            Leg.objects.filter(pk=leg.pk).update(limit_price=price)
            leg.limit_price = price


def _stop(position: Position, lease: Lease, orders: list[Order], refusal: Refusal) -> bool:
    """Withdraw everything; then wait where that may help, else end with what is held."""
    if not quote.withdraw(orders):
        return inflight.wait(position, 0.5)
    legs = inflight.legs_of(position)
    if Way(position.quoting).takes and quotes.is_worth_a_hedge(position, legs):
        return True
    holds, is_whole = any(leg.held for leg in legs), opening.is_balanced(position, legs)
    if holds and not is_whole and refusal.code in WAITED_OUT:
        return _wait_out(position, refusal)
    every = inflight.orders_of(position)
    if not inflight.find_refused(every) or any(order.status in OPEN_ORDERS for order in every):
        return inflight.wait(position)
    read = inflight.reread(every)
    if read is not False:
        return read or inflight.wait(position)
    if not holds:
        states.transition(
            position,
            PositionStatus.ABORTED,
            reason=f"nothing was bought: {refusal}",
            lease=lease,
            close_type=CloseType.NOT_BOUGHT,
            close_code=refusal.code,
            orphan_limit=0,
        )
    elif is_whole:
        count = baskets.matched(legs, position.target_count)
        opening.open_with(position, lease, count, f"quoting ended: {refusal}", orphan_limit=0)
    else:
        opening.to_unwinding(position, lease, refusal, "quoting ended")
    return True


def _wait_out(position: Position, refusal: Refusal) -> bool:
    """Rest nothing, visibly, until what forbids it has passed or the time for quoting is over."""
    text = str(refusal)[:300]
    if position.residual_code != refusal.code:
        states.note(position, f"nothing rests: {text}")
    states.schedule(position, clock.now() + STEP, residual=text, residual_code=refusal.code)
    return False
