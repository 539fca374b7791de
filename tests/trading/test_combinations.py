"""Two or three troubles at one moment, on the exchange that listens to a person too: whatever comes, the books agree at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine

from kalbot.common import clock
from markets.kalshi.order_entry import AmendOrder
from markets.kalshi.vocabulary import Side
from markets.models import Market
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import live_twin
from tests.trading.struck import Striking, StruckTwin, execute
from trading import sweeper
from trading.accounting import audit, balance_check
from trading.closing import exits, settlement
from trading.denials import DenialCode
from trading.execution import executor
from trading.models import Discrepancy, Order, Position
from trading.reconciliation import inbox, reconcile
from trading.safety import halt, live_readiness
from trading.venues import connection

pytestmark = pytest.mark.alike

Act = Callable[[], object]
HOLD: dict[str, Any] = {"on_partial": Profile.PartialPolicy.HOLD}
WORDS = "cash is needed"


class Meddled(Striking):
    """Something happens once just before a request: ``first[(method, end of the path)]``. ``posts_sent`` counts what may trade."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.first: dict[tuple[str, str], Act] = {}

    def send(self, request: Any, **kwargs: Any) -> Any:
        path = urlsplit(request.url).path
        for method, end in list(self.first):
            if request.method == method and path.endswith(end):
                self.first.pop((method, end))()
                break
        return super().send(request, **kwargs)


class MeddledTwin(StruckTwin):
    session: Meddled


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False):
        yield


@pytest.fixture
def twin(settings: Any) -> MeddledTwin:
    found = MeddledTwin()
    found.session = Meddled(found.exchange)
    return live_twin.connect(settings, found)


@contextmanager
def later(twin: MeddledTwin, seconds: float) -> Iterator[None]:
    with time_machine.travel(clock.now() + timedelta(seconds=seconds), tick=False):
        twin.sync()
        yield


def sweep(twin: MeddledTwin, *seconds: float) -> None:
    """What the schedule does, so many seconds from now."""
    for moment in seconds:
        with later(twin, moment):
            twin.send_fills()
            inbox.apply_waiting()
            sweeper.sweep()


def person(twin: MeddledTwin, what: str, **terms: Any) -> dict[str, Any]:
    terms.setdefault("tickers", [twin.markets[0]])
    did = second_actor.act(twin.exchange, what, terms, Random(1))
    assert did["did"] == what, did
    return did


def leave(position: Position, least: int = 2_500, **columns: Any) -> None:
    prices = {(leg.market_id, leg.side): least for leg in position.legs.all() if leg.held}
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor=WORDS, **columns
    )


def thin(twin: MeddledTwin, left: int = 300) -> Act:
    """Of the last leg only ``left`` are offered any more."""

    def act() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        if left:
            twin.quote(twin.markets[2], "ask", 3_100, left)

    return act


def agrees(twin: MeddledTwin, after: float = 400) -> None:
    """Orders, fills, contracts and cash are the exchange's, and every difference has ended."""
    with later(twin, after):
        for _ in range(2):
            row = reconcile.run("live", "test")
            assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
            sweeper.sweep()
        assert list(Discrepancy.objects.filter(resolved_at=None).values_list("code", "key", "ours", "theirs")) == []
    for profile in Profile.objects.filter(mode="live"):
        assert balance_check.summary(profile)["difference"] == 0
        assert audit.totals(profile) == []


def test_an_exit_waits_for_a_purchase_that_rests_while_a_person_makes_it_smaller(twin: MeddledTwin) -> None:
    twin.session.before = {3: thin(twin)}
    position = execute(twin, **HOLD)
    resting = position.orders.get(status="resting")
    person(twin, "shrink", tickers=[twin.markets[2]], order_id=resting.exchange_order_id)
    with pytest.raises(exits.CannotExit) as refused:
        leave(position)
    assert refused.value.code is DenialCode.STILL_BUYING
    left = twin.exchange.ledger.orders[resting.exchange_order_id].remaining
    twin.quote(twin.markets[2], "ask", 3_100, 5_000, rest=False)
    sweep(twin, 2, 4, 6)
    position.refresh_from_db()
    assert twin.held()[twin.markets[2]] == 300 + left
    sweep(twin, 70, 72, 74)
    position.refresh_from_db()
    assert (position.status, position.matched_count) == ("open", 300 + left)
    assert set(twin.held().values()) == {300 + left}
    with later(twin, 80):
        leave(position)
    sweep(twin, 82, 84)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("closed", {})
    agrees(twin)


