"""Learning how the exchange returns collateral: one smallest basket, leg by leg, with the account's cash before and after each.

The undocumented choices are readings (``strategies.collateral``); those that predict every balance to the micro-dollar are left. One is
kept and the account goes *on*; where none is left, the account goes *off* for new baskets and the difference is named with both figures.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import Money, dollars
from markets.book import Side
from markets.kalshi.errors import KalshiError
from strategies.collateral.groups import Exclusive
from strategies.collateral.learning import Difference, Observed, agreeing, moved_once
from trading.accounting import accounts, collateral, shard_cash
from trading.closing import finals
from trading.models import (
    OPEN_ORDERS,
    WORKING,
    AccountTransaction,
    Discrepancy,
    ExchangeAccount,
    Fill,
    ForeignOrder,
    LedgerTransaction,
    Order,
    Position,
    Reconciliation,
)
from trading.reconciliation import foreign, own_rows
from trading.safety import discrepancies
from trading.venues import connection

READS: Final = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each read of the cash: it may lag behind the fill, or show half of what the fill changes, so it is read until it has
changed and stays."""
NEAR: Final = timedelta(seconds=5)
"""Money of others that moved so shortly before the first read or after the last one may be in one of them: clocks differ."""
Mode = ExchangeAccount.Collateral
log = logging.getLogger(__name__)


def is_learning(position: Position) -> bool:
    """Whether the position is one that is learnt from."""
    return bool((position.collateral or {}).get(collateral.LEARNING))


def before(order: Order) -> None:
    """Read the cash before the first order of a position that is learnt from. What cannot be read ends the learning from it."""
    if is_learning(order.position) and not _evidence(order):
        _keep(order, {"order": "", "available": _cash(order, None)})


def after(order: Order) -> None:
    """Read the cash after an order of a position that is learnt from."""
    if is_learning(order.position):
        seen = _evidence(order)
        _keep(order, {"order": str(order.pk), "available": _cash(order, seen[-1]["available"] if seen else None)})


def conclude(row: Reconciliation, subaccount: int) -> None:
    """Compare what was seen of a basket that is open now with every reading, and set the account by it."""
    account = ExchangeAccount.objects.filter(subaccount=subaccount, collateral=Mode.LEARNING).first()
    if account is None:
        return
    position = _latest(subaccount)
    if position is None or position.status in WORKING or not position.legs.filter(bought_count__gt=0).exists():
        return
    seen = _until_sold(position, [one for one in account.collateral_evidence if one["position"] == position.pk])
    steps = _steps(position, seen)
    if steps is None:
        _forget(account, position)
        return
    group = Exclusive(tuple(dict.fromkeys(step.ticker for step in steps)))
    found = agreeing(group, Money(seen[0]["available"]), steps)
    if isinstance(found, Difference):
        # what moved once, and is listed nowhere, is a difference of cash, and named as that
        moved = moved_once(group, Money(seen[0]["available"]), steps)
        if moved or _is_moved_by_others(subaccount, seen):
            _forget(account, position)
            return
    if isinstance(found, Difference):
        # by then a person may have chosen: what was learnt counts only while the account still learns
        if not _set(account, Mode.OFF):
            return
        text = f"after step {found.step + 1}: {dollars(found.shown)} shown"
        discrepancies.found(
            row,
            Discrepancy.Code.COLLATERAL,
            str(subaccount),
            ours=f"{dollars(found.predicted)} predicted",
            theirs=text,
            amount=found.shown - found.predicted,
            profile=position.profile,
        )
        return
    reading = collateral.stored(found[0])
    if _set(account, Mode.ON, collateral_reading=reading):
        log.warning("collateral return of subaccount %s is as modelled: %s of %s", subaccount, reading, len(found))


def _set(account: ExchangeAccount, mode: str, **columns: Any) -> bool:
    """The account goes from learning to ``mode``, unless somebody has chosen for it since it was read. Whoever admits a basket then waits,
    and reads the mode again."""
    with transaction.atomic():
        shard_cash.lock_all(account.subaccount)
        learns = ExchangeAccount.objects.filter(pk=account.pk, collateral=Mode.LEARNING)
        return bool(learns.update(collateral=mode, **columns))


def _latest(subaccount: int) -> Position | None:
    rows = Position.objects.filter(accounts.of_subaccount(subaccount), collateral__learning=True)
    return rows.order_by("-id").first()


