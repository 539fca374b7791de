"""What must hold whatever went wrong, once a run has come to its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db.models import Sum

from markets.fees import OrderFees
from tests.faults import account_state
from tests.faults.harsh import Harsh
from tests.trading import world
from trading import selectors
from trading.accounting import accounts, audit, balance_check, collateral, ledger, leg_risk
from trading.books import live_books
from trading.closing import exit_counts
from trading.execution.orders import sell_ladder
from trading.execution.sizing import baskets
from trading.models import (
    OPEN_ORDERS,
    TERMINAL,
    Account,
    Correction,
    Denial,
    Discrepancy,
    ExchangeAccount,
    ExitRequest,
    LedgerEntry,
    Order,
    Position,
    Reconciliation,
)
from trading.reconciliation import late_fills

if TYPE_CHECKING:
    from tests.faults.harness import Run

WAITING = (Discrepancy.Code.POSITION_WAITING, Discrepancy.Code.EXIT_WAITING)
OF_KEPT = (*WAITING, Discrepancy.Code.LATE_FILL, Discrepancy.Code.LEGS_ALONE)
OF_AGE = (Discrepancy.Code.FILLS_UNLISTED, Discrepancy.Code.ORDER_UNRESOLVED, *WAITING)
"""What is named when something takes too long, and ends by itself: freezes, pauses and clocks that step make it so."""
MOVING = ("pending", "quoting", "executing", "completing", "unwinding", "exiting")


def check(run: Run) -> None:
    """Every invariant."""
    _ended(run)
    _no_order_twice(run)
    _ledgers(run)
    if run.plan.mode == "live":
        _exchange_agrees(run)
    _loss_within_budget(run)
    _explained()
    _nothing_waits_for_ever(run)
    _settled_by_what_is_held(run)
    _whole()
    _alone_is_explained()
    _no_more_than_the_part()


def _ended(run: Run) -> None:
    open_orders = [str(o) for o in Order.objects.filter(status__in=OPEN_ORDERS)]
    assert not open_orders, f"orders without an end: {open_orders}"
    decided = Position.objects.filter(decision=run.decision).exists()
    assert decided or Denial.objects.filter(decision=run.decision).exists(), "neither position nor denial"
    assert Position.objects.count() <= len(run.twins) + (run.harsh.apart_round is not None)


def _no_order_twice(run: Run) -> None:
    """Each id once, and no leg bought beyond its target; what was sold of it may be bought again."""
    orders = [o for o in run.twin.exchange.ledger.orders.values() if o.client_order_id]
    twice = [name for name, n in Counter(o.client_order_id for o in orders).items() if n > 1]
    assert not twice, f"sent twice: {twice}"
    rows = {str(o.pk): o for o in Order.objects.filter(mode="live").select_related("leg")}
    assert {o.client_order_id for o in orders} <= set(rows), "an order of ours that no row knows"
    per_leg: Counter[int] = Counter()
    for order in orders:
        row = rows[order.client_order_id]
        per_leg[row.leg_id] += order.filled if row.action == Order.Action.BUY else 0
    taken = Counter(dict(Correction.objects.order_by().values_list("leg").annotate(Sum("count"))))
    for row in rows.values():
        taken[row.leg_id] += row.filled_count if row.purpose == Order.Purpose.UNWIND else 0
    targets = {row.leg_id: row.leg.target_count + taken[row.leg_id] for row in rows.values()}
    over = {leg: (n, targets[leg]) for leg, n in per_leg.items() if n > targets[leg]}
    assert not over, f"bought more than wanted: {over}"


def _ledgers(run: Run) -> None:
    for balance in ExchangeAccount.objects.all():
        assert all(balance.foreign.values()), f"contracts of nobody: {balance.foreign}"
    for position in Position.objects.select_related("profile"):
        summary = balance_check.summary(position.profile)
        assert summary["difference"] == 0, f"ledger and positions differ: {summary}"
        assert audit.totals(position.profile) == [], "running totals differ from the entries"
        if position.status in (*TERMINAL, "open"):
            kept = 0 if position.status in TERMINAL else collateral.exit_reserve(position)
            assert position.reserved <= kept, f"capital still reserved: {position.reserved}, {kept} for an exit"
        assert position.returned == collateral.held_back(position), "returned collateral is not that of what is held"
    assert audit.positions(run.plan.mode) == [], "positions differ from their entries"
    assert accounts.legs_unlike_their_fills(run.plan.mode) == [], "legs differ from their fills"


def _exchange_agrees(run: Run) -> None:
    last = Reconciliation.objects.filter(mode="live").first()
    assert last is not None
    assert last.error == "", f"no comparison: {last.error}"
    kept = [*_kept(), *Position.objects.filter(status="exiting", residual_code__in=("no_bid", "own_order"))]
    still = Discrepancy.objects.filter(resolved_at=None).exclude(code__in=OF_KEPT, key__in=[str(p.pk) for p in kept])
    found = list(still.values_list("code", "key", "ours", "theirs"))
    assert not found, f"no end of: {found}"
    foreign: dict[str, int] = {}
    for account in ExchangeAccount.objects.all():
        members = {p.profile for p in Position.objects.select_related("profile")}
        held = Counter(accounts.holdings({one for one in members if (one.subaccount or 0) == account.subaccount}))
        held.update(account.foreign)
        foreign |= account.foreign
        ours, theirs = {t: count for t, count in held.items() if count}, run.twin.held(account.subaccount)
        assert ours == theirs, f"contracts of {account.subaccount}: ours {ours}, theirs {theirs}"
    assert selectors.exchange_difference() in (0, None)
    if run.harsh.has_actor:
        return
    # orders that take nothing for ten minutes are named as waiting until something changes
    named = Discrepancy.objects.exclude(code__in=WAITING, resolved_at__isnull=False)
    if run.harsh != Harsh():
        named = named.exclude(code__in=OF_AGE)
    if "answers" in run.harsh.troubles:
        # what was shown as ended with nothing ends its position, and fills seconds later: named until it is dealt with
        named = named.exclude(code=Discrepancy.Code.LATE_FILL, resolved_at__isnull=False)
    if run.harsh.acts:
        # money that comes in the very second of the first comparison is named until a balance says whether that had it; what a record
        # of a corrected result says where returned collateral is taken off it, until a person accepts that
        codes = (Discrepancy.Code.CASH, Discrepancy.Code.SETTLEMENT_REVENUE)
        named = named.exclude(code__in=codes, resolved_at__isnull=False)
    if "fees" in run.harsh.troubles:
        # for an order that rests the exchange keeps back a fee that nobody announced: named until it rests no more
        named = named.exclude(code=Discrepancy.Code.CASH, resolved_at__isnull=False)
    assert not named.exists(), f"unexplained: {list(named.values_list('code', 'key'))}"
    assert not foreign, f"somebody else's: {foreign}"
    made = run.twin.cash(*run.twin.exchange.ledger.subaccounts()) - run.funded
    booked = 0
    for position in Position.objects.select_related("profile").distinct():
        balance = ledger.balances(position.profile)
        booked += balance["cash"] + balance["reserved"] + balance["capital"]
    assert booked == made, f"cash: ours {booked:+d}, theirs {made:+d}"


def _loss_within_budget(run: Run) -> None:
    """What unwinding cost, at whatever prices the books had: sales with that purpose against what those contracts cost, and with them what
    whole baskets cost that were completed at a loss."""
    for position in Position.objects.select_related("profile"):
        sold = LedgerEntry.objects.filter(
            account=Account.REALISED,
            transaction__fill__order__position=position,
            transaction__fill__order__purpose=Order.Purpose.UNWIND,
        )
        lost = sold.aggregate(total=Sum("amount"))["total"] or 0
        if lost > 0:
            lost += leg_risk.lost_completing(position, list(position.legs.all()))
        budget = position.profile.leg_risk_budget + (
            unannounced(position, Order.Purpose.UNWIND) if "fees" in run.harsh.troubles else 0
        )
        assert lost <= budget, f"an unwind lost {lost} of {budget}"


def unannounced(position: Position, purpose: str) -> int:
    """What fees that rose while such orders of it were on their way, or rested, have cost beyond those that were known, micro-dollars: no
    order can bound them."""
    more = 0
    for order in Order.objects.filter(position=position, purpose=purpose).prefetch_related("fills"):
        known = OrderFees(world.FEES)
        for fill in order.fills.order_by("exchange_at", "id"):
            known.add(fill.price, fill.count, buys=order.action == Order.Action.BUY, is_taker=fill.is_taker)
        more += max(0, sum(fill.fee for fill in order.fills.all()) - known.total)
    return more


def _explained() -> None:
    for position in Position.objects.filter(status__in=MOVING):
        assert position.residual, f"{position.status} without a reason"
        assert position.next_step_at is not None, f"{position.status} and no next step is scheduled"


def _kept() -> list[Position]:
    """Positions that only their budget keeps, or an order of the account itself, which the exchange would stop our sale at. They are
    named for as long as that lasts."""
    return list(Position.objects.filter(status="unwinding", residual_code__in=("no_bid", "own_order")))


def _nothing_waits_for_ever(run: Run) -> None:
    """All markets are open again, with bids and asks: what still moves may only be kept for a reason that is true at the end."""
    kept = _kept()
    for position in kept:
        assert _must_be_kept(run, position), f"{position} is kept without need: {position.residual}"
    for position in Position.objects.filter(status__in=MOVING).exclude(pk__in=[p.pk for p in kept]):
        assert position.status == "exiting", f"{position.status} waits: {position.residual}"


def _must_be_kept(run: Run, position: Position) -> bool:
    """Whether somebody's own order is in the way of a leg that is too much, or not even the least part of any may be sold within what is
    left of the budget at the best bid."""
    legs, exchange = list(position.legs.all()), run.twin.exchange
    count, fees = baskets.matched(legs, position.target_count), live_books.read(position.event).fees
    alone = [leg for leg in legs if baskets.excess(leg, count, position.target_count)]
    theirs = {(o.ticker, o.book_side) for o in exchange.ledger.all_open() if not o.client_order_id}
    if any((leg.market_id, "bid" if leg.side == "yes" else "ask") in theirs for leg in alone):
        return True
    left = leg_risk.left_to_sell(position, legs)
    for leg in alone:
        book, least = exchange.books[leg.market_id], 100 if leg.held % 100 == 0 else 1
        bids = book.yes_levels() if leg.side == "yes" else book.no_levels()
        if bids and sell_ladder.loss_bound(leg, least, max(price for price, _ in bids), fees.of(leg.market_id)) <= left:
            return False
    return True


def _settled_by_what_is_held(run: Run) -> None:
    """When every market is final, no leg holds anything and every position that held something has ended."""
    over = all(run.twin.exchange.markets[t].status == "finalized" for twin in run.twins for t in twin.markets)
    if over:
        for position in Position.objects.prefetch_related("legs"):
            assert not any(leg.held for leg in position.legs.all()), f"{position} still holds contracts"
            assert position.status in TERMINAL, f"{position} is {position.status} after its settlement"


def _whole() -> None:
    """A basket that was opened holds exactly what its whole baskets need, if no exit sold any of it, or only equal shares by request.

    Not so while it is at work, or where it was when its markets settled: unwinding or completing, but not quoting. What is kept for its
    floor is what pays something in every listed state: more than it cost, or than a sale brought.
    """
    for position in Position.objects.filter(events__to_status="open").distinct():
        if not _sells_whole_baskets_only(position):
            continue
        at_work = position.events.filter(from_status__in=("unwinding", "completing"), to_status="settled")
        settled_at_work = at_work.exists()
        if position.residual_code == "held_for_floor":
            assert position.floor, f"{position} is kept for nothing that is sure"
        if position.events.filter(reason__contains="without the rest of the basket").exists():
            continue
        if position.status == "unwinding" or settled_at_work or position.close_type == "exit":
            continue  # at work on it until its end, or somebody else sold all of it
        if position.quoting and position.events.filter(reason__contains="orphans are held").exists():
            continue  # inside its budget, as its profile has it: quoted.check_now
        for leg in position.legs.all():
            need = baskets.needed(position.matched_count, leg.target_count, position.target_count)
            assert account_state.holds(leg, need), f"open with {leg.held} of {need} {leg}"


def _sells_whole_baskets_only(position: Position) -> bool:
    """Whether no exit sold any of it, or a person's that is for all of a sure basket, or for equal shares, without words for less."""
    if not position.orders.filter(purpose=Order.Purpose.EXIT, filled_count__gt=0).exists():
        return not position.exit_requests.filter(status=ExitRequest.Status.OPEN).exists()
    if position.status != "open" or position.residual_code == "market_closed" or not position.decision.guaranteed:
        return False
    return not position.exit_requests.exclude(source="person", below_floor="").exists()


