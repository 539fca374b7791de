"""Our books against the exchange's, over the union of ids: orders, fills, positions, cash.

What the exchange explains is repaired on the spot: an order whose answer was lost, a fill that no message brought. What
nothing explains becomes a named discrepancy, an alert in the log, and REDUCING for the profiles concerned, until a person resumes
or a later comparison proves it false. A listing that could not be read to its end concludes nothing (the run has an ``error``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import CharField, DateTimeField

from kalbot.common import clock
from kalbot.common.db.batches import batched
from kalbot.common.db.prepared import Among, Param, Prepared
from kalbot.common.errors import KalbotError
from markets import exchange_hours
from markets.kalshi.errors import KalshiError, RateLimited, Rejected
from markets.kalshi.schemas.boundary import Rejection
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.kalshi.schemas.orders import Order as ListedOrder
from strategies.models import Mode, Profile
from trading import premises
from trading.accounting import booking
from trading.closing import settlement
from trading.execution.orders import inflight, record
from trading.models import Discrepancy, ExchangeAccount, Fill, Order, OrderStatus, Reconciliation
from trading.reconciliation import (
    collateral_learning,
    comparison,
    foreign,
    funding,
    listed_fills,
    lost_baskets,
    others,
    own_books,
    own_rows,
    traces,
    window,
)
from trading.safety import discrepancies, live_readiness
from trading.venues import account_limits, connection, identity
from trading.venues.protocol import Ack

LAG: Final = timedelta(seconds=30)
"""A fill of ours younger than this may not be listed yet."""
log = logging.getLogger(__name__)


def run(mode: str, trigger: str, log_level: int = logging.ERROR) -> Reconciliation:
    """Compare and repair. Never raises for an exchange that does not answer: the row's ``error`` says so, and the log at ``log_level``; a
    command, which prints the error itself, has it at DEBUG."""
    row = Reconciliation.objects.create(started_at=clock.now(), mode=mode, trigger=trigger[:24])
    try:
        if mode == Mode.LIVE:
            _live(row)
        premises.complete_old()
        premises.obey_revocations()
        own_books.compare(row)
    except (KalshiError, KalbotError) as error:
        row.error = f"{type(error).__name__}: {error}"[:1000]
        log.log(log_level, "reconciliation (%s) failed: %s", trigger, row.error)
    row.finished_at = clock.now()
    row.save()
    return row


def ensure_reconciled() -> bool:
    """Reconcile live now if this process has not done so lately. Blocks; False if the books could not be compared."""
    if live_readiness.is_reconciled():
        return True
    run(Mode.LIVE, "start")
    return live_readiness.is_reconciled()


def _live(row: Reconciliation) -> None:
    profiles = list(Profile.objects.filter(mode=Mode.LIVE))
    since = window.begin(row)
    old = window.left_listing(since)
    account_limits.refresh(connection.client())
    exchange_hours.refresh(connection.client())
    _orders(row, since, old)
    fills, moved = _fills(row, since, old), _funding(row)
    trades, found = foreign.book_trades(fills)
    waiting = window.keep_open(row, found)
    row.repaired += trades + others.close_pairs() + funding.book(moved)

    def again() -> Collection[tuple[int, str]]:
        _orders(row, since, old)
        new, left = foreign.book_trades(_fills(row, since, old))
        row.repaired += new + funding.book(_funding(row))
        return window.keep_open(row, left)

    def beside() -> object:
        nonlocal fills, moved
        fills, moved = _fills(row, since, old), _funding(row)
        return {(fill.fill_id, fill.order_id) for fill in fills}, {(one.key, one.status) for one in moved}

    def first(account: ExchangeAccount) -> None:
        foreign.remember_opening(account, fills)
        funding.remember_opening(account, moved)

    settlement.run(Mode.LIVE, row)
    row.repaired += traces.of_records()
    others.book_settlements()
    lost_baskets.name(row)
    subaccounts = sorted({profile.subaccount or 0 for profile in profiles} or {0})
    _netting(row, subaccounts)
    for subaccount in subaccounts:
        members = [p for p in profiles if (p.subaccount or 0) == subaccount]
        comparison.compare(row, subaccount, members, first, beside, again, waiting)
        collateral_learning.conclude(row, subaccount)


def _orders(row: Reconciliation, since: datetime, old: window.Old) -> None:
    """Every order by the exchange's own id: ours are brought up to date, the others are kept apart."""
    unreadable: list[Rejection] = []
    orders, begin = connection.client().orders, int(since.timestamp())
    listed = {o.order_id: o for o in orders.list(min_ts=begin, unreadable=unreadable)}
    if old.orders:
        listed = {o.order_id: o for o in orders.historical(min_ts=begin, unreadable=unreadable)} | listed
    resting = {o.order_id: o for o in orders.list(status="resting", unreadable=unreadable)}
    row.orders = len(listed)
    discrepancies.name_unreadable(row, "order", unreadable)
    for batch in batched(list((listed | resting).values())):
        ours = own_rows.namesakes(batch)
        for theirs in batch:
            order = ours.get(theirs.order_id)
            if order is not None and (said := identity.unlike(order, identity.of_listed(theirs))):
                discrepancies.name_namesake(row, order, theirs, said)
                foreign.note_order(theirs)
            elif order is not None:
                _bring_up(row, order, theirs)
            elif theirs.fill_count or not theirs.status.is_terminal or theirs.order_id in resting:
                foreign.note_order(theirs)
    if not unreadable:
        foreign.not_resting_any_more(resting)


