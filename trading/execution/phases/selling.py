"""What an unwind and an exit share: one try to sell, and what follows from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from kalbot.common import clock
from trading import live_books, states
from trading.denials import FEED_OUTAGES, DenialCode, Denied, Refusal
from trading.execution.orders import inflight, sell_ladder
from trading.models import OPEN_ORDERS, ExitRequest, Leg, Order, OrderStatus, Position
from trading.safety import protections
from trading.states import Lease

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 60.0
"""Seconds between tries."""


def try_to_sell(
    position: Position,
    lease: Lease,
    wanted: list[tuple[Leg, int]],
    purpose: str,
    reason: str,
    *,
    budget: int | None = None,
    least: int = 1,
    actor: str = "kalbot",
) -> Refusal | None:
    """One rung of the sell ladder for every leg of ``wanted`` (leg, count). None when an order was sent, else why not.

    ``budget`` caps the loss of all sales together (micro-dollars); None caps by ``least`` (1/10,000 dollar) only.
    """
    try:
        live = live_books.read(position.event)
        unusable = live.unusable({leg.market_id for leg, _ in wanted}, position.profile.max_price_age_ms)
        if unusable in FEED_OUTAGES:
            return Refusal(unusable)
        wanted = [one for one in wanted if is_open(one[0], live)]
        if not wanted:
            return Refusal(DenialCode.MARKET_CLOSED)
        left = budget

        def cap(leg: Leg, count: int) -> int:
            nonlocal left
            if left is None:
                return least
            bids = live.bids(leg.market_id, leg.side)
            found = sell_ladder.cap_of_loss(bids, leg, count, left, live.fees)
            left -= max(0, sell_ladder.loss_at(bids, leg, count, found, live.fees))
            return found

        sent = sell_ladder.sell(lease, position, live, wanted, purpose=purpose, cap=cap, actor=actor, reason=reason)
    except Denied as denied:
        return denied.refusal
    if sent:
        return None
    limit = f"no bid at {least / 10_000:.4f} or better" if budget is None else "no bid within the leg-risk budget"
    return Refusal(DenialCode.NO_BID, limit)


def is_open(leg: Leg, live: live_books.LiveBooks) -> bool:
    """Whether the leg's market takes orders, by the catalogue's row and by the stream."""
    market = live.prices.markets.get(leg.market_id)
    return leg.market.status == "active" and (market is None or market.status in ("active", ""))


def open_request(position: Position) -> ExitRequest | None:
    """The position's open exit request."""
    return ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()


def all_ended(position: Position) -> bool:
    """Cancel what rests, resolve what is unknown, book what filled. True when no order is left open."""
    orders = inflight.orders_of(position)
    inflight.advance_all(orders, wanted=lambda order: order.action == Order.Action.SELL, cancel=True)
    inflight.collect_all(orders)
    return not any(order.status in OPEN_ORDERS for order in orders)


def next_rung(position: Position) -> list[Leg]:
    """Book what the last try sold and schedule the next one. The legs as they are then."""
    inflight.collect_all([o for o in inflight.orders_of(position) if o.status == OrderStatus.BOOKING])
    pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** max(0, position.attempts - len(sell_ladder.RUNGS)))
    at = clock.now() + timedelta(seconds=pause)
    states.schedule(position, at, attempts=position.attempts + 1, residual="", residual_code="")
    return list(position.legs.all())


def has_rungs_left(position: Position) -> bool:
    """Whether the next try follows at once; after the last rung each try waits longer than the one before."""
    return position.attempts <= len(sell_ladder.RUNGS)


def stuck(position: Position, refusal: Refusal) -> bool:
    """Nothing can be sold now: record why, lock the profile, and schedule the next try. False, the result of a phase that
    waits."""
    text = str(refusal)[:300]
    if (position.residual_code, position.residual) != (refusal.code, text):
        states.note(position, f"contracts are left: {text}")
        if not refusal.code.is_feed_outage:
            protections.after_residual(position, text)
    pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(position.attempts, 10))
    at = clock.now() + timedelta(seconds=pause)
    states.schedule(position, at, attempts=position.attempts + 1, residual=text, residual_code=refusal.code)
    return False
