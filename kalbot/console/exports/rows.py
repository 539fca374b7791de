"""Lines of the exports, from fills, settlements, corrections and ledger entries. Amounts are exact decimal dollars, counts contracts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kalbot.common.units import format_decimal
from kalbot.console.exports.history import History, Scope, histories, key, traded_at
from kalbot.console.exports.lots import Lot
from kalbot.console.exports.ordered import Line, Ordered
from trading.models import LedgerEntry, Leg, Order

POSITION: Final = "position"
"""Of a line in the exchange's form: our position, for the page that matches lines; no column of the file."""


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


def closed_lots(scope: Scope) -> Iterator[tuple[Leg, Lot]]:
    """First in, first out, leg by leg: the lots that were closed within the scope. Raises DoesNotAddUp."""
    return ((one.leg, lot) for one in histories(scope) for lot in one.lots() if scope.holds(lot.closed_at))


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


def fills_and_settlements(scope: Scope) -> Ordered:
    """One line for each fill, settlement and correction, in order of time; closing lines carry cost basis (first in, first out) and
    result. Raises DoesNotAddUp."""
    return Ordered(pair for one in histories(scope) for pair in _of_leg(one, scope))


def _of_leg(history: History, scope: Scope) -> Iterator[tuple[datetime, Line]]:
    basis: Counter[str] = Counter()
    for lot in history.lots():
        basis[lot.key] += lot.cost

    def line(at: datetime, kind: str, action: str, ident: str, numbers: Line) -> tuple[datetime, Line]:
        head = {"time": when(at, scope.zone), "kind": kind, "action": action, **what(history.leg)}
        return at, {**head, **numbers, "id": ident}

    for fill in history.fills:
        if scope.holds(at := traded_at(fill)):
            amount, sold = fill.price * fill.count, fill.order.action == Order.Action.SELL
            cost = basis[key(fill)] if sold else amount + fill.fee
            numbers = _numbers(fill.count, amount, fill.fee, cost, amount - fill.fee if sold else None)
            yield line(at, "fill", fill.order.action, fill.trade_id, numbers)
    for row in history.settlements:
        if scope.holds(at := history.settled_at(row)):
            numbers = _numbers(row.count, row.payout, 0, basis[key(row)], row.payout)
            yield line(at, "settlement", row.result, key(row), numbers)
    for one in history.corrections:
        if scope.holds(one.created_at):
            gross = one.proceeds + one.fees
            numbers = _numbers(one.count, gross, one.fees, basis[key(one)], one.proceeds)
            yield line(one.created_at, "correction", "sell", key(one), numbers)


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


def term(lot: Lot, zone: ZoneInfo) -> str:
    """``long`` when held for more than a year: disposed after the anniversary of the day of acquisition, by the days of ``zone``."""
    acquired, disposed = lot.opened_at.astimezone(zone).date(), lot.closed_at.astimezone(zone).date()
    leap = acquired.month == 2 and acquired.day == 29
    anniversary = (acquired - timedelta(days=1) if leap else acquired).replace(year=acquired.year + 1)
    return "long" if disposed > anniversary else "short"


def tax_lots(scope: Scope) -> Ordered:
    """Closed lots, first in, first out, with dates of acquisition and disposal, in order of closing. Raises DoesNotAddUp."""
    return Ordered(
        (
            lot.closed_at,
            {
                **what(leg),
                "count": contracts(lot.count),
                "acquired": when(lot.opened_at, scope.zone),
                "disposed": when(lot.closed_at, scope.zone),
                "term": term(lot, scope.zone),
                "by": "settlement" if lot.is_settlement else "sale",
                "cost_basis": dollars(lot.cost),
                "proceeds": dollars(lot.proceeds),
                "realised": dollars(lot.realised),
            },
        )
        for leg, lot in closed_lots(scope)
    )


def tax_totals(scope: Scope) -> list[Line]:
    """The year on one sheet: a line for each profile and term with the sums of its closed lots."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for leg, lot in closed_lots(scope):
        total = sums.setdefault((leg.position.profile.name, term(lot, scope.zone)), Counter())
        total.update(lots=1, count=lot.count, cost=lot.cost, proceeds=lot.proceeds, fees=lot.open_fee + lot.close_fee)
    return [
        {
            "profile": profile,
            "mode": scope.mode,
            "year": str(scope.start.astimezone(scope.zone).year),
            "term": held,
            "lots": str(total["lots"]),
            "count": contracts(total["count"]),
            "cost_basis": dollars(total["cost"]),
            "proceeds": dollars(total["proceeds"]),
            "realised": dollars(total["proceeds"] - total["cost"]),
            "fees_included": dollars(total["fees"]),
        }
        for (profile, held), total in sorted(sums.items())
    ]


def exchange_lines(scope: Scope) -> Ordered:
    """Closed lots in the form of the exchange's own transaction export, in order of closing. Raises DoesNotAddUp."""
    return Ordered(
        (
            lot.closed_at,
            {
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
                POSITION: str(leg.position_id),
            },
        )
        for leg, lot in closed_lots(scope)
    )


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
