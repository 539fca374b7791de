"""Cash of the exchange's shards, promised once: several profiles of one subaccount may trade on the same shard. Live only.

An order is paid from its own market's shard alone. Money in micro-dollars.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any, Final

from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Least

from kalbot.common.db import pipeline
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared, total
from kalbot.common.units import dollars
from markets.models import Event
from strategies.models import Mode, Profile
from strategies.profiles.sharing import beside
from trading.accounting.accounts import of_subaccount
from trading.denials import DenialCode, Refusal
from trading.models import ACTIVE, Account, ExchangeAccount, LedgerEntry, LedgerTransaction, Position, ShardCash

READ_LAG: Final = timedelta(seconds=10)
"""How far the exchange's reads of own data may lie behind its writes."""
MOVES_NOTHING: Final = ("reserve", "release")
"""Kinds of transactions between cash and what is set aside: in all they take nothing."""
SUBACCOUNT: Final = Param("subaccount", BigIntegerField())
SHARD: Final = Param("shard", BigIntegerField())
_LOCK: Final = Prepared(lambda: ShardCash.objects.select_for_update().filter(subaccount=SUBACCOUNT, shard=SHARD))


def lock(subaccount: int, shard: int) -> None:
    """Hold the cash of one shard until the surrounding transaction ends: whoever promises some of it counts alone.

    Locks are taken in this order everywhere: position, balance of the profile, cash of the shard.
    """
    (rows,) = pipeline.rows_of(locking(subaccount, shard))
    if not rows:
        ShardCash.objects.get_or_create(subaccount=subaccount, shard=shard)
        pipeline.rows_of(locking(subaccount, shard))


def lock_all(subaccount: int) -> None:
    """The same of all shards on which something was ever promised: nobody admits for the subaccount until the transaction ends."""
    list(ShardCash.objects.select_for_update().filter(subaccount=subaccount).order_by("shard"))


def locking(subaccount: int, shard: int) -> Statement:
    """The statement of ``lock``; it returns no row where there is none to lock yet."""
    return _LOCK.statement(subaccount=subaccount, shard=shard)


def free(subaccount: int, shard: int) -> int | None:
    """Cash of one shard that no basket has set aside: what reconciliation saw last, less what was spent since; micro-dollars.

    Where the exchange lists no shards, all of the cash is one. What was earned
    since counts with the next reconciliation: the exchange may have counted it already. None before the first one.
    """
    row = _query(bool(subaccount)).first(subaccount=subaccount, shard=shard)
    return None if row is None else left(row, row.shards, row.balance, shard)


def left(row: Any, shards: dict[str, int], balance: int, shard: int) -> int:
    """The same of a row that was read with ``promised``. ``shards`` and ``balance``: what the exchange listed last."""
    found = int(shards.get(str(shard), 0)) if shards else balance
    return found + (row.spent or 0) - (row.reserved or 0)


def promised(account: Q, mode: str) -> dict[str, Combinable]:
    """Annotations: what baskets of an ``account`` (rows of its profiles) in a mode have set aside, and spent since it was seen: on one
    shard, or in all where the exchange lists no shards. The query takes ``subaccount`` and ``shard``."""
    active = Position.objects.filter(account, **beside(mode), status__in=ACTIVE)
    seen = ExchangeAccount.objects.filter(subaccount=SUBACCOUNT).values(at=F("seen_at") - Value(READ_LAG))[:1]
    moved = LedgerEntry.objects.filter(transaction=OuterRef("pk"), account__in=[Account.CASH, Account.RESERVED])
    booked = LedgerTransaction.objects.filter(account, **beside(mode), at__gt=Subquery(seen), position__isnull=False)
    cash = Coalesce(F("cash_moved"), total(moved, F("amount")))
    booked = booked.exclude(kind__in=MOVES_NOTHING).annotate(cash=Least(cash, Value(0)))
    listed = ExchangeAccount.objects.filter(subaccount=SUBACCOUNT).exclude(shards={})
    here = ~Exists(listed)
    return {
        "reserved": total(active.filter(here | _on_shard("event")), F("reserved")),
        "spent": total(booked.filter(here | _on_shard("position__event")), F("cash")),
    }


def _on_shard(event: str) -> Exists:
    """Checked for each row, so that no plan begins with all events of a shard."""
    return Exists(Event.objects.filter(pk=OuterRef(event), exchange_index=SHARD))


@cache
def _query(numbered: bool) -> Prepared[ExchangeAccount]:
    account = of_subaccount(SUBACCOUNT) if numbered else of_subaccount(0)
    return Prepared(
        lambda: ExchangeAccount.objects.filter(subaccount=SUBACCOUNT).annotate(**promised(account, Mode.LIVE))
    )


def why_not(profile: Profile, shard: int, wanted: int) -> Refusal | None:
    """Why ``wanted`` micro-dollars cannot be promised from the shard's cash; None when they can."""
    return refusal(profile, shard, wanted, free(profile.subaccount or 0, shard))


def refusal(profile: Profile, shard: int, wanted: int, found: int | None) -> Refusal | None:
    """The same where ``found`` is free; None: it is not known."""
    if found is None:
        return Refusal(DenialCode.SHARD_CASH, f"the cash of subaccount {profile.subaccount or 0} has not been read yet")
    if wanted <= found:
        return None
    text = f"{dollars(wanted)} wanted, {dollars(found)} free on shard {shard}; move cash there at the exchange"
    return Refusal(DenialCode.SHARD_CASH, text)