def test_markets_that_settle_while_a_sale_is_unknown_and_trading_halted_end_the_position(twin: MeddledTwin) -> None:
    lost = {"kind": "error", "when": "after", "method": "POST", "path": "/portfolio/events/orders"}
    silent = {"kind": "error", "method": "GET", "path": "/portfolio/orders", "count": 10_000}

    def gone() -> None:
        thin(twin, 0)()
        twin.cancel_makers(twin.markets[1], "bid")
        twin.sync()

    def lose() -> None:
        twin.exchange.faults.add(**lost)
        twin.exchange.faults.add(**silent)

    twin.session.before = {3: gone, 4: lose}
    position = execute(twin)
    assert position.status == "unwinding"
    assert position.orders.filter(action="sell", status="unknown").exists()
    halt.set_state(state="halted", actor="ann", reason="storm")
    sent = len(twin.session.sent)
    sweep(twin, 2, 4)
    twin.finish(twin.markets[0])
    sweep(twin, 40)
    twin.exchange.faults.clear()
    sweep(twin, 80)
    with later(twin, 90):
        reconcile.run("live", "test")
        settlement.run("live", None)
    assert [m for m, _, _ in twin.session.sent[sent:] if m == "POST"] == [], "nothing leaves under HALTED"
    sweep(twin, 100, 110)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("settled", {})
    agrees(twin)


@pytest.mark.parametrize(
    "read", ["/portfolio/balance", "/portfolio/positions", "/portfolio/fills", "/portfolio/orders"]
)
def test_a_deposit_in_the_moment_of_a_fill_is_no_difference(twin: MeddledTwin, read: str) -> None:
    twin.session.before = {3: thin(twin)}
    position = execute(twin, **HOLD)
    reconcile.run("live", "test")

    def both() -> None:
        twin.quote(twin.markets[2], "ask", 3_100, 400, rest=False)
        person(twin, "deposit", amount=7_000_000)

    twin.session.first["GET", read] = both
    row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)
    assert halt.current(position.profile) == "active"
    sweep(twin, 2, 70, 72)
    agrees(twin)


def test_a_person_who_buys_the_leg_that_an_exit_waits_to_sell_keeps_what_he_bought(twin: MeddledTwin) -> None:
    position = execute(twin)
    reconcile.run("live", "test")
    leg = twin.markets[0]
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "bid")
        twin.quote(ticker, "bid", 2_000, 5_000)
    twin.sync()
    leave(position, 2_800)
    executor.step(position.pk)
    person(twin, "buy", side="bid", count=400, rest=False)
    assert twin.held()[leg] == 1_400
    for ticker in twin.markets:
        twin.quote(ticker, "bid", 2_900, 5_000)
    sweep(twin, 5, 7, 9)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("closed", {leg: 400})
    agrees(twin)


def test_an_exit_does_not_sell_to_a_bid_of_the_person_on_its_own_account(twin: MeddledTwin) -> None:
    position = execute(twin)
    reconcile.run("live", "test")
    leg = twin.markets[0]
    twin.cancel_makers(leg, "bid")
    bid = person(twin, "buy", side="bid", price=2_900, count=1_000, rest=True)
    reconcile.run("live", "test")
    twin.sync()
    leave(position, 2_800)
    sweep(twin, 0, 2, 4)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("exiting", {leg: 1_000}), "the others are sold, this one waits"
    assert position.residual_code in ("own_order", "no_bid")
    person(twin, "cancel", order_id=bid["order_id"])
    twin.quote(leg, "bid", 2_900, 5_000)
    with later(twin, 60):
        reconcile.run("live", "test")
    sweep(twin, 70, 75)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("closed", {})
    agrees(twin)


