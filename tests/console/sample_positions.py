"""Sample decisions and positions whose numbers add up: cost = prices x counts + fees, ledger entries sum to zero."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine

from kalbot.common import clock
from markets.models import Certificate, Event
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.grades import Grade
from markets.terms.states import listed_states
from strategies.models import Decision, Profile
from trading import premises
from trading.accounting import ledger, totals
from trading.accounting.booking import book_fill, recount
from trading.accounting.fill_reports import FillReport
from trading.models import (
    Account,
    Fill,
    Leg,
    Order,
    PaperOrder,
    Position,
    PositionEvent,
    Settlement,
)


def decision(profile: Profile, event: Event, *, count: int = 2_500) -> Decision:
    """NO on three outcomes: pays two dollars a basket at least, whatever happens."""
    legs = list(event.markets.order_by("ticker")[2:5])
    prices_ = [10_000 - (market.yes_bid or 0) - 150 for market in legs]
    prices_[0] -= sum(prices_) - 19_700
    fees = 2_100 * count // 100 * 3
    cost = sum(prices_) * count + fees
    floor = 20_000 * count
    names = {market.ticker: market.yes_sub_title for market in event.markets.order_by("ticker")}
    payoff = [
        [f"{name} wins", (2 if any(ticker == leg.ticker for leg in legs) else 3) * 10_000 * count]
        for ticker, name in names.items()
    ]
    certificate, _ = Certificate.objects.get_or_create(
        event=event,
        version=0,
        defaults={
            "status": "void",
            "kind": "exclusive",
            "states": listed_states(list(names), certified=False).to_json(),
            "grade": Grade.IF_DETERMINED.value,
            "reading": CERTIFICATE_VERSION,
        },
    )
    return Decision.objects.create(
        certificate=certificate,
        grade=Grade.IF_DETERMINED.value,
        profile=profile,
        mode=profile.mode,
        event=event,
        kind="all_no",
        count=count,
        cost=cost,
        fees=fees,
        max_cost=cost + 20_000,
        floor=floor,
        conditional=floor,
        expected=floor + 5_000 * count,
        coverage_ppm=1_000_000,
        margin_ppm=(floor - cost) * 1_000_000 // cost,
        guaranteed=floor > cost,
        epoch="epoch-1",
        price_age_ms=42,
        payoff=[*payoff, ["none of them wins", 30_000 * count]],
        legs=[
            {
                "ticker": market.ticker,
                "side": "no",
                "count": count,
                "limit_price": price,
                "price_paid": price,
                "fees": fees // 3,
                "exchange_ms": clock.now_ms(),
                "receive_ms": clock.now_ms(),
                "seq": 7,
            }
            for market, price in zip(legs, prices_, strict=True)
        ],
        probabilities=dict.fromkeys(names, 1 / 6),
        explanation="NO on three outcomes pays at least $2.00 a basket.",
    )


def position(
    profile: Profile,
    event: Event,
    status: str = "open",
    *,
    hours_ago: float = 2,
    ended: float = 0.5,
    count: int = 2_500,
) -> Position:
    """A filled basket with orders, fills, bookings and events; ``status`` open, exiting, settled (``ended`` hours ago) or executing
    (half-filled). Every row has the time of what it records."""
    with time_machine.travel(clock.now() - timedelta(hours=hours_ago), tick=False):
        held = bought(profile, event, count)
    if status == "settled":
        with time_machine.travel(clock.now() - timedelta(hours=ended), tick=False):
            settle(held)
    elif status != "open":
        Position.objects.filter(pk=held.pk).update(status=status)
    held.refresh_from_db()
    return held


def bought(profile: Profile, event: Event, count: int) -> Position:
    """A basket bought now."""
    taken = decision(profile, event, count=count)
    held = Position.objects.create(
        profile=profile,
        mode=profile.mode,
        decision=taken,
        event=event,
        kind=taken.kind,
        target_count=count,
        fees=taken.fees,
        **premises.of(taken, taken.certificate and taken.certificate.states),
        opened_at=clock.now(),
    )
    for place, entry in enumerate(taken.legs):
        buy_leg(held, entry, place)
    happened(held, "", "pending", "decided")
    happened(held, "pending", "executing", "capital reserved")
    happened(held, "executing", "open", "every leg filled")
    Position.objects.filter(pk=held.pk).update(status="open")
    recount(held)
    held.refresh_from_db()
    ledger.ensure_funded(profile)
    booking(
        profile,
        held,
        "fill",
        [(Account.CASH, -held.cost), (Account.POSITION_COST, held.cost - held.fees), (Account.FEES, held.fees)],
    )
    return held


def buy_leg(held: Position, entry: dict[str, Any], place: int) -> None:
    """One leg with its order and two fills."""
    paid = entry["limit_price"] * entry["count"] + entry["fees"]
    leg = Leg.objects.create(
        position=held,
        market_id=entry["ticker"],
        side=entry["side"],
        sequence=place,
        target_count=entry["count"],
        limit_price=entry["limit_price"],
        bought_count=entry["count"],
        bought_cost=paid,
        fees=entry["fees"],
        open_cost=paid,
        open_fees=entry["fees"],
    )
    order = Order.objects.create(
        profile=held.profile,
        mode=held.mode,
        position=held,
        leg=leg,
        action="buy",
        purpose="entry",
        side=entry["side"],
        price=entry["limit_price"],
        count=entry["count"],
        status="done",
        exchange_order_id=f"ex-{held.pk}-{place}",
        filled_count=entry["count"],
        reported_fill_count=entry["count"],
        sent_at=clock.now(),
        ended_at=clock.now(),
        reason="entry of the basket",
    )
    if held.mode == "sim":
        PaperOrder.objects.create(
            order=order,
            profile=held.profile,
            market_id=entry["ticker"],
            side=entry["side"],
            action="buy",
            remaining_count=0,
            filled_count=entry["count"],
            fills=[],
            at=clock.now(),
            is_open=False,
        )
    half = entry["count"] // 2
    for number, part in enumerate((half, entry["count"] - half)):
        Fill.objects.create(
            order=order,
            mode=held.mode,
            trade_id=f"t-{held.pk}-{place}-{number}",
            price=entry["limit_price"],
            count=part,
            fee=entry["fees"] // 2,
            source="websocket",
            exchange_at=clock.now(),
        )


def settle(held: Position) -> None:
    """The floor was paid: cash back, profit realised."""
    payout, gained = held.floor, held.floor - held.cost
    booking(
        held.profile,
        held,
        "settlement",
        [
            (Account.CASH, payout),
            (Account.POSITION_COST, held.fees - held.cost),
            (Account.FEES, -held.fees),
            (Account.REALISED, -gained),
        ],
    )
    for leg in held.legs.all():
        paid = 0 if leg.sequence == 0 else leg.bought_count * 10_000  # the first leg's outcome won
        Leg.objects.filter(pk=leg.pk).update(settled_count=leg.bought_count, payout=paid, open_cost=0, open_fees=0)
    happened(held, "open", "settled", "every market is determined")
    recount(held)
    Position.objects.filter(pk=held.pk).update(
        status="settled",
        payout=payout,
        realised=gained,
        ended_at=clock.now(),
        close_type="settled",
    )
    totals.raise_best(held.profile_id)


def booking(profile: Profile, held: Position, kind: str, entries: list[tuple[str, int]]) -> None:
    """One ledger transaction."""
    from django.db import transaction

    source = (
        {"fill": Fill.objects.filter(order__position=held).last()} if kind == "fill" else {"settlement": paid(held)}
    )
    with transaction.atomic():
        ledger.post(
            profile=profile,
            kind=kind,
            key=f"{kind}:{held.pk}",
            entries=entries,
            position=held,
            memo=f"{kind} of #{held.pk}",
            **source,
        )


def paid(held: Position) -> Settlement:
    """The settlement of each leg: the outcome of the first won, so that NO on it pays nothing. The last stands in the ledger for all."""
    last = None
    for leg in held.legs.order_by("sequence"):
        won = leg.sequence == 0
        last = Settlement.objects.create(
            leg=leg,
            mode=held.mode,
            result="yes" if won else "no",
            value_e6=1_000_000 if won else 0,
            count=leg.bought_count,
            payout=0 if won else leg.bought_count * 10_000,
            cost=leg.bought_cost,
            fees=leg.fees,
        )
    assert last is not None
    return last


def happened(held: Position, before: str, after: str, reason: str) -> None:
    """An event row."""
    PositionEvent.objects.create(position=held, from_status=before, to_status=after, reason=reason)


def sell(held: Position, place: int, count: int, price: int) -> None:
    """Sell of one leg, booked as the exchange would report it; ``price`` in 1/10,000 dollar, ``count`` in 1/100 contract."""
    leg = held.legs.get(sequence=place)
    order = Order.objects.create(
        profile=held.profile,
        mode=held.mode,
        position=held,
        leg=leg,
        action="sell",
        purpose="exit",
        side=leg.side,
        price=price,
        count=count,
        status="booking",
        exchange_order_id=f"ex-{held.pk}-{place}-out",
    )
    book_fill(order.pk, FillReport(f"t-{order.pk}", price, count, 0, True, 0), "rest")
    held.refresh_from_db()
