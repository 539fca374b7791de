"""Nothing leaves that could not be sent new now; nothing is sold below what was accepted, whatever the bids do for a moment."""

from __future__ import annotations

from typing import Any

import pytest

from kalbot.common import clock
from kalbot.common.db import direct, pipeline
from tests.trading import live_twin, world
from tests.trading.struck import Striking
from tests.trading.twin import Twin
from trading.accounting import leg_risk
from trading.books import live_books
from trading.closing import exits
from trading.denials import DenialCode
from trading.execution import executor
from trading.execution.orders import gate, sell_ladder
from trading.execution.phases import unwind
from trading.models import ExitRequest, Order, Position
from trading.safety import halt
from trading.venues import connection
from trading.venues.protocol import Refused

LIMITS = (3_000, 3_200, 3_100)


@pytest.fixture
def twin(settings: Any) -> Twin:
    return live_twin.connect(settings, Twin())


@pytest.fixture
def position(twin: Twin) -> Position:
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 1_000)
    found = executor.execute(decision.pk)
    assert found is not None
    assert found.status == "open"
    return found


def _blink(twin: Twin) -> None:
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "bid")
        twin.quote(ticker, "bid", 100, 5_000)
    twin.sync()


def test_bids_that_blink_sell_nothing_of_an_exit_at_its_default_prices(twin: Twin, position: Position) -> None:
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="I need the cash")
    _blink(twin)
    for _ in range(5):
        position = executor.step(position.pk)
    assert (position.status, position.realised, position.attempts) == ("exiting", 0, 0)
    assert not position.orders.filter(action="sell").exists()


def test_a_guaranteed_basket_is_not_sold_below_its_floor_without_words(twin: Twin, position: Position) -> None:
    low = {(leg.market_id, leg.side): 2_000 for leg in position.legs.all()}
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=low)
    assert refused.value.code is DenialCode.BELOW_FLOOR
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=dict.fromkeys(low, 10_000))
    assert refused.value.code is DenialCode.NO_LEAST_PRICE, "nobody bids a dollar"
    with pytest.raises(exits.CannotExit):
        exits.request_exit(position_id=position.pk, actor="x", reason="out", source="triage", below_floor="because")
    request = exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    assert sum(row["price"] for row in request.least_prices) >= 10_000
    position = executor.step(position.pk)
    assert set(twin.held().values()) == {1_000}


def _order(position: Position, **columns: Any) -> Order:
    order = position.orders.order_by("created_at").first()
    assert order is not None
    Order.objects.filter(pk=order.pk).update(status="sending", created_at=clock.now())
    Position.objects.filter(pk=position.pk).update(status="executing")
    order = Order.objects.select_related("position", "profile").get(pk=order.pk)
    for name, value in columns.items():
        setattr(order, name, value)
    return order


def test_the_gate_lets_a_fresh_order_pass_and_stops_each_reason(position: Position) -> None:
    gate.check(_order(position, begun=clock.monotonic()))
    for columns in ({"begun": clock.monotonic() - 50}, {"lease_token": "somebody else's"}):
        with pytest.raises(Refused) as refused:
            gate.check(_order(position, **columns))
        assert refused.value.code == "expired"
    order = _order(position)
    Position.objects.filter(pk=position.pk).update(status="aborted")
    with pytest.raises(Refused):
        gate.check(order)
    order = _order(position)
    halt.set_state(state="halted", actor="ann", reason="stop")
    for check in (gate.of(order), gate.of_all([order]), gate.of_probe(order)):
        with pytest.raises(Refused) as refused:
            check()
        assert refused.value.code == "halted"


@pytest.mark.parametrize(("action", "side"), [("buy", "yes"), ("buy", "no"), ("sell", "yes"), ("sell", "no")])
def test_an_id_is_spent_only_where_a_living_book_shows_nobody_at_the_end_of_the_grid(
    twin: Twin, position: Position, action: str, side: str
) -> None:
    order, ticker = _order(position, action=action, side=side), position.legs.all()[0].market_id
    assert order.leg.market_id == ticker
    met = "ask" if (action == "buy") == (side == "yes") else "bid"
    twin.sync()
    gate.of_probe(order)()
    twin.cancel_makers(ticker, "bid")
    twin.cancel_makers(ticker, "ask")
    twin.sync()
    gate.of_probe(order)()
    twin.quote(ticker, met, 200 if met == "ask" else 9_800, 100)
    twin.sync()
    gate.of_probe(order)()
    twin.quote(ticker, met, 100 if met == "ask" else 9_900, 100)
    twin.sync()
    with pytest.raises(Refused) as refused:
        gate.of_probe(order)()
    assert refused.value.code == "depth"
    world.publish(twin.event, twin.books(), lease=None)
    with pytest.raises(Refused) as refused:
        gate.of_probe(order)()
    assert refused.value.code == "price_dead_epoch"


