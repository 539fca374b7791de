"""Cash of the exchange's shards, promised once: several profiles of one subaccount may trade on the same shard. Live only.

An order is paid from its own market's shard alone. Money in micro-dollars.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Q, Sum

from kalbot.common.units import dollars
from strategies.models import Mode, Profile
from trading.accounts import of_subaccount
from trading.denials import DenialCode, Refusal
from trading.models import ACTIVE, ExchangeAccount, LedgerTransaction, Position, ShardCash

READ_LAG: Final = timedelta(seconds=10)
"""How far the exchange's reads of own data may lie behind its writes."""


def lock(subaccount: int, shard: int) -> None:
    """Hold the cash of one shard until the surrounding transaction ends: whoever promises some of it counts alone.

    Locks are taken in this order everywhere: position, balance of the profile, cash of the shard.
    """
    row, _ = ShardCash.objects.get_or_create(subaccount=subaccount, shard=shard)
    ShardCash.objects.select_for_update().get(pk=row.pk)


def free(subaccount: int, shard: int) -> int | None:
    """Cash of one shard that no basket has set aside: what reconciliation saw last, less what was spent since; micro-dollars.

    Where the exchange lists no shards, all of the cash is one. What was earned
    since counts with the next reconciliation: the exchange may have counted it already. None before the first one.
    """
    account = ExchangeAccount.objects.filter(subaccount=subaccount).first()
    if account is None:
        return None
    number = of_subaccount(subaccount)
    there = Q(event__exchange_index=shard) if account.shards else Q()
    active = Position.objects.filter(number, there, mode=Mode.LIVE, status__in=ACTIVE)
    reserved = active.aggregate(total=Sum("reserved"))["total"] or 0
    there = Q(position__event__exchange_index=shard) if account.shards else Q(position__isnull=False)
    booked = LedgerTransaction.objects.filter(number, there, mode=Mode.LIVE, at__gt=account.seen_at - READ_LAG)
    moved = booked.annotate(cash=Sum("entries__amount", filter=Q(entries__account__in=["cash", "reserved"])))
    spent = moved.filter(cash__lt=0).aggregate(total=Sum("cash"))["total"] or 0
    cash = account.shards.get(str(shard), 0) if account.shards else account.balance
    return int(cash) + spent - reserved


def why_not(profile: Profile, shard: int, wanted: int) -> Refusal | None:
    """Why ``wanted`` micro-dollars cannot be promised from the shard's cash; None when they can."""
    found = free(profile.subaccount or 0, shard)
    if found is None:
        return Refusal(DenialCode.SHARD_CASH, f"the cash of subaccount {profile.subaccount or 0} has not been read yet")
    if wanted <= found:
        return None
    text = f"{dollars(wanted)} wanted, {dollars(found)} free on shard {shard}; move cash there at the exchange"
    return Refusal(DenialCode.SHARD_CASH, text)
