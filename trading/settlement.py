"""What the held contracts paid, booked when it is final and not before.

*Final* means: the market is finalized with a settlement value. For live positions the exchange's own settlement record
must exist too, and it says what was credited. ``determined`` can still be disputed and amended and is not final. YES pays the
settlement value, NO the rest of the dollar; a scalar payout is cut to whole cents, as the exchange does. An amendment
after booking reverses the old booking by entries and adds the new one; nothing is ever edited.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F

from kalbot.common import clock
from kalbot.common.batches import batched
from kalbot.common.errors import KalbotError
from kalbot.common.units import CENT, CONTRACT, DOLLAR
from markets.kalshi.errors import KalshiError
from markets.models import Market
from strategies.models import Mode
from trading import booking, ledger, states
from trading.models import (
    ACTIVE,
    OPEN_ORDERS,
    Account,
    CloseType,
    Leg,
    OrderStatus,
    Position,
    PositionStatus,
    Settlement,
)
from trading.safety import protections
from trading.venues import connection

CHUNK: Final = 100
LISTING_MARGIN: Final = timedelta(hours=1)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FinalResult:
    """A final result. ``value_e6``: what one YES contract paid, micro-dollars."""

    result: str
    value_e6: int


def run(mode: str | None = None) -> int:
    """Book every settlement that has become final. Returns how many legs were settled."""
    held = Leg.objects.filter(position__status__in=ACTIVE, bought_count__gt=F("sold_count") + F("settled_count"))
    if mode is not None:
        held = held.filter(position__mode=mode)
    legs = list(held.select_related("market", "position", "position__profile"))
    finals = known_finals({leg.market_id for leg in legs}) if legs else {}
    credited = _credited([leg for leg in legs if leg.position.mode == Mode.LIVE and leg.market_id in finals])
    count = 0
    for leg in legs:
        final = finals.get(leg.market_id)
        if final is None:
            continue
        if leg.position.mode == Mode.LIVE and (leg.market_id, leg.position.profile.subaccount or 0) not in credited:
            continue
        count += settle_leg(leg.pk, final)
    amend(mode)
    return count


def known_finals(tickers: Iterable[str]) -> dict[str, FinalResult]:
    """The final results of these markets: from the catalogue's rows, and from the exchange for markets past their close."""
    rows = Market.objects.filter(ticker__in=list(tickers))
    finals, overdue, now = {}, [], clock.now()
    for row in rows:
        if row.status == "finalized" and row.settlement_value_e6 is not None:
            finals[row.ticker] = FinalResult(row.result, row.settlement_value_e6)
        elif row.status != "active" or (row.close_time is not None and row.close_time <= now):
            overdue.append(row.ticker)
    for batch in batched(overdue, CHUNK):
        finals |= _fetched(batch)
    return finals


def _fetched(tickers: Sequence[str]) -> dict[str, FinalResult]:
    try:
        pages = connection.public().catalogue.markets(tickers=tickers)
        found = [market for page in pages for market in page.markets]
    except (KalshiError, KalbotError) as error:
        log.warning("results cannot be read: %s", error)
        return {}
    return {
        m.ticker: FinalResult(str(m.result), m.settlement_value * 100)
        for m in found
        if m.status == "finalized" and m.settlement_value is not None
    }


def _credited(legs: list[Leg]) -> set[tuple[str, int]]:
    """(ticker, subaccount) whose settlement record the exchange lists."""
    if not legs:
        return set()
    since = int((min(leg.position.created_at for leg in legs) - LISTING_MARGIN).timestamp())
    found = set()
    for subaccount in {leg.position.profile.subaccount for leg in legs}:
        try:
            listed = connection.client().portfolio.settlements(min_ts=since, subaccount=subaccount)
            found |= {(record.ticker, subaccount or 0) for record in listed}
        except (KalshiError, KalbotError) as error:
            log.warning("settlements cannot be read: %s", error)
    return found


