"""What quoted baskets have made, beside those whose legs were all taken. Reads only; micro-dollars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, F, Q, QuerySet, Sum

from strategies.models import Kind, Mode
from trading.models import TERMINAL, Fill, Order, Position

TAKEN: Final = "taken"


@dataclass(frozen=True, slots=True)
class Made:
    """Baskets of one mode, bought one way (``one_leg``, ``all_legs``, ``taken``): those that ended, and what is open. ``across``: families,
    otherwise every outcome of one event."""

    across: bool
    mode: str
    way: str
    ended: int
    bought: int
    realised: int
    fees: int
    cost: int
    open: int
    open_cost: int

    @property
    def per_cost(self) -> float | None:
        """Realised over all that was paid."""
        return self.realised / self.cost if self.cost else None


def by_way(since: datetime) -> list[Made]:
    """Baskets of NO or YES on every outcome, and those across events, that were begun since then."""
    every = Position.objects.filter(created_at__gt=since)
    alone, across = every.filter(kind__in=[Kind.ALL_NO, Kind.ALL_YES]), every.filter(kind=Kind.FAMILY)
    return [*_by_way(alone, False), *_by_way(across, True)]


def _by_way(rows: QuerySet[Position], across: bool) -> list[Made]:
    ended = Q(status__in=TERMINAL)
    found = rows.values("mode", "quoting").annotate(
        ended=Count("pk", filter=ended),
        bought=Count("pk", filter=ended & ~Q(close_type="not_bought")),
        realised=Sum("realised", default=0),
        all_fees=Sum("fees", default=0),
        open=Count("pk", filter=~ended),
        open_cost=Sum("cost", filter=~ended, default=0),
    )
    paid = _paid(rows)
    return [
        Made(
            across,
            row["mode"],
            row["quoting"] or TAKEN,
            row["ended"],
            row["bought"],
            row["realised"],
            row["all_fees"],
            paid.get((row["mode"], row["quoting"]), 0),
            row["open"],
            row["open_cost"],
        )
        for row in found.order_by("mode", "quoting")
    ]


def _paid(rows: QuerySet[Position]) -> dict[tuple[str, str], int]:
    """All that the legs have cost."""
    sums = rows.values_list("mode", "quoting").annotate(Sum("legs__bought_cost", default=0)).order_by()
    return {(mode, way): paid for mode, way, paid in sums}


@dataclass(frozen=True, slots=True)
class Hedge:
    """Fills of resting orders and what was taken for them, of one mode."""

    mode: str
    fills: int
    contracts: int
    resting_cost: int
    hedged: int
    hedge_cost: int


def hedges(since: datetime) -> list[Hedge]:
    """Since then; counts 1/100 contract, costs with fees."""
    return [_hedge(mode.value, since) for mode in Mode]


def _hedge(mode: str, since: datetime) -> Hedge:
    fills = Fill.objects.filter(mode=mode, created_at__gt=since).exclude(order__position__quoting="")
    own = fills.filter(order__purpose=Order.Purpose.QUOTE)
    bought = fills.filter(order__action=Order.Action.BUY).exclude(order__purpose=Order.Purpose.QUOTE)
    sums = {"contracts": Sum("count", default=0), "paid": Sum(F("price") * F("count") + F("fee"), default=0)}
    rested, hedged = own.aggregate(number=Count("pk"), **sums), bought.aggregate(**sums)
    return Hedge(mode, rested["number"], rested["contracts"], rested["paid"], hedged["contracts"], hedged["paid"])