@pytest.mark.parametrize("way", ["at once", "later", "clock set back", "slept", "not committed", "other rows"])
def test_what_the_gate_read_with_the_commit_counts_once_and_for_a_moment(position: Position, way: str) -> None:
    order, message = _order(position), direct.Message({})
    gate.ask([order], message)
    assert message.after is not None
    (message.read,) = pipeline.rows_of(message.after)
    late = 2 * gate.AS_GOOD_AS_NOW
    if way in ("later", "clock set back"):
        order.gate_read = order.gate_read._replace(at=order.gate_read.at + (late if way == "clock set back" else -late))
    elif way == "slept":
        order.gate_read = order.gate_read._replace(monotonic=order.gate_read.monotonic - late.total_seconds())
    elif way == "other rows":
        message.read = []
    elif way == "not committed":
        message.read = None
    halt.set_state(state="halted", actor="ann", reason="stop")
    # so that a busy machine is none that slept
    if way == "at once":
        order.gate_read = order.gate_read._replace(at=clock.now(), monotonic=clock.monotonic())
        gate.check(order)
    with pytest.raises(Refused) as refused:
        gate.check(order)
    assert refused.value.code == "halted"


def test_the_gate_stops_an_old_sale_and_one_whose_request_is_gone(position: Position) -> None:
    exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    sale = _order(position, action="sell", purpose="exit", begun=clock.monotonic())
    Position.objects.filter(pk=position.pk).update(status="exiting")
    gate.check(sale)
    sale.begun = clock.monotonic() - 60
    with pytest.raises(Refused) as refused:
        gate.check(sale)
    assert refused.value.code == "expired"
    sale.begun = clock.monotonic()
    ExitRequest.objects.all().delete()
    with pytest.raises(Refused) as refused:
        gate.check(sale)
    assert refused.value.code == "request_withdrawn"


def test_legs_share_one_budget_less_the_losses_already_taken(position: Position) -> None:
    live, legs = live_books.read(position.event), list(position.legs.select_related("market"))

    def losses(sales: list[sell_ladder.Sale]) -> list[int]:
        return [max(0, sell_ladder.loss_bound(s.leg, s.count, s.least, live.fee(s.leg.market_id))) for s in sales]

    alone = losses(unwind.within_budget([(leg, leg.held) for leg in legs], live, 10**9))
    allowed = max(alone)
    assert sum(alone) > allowed > 0
    assert sum(losses(unwind.within_budget([(leg, leg.held) for leg in legs], live, allowed))) <= allowed
    budget = position.profile.leg_risk_budget
    for realised, left in ((-300, budget - 300), (300, budget)):
        position.realised = realised
        assert leg_risk.left(position) == left


@pytest.mark.parametrize("allowed", [0, 100_000, 1_000_000, 5_000_000])
def test_a_sale_within_the_budget_cannot_lose_more_at_its_own_limit(position: Position, allowed: int) -> None:
    leg = position.legs.all()[0]
    bids = ((2_500, 300), (1_000, 300), (100, 5_000))
    sale = sell_ladder.within_budget(bids, leg, leg.held, allowed, world.FEES)
    if sale is None:
        assert allowed == 0
        return
    assert 0 < sale.count <= leg.held
    assert sell_ladder.loss_bound(leg, sale.count, sale.least, world.FEES) <= allowed


def test_a_halt_between_two_sales_stops_the_second_and_the_first_counts_as_a_try(
    twin: Twin, position: Position
) -> None:
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="I need the cash")
    twin.session = session = Striking(twin.exchange)
    connection.use(twin.client())
    session.before = {1: lambda: halt.set_state(state="halted", actor="ann", reason="stop")}
    position = executor.step(position.pk)
    assert (session.posts, position.orders.filter(action="sell").count()) == (1, 1)
    assert (position.status, position.attempts, position.residual_code) == ("exiting", 1, "order_unsettled")