def _bring_up(row: Reconciliation, order: Order, theirs: ListedOrder) -> None:
    """Bring the row of an order of ours to what the exchange lists of it. A refusal within a batch proves nothing, so what is listed
    counts; of any other rejected order a fill is a difference."""
    if theirs.client_order_id != str(order.pk):
        log.critical("order %s was answered as %s, which is another one", order.pk, theirs.order_id)
        record.disclaim(order)
        foreign.note_order(theirs)
        return
    if discrepancies.contradicts(row, order, theirs):
        return
    if inflight.is_refused_in_batch(order) and record.revive(order):
        log.warning("order %s was refused as %s and exists: it is booked", order.pk, order.error_code)
    rests = not theirs.status.is_terminal and theirs.remaining_count > 0
    if rests and order.status in (OrderStatus.DONE, OrderStatus.REJECTED) and record.rests_after_all(order):
        log.warning("order %s had ended by its answer and is in the book: it is withdrawn", order.pk)
        row.repaired += 1
    if order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING):
        record.refresh([order])  # many were read together, a while ago
        remaining = 0 if theirs.status.is_terminal else theirs.remaining_count
        answer = Ack(theirs.order_id, theirs.fill_count, remaining)
        before = (order.status, order.reported_fill_count)
        if (
            theirs.status.is_terminal
            or theirs.fill_count > (order.reported_fill_count or 0)
            or record.is_resized(order, answer)
            or not order.exchange_order_id
        ):
            record.acknowledge(order, answer)
        row.repaired += (order.status, order.reported_fill_count) != before
    elif order.status == OrderStatus.REJECTED and theirs.fill_count:
        discrepancies.found(
            row,
            Discrepancy.Code.REJECTED_ORDER_FILLED,
            str(order.pk),
            ours="rejected",
            theirs=str(theirs.fill_count),
            profile=order.profile,
        )