def _alone_is_explained() -> None:
    """An open position that holds contracts beside its whole baskets says why, whoever sold the others: an exit that ended too."""
    for position in Position.objects.filter(status="open").prefetch_related("legs"):
        if late_fills.is_unequal(position, position.legs.all()):
            assert position.residual_code, f"{position} holds {late_fills.holds(position.legs.all())} without a reason"


def _no_more_than_the_part() -> None:
    """A partial exit sells of each leg no more than was requested, and of a guaranteed basket without words the same share of each."""
    for request in ExitRequest.objects.exclude(counts=[]).select_related("position"):
        sales = Order.objects.filter(position=request.position, purpose="exit", created_at__gte=request.created_at)
        if request.ended_at is not None and request.status == ExitRequest.Status.DONE:
            sales = sales.filter(created_at__lte=request.ended_at)
        elif request.ended_at is not None:  # what took its place in the same moment sells what that says
            sales = sales.filter(created_at__lt=request.ended_at)
        sold: Counter[tuple[str, str]] = Counter()
        for sale in sales.select_related("leg"):
            sold[sale.leg.market_id, sale.side] += sale.filled_count
        wanted = {(row["ticker"], row["side"]): row["count"] for row in request.counts}
        assert all(count <= wanted.get(key, 0) for key, count in sold.items()), f"{sold} sold, {wanted} requested"
        if request.outcome == "part":
            left = {
                exit_counts.key(leg): count
                for leg, count in exit_counts.to_sell(request.counts, request.position.legs.all())
            }
            assert not left, f"said to be done, {left} left"
