"""Sums of money for screens and other apps. Sim and live never meet in one sum: each takes a mode or a profile."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from strategies.models import Mode, Profile
from trading import ledger
from trading.models import ACTIVE, TERMINAL, ExchangeAccount, Position, ProfileBalance


@dataclass(frozen=True, slots=True)
class Profit:
    """Of one mode, micro-dollars. ``open_cost`` is what is held, fees included; ``locked_floor`` what it pays at least."""

    mode: str
    realised: int
    fees: int
    open_cost: int
    locked_floor: int
    open_positions: int
    ended_positions: int
    settled_positions: int


def profit(mode: str) -> Profit:
    """Profit and exposure of every position of one mode."""
    sums = Position.objects.filter(mode=Mode(mode)).aggregate(
        realised=Sum("realised"),
        fees=Sum("fees"),
        open_cost=Sum("cost", filter=Q(status__in=ACTIVE)),
        locked_floor=Sum("floor", filter=Q(status="open")),
        open_positions=Count("id", filter=Q(status__in=ACTIVE)),
        ended_positions=Count("id", filter=Q(status__in=TERMINAL)),
        settled_positions=Count("id", filter=Q(status="settled")),
    )
    return Profit(mode=str(mode), **{name: value or 0 for name, value in sums.items()})


def equity(profile: Profile) -> int:
    """Cash plus what is held at cost, micro-dollars: starting capital plus realised profit."""
    summary = ledger.summary(profile)
    return summary["cash"] + summary["open_cost"]


def exchange_difference() -> int | None:
    """The exchange's cash less ours over all live accounts, as the last reconciliation that could compare found it.

    Micro-dollars; None when none could. ``reconcile.run("live", ...)`` compares again.
    """
    found = list(ExchangeAccount.objects.values_list("difference", flat=True))
    known = [one for one in found if one is not None]
    return sum(known) if found and len(known) == len(found) else None


def live_cash() -> int:
    """Free and reserved cash of all live profiles, micro-dollars."""
    sums = ProfileBalance.objects.filter(mode=Mode.LIVE).aggregate(c=Sum("cash"), r=Sum("reserved"))
    return (sums["c"] or 0) + (sums["r"] or 0)