@pytest.mark.parametrize("total", [500, 1_200])
def test_a_purchase_that_filled_in_part_and_is_amended_counts_as_it_is(twin: MeddledTwin, total: int) -> None:
    twin.session.before = {3: thin(twin)}
    position = execute(twin, **HOLD)
    order = position.orders.get(status="resting")
    twin.quote(twin.markets[2], "ask", 3_100, 100, rest=False)
    amend = AmendOrder(
        order_id=order.exchange_order_id,
        ticker=twin.markets[2],
        outcome_side=Side.YES,
        price=order.price,  # type: ignore[arg-type]  # a price all the same
        count=total,  # type: ignore[arg-type]
        exchange_index=0,
    )
    connection.client().orders.amend(amend)
    bought = 300 + total
    twin.quote(twin.markets[2], "ask", 3_100, 5_000, rest=False)
    sweep(twin, 2, 4, 70, 72, 74, 76, 78)
    assert twin.exchange.ledger.orders[order.exchange_order_id].filled == total
    position.refresh_from_db()
    held = set(twin.held().values())
    assert position.status == "open"
    assert held == {min(bought, 1_000)}, "the extra contracts are sold, no whole basket is broken"
    agrees(twin)


@pytest.mark.parametrize(("price", "rests"), [(3_900, False), (3_000, True)])
def test_a_purchase_that_a_person_moved_to_a_higher_price_is_withdrawn(
    twin: MeddledTwin, price: int, rests: bool
) -> None:
    twin.session.before = {3: thin(twin, 0)}
    position = execute(twin, **HOLD)
    order = position.orders.get(status="resting")
    amend = AmendOrder(
        order_id=order.exchange_order_id,
        ticker=twin.markets[2],
        outcome_side=Side.YES,
        price=price,  # type: ignore[arg-type]  # a price all the same
        count=order.count,  # type: ignore[arg-type]
        exchange_index=0,
    )
    connection.client().orders.amend(amend)
    sweep(twin, 2)
    assert (twin.exchange.ledger.orders[order.exchange_order_id].status == "resting") == rests
    twin.quote(twin.markets[2], "ask", price, 5_000, rest=False)
    assert twin.held().get(twin.markets[2], 0) == (1_000 if rests else 0)
    sweep(twin, 4)
    agrees(twin)


def test_a_cancel_that_finds_no_order_because_it_has_just_filled_books_the_fill(twin: MeddledTwin) -> None:
    twin.session.before = {3: thin(twin)}
    position = execute(twin, **HOLD)
    order = position.orders.get(status="resting")
    filled = twin.exchange.ledger.orders[order.exchange_order_id]

    def fill() -> None:
        twin.quote(twin.markets[2], "ask", 3_100, 5_000, rest=False)

    twin.session.first["DELETE", order.exchange_order_id] = fill
    with later(twin, 70):
        position = executor.step(position.pk)
    assert filled.filled == 700
    assert (position.status, position.matched_count) == ("open", 1_000)
    assert not position.orders.filter(action="sell").exists()
    agrees(twin)


def test_a_second_exit_in_the_same_moment_is_the_same_one_or_takes_its_place(twin: MeddledTwin) -> None:
    position = execute(twin)
    prices = {(leg.market_id, leg.side): 2_800 for leg in position.legs.all()}
    first = exits.request_exit(position_id=position.pk, actor="triage", reason="r", source="triage", least_prices=None)
    assert (
        exits.request_exit(position_id=position.pk, actor="triage", reason="r", source="triage", least_prices=prices)
        == first
    )
    leave(position, 2_700)
    assert exits.request_exit(position_id=position.pk, actor="triage", reason="r", source="triage") != first
    assert list(position.exit_requests.order_by("pk").values_list("source", "status")) == [
        ("triage", "cancelled"),
        ("person", "open"),
    ]
    sweep(twin, 1, 3, 5)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("closed", {})
    sold = sum(o.filled_count for o in position.orders.filter(action="sell"))
    assert sold == 3_000
    agrees(twin)


def test_a_profile_that_is_switched_off_in_mid_basket_completes_what_it_began(twin: MeddledTwin) -> None:
    twin.session.before = {2: lambda: Profile.objects.update(is_active=False)}
    position = execute(twin)
    sweep(twin, 2, 4, 6)
    position.refresh_from_db()
    assert position.status in ("open", "aborted")
    assert set(twin.held().values()) in ({1_000}, set())
    assert position.realised >= -position.profile.leg_risk_budget
    agrees(twin)


