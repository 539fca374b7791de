"""What the held contracts paid, booked when it is final and not before.

A leg is settled when its market is final (``finals``), when no order of it is open, and for live positions when the exchange's
own record says what was credited. Contracts and revenue of the record are compared with ours: no more is booked than was
credited, and what differs is named. Contracts that are found later (a fill that came late) are settled as a further version. YES
pays the settlement value, NO the rest of the dollar; a scalar payout is cut to whole cents, as the exchange does. An amendment
after booking reverses the old booking by entries and adds the new one; nothing is ever edited.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, Final

from django.db import transaction
from django.db.models import CharField, F, QuerySet

from kalbot.common import clock
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.db.snapshot import snapshot
from kalbot.common.units import CENT, CONTRACT, DOLLAR, dollars
from strategies.models import Mode
from trading import ended_beside, states
from trading.accounting import accounts, booking, collateral, ledger, totals
from trading.closing import finals, unbooked
from trading.closing.finals import Credit, FinalResult
from trading.models import (
    ACTIVE,
    OPEN_ORDERS,
    Account,
    CloseType,
    Discrepancy,
    Leg,
    Order,
    Position,
    PositionStatus,
    Reconciliation,
    Settlement,
)
from trading.safety import discrepancies, protections

log = logging.getLogger(__name__)
Key = tuple[str, int]
"""(ticker, subaccount)."""


def run(mode: str | None = None, reconciliation: Reconciliation | None = None, vanished: Collection[str] = ()) -> int:
    """Book every settlement that has become final. Returns how many legs were settled.

    ``reconciliation``: the run that differences from the exchange's records are named in. ``vanished``: see ``finals.known_finals``.
    """
    count = sum(_settle(chosen, reconciliation, vanished) for chosen in ([mode] if mode else Mode.values))
    amend(mode)
    for pk in ended_beside.behind(mode):
        booking.follow_ended(pk)
    unbooked.take_back_names()
    for position in _without_contracts(mode):
        _end(position)
    return count


def _settle(mode: str, reconciliation: Reconciliation | None, vanished: Collection[str]) -> int:
    """Settle what is held, whatever the position's status is: contracts are paid by the exchange, not by our words."""
    legs = _HELD.rows(mode=mode)
    results = finals.known_finals({leg.market_id for leg in legs}, vanished) if legs else {}
    ended = [leg for leg in legs if leg.market_id in results]
    waiting = {_key(leg) for leg in ended if _has_open_order(leg)}
    ready = [leg for leg in ended if _key(leg) not in waiting]
    if mode == Mode.SIM or not ready:
        return sum(settle_leg(leg.pk, results[leg.market_id]) for leg in ready)
    since = min(leg.position.created_at for leg in ready)
    credited = finals.credits_since(since, {leg.market_id for leg in ready}, {_key(leg)[1] for leg in ready})
    by_key: dict[Key, list[Leg]] = {}
    for leg in ready:
        by_key.setdefault(_key(leg), []).append(leg)
    count = 0
    for key, group in by_key.items():
        final, credit = results[key[0]], credited.get(key)
        is_late = unbooked.is_late(key, final)
        if credit is not None and (credit.is_recorded or is_late):
            count += _settle_credited(group, final, credit, reconciliation)
        elif is_late or final.at is None:
            unbooked.name(key, group, final, credit, reconciliation)
    return count


def _held() -> QuerySet[Leg]:
    of_mode = Leg.objects.filter(position__mode=Param("mode", CharField()))
    held = of_mode.filter(bought_count__gt=F("sold_count") + F("settled_count"))
    return held.select_related("market", "position", "position__profile").order_by("id")


_HELD: Final = Prepared(_held)


def _key(leg: Leg) -> Key:
    return leg.market_id, leg.position.profile.subaccount or 0


def _has_open_order(leg: Leg) -> bool:
    """Whether the last word on the leg's count has not been said."""
    return Order.objects.filter(leg=leg, status__in=OPEN_ORDERS).exists()


