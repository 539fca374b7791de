"""What must hold whatever went wrong."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import msgspec

from kalbot.common.units import parse_count, parse_price
from tests.trading import world
from trading import accounts, ledger, live_books, selectors
from trading.execution.sizing import baskets, walk
from trading.models import OPEN_ORDERS, Denial, Discrepancy, Leg, Order, Position, Reconciliation

if TYPE_CHECKING:
    from tests.faults.harness import Run


def check(run: Run) -> None:
    """Every invariant, at the end of a run."""
    _ended(run)
    _no_order_twice(run)
    _ledger(run)
    if run.plan.mode == "live":
        _exchange_agrees(run)
    _loss_within_budget(run)
    _explained(run)
    _whole(run)


def _ended(run: Run) -> None:
    open_orders = [str(o) for o in Order.objects.filter(status__in=OPEN_ORDERS)]
    assert not open_orders, f"orders without an end: {open_orders}"
    position = Position.objects.filter(decision=run.decision).first()
    assert position is not None or Denial.objects.filter(decision=run.decision).exists(), "neither position nor denial"
    assert Position.objects.count() <= 1


def _no_order_twice(run: Run) -> None:
    orders = run.twin.exchange.ledger.orders.values()
    twice = [name for name, n in Counter(o.client_order_id for o in orders).items() if n > 1]
    assert not twice, f"sent twice: {twice}"
    ours = {str(pk) for pk in Order.objects.values_list("pk", flat=True)}
    assert {o.client_order_id for o in orders} <= ours, "an order of ours that no row knows"
    per_leg: Counter[str] = Counter()
    for order in orders:
        if order.book_side == ("ask" if run.plan.kind == "all_no" else "bid"):
            per_leg[order.ticker] += order.filled
    for ticker, bought in per_leg.items():
        assert bought <= run.plan.count, f"{ticker}: bought {bought} of {run.plan.count}"


def _ledger(run: Run) -> None:
    summary = ledger.summary(run.profile)
    assert summary["difference"] == 0, f"ledger and positions differ: {summary}"
    assert ledger.audit(run.profile) == [], "running totals differ from the entries"
    assert accounts.legs_unlike_their_fills(run.plan.mode) == [], "legs differ from their fills"
    for position in Position.objects.all():
        if position.status in ("aborted", "closed", "settled", "open"):
            assert position.reserved == 0, f"capital still reserved: {position.reserved}"


def _exchange_agrees(run: Run) -> None:
    last = Reconciliation.objects.filter(mode="live").first()
    assert last is not None
    assert last.error == "", f"no comparison: {last.error}"
    ours = accounts.holdings([run.profile])
    assert ours == run.twin.held(), f"contracts: ours {ours}, theirs {run.twin.held()}"
    made = run.twin.cash() - 10_000 * world.DOLLAR
    balance = ledger.balances(run.profile)
    booked = balance["cash"] + balance["reserved"] + balance["capital"]
    assert booked == made, f"cash: ours {booked:+d}, theirs {made:+d}"
    assert selectors.exchange_difference() in (0, None)
    found = list(Discrepancy.objects.values_list("code", "key", "ours", "theirs"))
    assert not found, f"unexplained: {found}"


def _loss_within_budget(run: Run) -> None:
    """What unwinding cost, by itself: sales with purpose unwind against what those contracts cost."""
    for position in Position.objects.filter(status="aborted"):
        assert position.realised >= -run.profile.leg_risk_budget, f"an unwind lost {-position.realised}"


def _explained(run: Run) -> None:
    for position in Position.objects.filter(status__in=["pending", "executing", "completing", "unwinding", "exiting"]):
        assert position.residual, f"{position.status} without a reason"
        assert position.next_step_at is not None, f"{position.status} and no next step is scheduled"


def _whole(run: Run) -> None:
    """A basket that was opened and that nobody requested to exit holds exactly what its whole baskets need."""
    for position in Position.objects.filter(events__to_status="open", exit_requests=None).distinct():
        for leg in position.legs.all():
            need = baskets.needed(position.matched_count, leg.target_count, position.target_count)
            assert leg.bought_count - leg.sold_count == need, f"open with {leg.held} of {need} {leg}"


def check_budget(run: Run, body: Any) -> None:
    """Before a purchase: selling everything held and this order at the books the bot can see stays within the budget,
    unless the basket is then whole. Of several orders in one request any may fill: the most expensive of all their subsets counts."""
    wire = msgspec.json.decode(body)
    orders = wire.get("orders", [wire])
    position = Position.objects.filter(decision=run.decision).first()
    first = orders[0]
    if first.get("reduce_only") or position is None or parse_price(first["price"]) in (100, 9_900):
        return
    quoted = live_books.read(run.twin.row)
    if not quoted.prices.live or run.disturbed:
        return  # the books moved after the plan was made: what counts then is the loss at the end
    legs = list(position.legs.all())
    for size in range(1, len(orders) + 1):
        for filled in combinations(orders, size):
            ordered: dict[str, int] = {order["ticker"]: parse_count(order["count"]) for order in filled}
            loss, lacking = _half_filled(legs, ordered, quoted)
            if lacking:
                budget = run.profile.leg_risk_budget
                assert loss <= budget, f"half-filled for {loss} of {budget}, {sorted(ordered)}"


def _half_filled(legs: list[Leg], ordered: dict[str, int], quoted: live_books.LiveBooks) -> tuple[int, int]:
    """(loss of selling what is bought and what is ordered, legs that would still be empty)."""
    loss, lacking = 0, 0
    for leg in legs:
        bought = [max(o.filled_count, o.reported_fill_count or 0) for o in leg.orders.filter(action="buy")]
        count = sum(bought) + ordered.get(leg.market_id, 0)
        lacking += count == 0
        paid = walk.buy(quoted.asks(leg.market_id, leg.side), count, leg.limit_price, quoted.fees).cost
        loss += paid - walk.sell(quoted.bids(leg.market_id, leg.side), count, 1, quoted.fees).proceeds
    return loss, lacking
