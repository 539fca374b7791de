"""Transactions of the account itself: cash and contracts that came or went beside us, each with its evidence, each booked once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from kalbot.common import clock
from strategies.models import Mode, Profile
from trading.accounting import accounts
from trading.models import AccountTransaction, Discrepancy, ExchangeAccount


def accept_cash(reason: str, actor: str = "kalbot", subaccount: int | None = None) -> int:
    """A person says that money was moved in or out of the exchange: what the last comparison found is right. Returns the sum.

    ``subaccount``: this one only. Each becomes a transaction of the account, with who and why.
    """
    moved = 0
    found = ExchangeAccount.objects.exclude(difference=None).exclude(difference=0)
    for account in found if subaccount is None else found.filter(subaccount=subaccount):
        amount = account.difference or 0
        members = Profile.objects.filter(accounts.of_subaccount(account.subaccount, ""), mode=Mode.LIVE)
        by_shard = accounts.differences_by_shard(account, list(members)) or {"0": amount}
        for shard, part in by_shard.items():
            post(
                account,
                AccountTransaction.Kind.ACCEPTED,
                f"accepted:{account.pk}:{account.compared_at}:{shard}",
                amount=part,
                shard=int(shard),
                evidence={"difference": amount, "compared_at": str(account.compared_at)},
                actor=actor,
                reason=reason,
            )
        moved += amount
        ExchangeAccount.objects.filter(pk=account.pk).update(difference=0)
        Discrepancy.objects.filter(code=Discrepancy.Code.CASH, key=str(account.subaccount), resolved_at=None).update(
            resolved_at=clock.now(), resolution=f"{reason} ({actor})"[:300]
        )
    return moved


def post(
    account: ExchangeAccount,
    kind: AccountTransaction.Kind,
    key: str,
    *,
    amount: int = 0,
    shard: int = 0,
    ticker: str = "",
    count: int = 0,
    evidence: Mapping[str, object],
    exchange_at: datetime | None = None,
    actor: str = "reconciliation",
    reason: str = "",
) -> bool:
    """Book cash (micro-dollars) or contracts (signed, 1/100) that came or went beside us. False when ``key`` is booked already."""
    with transaction.atomic():
        row = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
        _, made = AccountTransaction.objects.get_or_create(
            key=key[:160],
            defaults={
                "account": row,
                "kind": kind,
                "amount": amount,
                "shard": shard,
                "ticker": ticker,
                "count": count,
                "evidence": dict(evidence),
                "exchange_at": exchange_at,
                "actor": actor,
                "reason": reason[:300],
            },
        )
        if not made:
            return False
        row.opening += amount
        if row.opening_shards and amount:
            row.opening_shards[str(shard)] = row.opening_shards.get(str(shard), 0) + amount
        row.foreign[ticker] = row.foreign.get(ticker, 0) + count
        row.foreign = {name: held for name, held in row.foreign.items() if held}
        row.save(update_fields=["opening", "opening_shards", "foreign"])
    return True