def _settle_credited(legs: list[Leg], final: FinalResult, credit: Credit, reconciliation: Reconciliation | None) -> int:
    """Settle the live legs of one market and subaccount, no more contracts than were credited; name what differs."""
    ticker, subaccount = _key(legs[0])
    with (
        snapshot()
    ):  # another worker may have settled them since they were found: held and settled are read at one moment
        now = Leg.objects.filter(pk__in=[leg.pk for leg in legs]).select_related("position__profile", "market")
        legs = [leg for leg in now if leg.held]
        settled = _settled_before(ticker, subaccount)
    if not legs:
        return 0
    foreign = accounts.foreign(subaccount, ticker)
    ours = sum(leg.held if leg.side == "yes" else -leg.held for leg in legs) + settled
    name = f"{subaccount}:{ticker}"
    if credit.count is None or credit.count == ours + foreign:
        discrepancies.agreed(Discrepancy.Code.SETTLEMENT_COUNT, name, is_known=credit.count is not None)
        kept = [change for leg in legs for change in collateral.changes_at_settlement(leg, final.result)]
        count = sum(settle_leg(leg.pk, final) for leg in legs)
        _compare_revenue(name, legs[0], final, credit, kept, reconciliation)
        return count
    discrepancies.found(
        reconciliation,
        Discrepancy.Code.SETTLEMENT_COUNT,
        name,
        ours=str(ours + foreign),
        theirs=str(credit.count),
        amount=credit.count - ours - foreign,
        profile=legs[0].position.profile,
    )
    left = credit.count - foreign - settled
    count = 0
    for leg in legs:
        part = min(leg.held, max(0, left if leg.side == "yes" else -left))
        if part:
            count += settle_leg(leg.pk, final, part)
            left -= part if leg.side == "yes" else -part
    return count


def _settled_before(ticker: str, subaccount: int) -> int:
    """Signed contracts of this market that are booked as settled already."""
    of = Settlement.objects.filter(leg__market_id=ticker, mode=Mode.LIVE, reversed_at=None)
    rows = of.filter(accounts.of_subaccount(subaccount, "leg__position__profile__")).values_list("leg__side", "count")
    return sum(count if side == "yes" else -count for side, count in rows)


def _compare_revenue(
    name: str,
    leg: Leg,
    final: FinalResult,
    credit: Credit,
    changes: Collection[range],
    reconciliation: Reconciliation | None,
) -> None:
    """The exchange's own sum against what these contracts pay by the result that we read. With collateral return it may show that sum
    with what it took back or credited at that moment (``changes``): which of the two is not documented, and the cash is compared anyway."""
    if credit.count is None or credit.revenue is None:
        return
    expected = payout("yes" if credit.count > 0 else "no", abs(credit.count), final)
    if credit.revenue == expected or any(credit.revenue - expected in change for change in changes):
        discrepancies.agreed(Discrepancy.Code.SETTLEMENT_REVENUE, name)
        return
    discrepancies.found(
        reconciliation,
        Discrepancy.Code.SETTLEMENT_REVENUE,
        name,
        ours=dollars(expected),
        theirs=dollars(credit.revenue),
        amount=credit.revenue - expected,
        profile=leg.position.profile,
    )


