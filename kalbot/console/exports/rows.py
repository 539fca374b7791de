"""Lines of the exports, from fills, settlements and ledger entries. Amounts are exact decimal strings in dollars and contracts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from kalbot.common.units import format_decimal
from kalbot.console.exports.lots import Closing, Lot, Purchase, lots
from trading.models import Fill, LedgerEntry, Leg, Order, Settlement

Line = dict[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows: of these profiles (ids) in one mode, between two moments; times are written in ``zone``."""

    profiles: tuple[int, ...]
    mode: str
    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def of_year(cls, profiles: tuple[int, ...], mode: str, year: int, zone: ZoneInfo) -> Scope:
        """A calendar year in a time zone."""
        return cls(profiles, mode, datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone), zone)

    def holds(self, at: datetime) -> bool:
        """Whether a moment belongs to it."""
        return self.start <= at < self.end


def dollars(value: int) -> str:
    """Micro-dollars as dollars."""
    return format_decimal(value, 6)


def contracts(value: int) -> str:
    """1/100 contract as contracts."""
    return format_decimal(value, 2)


def each(amount: int, count: int) -> str:
    """Micro-dollars over 1/100 contracts as dollars a contract, to a hundredth of a cent (half away from zero)."""
    doubled = 2 * abs(amount) + count
    price = doubled // (2 * count)
    return format_decimal(price if amount >= 0 else -price, 4)


def when(at: datetime, zone: ZoneInfo) -> str:
    """ISO 8601 with the offset."""
    return at.astimezone(zone).isoformat()


def legs_of(scope: Scope) -> QuerySet[Leg]:
    """Every leg of the scope's profiles that ever bought something."""
    rows = Leg.objects.filter(position__profile__in=scope.profiles, position__mode=scope.mode, bought_count__gt=0)
    return rows.select_related("position__profile", "position__event", "market").order_by("pk")


def moment(fill: Fill) -> datetime:
    """When the exchange says that it happened, else when it was booked."""
    return fill.exchange_at or fill.created_at


def history(leg: Leg) -> tuple[list[Purchase], list[Closing]]:
    """What was bought and what was sold or settled of a leg."""
    purchases, closings = [], []
    for fill in Fill.objects.filter(order__leg=leg).select_related("order"):
        amount = fill.price * fill.count
        if fill.order.action == Order.Action.BUY:
            purchases.append(Purchase(moment(fill), fill.count, amount, fill.fee))
        else:
            closings.append(Closing(f"fill {fill.pk}", moment(fill), fill.count, amount, fill.fee, False))
    closings += [
        Closing(f"settlement {row.pk}", row.created_at, row.count, row.payout, 0, True)
        for row in Settlement.objects.filter(leg=leg, reversed_at=None)
    ]
    return purchases, closings


def closed_lots(scope: Scope) -> Iterator[tuple[Leg, Lot]]:
    """First in, first out, leg by leg: the lots that were closed within the scope."""
    for leg in legs_of(scope).iterator(500):
        for lot in lots(*history(leg)):
            if scope.holds(lot.closed_at):
                yield leg, lot


def what(leg: Leg) -> Line:
    """The columns that name a leg."""
    position = leg.position
    return {
        "profile": position.profile.name,
        "mode": position.mode,
        "position": str(position.pk),
        "event": position.event_id,
        "event_title": position.event.title,
        "market": leg.market_id,
        "outcome": leg.market.yes_sub_title,
        "side": leg.side,
    }


def fills_and_settlements(scope: Scope) -> list[Line]:
    """One line for each fill and each settlement, in order of time; closing lines carry cost basis (first in, first out) and result."""
    found: list[tuple[datetime, Line]] = []
    for leg in legs_of(scope).iterator(500):
        found += list(_of_leg(leg, scope))
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]