def settle_leg(leg_id: int, final: FinalResult) -> bool:
    """Book a leg's payout. False when it is booked already or nothing is held."""
    with transaction.atomic():
        leg = Leg.objects.select_related("position", "position__profile").get(pk=leg_id)
        position = Position.objects.select_for_update().get(pk=leg.position_id)
        leg = Leg.objects.get(pk=leg_id)
        if not leg.held or Settlement.objects.filter(leg=leg, reversed_at=None).exists():
            return False
        paid = payout(leg.side, leg.held, final)
        cost, fees = leg.open_cost, leg.open_fees
        version = Settlement.objects.filter(leg=leg).count() + 1
        booked = Settlement.objects.create(
            leg=leg,
            mode=position.mode,
            version=version,
            result=final.result,
            value_e6=final.value_e6,
            count=leg.held,
            payout=paid,
            cost=cost,
            fees=fees,
        )
        _post(booked, position, leg, "settlement", 1)
        Leg.objects.filter(pk=leg.pk).update(open_cost=0, open_fees=0)
        booking.recount(position)
        _end(position)
    return True


def payout(side: str, count: int, final: FinalResult) -> int:
    """What ``count`` contracts of ``side`` are credited, micro-dollars. YES pays the value, NO the rest of a dollar."""
    each = final.value_e6 if side == "yes" else DOLLAR - final.value_e6
    paid = each * count // CONTRACT
    return paid if final.result in ("yes", "no") else paid // CENT * CENT


def _post(booked: Settlement, position: Position, leg: Leg, kind: str, sign: int) -> None:
    ledger.post(
        profile=position.profile,
        kind=kind,
        key=f"{kind}:{leg.pk}:{booked.version}",
        entries=[
            (Account.CASH, sign * booked.payout),
            (Account.POSITION_COST, -sign * (booked.cost - booked.fees)),
            (Account.FEES, -sign * booked.fees),
            (Account.REALISED, sign * (booked.cost - booked.payout)),
        ],
        position=position,
        memo=f"{leg.market_id} {booked.result} at {booked.value_e6}",
    )
    Leg.objects.filter(pk=leg.pk).update(
        settled_count=F("settled_count") + sign * booked.count, payout=F("payout") + sign * booked.payout
    )
    Position.objects.filter(pk=position.pk).update(
        payout=F("payout") + sign * booked.payout, realised=F("realised") + sign * (booked.payout - booked.cost)
    )


def _end(position: Position) -> None:
    position.refresh_from_db()
    states.note(position, "a leg was settled")
    if position.status not in ACTIVE or any(leg.held for leg in position.legs.all()):
        return
    open_orders = position.orders.filter(status__in=set(OPEN_ORDERS) - {OrderStatus.NEW})
    if open_orders.exists() or position.status == PositionStatus.PENDING:
        return
    states.transition(position, PositionStatus.SETTLED, reason="every leg was settled", close_type=CloseType.SETTLED)
    protections.after_end(position)


def amend(mode: str | None = None) -> int:
    """Reverse and rebook settlements whose market now says otherwise. Returns how many."""
    booked = Settlement.objects.filter(reversed_at=None).select_related("leg__market")
    changed = booked.filter(leg__market__status="finalized", leg__market__settlement_value_e6__isnull=False).exclude(
        value_e6=F("leg__market__settlement_value_e6")
    )
    if mode is not None:
        changed = changed.filter(mode=mode)
    found = [(b.pk, FinalResult(b.leg.market.result, b.leg.market.settlement_value_e6 or 0)) for b in changed]
    return sum(rebook(pk, final) for pk, final in found)


def rebook(settlement_id: int, final: FinalResult) -> bool:
    """Take one booking back by entries and book ``final`` instead."""
    with transaction.atomic():
        booked = Settlement.objects.select_related("leg").get(pk=settlement_id)
        position = Position.objects.select_for_update().get(pk=booked.leg.position_id)
        if not Settlement.objects.filter(pk=settlement_id, reversed_at=None).update(reversed_at=clock.now()):
            return False
        leg = booked.leg
        _post(booked, position, leg, "reversal", -1)
        Leg.objects.filter(pk=leg.pk).update(open_cost=booked.cost, open_fees=booked.fees)
        states.note(position, f"{leg.market_id} was amended from {booked.value_e6} to {final.value_e6}")
        return settle_leg(leg.pk, final)
