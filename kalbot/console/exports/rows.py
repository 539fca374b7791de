"""Lines of the exports, from fills, settlements, corrections and ledger entries. Amounts are exact decimal dollars, counts contracts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kalbot.common.units import format_decimal
from kalbot.console.exports.history import Row, Scope, happened
from kalbot.console.exports.kept import Line
from kalbot.console.exports.lots import Lot
from trading.models import LedgerEntry

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


def fills_and_settlements(scope: Scope) -> Iterator[Line]:
    """One line for each fill, settlement and correction, in order of time; closing lines carry cost basis (first in, first out) and
    result. Raises DoesNotAddUp before the first line."""
    return (_line(row, closed, scope.zone) for row, closed in happened(scope))


def _line(row: Row, closed: list[Lot], zone: ZoneInfo) -> Line:
    head = {"time": when(row.at, zone), "kind": row.kind, "action": row.what, **row.leg}
    if row.buys:
        numbers = _numbers(row, row.amount + row.fee, None)
    else:
        numbers = _numbers(row, sum(lot.cost for lot in closed), row.amount - row.fee)
    return {**head, **numbers, "id": row.ident or row.key}


def _numbers(row: Row, cost: int, proceeds: int | None) -> Line:
    return {
        "count": contracts(row.count),
        "price": each(row.amount, row.count),
        "amount": dollars(row.amount),
        "fee": dollars(row.fee),
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


def closed_lots(scope: Scope) -> Iterator[tuple[Line, Lot]]:
    """First in, first out, leg by leg: the lots that were closed within the scope, in order of closing, with the columns that name their
    leg. Raises DoesNotAddUp before the first one."""
    return ((row.leg, lot) for row, closed in happened(scope) for lot in closed)


def tax_lots(scope: Scope) -> Iterator[Line]:
    """Closed lots, first in, first out, with dates of acquisition and disposal, in order of closing. Raises DoesNotAddUp."""
    return (
        {
            **leg,
            "count": contracts(lot.count),
            "acquired": when(lot.opened_at, scope.zone),
            "disposed": when(lot.closed_at, scope.zone),
            "term": term(lot, scope.zone),
            "by": "settlement" if lot.is_settlement else "sale",
            "cost_basis": dollars(lot.cost),
            "proceeds": dollars(lot.proceeds),
            "realised": dollars(lot.realised),
        }
        for leg, lot in closed_lots(scope)
    )


def tax_totals(scope: Scope) -> list[Line]:
    """The year on one sheet: a line for each profile and term with the sums of its closed lots."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for leg, lot in closed_lots(scope):
        total = sums.setdefault((leg["profile"], term(lot, scope.zone)), Counter())
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


def exchange_lines(scope: Scope) -> Iterator[Line]:
    """Closed lots in the form of the exchange's own transaction export, in order of closing. Raises DoesNotAddUp."""
    return (
        {
            "type": "trade",
            "quantity_fp": contracts(lot.count),
            "market_ticker": leg["market"],
            "side": leg["side"],
            "entry_price_dollars": each(lot.paid, lot.count),
            "exit_price_dollars": each(lot.received, lot.count),
            "open_fees_dollars": dollars(lot.open_fee),
            "close_fees_dollars": dollars(lot.close_fee),
            "realized_pnl_without_fees_dollars": dollars(lot.received - lot.paid),
            "realized_pnl_with_fees_dollars": dollars(lot.realised),
            "close_timestamp": when(lot.closed_at, scope.zone),
            "open_timestamp": when(lot.opened_at, scope.zone),
            POSITION: leg["position"],
        }
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