def _fills(row: Reconciliation, since: datetime, old: window.Old) -> list[ListedFill]:
    """Book every fill of an order of ours; returns the others."""
    unreadable: list[Rejection] = []
    portfolio, begin = connection.client().portfolio, int(since.timestamp())
    found = list(portfolio.fills(min_ts=begin, unreadable=unreadable))
    if old.fills:
        found += portfolio.historical_fills(min_ts=begin, unreadable=unreadable)
    listed = {(f.fill_id, f.order_id): f for f in found}
    row.fills = len(listed)
    discrepancies.name_unreadable(row, "fill", unreadable)
    orders = {o.exchange_order_id: o for o in _by_exchange_id({f.order_id for f in listed.values()})}
    listed_fills.book(row, orders, {key: fill for key, fill in listed.items() if fill.order_id in orders})
    for batch in batched(_BOOKING.rows()):
        record.finish_all([order for order in batch if order.filled_count >= (order.reported_fill_count or 0)])
    if not unreadable:
        _missing(row, since, listed)
    _listed_after_all(listed.values())
    return [fill for fill in listed.values() if fill.order_id not in orders]


def _missing(row: Reconciliation, since: datetime, listed: Mapping[tuple[str, str], ListedFill]) -> None:
    """Name the fills that we booked and the exchange does not list."""
    for ours in _BOOKED.rows(since=since + window.OVERLAP / 2, before=clock.now() - LAG):
        if (ours.trade_id, ours.order.exchange_order_id) not in listed:
            discrepancies.found(
                row, Discrepancy.Code.FILL_MISSING, ours.trade_id, ours=str(ours.count), profile=ours.order.profile
            )


def _listed_after_all(fills: Iterable[ListedFill]) -> None:
    """Take back the name of orders whose fills are listed by now."""
    counts: Counter[str] = Counter()
    for fill in fills:
        counts[fill.order_id] += fill.count
    for order in window.unlisted():
        if counts[order.exchange_order_id] >= order.filled_count:
            discrepancies.agreed(Discrepancy.Code.FILLS_UNLISTED, str(order.pk))


def _funding(row: Reconciliation) -> list[funding.Moved]:
    """Money that the exchange lists as moved. What cannot be read is left to the comparison of cash."""
    try:
        return funding.listed(row)
    except RateLimited:
        raise  # the next run tries again
    except KalshiError as error:
        log.warning("deposits, withdrawals and transfers cannot be read: %s", error)
        return []


def _netting(row: Reconciliation, subaccounts: Sequence[int]) -> None:
    """Collateral return must be as it is set here: what it releases early, and what it then forbids to sell, is in our books only
    where they count with it. See docs/kalshi-protocol.md 13.
    """
    try:
        configs = connection.client().portfolio.cash.netting()
    except RateLimited:
        raise  # the next run tries again
    except Rejected as refused:
        log.warning(
            "whether collateral is netted cannot be read (%s); it is off unless somebody switched it on", refused
        )
        return
    off = ExchangeAccount.Collateral.OFF
    used = dict(ExchangeAccount.objects.exclude(collateral=off).values_list("subaccount", "collateral"))
    for subaccount in subaccounts:
        is_on = any(config.enabled for config in configs if config.subaccount_number == subaccount)
        if is_on == (subaccount in used):
            discrepancies.agreed(Discrepancy.Code.NETTING_ON, str(subaccount))
        else:
            theirs = "collateral return is on" if is_on else "collateral return is off"
            discrepancies.found(
                row, Discrepancy.Code.NETTING_ON, str(subaccount), ours=used.get(subaccount, off), theirs=theirs
            )


def _by_exchange_id(ids: Iterable[str]) -> list[Order]:
    found: list[Order] = []
    for batch in batched(sorted(ids)):
        found += _OF_FILLS.rows(ids=batch)
    return found


_OF_FILLS: Final = Prepared(
    lambda: Order.objects.filter(mode=Mode.LIVE, exchange_order_id__in=Among("ids", CharField())).select_related(
        "profile"
    )
)
_BOOKING: Final = Prepared(
    lambda: Order.objects.filter(mode=Mode.LIVE, status=OrderStatus.BOOKING).select_related("leg")
)
_BOOKED: Final = Prepared(
    lambda: (
        Fill.objects.filter(
            mode=Mode.LIVE,
            exchange_at__gte=Param("since", DateTimeField()),
            created_at__lt=Param("before", DateTimeField()),
        )
        .exclude(source=booking.AVERAGES)
        .select_related("order", "order__profile")
    )
)