def test_a_subaccount_that_is_switched_off_in_mid_basket_waits_and_is_dealt_with_later(twin: MeddledTwin) -> None:
    patch = pytest.MonkeyPatch()

    def off() -> None:
        patch.setattr(type(twin.exchange.ledger), "subaccounts", lambda self: [])

    twin.session.before = {2: off}
    position = execute(twin)
    sent = twin.session.posts
    sweep(twin, 2, 4, 6, 30, 60)
    position.refresh_from_db()
    assert position.status in ("completing", "unwinding")
    assert position.residual_code, "why it waits is said"
    assert twin.session.posts - sent < 20, "nothing is tried without end"
    patch.undo()
    sweep(twin, 130, 135, 140, 200, 205)
    position.refresh_from_db()
    assert position.status in ("open", "aborted")
    assert set(twin.held().values()) in ({1_000}, set())
    assert position.realised >= -position.profile.leg_risk_budget
    agrees(twin)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("closed", [1, 3])
def test_markets_that_close_early_in_mid_basket_leave_what_is_held_to_its_settlement(
    twin: MeddledTwin, closed: int, known: bool
) -> None:
    """One of three, or all; the catalogue hears of it or does not."""
    ending = twin.markets[-closed:]

    def close() -> None:
        for ticker in ending:
            market = twin.exchange.markets[ticker]
            market.close_ms = twin.exchange.now()
            if known:
                Market.objects.filter(ticker=ticker).update(close_time=clock.now(), status="closed")

    twin.session.before = {3: close}
    position = execute(twin)
    sweep(twin, 2, 4, 6, 60, 62)
    position.refresh_from_db()
    if closed == 1:
        assert (position.status, twin.held()) == ("aborted", {}), "the others could be sold"
    else:
        assert twin.held() == dict.fromkeys(twin.markets[:2], 1_000)
        assert position.residual_code == "market_closed"
    assert position.realised >= -position.profile.leg_risk_budget
    twin.finish(twin.markets[0])
    with later(twin, 100):
        reconcile.run("live", "test")
        settlement.run("live", None)
    sweep(twin, 110)
    position.refresh_from_db()
    assert position.status == ("aborted" if closed == 1 else "settled")
    agrees(twin)


def test_a_grid_that_gets_coarser_in_mid_basket_leaves_no_leg_behind(twin: MeddledTwin) -> None:
    coarse = [[0, 10_000, 500]]

    def regrid() -> None:
        for ticker in twin.markets:
            twin.exchange.markets[ticker].ranges = coarse

    twin.session.before = {2: regrid}
    position = execute(twin)
    sweep(twin, 2, 4)
    position.refresh_from_db()
    assert position.status == "aborted", "the grid is read again after the refusals, and what was bought is sold"
    assert twin.held() == {}
    assert position.realised < 0
    agrees(twin)


@pytest.mark.parametrize("count", [7, 333, 1_001])
def test_hundredths_of_a_contract_are_bought_sold_in_parts_and_settled(twin: MeddledTwin, count: int) -> None:
    position = execute(twin, count, count_step=1)
    assert (position.status, position.matched_count) == ("open", count)
    part = {(leg.market_id, leg.side): count // 3 for leg in position.legs.all()}
    leave(position, counts=part)
    sweep(twin, 1, 3)
    position.refresh_from_db()
    assert (position.status, position.matched_count) == ("open", count - count // 3)
    twin.finish(twin.markets[1])
    with later(twin, 60):
        reconcile.run("live", "test")
        settlement.run("live", None)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("settled", {})
    agrees(twin)


def test_a_basket_of_hundredths_whose_last_leg_is_gone_is_unwound_to_nothing(twin: MeddledTwin) -> None:
    twin.session.before = {3: thin(twin, 0)}
    position = execute(twin, 333, count_step=1)
    sweep(twin, 2, 4, 6)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("aborted", {})
    agrees(twin)


def test_a_restart_between_the_cancel_and_the_sale_of_an_exit_sells_once(twin: MeddledTwin) -> None:
    position = execute(twin)
    leave(position)

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    twin.session.before = {twin.session.posts + 2: die}
    with pytest.raises(Killed):
        executor.step(position.pk)
    connection.use(twin.client())
    live_readiness.require_reconciliation()
    Position.objects.update(lease_token="", lease_until=None)
    sweep(twin, 40, 45, 50)
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("closed", {})
    assert sum(Order.objects.filter(action="sell").values_list("filled_count", flat=True)) == 3_000
    agrees(twin)
