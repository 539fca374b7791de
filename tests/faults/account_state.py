"""What must hold while everything runs, and what must hold once it rests, read from a real database and the exchange's truth."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from strategies.models import Profile
from trading.accounting import accounts, audit, balance_check
from trading.execution.sizing import baskets
from trading.models import OPEN_ORDERS, Correction, Discrepancy, ExchangeAccount, Leg, Order, Position, Reconciliation
from trading.reconciliation import reconcile
from trading.safety import resolution

MOVING = ("pending", "quoting", "executing", "completing", "unwinding", "exiting")


def at_any_moment(exchange_orders: list[dict[str, Any]]) -> list[str]:
    """Sentences about what does not hold. ``exchange_orders`` were read before: every one of ours has its row by now."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return [*_orders(exchange_orders), *_ledgers(), *_positions()]


def answer_discrepancies() -> None:
    """A person ends what is open by its own action, as often as one answer shows the next."""
    for _ in range(3):
        for row in Discrepancy.objects.filter(resolved_at=None):
            with suppress(resolution.CannotResolve):
                resolution.resolve(row.pk, actor="operator", reason="somebody else traded on the account")
        reconcile.run("live", "test")


def at_rest(truth: dict[str, Any], *, beside_others: bool = False) -> list[str]:
    """Sentences about what does not hold although nothing moves any more. ``truth``: orders and positions of the exchange.
    ``beside_others``: somebody else holds contracts too, and what was named of them has only to have ended."""
    quoted = Q(position__status="quoting", status="resting")  # a quote rests until it fills or its own end
    found = [
        f"order without an end: {o} {o.status}" for o in Order.objects.filter(status__in=OPEN_ORDERS).exclude(quoted)
    ]
    live = list(Profile.objects.filter(mode="live"))
    theirs = {p["ticker"]: p["count"] for p in truth["positions"] if p["count"]}
    ours = accounts.holdings(live)
    if beside_others:
        held = Counter(ours)
        for account in ExchangeAccount.objects.all():
            held.update(account.foreign)
        ours = {ticker: count for ticker, count in held.items() if count}
    if ours != theirs:
        found.append(f"contracts: ours {ours}, theirs {theirs}")
    last = Reconciliation.objects.filter(mode="live").first()
    if last is None or last.error or last.differences:
        found.append(f"last reconciliation: {last and (last.error or last.differences)}")
    named = Discrepancy.objects.filter(resolved_at=None) if beside_others else Discrepancy.objects.all()
    found += [f"unexplained: {d.code} {d.key} ours {d.ours} theirs {d.theirs}" for d in named]
    for position in Position.objects.filter(status__in=MOVING).exclude(status="quoting"):
        if not position.residual or position.next_step_at is None:
            shown = (
                f"{position.residual!r}, next step {position.next_step_at}, in work until {position.lease_until}"
                f", orders {[str(order.status) for order in position.orders.order_by('created_at')]}"
            )
            found.append(f"{position} is {position.status} without a reason or a next step: {shown}")
    for position in Position.objects.filter(status="aborted"):
        if position.realised < -position.profile.leg_risk_budget:
            found.append(f"{position}: an unwind lost {-position.realised}")
    return found


def _orders(exchange_orders: list[dict[str, Any]]) -> list[str]:
    exchange_orders = [order for order in exchange_orders if order["client_order_id"]]  # a person's have none
    counted = Counter(order["client_order_id"] for order in exchange_orders)
    found = [f"sent twice: {name}" for name, n in counted.items() if n > 1]
    rows = {str(order.pk): order for order in Order.objects.filter(mode="live").select_related("leg")}
    found += [f"an order at the exchange that no row knows: {name}" for name in counted if name not in rows]
    bought: Counter[int] = Counter()
    for order in exchange_orders:
        row = rows.get(order["client_order_id"])
        if row is not None:  # what an unwind, or somebody else, sold may be bought again
            bought[row.leg_id] += order["filled"] if row.action == "buy" else -order["filled"]
    for leg_id, count in Correction.objects.filter(mode="live").values_list("leg", "count"):
        bought[leg_id] -= count
    targets = {row.leg_id: row.leg.target_count for row in rows.values()}
    return found + [
        f"leg {leg}: bought {n} more than sold, of {targets[leg]}" for leg, n in bought.items() if n > targets[leg]
    ]


def _ledgers() -> list[str]:
    found = []
    for profile in Profile.objects.filter(balance__isnull=False):
        found += [f"{profile.name}: {account} runs at {a}, sums to {b}" for account, a, b in audit.totals(profile)]
        difference = balance_check.summary(profile)["difference"]
        if difference:
            found.append(f"{profile.name}: ledger and positions differ by {difference}")
    for mode in ("sim", "live"):
        found += [f"{leg} differs from its fills" for leg in accounts.legs_unlike_their_fills(mode)]
    return found


def holds(leg: Leg, need: int) -> bool:
    """Whether a leg of an open basket holds what its whole baskets need; more of it, where its market had settled before contracts of
    another leg left the account: what has settled can be sold no more."""
    kept = baskets.kept(leg)
    return kept == need or (kept > need and leg.settled_count == kept)


def _positions() -> list[str]:
    found = []
    for position in Position.objects.filter(status="open", residual="", exit_requests=None).prefetch_related("legs"):
        for leg in position.legs.all():
            need = baskets.needed(position.matched_count, leg.target_count, position.target_count)
            if not holds(leg, need):
                found.append(f"{position} is open with {baskets.kept(leg)} of {need} {leg}")
    ended = Position.objects.filter(status__in=("aborted", "closed", "settled")).exclude(reserved=0)
    return found + [f"{position} ended with {position.reserved} still reserved" for position in ended]