def settle_leg(leg_id: int, final: FinalResult, count: int | None = None) -> bool:
    """Book the payout of ``count`` (1/100 contract) of a leg, by default of all that it holds. False when nothing is held."""
    with transaction.atomic():
        leg = Leg.objects.select_related("position", "position__profile").get(pk=leg_id)
        position = Position.objects.select_for_update().get(pk=leg.position_id)
        leg = Leg.objects.get(pk=leg_id)
        part = leg.held if count is None else min(count, leg.held)
        if not part or _has_open_order(leg):
            return False
        cost, fees = booking.cost_share(leg, part)
        booked = Settlement.objects.create(
            leg=leg,
            mode=position.mode,
            version=Settlement.objects.filter(leg=leg).count() + 1,
            result=final.result,
            value_e6=final.value_e6,
            count=part,
            payout=payout(leg.side, part, final),
            cost=cost,
            fees=fees,
        )
        _post(booked, position, leg, "settlement", 1)
        Leg.objects.filter(pk=leg.pk).update(open_cost=F("open_cost") - cost, open_fees=F("open_fees") - fees)
        booking.recount(position, booked.payout)
        states.note(position, f"{part / 100:g} {leg} settled as {final.result}")
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
        settlement=booked,
        memo=f"{leg.market_id} {booked.result} at {dollars(booked.value_e6)}",
    )
    Leg.objects.filter(pk=leg.pk).update(
        settled_count=F("settled_count") + sign * booked.count, payout=F("payout") + sign * booked.payout
    )
    Position.objects.filter(pk=position.pk).update(
        payout=F("payout") + sign * booked.payout, realised=F("realised") + sign * (booked.payout - booked.cost)
    )


def _without_contracts(mode: str | None) -> list[Position]:
    """Active positions of which something was settled and nothing is held: they end as soon as their orders have."""
    return [row for chosen in ([mode] if mode else Mode.values) for row in _SETTLED.rows(mode=chosen)]


def _settled() -> QuerySet[Position]:
    return Position.objects.filter(
        status__in=ACTIVE,
        legs__settlements__reversed_at=None,
        legs__settlements__isnull=False,
        mode=Param("mode", CharField()),
    ).distinct()


_SETTLED: Final = Prepared(_settled)


def _end(position: Position) -> None:
    position.refresh_from_db()
    if position.status not in ACTIVE or any(leg.held for leg in position.legs.all()):
        return
    if position.orders.filter(status__in=OPEN_ORDERS).exists() or position.status == PositionStatus.PENDING:
        return
    states.transition(position, PositionStatus.SETTLED, reason="every leg was settled", close_type=CloseType.SETTLED)
    protections.after_end(position)


def amend(mode: str | None = None) -> int:
    """Reverse and rebook settlements whose market now says otherwise. Returns how many."""
    rows = [row for chosen in ([mode] if mode else Mode.values) for row in _AMENDED.rows(mode=chosen)]
    return sum(rebook(pk, FinalResult(result, value or 0)) for pk, result, value in rows)


def _amended() -> QuerySet[Settlement, Any]:
    booked = Settlement.objects.filter(reversed_at=None, mode=Param("mode", CharField()))
    changed = booked.filter(leg__market__status="finalized", leg__market__settlement_value_e6__isnull=False)
    changed = changed.exclude(value_e6=F("leg__market__settlement_value_e6"))
    return changed.values_list("pk", "leg__market__result", "leg__market__settlement_value_e6")


_AMENDED: Final = PreparedColumns(_amended)


def rebook(settlement_id: int, final: FinalResult) -> bool:
    """Take one booking back by entries and book ``final`` instead."""
    with transaction.atomic():
        booked = Settlement.objects.select_related("leg").get(pk=settlement_id)
        position = Position.objects.select_for_update().get(pk=booked.leg.position_id)
        if not Settlement.objects.filter(pk=settlement_id, reversed_at=None).update(reversed_at=clock.now()):
            return False
        leg = booked.leg
        _post(booked, position, leg, "reversal", -1)
        back = {"open_cost": F("open_cost") + booked.cost, "open_fees": F("open_fees") + booked.fees}
        Leg.objects.filter(pk=leg.pk).update(**back)
        booking.recount(position, -booked.payout)
        states.note(
            position, f"{leg.market_id} was amended: YES pays {dollars(final.value_e6)}, not {dollars(booked.value_e6)}"
        )
        again = settle_leg(leg.pk, final, booked.count)
        if position.status not in ACTIVE:
            totals.raise_best(position.profile_id)
        return again
