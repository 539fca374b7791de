"""Whether the ledger's totals are those of its entries: running totals of profiles, and the totals that positions carry.

Money in micro-dollars.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Sum

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


def _sums_of_legs(mode: str) -> dict[int, tuple[int, int, int]]:
    """(fees, sale proceeds, payout) of each position by its legs."""
    sums = Leg.objects.filter(position__mode=mode).order_by().values_list("position")
    found = sums.annotate(f=Sum("fees"), s=Sum("sold_proceeds"), p=Sum("payout"))
    return {position: (fees, sold, paid) for position, fees, sold, paid in found}


def positions(mode: str) -> list[tuple[Position, str, int, int]]:
    """Totals of positions that differ from their ledger entries, or from the sums of their legs: (position, column, its value, by the
    entries or the legs). Empty when sound."""
    of = LedgerEntry.objects.filter(transaction__position__mode=mode).order_by()
    booked: dict[tuple[int, str], int] = {
        (position, account): total
        for position, account, total in of.values_list("transaction__position", "account").annotate(t=Sum("amount"))
    }
    held = dict(Leg.objects.filter(position__mode=mode).order_by().values_list("position").annotate(t=Sum("open_cost")))
    wrong = []
    legs = _sums_of_legs(mode)
    columns = Position.objects.filter(mode=mode).values_list(
        "pk", "cost", "reserved", "realised", "returned", "fees", "proceeds", "payout"
    )
    for (
        pk,
        spent,
        reserved,
        realised,
        returned,
        *sums,
    ) in columns:  # rows only where they differ: there are more every day
        cost = sum(booked.get((pk, account), 0) for account in (Account.POSITION_COST, Account.FEES))
        checks = (
            ("cost", spent, cost),
            ("open cost of its legs", held.get(pk, 0), cost),
            ("reserved", reserved, booked.get((pk, Account.RESERVED), 0)),
            ("realised", realised, -booked.get((pk, Account.REALISED), 0)),
            ("returned", returned, -booked.get((pk, Account.RETURNED), 0)),
            *zip(("fees", "proceeds", "payout"), sums, legs.get(pk, (0, 0, 0)), strict=True),
        )
        wrong += [(pk, name, ours, summed) for name, ours, summed in checks if ours != summed]
    rows = Position.objects.select_related("profile").in_bulk({pk for pk, *_ in wrong})
    return [(rows[pk], name, ours, summed) for pk, name, ours, summed in wrong]
