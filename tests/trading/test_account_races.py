"""Eight workers at once on one account, each at another stage of a position's life: nothing is promised, sold or booked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.db.models import Sum

from kalbot.common import clock
from markets import exchange_hours
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.at_once import at_once
from tests.trading.twin import Twin, TwinSession
from trading import sweeper
from trading.accounting import audit, balance_check, shard_cash
from trading.closing import exits, settlement
from trading.denials import DenialCode
from trading.execution import executor
from trading.models import ACTIVE, Discrepancy, ExitRequest, Order, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS, COUNT = 7, 500
ASKS = ((4_000, 4_400), (4_200, 4_600))


@pytest.fixture(autouse=True)
def stopped() -> Iterator[Any]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as now:
        yield now


class Serial(TwinSession):
    """One request at a time, and whether the exchange ever lacked cash for one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lock, self.short = threading.RLock(), 0

    def send(self, request: Any, **kwargs: Any) -> Any:
        with self.lock:
            response = super().send(request, **kwargs)
        self.short += response.status_code == 400 and b"insufficient_balance" in response.content
        return response


def _decide(number: int, twin: Twin) -> Decision:
    profile = Profile.objects.get(name=f"live {number}")
    return world.decide(profile, twin.row, {f"{twin.event}-0": 4_400, f"{twin.event}-1": 4_600}, COUNT)


def _begin(settings: Any, now: Any) -> tuple[list[Twin], Serial]:
    """Seven events on one shard and account, four profiles; the first four events are held, the first has settled, and what is left of the
    cash buys one more basket."""
    settings.KALBOT_LIVE = True
    first = Twin("KXT-0", shard=1)
    session = first.session = Serial(first.exchange)
    twins = [first, *(Twin(f"KXT-{n}", shard=1, beside=first) for n in range(1, EVENTS))]
    for twin in twins:
        for bid, ask in ASKS:
            twin.add_market([(bid, 100_000)], [(ask, 100_000)])
        twin.sync()
    for number in range(4):
        world.add_profile(f"live {number}", mode="live")
    first.exchange.ledger.cash[0, 1] = 27 * world.DOLLAR
    connection.use(first.client())
    live_readiness.require_reconciliation()
    assert reconcile.ensure_reconciled()
    exchange_hours.refresh(connection.client())
    for number in range(4):
        position = executor.execute(_decide(number, twins[number]).pk)
        assert position is not None
        assert position.status == "open"
    now.shift(2 * shard_cash.READ_LAG)  # the exchange's reads have what was spent until here
    for twin in twins:
        twin.sync()
    reconcile.run("live", "test")
    first.finish("KXT-0-0")
    return twins, session


def test_admission_exit_settlement_and_comparison_of_one_account_at_once(settings: Any, stopped: Any) -> None:
    twins, session = _begin(settings, stopped)
    leaving = Position.objects.get(event_id="KXT-1")
    new = [_decide(0, twins[4]), _decide(1, twins[5]), _decide(2, twins[5]), _decide(3, twins[6])]
    prices = {(leg.market_id, leg.side): 3_900 for leg in leaving.legs.all()}

    def leave(source: str) -> None:
        words = {"below_floor": "cash", "least_prices": prices} if source == "person" else {}
        try:
            exits.request_exit(position_id=leaving.pk, actor=source, reason="out", source=source, **words)  # type: ignore[arg-type]
        except exits.CannotExit as late:
            if late.code == DenialCode.ENDED:
                return  # the other one has sold it by then
            raise
        executor.step(leaving.pk)

    work: list[Callable[[], object]] = [lambda one=one: executor.execute(one.pk) for one in new]  # type: ignore[misc]
    work += [lambda: leave("person"), lambda: leave("triage")]
    work += [lambda: settlement.run("live"), lambda: (reconcile.run("live", "test"), sweeper.sweep())]

    def on_its_own(act: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            connection.use(twins[0].client())
            act()

        return run

    assert at_once([on_its_own(act) for act in work]) == []
    assert session.short == 0, "an order was sent for which there was no cash"
    promised = Position.objects.filter(mode="live", status__in=ACTIVE).aggregate(sum=Sum("reserved"))["sum"]
    assert (promised or 0) <= twins[0].exchange.ledger.cash[0, 1]
    assert Position.objects.filter(event_id__in=["KXT-4", "KXT-5", "KXT-6"]).exists(), "there was cash for one at least"
    assert ExitRequest.objects.filter(position=leaving, status="open").count() <= 1
    for _ in range(4):
        for twin in twins:
            twin.sync()
        sweeper.sweep()
        settlement.run("live")
        row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    leaving.refresh_from_db()
    assert leaving.status == "closed"
    sold = Order.objects.filter(position=leaving, action="sell").values_list("leg", "filled_count")
    assert {leg: sum(n for one, n in sold if one == leg) for leg, _ in sold} == dict.fromkeys(
        (leg.pk for leg in leaving.legs.all()), COUNT
    )
    assert Position.objects.get(event_id="KXT-0").status == "settled"
    assert Position.objects.filter(event_id="KXT-5").count() <= 1, "one event, one profile of the account"
    for profile in Profile.objects.order_by("pk"):
        assert balance_check.summary(profile)["difference"] == 0
        assert audit.totals(profile) == []
