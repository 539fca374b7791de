"""Whether the ledger's totals are those of its entries: running totals of profiles, and the totals that positions carry.

Money in micro-dollars.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import CharField, Sum

from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.models import Profile
from trading.accounting import ledger
from trading.models import Account, LedgerEntry, Leg, Position, ProfileBalance


def totals(profile: Profile) -> list[tuple[str, int, int]]:
    """Accounts whose running total differs from the sum of its entries: (account, running, summed). Empty when sound."""
    running, summed = ledger.balance_of(profile), ledger.balances(profile)
    return [(a, getattr(running, a), summed[a]) for a in Account.values if getattr(running, a) != summed[a]]


def rebuild_totals(profile: Profile) -> list[str]:
    """Make the running totals from the entries again. Returns the accounts that changed."""
    with transaction.atomic():
        ledger.balance_of(profile)
        ProfileBalance.objects.select_for_update().get(profile=profile)
        wrong = totals(profile)
        ProfileBalance.objects.filter(profile=profile).update(**ledger.balances(profile))
    return [account for account, _, _ in wrong]


_MODE: Final = Param("mode", CharField())
_BOOKED: Final = PreparedColumns(
    lambda: (
        LedgerEntry.objects.filter(transaction__position__mode=_MODE)
        .order_by()
        .values_list("transaction__position", "account")
        .annotate(t=Sum("amount"))
    )
)
_LEGS: Final = PreparedColumns(
    lambda: (
        Leg.objects.filter(position__mode=_MODE)
        .order_by()
        .values_list("position")
        .annotate(o=Sum("open_cost"), f=Sum("fees"), s=Sum("sold_proceeds"), p=Sum("payout"))
    )
)
_TOTALS: Final = PreparedColumns(
    lambda: Position.objects.filter(mode=_MODE).values_list(
        "pk", "cost", "reserved", "realised", "returned", "fees", "proceeds", "payout"
    )
)


def positions(mode: str) -> list[tuple[Position, str, int, int]]:
    """Totals of positions that differ from their ledger entries, or from the sums of their legs: (position, column, its value, by the
    entries or the legs). Empty when sound."""
    booked: dict[tuple[int, str], int] = {
        (position, account): total for position, account, total in _BOOKED.rows(mode=mode)
    }
    legs = {position: sums for position, *sums in _LEGS.rows(mode=mode)}
    wrong = []
    # rows only where they differ: there are more every day
    for pk, spent, reserved, realised, returned, *sums in _TOTALS.rows(mode=mode):
        open_cost, *of_legs = legs.get(pk, (0, 0, 0, 0))
        cost = sum(booked.get((pk, account), 0) for account in (Account.POSITION_COST, Account.FEES))
        checks = (
            ("cost", spent, cost),
            ("open cost of its legs", open_cost, cost),
            ("reserved", reserved, booked.get((pk, Account.RESERVED), 0)),
            ("realised", realised, -booked.get((pk, Account.REALISED), 0)),
            ("returned", returned, -booked.get((pk, Account.RETURNED), 0)),
            *zip(("fees", "proceeds", "payout"), sums, of_legs, strict=True),
        )
        wrong += [(pk, name, ours, summed) for name, ours, summed in checks if ours != summed]
    if not wrong:
        return []
    rows = Position.objects.select_related("profile").in_bulk({pk for pk, *_ in wrong})
    return [(rows[pk], name, ours, summed) for pk, name, ours, summed in wrong]
