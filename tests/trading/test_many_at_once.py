"""What several workers, or the exchange and a worker, do to one position in the same moment: it is sold once, and the books tie."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from kalbot.common import clock
from simulator.accounts import transfers
from tests.trading import live_twin, world
from tests.trading.at_once import at_once
from tests.trading.rewriting import FILLS, Rewriting, RewritingTwin
from tests.trading.struck import execute
from trading import sweeper
from trading.accounting import audit, balance_check
from trading.closing import exits, settlement
from trading.denials import Denied
from trading.execution import executor
from trading.models import Discrepancy, ExchangeAccount, ExitRequest, Position
from trading.reconciliation import reconcile
from trading.venues import connection

RISEN = 3_600
"""A bid at which every leg brings more than the basket is sure to pay: 1.08 for a dollar."""


class OneByOne(Rewriting):
    """Takes one request after the other, as an exchange does."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.turn = threading.RLock()

    def send(self, request: Any, **kwargs: Any) -> Any:
        with self.turn:
            return super().send(request, **kwargs)


@pytest.fixture
def twin(settings: Any) -> RewritingTwin:
    found = RewritingTwin()
    found.session = OneByOne(found.exchange)
    return live_twin.connect(settings, found)


@pytest.fixture
def now() -> Iterator[Any]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as found:
        yield found


def _rises(twin: RewritingTwin) -> None:
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "bid", RISEN, 10_000)
    twin.sync()


def _together(twin: RewritingTwin, *work: Callable[[], object]) -> list[BaseException]:
    def as_its_own(act: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            connection.use(twin.client())
            act()

        return run

    return at_once([as_its_own(act) for act in work])


def _sold(position: Position) -> dict[str, int]:
    found = dict.fromkeys(position.legs.values_list("market_id", flat=True), 0)
    for order in position.orders.filter(action="sell").select_related("leg"):
        found[order.leg.market_id] += order.filled_count
    return found


def _ties(twin: RewritingTwin, position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.totals(position.profile) == []
    assert audit.positions("live") == []
    assert {leg.market_id: leg.held for leg in position.legs.all() if leg.held} == twin.held()


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
def test_whole_part_and_advised_exits_with_two_sweeps_sell_one_position_once(twin: RewritingTwin) -> None:
    position = execute(twin)
    _rises(twin)
    half = {(leg.market_id, leg.side): 500 for leg in position.legs.all()}

    def exit_by(actor: str, **terms: Any) -> Callable[[], object]:
        return lambda: exits.request_exit(position_id=position.pk, actor=actor, reason="out", **terms)

    errors = _together(
        twin,
        exit_by("ann"),
        exit_by("bob", counts=half),
        exit_by("triage", source="triage"),
        sweeper.sweep,
        sweeper.sweep,
        lambda: executor.step(position.pk),
    )
    assert [one for one in errors if not isinstance(one, Denied)] == []
    assert ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).count() <= 1
    position.refresh_from_db()
    assert all(0 <= count <= 1_000 for count in _sold(position).values())
    for seconds in (10, 30, 60):
        with time_machine.travel(clock.now() + timedelta(seconds=seconds)):
            twin.sync()
            assert _together(twin, sweeper.sweep, sweeper.sweep) == []
    position.refresh_from_db()
    held = twin.held()
    assert held in ({}, dict.fromkeys(twin.markets, 500)), "everything, or the half that bob reads for last"
    assert position.status == ("open" if held else "closed")
    assert _sold(position) == {ticker: 1_000 - held.get(ticker, 0) for ticker in twin.markets}
    _ties(twin, position)


def test_a_settlement_between_a_sale_and_its_booking_settles_what_the_sale_left(twin: RewritingTwin, now: Any) -> None:
    """Seven of ten were sold and not listed yet when the market was settled: three are paid."""
    position = execute(twin)
    _rises(twin)
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "bid")
        twin.quote(ticker, "bid", RISEN, 700)
    twin.sync()
    bought = set(twin.exchange.ledger.orders)
    twin.session.rewrite[FILLS] = lambda body: body.update(
        fills=[one for one in body["fills"] if one["order_id"] in bought]
    )
    exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    executor.step(position.pk)
    selling = position.orders.filter(action="sell")
    assert {one.status for one in selling} == {"booking"}
    ended = {one.leg.market_id: one.reported_fill_count or 0 for one in selling}
    assert sum(ended.values()) > 0
    twin.finish(twin.markets[0])
    for _ in range(3):
        now.shift(timedelta(seconds=20))
        twin.sync()
        settlement.run()
        reconcile.run("live", "test")
        sweeper.sweep()
    booked = {leg.market_id: leg.settled_count for leg in position.legs.all()}
    assert all(not booked[ticker] for ticker, count in ended.items() if count), "not before its sale"
    assert not Discrepancy.objects.filter(code__in=("position", "cash"), resolved_at=None).exists()
    twin.session.rewrite.clear()
    for _ in range(4):
        now.shift(timedelta(seconds=20))
        twin.sync()
        sweeper.sweep()
        reconcile.run("live", "test")
        settlement.run()
    position.refresh_from_db()
    assert position.status in ("settled", "closed")
    legs = {leg.market_id: (leg.sold_count, leg.settled_count) for leg in position.legs.all()}
    assert legs == {ticker: (ended.get(ticker, 0), 1_000 - ended.get(ticker, 0)) for ticker in twin.markets}
    _ties(twin, position)


MOMENTS = ("/portfolio/balance", "/portfolio/positions", "/portfolio/subaccounts/transfers", "/portfolio/fills")


@pytest.mark.parametrize("way", [(0, 1), (1, 0)])
@pytest.mark.parametrize("path", MOMENTS)
def test_money_moved_between_subaccounts_in_the_middle_of_a_comparison_is_no_difference(
    twin: RewritingTwin, path: str, way: tuple[int, int]
) -> None:
    position = execute(twin)
    twin.exchange.ledger.credit((1, 0), 50 * world.DOLLAR)
    world.add_profile("other", mode="live", subaccount=1)
    reconcile.run("live", "test")
    send, reads = twin.session.send, list[str]()

    def beside(request: Any, **kwargs: Any) -> Any:
        if request.url.split("?")[0].endswith(path):
            reads.append(path)
            if len(reads) <= 3:
                transfers.between_subaccounts(twin.exchange, str(UUID(int=len(reads))), 3 * world.DOLLAR, 0, *way)
        return send(request, **kwargs)

    twin.session.send = beside  # type: ignore[method-assign]
    row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)
    assert reads
    for _ in range(2):
        _ties(twin, position)
    assert set(ExchangeAccount.objects.values_list("difference", flat=True)) == {0}
