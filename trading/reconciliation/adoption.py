"""A lost basket becomes rows again: decision, position, legs, orders, fills and ledger entries, from what the exchange lists.

A person confirms it. Nothing is sent. Until then its trades are booked as somebody else's; adopting takes those bookings back with
the same evidence, so that contracts and cash add up before and after.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from kalbot.common.units import dollars
from strategies.models import Kind
from trading import states
from trading.accounting import account_ledger, ledger
from trading.models import (
    AccountTransaction,
    CloseType,
    Discrepancy,
    ExchangeAccount,
    ForeignOrder,
    Order,
    Position,
    PositionStatus,
)
from trading.reconciliation import adopted_rows, others
from trading.reconciliation.adopted_rows import CannotAdopt
from trading.reconciliation.lost_baskets import LostBasket
from trading.safety import discrepancies


def plan(basket: LostBasket) -> list[tuple[str, str]]:
    """What adopting would create, as (label, text) pairs."""
    existing = adopted_rows.existing(basket)
    held = ", ".join(f"{count / 100:g} {side.upper()} {ticker}" for (ticker, side), count in basket.held().items())
    spent, received = _money(basket)
    whose = basket.profile.name if basket.profile else "unknown"
    rows = [
        ("Profile", whose),
        ("Event", basket.event or "unknown"),
        ("Position", f"#{existing.pk}, which is there" if existing else f"a new one, {basket.kind or 'of no kind'}"),
        ("Orders", f"{len(basket.orders)}, {sum(len(one.fills) for one in basket.orders)} fills"),
        ("Holds then", held or "nothing"),
        ("Paid", dollars(spent)),
        ("Received from sales", dollars(received)),
    ]
    return [*rows, ("Refused", basket.refusal)] if basket.refusal else rows


def adopt(basket: LostBasket, *, actor: str, reason: str) -> Position:
    """Make the rows of ``basket`` in one transaction. Raises CannotAdopt; ValueError without a reason. Once adopted it is lost no more,
    so that a second try finds nothing."""
    if not reason.strip():
        raise ValueError("adopting a basket needs a reason")
    if basket.refusal or basket.profile is None or basket.kind is None or not basket.orders:
        raise CannotAdopt(basket.refusal or "nothing is known of it")
    ledger.ensure_funded(basket.profile, actor)
    with transaction.atomic():
        account = ExchangeAccount.objects.select_for_update().filter(subaccount=basket.subaccount).first()
        if account is None:
            raise CannotAdopt("the account has not been compared yet: reconcile first")
        ids = [UUID(one.listed.client_order_id) for one in basket.orders]
        if Order.objects.filter(pk__in=ids).exists():
            raise CannotAdopt("it has been adopted meanwhile")
        position = adopted_rows.existing(basket) or adopted_rows.new_position(basket, basket.profile, basket.kind)
        for one in basket.orders:
            adopted_rows.book(position, one, actor)
        _take_back(account, basket, actor, reason)
        ForeignOrder.objects.filter(exchange_order_id__in=[one.listed.order_id for one in basket.orders]).delete()
        states.reload(position)
        states.note(position, f"adopted from the exchange's listing: {reason}", actor=actor, data=_evidence(basket))
        _set_status(position, actor)
        row = Discrepancy.objects.filter(code=Discrepancy.Code.LOST_BASKET, key=basket.key, resolved_at=None).first()
        if row is not None:
            discrepancies.close(row, actor=actor, resolution=f"{reason}: adopted as position #{position.pk}")
    states.watch(position)
    return position


def _evidence(basket: LostBasket) -> dict[str, Any]:
    return {"orders": [one.listed.order_id for one in basket.orders], "named": basket.number}


def _money(basket: LostBasket) -> tuple[int, int]:
    """(paid with fees, received after fees), micro-dollars."""
    effects = [adopted_rows.effect(one, fill) for one in basket.orders for fill in one.fills]
    return -sum(e for e in effects if e < 0), sum(e for e in effects if e > 0)


def _take_back(account: ExchangeAccount, basket: LostBasket, actor: str, reason: str) -> None:
    """Take back what was booked of its trades, and of their settlement, as somebody else's; part of the opening balance too."""
    account.refresh_from_db()
    ended: dict[str, int] = {}
    for one in basket.orders:
        for fill in one.fills:
            signed = fill.count if fill.outcome_side.value == "yes" else -fill.count
            key = f"trade:{fill.order_id}:{fill.fill_id}"
            booked = AccountTransaction.objects.filter(key=key).first()
            in_opening = fill.created is None or fill.created <= account.created_at
            if booked is None and not in_opening:
                continue
            amount = booked.amount if booked is not None and booked.count else adopted_rows.effect(one, fill)
            ended[fill.ticker] = ended.get(fill.ticker, 0) + signed
            _post_back(
                account, f"adopted:{key}", -amount, -signed, fill.exchange_index or 0, fill.ticker, actor, reason
            )
    for ticker, count in ended.items():
        settled = others.settled(account, ticker)
        if not settled or not count:
            continue
        if sum(row.count for row in settled) != -count:
            raise CannotAdopt(
                f"{ticker} was settled together with contracts of somebody else: nothing says which part was ours"
            )
        for row in settled:
            _post_back(account, f"adopted:{row.key}", -row.amount, -row.count, row.shard, ticker, actor, reason)


def _post_back(
    account: ExchangeAccount, key: str, amount: int, count: int, shard: int, ticker: str, actor: str, reason: str
) -> None:
    account_ledger.post(
        account,
        AccountTransaction.Kind.ADOPTED,
        key,
        amount=amount,
        shard=shard,
        ticker=ticker,
        count=count,
        evidence={"takes_back": key.removeprefix("adopted:")},
        actor=actor,
        reason=reason,
    )


def _set_status(position: Position, actor: str) -> None:
    """An adopted basket is open, has ended if nothing is left of it, or is unwound where its legs do not make whole baskets."""
    legs = list(position.legs.all())
    if position.status != PositionStatus.OPEN:
        return
    if not any(leg.held for leg in legs):
        why = "adopted: nothing is held any more"
        states.transition(position, PositionStatus.CLOSED, reason=why, actor=actor, close_type=CloseType.EXITED)
    elif any(leg.bought_count - leg.sold_count < leg.target_count for leg in legs) and position.kind == Kind.ALL_YES:
        why = "adopted: what no whole basket needs is sold"
        states.transition(position, PositionStatus.UNWINDING, reason=why, actor=actor, next_step_at=None)
