"""Mutations that no test notices and why that is right: they change nothing that can be observed, or only what the reason says.

``what`` is the mutation as ``bin/mutants`` prints it. Where the code moves on, an entry that fits nothing any more fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutation.mutants import Mutant


@dataclass(frozen=True, slots=True)
class Survivor:
    """One mutation of ``function`` (as the mutant's ``qualname``) in ``path``."""

    path: str
    function: str
    what: str
    reason: str


SIGNAL = "whatever is written there says only that it was"
LEDGER = "trading/accounting/ledger.py"
POOL = "trading/accounting/pool.py"
SURVIVORS: tuple[Survivor, ...] = (
    Survivor(
        LEDGER, "post", "if is_new: never", "the key is looked up although the caller's row proves that it is new"
    ),
    Survivor(
        LEDGER,
        "reserve_up_to",
        "LedgerTransaction.objects.filter(position=position, kind='reserve').count() + 1: Add -> Sub",
        "another number in the key of the booking, which is as unique",
    ),
    Survivor(
        POOL,
        "run",
        "profits: dropped from Profile.objects.filter(profits=Profile.Profits.SWEEP, is_active=True, shadow_of=None)",
        "sweep checks the profile's rule itself and leaves the others alone",
    ),
    Survivor(
        "trading/accounting/position_booking.py",
        "PositionBooking.of_orders",
        "any((order.of_legs != len(found.legs) for order in rows)): any -> all",
        "the orders are of one position, so that all of them say the same",
    ),
    Survivor(
        "trading/accounting/results.py",
        "days",
        "last >= now.date() + timedelta(days=1): GtE -> Gt",
        "the earlier of the day's end and now is taken afterwards",
    ),
    Survivor(
        "trading/execution/orders/finality.py",
        "open_sales",
        "action: dropped from position.orders.filter(action=Order.Action.SELL, status=OrderStatus.DONE, is_final=False)",
        "purchases that are read with the sales are left out by the next line",
    ),
    Survivor(
        "trading/limits/risk.py",
        "limits",
        "if intent.completes: never",
        "more facts are read than the checks of a purchase that completes need",
    ),
    Survivor(
        "trading/execution/sizing/planner.py",
        "largest",
        "count - 1: Sub -> Add",
        "a size above the full one is refused like the full one",
    ),
    Survivor("trading/reconciliation/adoption.py", "_money", "e > 0: Gt -> GtE", "a sum with nothing added to it"),
    Survivor(
        "trading/venues/groups.py",
        "_nameless",
        "order_group__in: dropped from Position.objects.filter(order_group__in=ids)",
        "more names are read than are compared with those that the exchange lists",
    ),
    Survivor("trading/venues/prints.py", "fetch", "1 -> 2", SIGNAL),
    Survivor(
        "trading/shadow.py",
        "_sides",
        "decision__in: dropped from Position.objects.filter(decision__in=some)",
        "the sides of more decisions are read than are looked up",
    ),
    Survivor(
        "trading/closing/settlement.py",
        "amend",
        "0: dropped from value or 0",
        "only markets that have a value are read",
    ),
    Survivor(
        "trading/reconciliation/overdue.py",
        "_book",
        "reported_fill_count: dropped from Order.objects.filter(pk=order.pk, reported_fill_count__gt=F('filled_count')).update(report",
        "what is reported is never less than what is booked, and where it is as much nothing changes",
    ),
    Survivor(
        "trading/execution/phases/complete.py",
        "completing",
        "inflight.collect_all(orders): dropped from more and inflight.collect_all(orders)",
        "the next phase books what was found, or waits for it, itself",
    ),
    Survivor(
        "trading/accounting/locked_orders.py",
        "read",
        "if drawn: never",
        "Postgres alone draws keys before: without them its rows have none, and its tests fail",
    ),
    Survivor(
        "trading/closing/unbooked.py",
        "",
        "resolved_at: dropped from Discrepancy.objects.filter(code=CODE, resolved_at=None)",
        "names that have ended are read too, and ending one of them again changes nothing",
    ),
    Survivor(
        "trading/limits/day.py",
        "",
        "1 -> 2",
        "a minute longer what a profile had at midnight is added up instead of remembered: the same sum",
    ),
    Survivor(
        "trading/limits/day.py",
        "realised_today",
        "profile__in: dropped from ProfileBalance.objects.filter(profile__in=every)",
        "running totals of more profiles are read than are looked up",
    ),
    Survivor(
        "trading/ended_beside.py",
        "_changed",
        "event__in: dropped from Q(kind=Kind.FAMILY, event__in=families)",
        "baskets of families of which no market has ended are brought up to date too, and stay as they are",
    ),
    Survivor(
        "trading/execution/sizing/quotes.py",
        "_wants",
        "True -> False",
        "markets are made of the legs, one of each, so that both are as many",
    ),
    Survivor(
        "trading/venues/live.py",
        "_sent_ms",
        "order.created_at: dropped from order.sent_at or order.created_at",
        "a row has its time of sending from the start; the other one is for what the column allows",
    ),
    Survivor(
        "trading/limits/intent.py",
        "_markets.build",
        "1 -> 2",
        "a subaccount has one row at most",
    ),
    Survivor(
        "trading/venues/live.py",
        "LiveVenue.fills_of",
        "len(tickers) > MOST_TICKERS: Gt -> GtE",
        "as many markets as one listing takes are read together or one by one, with the same fills",
    ),
    Survivor(
        "trading/quoted/records.py",
        "_baskets",
        "if key in sums: always",
        "the position of every quote is counted under the same key",
    ),
    Survivor(
        "trading/execution/phases/opening.py",
        "keep",
        "0 -> 1",
        "the words for what earns a millionth of a dollar",
    ),
    Survivor(
        "trading/reconciliation/overdue.py",
        "_book",
        "0 -> 1",
        "an order that waits for its fills has a reported count",
    ),
    Survivor("trading/quoted/markouts.py", "_read", "1 -> 2", SIGNAL),
    Survivor("trading/states.py", "_watch_quote", "0 -> 1", "the priority of watching nothing"),
    Survivor(
        "trading/execution/phases/buy.py",
        "_one_by_one",
        "if count <= 0: never",
        "the check before the purchase refuses no basket at all, so nothing is sent either",
    ),
)


def reason(mutant: Mutant) -> str:
    """Why the mutant need not be noticed; empty where a test is wanted."""
    for one in SURVIVORS:
        if (one.path, one.function, one.what) == (mutant.module, mutant.qualname, mutant.what):
            return one.reason
    return ""
