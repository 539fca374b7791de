"""The rows that a lost basket is made into: decision, position, legs, orders and their fills."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import CONTRACT, DOLLAR, complement
from markets import selectors
from markets.book import Side
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.models import Certificate, Event, Market
from markets.terms.grades import Grade, grade_of
from markets.terms.states import Holding, StateError, StateList, floor_over
from strategies.models import Decision, Kind, Mode, Profile
from trading import premises, states
from trading.accounting import booking
from trading.execution.orders import record
from trading.models import ACTIVE, Leg, LiveEventClaim, Order, OrderStatus, Position, PositionStatus
from trading.reconciliation.lost_baskets import LostBasket, LostOrder
from trading.venues.wire import report_of

LEAST_PRICE: Final = 1
"""Limit of a leg of which no order was found: nothing is bought at it."""
SKEW: Final = timedelta(minutes=1)
"""By which the exchange's clock may be behind ours."""


class CannotAdopt(KalbotError):
    """The basket cannot be made into rows now; the message says why. Nothing was changed."""


def effect(one: LostOrder, fill: ListedFill) -> int:
    """What an execution did to our cash, micro-dollars."""
    report = report_of(fill, one.side)
    worth = report.price * report.count
    return -worth - report.fee if one.action == Order.Action.BUY else worth - report.fee


def existing(basket: LostBasket) -> Position | None:
    """The position that the ids name, if it is still the same one: a restored database gives its numbers away again."""
    found = Position.objects.filter(pk=basket.number, profile=basket.profile, event_id=basket.event).first()
    if found is None or not basket.orders:
        return None
    legs = set(found.legs.values_list("market_id", "side"))
    is_same = {(one.listed.ticker, one.side) for one in basket.orders} <= legs
    return found if is_same and found.created_at <= _created(basket.orders[0]) + SKEW else None


def _created(one: LostOrder) -> datetime:
    return one.listed.created or clock.now()


def new_position(basket: LostBasket, profile: Profile, kind: Kind) -> Position:
    taken = Position.objects.filter(profile=profile, event_id=basket.event, status__in=ACTIVE).first()
    claim = LiveEventClaim.objects.filter(
        event__in=selectors.books_of(Event.objects.get(pk=basket.event)), subaccount=basket.subaccount
    ).first()
    if taken is not None or claim is not None:
        number = taken.pk if taken is not None else claim.position_id if claim is not None else 0
        raise CannotAdopt(f"position #{number} is active in {basket.event}: adopt this one when it has ended")
    targets = _targets(basket, kind)
    decision, certified = _decision(basket, profile, kind, targets)
    position = Position.objects.create(
        profile=profile,
        mode=Mode.LIVE,
        decision=decision,
        event_id=basket.event,
        kind=kind,
        status=PositionStatus.OPEN,
        target_count=decision.count,
        opened_at=max(fill.created or clock.now() for one in basket.orders for fill in one.fills),
        **premises.of(decision, certified),
    )
    Position.objects.filter(pk=position.pk).update(created_at=_created(basket.orders[0]))
    limits = {(one.listed.ticker, one.side): _price(one) for one in basket.orders if one.action == Order.Action.BUY}
    Leg.objects.bulk_create(
        Leg(
            position=position,
            market_id=ticker,
            side=side,
            sequence=number,
            target_count=count,
            limit_price=limits.get((ticker, side), LEAST_PRICE),
        )
        for number, ((ticker, side), count) in enumerate(targets.items())
    )
    states.claim(position, basket.subaccount)
    return position


def _targets(basket: LostBasket, kind: Kind) -> dict[tuple[str, str], int]:
    """(ticker, side) -> the count that makes the basket whole. YES on every outcome needs the same of each, of those too that were never
    ordered; of other kinds what is held is taken for the basket as it is."""
    kept = {leg: count or _bought(basket, leg) for leg, count in basket.held().items()}
    if kind == Kind.ALL_YES:
        most = max(kept.values())
        outcomes = Market.objects.filter(event_id=basket.event).order_by("ticker").values_list("ticker", flat=True)
        return {**dict.fromkeys(kept, most), **{(ticker, "yes"): most for ticker in outcomes}}
    return kept