def _until_sold(position: Position, seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was read while it was bought; a sale is no step of the model that is learnt."""
    sales = {str(key) for key in position.orders.filter(action=Order.Action.SELL).values_list("pk", flat=True)}
    return list(takewhile(lambda one: one["order"] not in sales, seen))


def _steps(position: Position, seen: list[dict[str, Any]]) -> list[Observed] | None:
    """What was bought step by step; None where a read is missing, or where somebody else's money moved meanwhile."""
    if len(seen) < 2 or any(one["available"] is None for one in seen) or _is_disturbed(position, seen):
        return None
    orders = {str(order.pk): order for order in position.orders.select_related("leg")}
    unseen = Fill.objects.filter(order__position=position, order__created_at__lte=clock.from_ms(seen[-1]["at_ms"]))
    if unseen.exclude(order__in=[one["order"] for one in seen[1:]]).exists():
        return None
    steps = []
    for one in seen[1:]:
        order = orders.get(one["order"])
        if order is None:
            return None
        fills = list(Fill.objects.filter(order=order))
        count = sum(fill.count for fill in fills)
        if not count:
            return None
        cost = sum(fill.price * fill.count + fill.fee for fill in fills)
        steps.append(Observed(order.leg.market_id, Side(order.side), count, Money(cost), Money(one["available"])))
    return steps


def _span(seen: list[dict[str, Any]]) -> tuple[datetime, datetime]:
    """From when to when what others do may be in one of the reads."""
    return clock.from_ms(seen[0]["at_ms"]) - NEAR, clock.from_ms(seen[-1]["at_ms"]) + NEAR


def _is_moved_by_others(subaccount: int, seen: list[dict[str, Any]]) -> bool:
    """Whether, by the exchange's own listings, an order that is not ours came or went meanwhile (what it reserves is not available), or a
    market settled (which our books may learn later)."""
    (first, last), client = _span(seen), connection.client()
    since = int(first.timestamp())
    listed = [
        order
        for order in client.orders.list(min_ts=since)
        if (order.subaccount or foreign.PRIMARY) == subaccount and (order.created is None or order.created <= last)
    ]
    came = len(own_rows.own_orders(listed)) < len(listed)
    gone = ForeignOrder.objects.filter(subaccount=subaccount, is_resting=False, last_seen_at__gte=first)
    settled = finals.settlements_of(subaccount, since)
    return (
        came
        or gone.filter(exchange_at__lte=last).exists()
        or any(one.settled is None or one.settled <= last for one in settled)
    )


def _is_disturbed(position: Position, seen: list[dict[str, Any]]) -> bool:
    """Whether money of the account was booked for others near the reads, came or went, or was set aside at the exchange for an order of
    another basket of ours."""
    subaccount = position.profile.subaccount or 0
    (first, last), of_account = _span(seen), accounts.of_subaccount(subaccount)
    kinds = ["fill", "settlement", "reversal", "correction"]
    others = LedgerTransaction.objects.filter(
        of_account, mode=position.mode, at__gte=first, at__lte=last, kind__in=kinds
    )
    orders = Order.objects.filter(of_account, mode=position.mode, created_at__lte=last).exclude(position=position)
    orders = orders.filter(Q(ended_at__gte=first) | Q(status__in=OPEN_ORDERS))
    moved = AccountTransaction.objects.filter(account__subaccount=subaccount)
    moved = moved.annotate(moment=Coalesce("exchange_at", "created_at")).filter(moment__gte=first, moment__lte=last)
    return others.exclude(position=position).exists() or orders.exists() or moved.exists()


def _forget(account: ExchangeAccount, position: Position) -> None:
    """This basket proves nothing: the next one is learnt from."""
    log.warning("nothing can be learnt about collateral return from position %s", position.pk)
    with transaction.atomic():
        now = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
        now.collateral_evidence = [one for one in now.collateral_evidence if one["position"] != position.pk]
        now.save(update_fields=["collateral_evidence"])
        reading = {**(position.collateral or {}), collateral.LEARNING: False}
        Position.objects.filter(pk=position.pk).update(collateral=reading)


def _evidence(order: Order) -> list[dict[str, Any]]:
    account = ExchangeAccount.objects.filter(subaccount=order.subaccount or 0).first()
    rows = [] if account is None else account.collateral_evidence
    return [one for one in rows if one["position"] == order.position_id]


def _keep(order: Order, row: dict[str, Any]) -> None:
    with transaction.atomic():
        account = ExchangeAccount.objects.select_for_update().get(subaccount=order.subaccount or 0)
        account.collateral_evidence.append({"position": order.position_id, "at_ms": clock.now_ms(), **row})
        account.save(update_fields=["collateral_evidence"])


def _cash(order: Order, last: int | None) -> int | None:
    """The account's cash, read until it differs from ``last`` and is the same twice; None where it cannot be read."""
    found: int | None = None
    for pause in READS:
        clock.sleep(pause)
        before = found
        try:
            found = connection.client().portfolio.balance(subaccount=order.subaccount or None).available
        except (KalbotError, KalshiError) as error:
            log.warning("the cash cannot be read while learning about collateral return: %s", error)
            return None
        if found == before and found != last:
            break
    return found
