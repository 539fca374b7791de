"""One order of locks in trading: account, position, running totals, cash of a shard. Whoever takes two takes them in this order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from kalbot.common.units import Count, Price
from markets.kalshi.order_entry import Buy
from markets.kalshi.vocabulary import Side, TimeInForce
from simulator.flow import second_actor
from strategies.models import Kind, Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading.accounting import ledger, shard_cash
from trading.accounting.position_booking import PositionBooking
from trading.closing import exits, settlement
from trading.execution import executor
from trading.execution.orders import client_ids
from trading.execution.orders.client_ids import ClientId
from trading.models import Discrepancy, ExchangeAccount, ExitRequest, Order, Position, ProfileBalance, ShardCash
from trading.reconciliation import adoption, lost_baskets, reconcile
from trading.safety import contracts, live_readiness
from trading.venues import connection as venue_connection

pytestmark = pytest.mark.django_db(transaction=True)
ORDER: Final = tuple(model._meta.db_table for model in (ExchangeAccount, Position, ProfileBalance, ShardCash))
REQUEST: Final = ExitRequest._meta.db_table
"""Of one position, so that its place among the others does not matter once that is locked."""
LOCKED: Final = re.compile(r'UPDATE "(\w+)"|(?:SELECT "|EXECUTE )(trading_shardcash)(?:"|_\d)')
"""A row of a shard's cash is read for nothing else."""
LIMITS: Final = (3_000, 3_200, 3_100)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[object, list[str]]]]:
    """(transaction, the ordered tables that it locks rows of, in the order in which it first does). ``FOR UPDATE`` is noted where it is
    built, since SQLite does not say it."""
    seen: list[tuple[object, list[str]]] = []
    locked = QuerySet.select_for_update

    def note(table: str) -> None:
        if table not in (*ORDER, REQUEST) or not connection.atomic_blocks:
            return
        block = connection.atomic_blocks[0]
        if not seen or seen[-1][0] is not block:
            seen.append((block, []))
        if table not in seen[-1][1]:
            seen[-1][1].append(table)

    def select_for_update(rows: QuerySet[Any], *args: Any, **kwargs: Any) -> QuerySet[Any]:
        note(rows.model._meta.db_table)
        return locked(rows, *args, **kwargs)

    def executed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        for found in LOCKED.finditer(sql):
            note(found[1] or found[2])
        return execute(sql, params, many, context)

    def of_orders(order_ids: Any, fills: int = 0) -> PositionBooking:
        note(Position._meta.db_table)
        return made(order_ids, fills)

    with transaction.atomic():
        shard_cash.locking(0, 0)  # built once a process, and maybe before the statement that is sent before it
    made = PositionBooking.of_orders
    monkeypatch.setattr(PositionBooking, "of_orders", of_orders)
    monkeypatch.setattr(QuerySet, "select_for_update", select_for_update)
    with connection.execute_wrapper(executed):
        yield seen


def test_every_transaction_of_a_baskets_life_takes_its_locks_in_order(
    settings: Any, taken: list[tuple[object, list[str]]]
) -> None:
    settings.KALBOT_LIVE = True
    twins = [Twin("KXT-1")]
    twins += [Twin(f"KXT-{number}", beside=twins[0]) for number in (2, 3)]
    venue_connection.use(twins[0].client())
    for twin in twins:
        for bid, ask in ((2_400, 3_000), (2_800, 3_200), (2_600, 3_100)):
            twin.add_market([(bid, 10_000)], [(ask, 10_000)])
        twin.sync()
    live_readiness.require_reconciliation()
    profile = world.add_profile("live", mode="live", sending=Profile.Sending.THINNEST)
    sold, settled, _ = [_bought(profile, twin) for twin in twins]
    exits.request_exit(position_id=sold.pk, actor="ann", reason="out", below_floor="a person said so")
    assert executor.step(sold.pk).status == "closed"
    ledger.deposit(profile, 1_000_000, "ann")
    twins[1].finish(winner=twins[1].markets[0])
    reconcile.run("live", "test")
    settlement.run("live")
    settled.refresh_from_db()
    assert settled.status == "settled"
    second_actor.act(twins[2].exchange, "sell", {"tickers": [twins[2].markets[0]], "count": 100}, Random(1))
    _order_without_rows(profile, twins[0])
    reconcile.run("live", "test")
    assert [adoption.adopt(one, actor="ann", reason="r").status for one in lost_baskets.find()] == ["open"]
    _order(twins[2], twins[2].markets[1], Side.NO, 9_000, 1_500, "by-hand")
    difference = Discrepancy.objects.create(code=Discrepancy.Code.POSITION, key=f"0:{twins[2].markets[1]}", mode="live")
    assert contracts.align(difference, "ann", "mine") == "10 taken out of our legs, -5 are somebody else's"
    several = {tuple(tables) for _, tables in taken if len(tables) > 1}
    assert {("trading_position", "trading_profilebalance"), ORDER[:3]} <= several
    for tables in several:
        ordered = [table for table in tables if table != REQUEST]
        assert ordered == sorted(ordered, key=ORDER.index), tables
        assert REQUEST not in tables or ORDER[1] in tables[: tables.index(REQUEST)], tables
    assert any(REQUEST in tables for tables in several)


def _order_without_rows(profile: Profile, twin: Twin) -> None:
    """An order whose row was lost with the database."""
    meant = ClientId(profile.pk, 999, 1, Kind.COVERAGE, Order.Action.BUY, Order.Purpose.ENTRY, "yes")
    _order(twin, twin.markets[0], Side.YES, 3_000, 100, str(client_ids.make(meant)))


def _order(twin: Twin, ticker: str, side: Side, price: int, count: int, name: str) -> None:
    """A purchase beside our rows."""
    order = Buy(
        ticker=ticker,
        side=side,
        price=Price(price),
        count=Count(count),
        client_order_id=name,
        exchange_index=0,
        time_in_force=TimeInForce.IOC,
    )
    assert twin.client().orders.create(order).fill_count == count


def _bought(profile: Profile, twin: Twin) -> Position:
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    position = executor.execute(decision.pk)
    assert position is not None
    assert position.status == "open"
    return position