def _bought(basket: LostBasket, leg: tuple[str, str]) -> int:
    buys = [one for one in basket.orders if one.action == Order.Action.BUY]
    return sum(one.filled for one in buys if (one.listed.ticker, one.side) == leg)


def _decision(
    basket: LostBasket, profile: Profile, kind: Kind, targets: dict[tuple[str, str], int]
) -> tuple[Decision, Any]:
    """The order that a decision of then must have given, and the states that the event's certificate lists today, if any."""
    buys = [one for one in basket.orders if one.action == Order.Action.BUY]
    spent = -sum(effect(one, fill) for one in buys for fill in one.fills)
    fees = sum(fill.fee for one in buys for fill in one.fills)
    certificate, floor = _promise(basket, targets)
    grade = grade_of(floor, spent, 0, Grade(certificate.grade)) if certificate else Grade.CONDITIONAL
    decision = Decision.objects.create(
        profile=profile,
        mode=Mode.LIVE,
        event_id=basket.event,
        kind=kind,
        count=max(targets.values()),
        legs=[
            {"ticker": t, "side": s, "count": count, "limit_price": 0, "price_paid": 0, "fees": 0}
            for (t, s), count in targets.items()
        ],
        cost=spent,
        fees=fees,
        max_cost=spent,
        floor=floor,
        conditional=max(targets.values()) * DOLLAR // CONTRACT,
        expected=floor,
        coverage_ppm=0,
        margin_ppm=0,
        guaranteed=grade is not Grade.CONDITIONAL,
        grade=grade.value,
        certificate=certificate,
        rules_hash=certificate.rules_hash if certificate else "",
        epoch="",
        explanation="Made again from the exchange's listing: the decision itself was lost with the database.",
    )
    Decision.objects.filter(pk=decision.pk).update(created_at=_created(basket.orders[0]))
    return decision, certificate.states if certificate else None


def _promise(basket: LostBasket, targets: dict[tuple[str, str], int]) -> tuple[Certificate | None, int]:
    """The event's granted certificate and the floor that it gives the whole basket; none and 0 where nothing is proven."""
    granted = (
        Certificate.objects.filter(event_id=basket.event, status=Certificate.Status.GRANTED).order_by("-id").first()
    )
    if granted is None:
        return None, 0
    holdings: list[Holding] = [(ticker, Side(side), count) for (ticker, side), count in targets.items()]
    try:
        return granted, floor_over(holdings, [StateList.from_json(granted.states)])
    except StateError:
        return None, 0


def _price(one: LostOrder) -> int:
    """The order's limit in the side of its leg."""
    return one.listed.price if one.listed.outcome_side.value == one.side else complement(one.listed.price)


def book(position: Position, one: LostOrder, actor: str) -> None:
    listed = one.listed
    rests = not listed.status.is_terminal and listed.remaining_count > 0
    order = Order.objects.create(
        id=UUID(listed.client_order_id),
        profile=position.profile,
        mode=Mode.LIVE,
        position=position,
        leg=position.legs.get(market_id=listed.ticker, side=one.side),
        action=one.action,
        purpose=one.purpose,
        side=one.side,
        price=_price(one),
        count=max(listed.initial_count, listed.fill_count),
        time_in_force="good_till_canceled" if rests else "immediate_or_cancel",
        expires_at=listed.expiration,
        status=OrderStatus.RESTING if rests else OrderStatus.BOOKING,
        exchange_order_id=listed.order_id,
        exchange_index=listed.exchange_index or position.event.exchange_index,
        subaccount=position.profile.subaccount,
        reported_fill_count=listed.fill_count,
        attempts=1,
        actor=actor,
        reason="adopted from the exchange's listing",
        sent_at=listed.created,
        moved_at=clock.now(),
    )
    Order.objects.filter(pk=order.pk).update(created_at=_created(one))
    for fill in sorted(one.fills, key=lambda fill: fill.created or clock.now()):
        booking.book_fill(order.pk, report_of(fill, one.side), "rest")
    if not rests:
        order.refresh_from_db()
        record.finish(order)