def _of_leg(leg: Leg, scope: Scope) -> Iterator[tuple[datetime, Line]]:
    basis: Counter[str] = Counter()
    for lot in lots(*history(leg)):
        basis[lot.key] += lot.cost
    for fill in Fill.objects.filter(order__leg=leg).select_related("order").order_by("pk"):
        at, amount, key = moment(fill), fill.price * fill.count, f"fill {fill.pk}"
        if scope.holds(at):
            sold = fill.order.action == Order.Action.SELL
            cost = basis[key] if sold else amount + fill.fee
            yield (
                at,
                {
                    **_head(at, scope, "fill", fill.order.action, leg),
                    **_numbers(fill.count, amount, fill.fee, cost, amount - fill.fee if sold else None),
                    "id": fill.trade_id,
                },
            )
    for row in Settlement.objects.filter(leg=leg, reversed_at=None):
        if scope.holds(row.created_at):
            yield (
                row.created_at,
                {
                    **_head(row.created_at, scope, "settlement", row.result, leg),
                    **_numbers(row.count, row.payout, 0, basis[f"settlement {row.pk}"], row.payout),
                    "id": f"settlement {row.pk}",
                },
            )


def _head(at: datetime, scope: Scope, kind: str, action: str, leg: Leg) -> Line:
    return {"time": when(at, scope.zone), "kind": kind, "action": action, **what(leg)}


def _numbers(count: int, amount: int, fee: int, cost: int, proceeds: int | None) -> Line:
    return {
        "count": contracts(count),
        "price": each(amount, count),
        "amount": dollars(amount),
        "fee": dollars(fee),
        "cost_basis": dollars(cost),
        "proceeds": "" if proceeds is None else dollars(proceeds),
        "realised": "" if proceeds is None else dollars(proceeds - cost),
    }


def tax_lots(scope: Scope) -> list[Line]:
    """Closed lots, first in, first out, with dates of acquisition and disposal."""
    found = []
    for leg, lot in closed_lots(scope):
        held = lot.closed_at - lot.opened_at
        line = {
            **what(leg),
            "count": contracts(lot.count),
            "acquired": when(lot.opened_at, scope.zone),
            "disposed": when(lot.closed_at, scope.zone),
            "term": "long" if held > timedelta(days=365) else "short",
            "by": "settlement" if lot.is_settlement else "sale",
            "cost_basis": dollars(lot.cost),
            "proceeds": dollars(lot.proceeds),
            "realised": dollars(lot.realised),
        }
        found.append((lot.closed_at, line))
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]


def exchange_lines(scope: Scope) -> list[Line]:
    """Closed lots in the form of the exchange's own transaction export."""
    found = []
    for leg, lot in closed_lots(scope):
        line = {
            "type": "trade",
            "quantity_fp": contracts(lot.count),
            "market_ticker": leg.market_id,
            "side": leg.side,
            "entry_price_dollars": each(lot.paid, lot.count),
            "exit_price_dollars": each(lot.received, lot.count),
            "open_fees_dollars": dollars(lot.open_fee),
            "close_fees_dollars": dollars(lot.close_fee),
            "realized_pnl_without_fees_dollars": dollars(lot.received - lot.paid),
            "realized_pnl_with_fees_dollars": dollars(lot.realised),
            "close_timestamp": when(lot.closed_at, scope.zone),
            "open_timestamp": when(lot.opened_at, scope.zone),
        }
        found.append((lot.closed_at, line))
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]


def ledger_lines(scope: Scope) -> Iterator[Line]:
    """One line for each ledger entry, with its transaction."""
    entries = LedgerEntry.objects.filter(
        transaction__profile__in=scope.profiles,
        transaction__mode=scope.mode,
        transaction__at__gte=scope.start,
        transaction__at__lt=scope.end,
    )
    for entry in entries.select_related("transaction__profile").order_by("transaction_id", "pk").iterator(2_000):
        booked = entry.transaction
        yield {
            "time": when(booked.at, scope.zone),
            "transaction": str(booked.pk),
            "kind": booked.kind,
            "profile": booked.profile.name,
            "mode": booked.mode,
            "position": str(booked.position_id or ""),
            "account": entry.account,
            "amount": dollars(entry.amount),
            "memo": booked.memo,
            "key": booked.key,
        }
