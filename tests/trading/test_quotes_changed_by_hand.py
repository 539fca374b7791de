"""A person changes a quote at the exchange: what he did stays, whatever is prolonged, repriced or rested again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import Count, Price
from markets.kalshi.order_entry import AmendOrder
from markets.kalshi.vocabulary import Side
from simulator.accounts.records import Order as TwinOrder
from simulator.matching import orders as by_hand
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.execution import executor
from trading.models import Order, Position
from trading.reconciliation import inbox, reconcile
from trading.venues import connection

pytestmark = pytest.mark.alike

WAYS = ("one_leg", "several", "all_legs")


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Nothing expires while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False):
        yield


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def quoting(twin: Twin, way: str) -> Position:
    wide: dict[str, Any] = {"orphan_budget": 50 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    return quoted.begun(twin, quoted.profile(quoting=way, **wide))


def there(twin: Twin, number: int = 0) -> TwinOrder:
    """Our order in a market as the exchange has it now."""
    (found,) = (
        o for o in twin.exchange.ledger.orders.values() if o.ticker == twin.markets[number] and o.status == "resting"
    )
    return found


def half_expired(position: Position) -> None:
    position.orders.filter(status="resting").update(expires_at=clock.now() + timedelta(seconds=20))


def outbid(twin: Twin, number: int, price: int) -> None:
    """Somebody bids more for NO, and our quote has been where it is for long enough."""
    Order.objects.update(created_at=clock.now() - timedelta(seconds=5))
    twin.quote(twin.markets[number], "ask", 10_000 - price, 100)


def rested(twin: Twin) -> int:
    return sum(o.remaining for o in twin.exchange.ledger.orders.values() if o.ticker == twin.markets[0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("left", [400, 1, 999])
def test_a_quote_made_smaller_is_prolonged_and_moved_no_larger(twin: Twin, way: str, left: int) -> None:
    position = quoting(twin, way)
    order = there(twin)
    by_hand.decrease(twin.exchange, order, 1_000 - left, None)
    half_expired(position)
    position = executor.step(position.pk)  # nobody has heard of it: the order is read before it is prolonged
    assert (order.remaining, order.status) == (left, "resting")
    assert order.expiration_s * 1_000 > twin.exchange.now() + 60_000
    position = quoted.step(twin, position)
    assert quoted.resting(position)[twin.markets[0]][0] == 10_000 - order.price
    outbid(twin, 0, 10_000 - order.price + 100)
    for _ in range(3):
        position = quoted.step(twin, position)
    assert 0 < rested(twin) <= left
    assert there(twin).price < order.price, "a better bid for NO, with what was left"
    quoted.agree(position.profile)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_left_of_a_smaller_quote_fills_once_and_nothing_rests_after_it(twin: Twin, way: str) -> None:
    position = quoting(twin, way)
    by_hand.decrease(twin.exchange, there(twin), 700, None)
    position = quoted.step(twin, position)
    quoted.sell_no(twin, 0, 10_000 - there(twin).price, quoted.DEPTH + 1_000 if way == "all_legs" else 1_000)
    for _ in range(4):
        position = quoted.step(twin, position)
    assert rested(twin) == 0
    assert quoted.held(position)[0] == 300
    if way == "all_legs":
        assert {count for _, count in quoted.resting(position).values()} == {300}, "no more than can become whole"
    else:
        assert (position.status, quoted.held(position), position.guaranteed) == ("open", [300] * 3, True)
    quoted.agree(position.profile)


@pytest.mark.parametrize("hears", ["listing", "message"])
def test_a_smaller_quote_made_larger_again_is_as_large_as_it_is(twin: Twin, hears: str) -> None:
    position = quoting(twin, "all_legs")
    order, row = there(twin), position.orders.get(leg__market_id=twin.markets[0])
    by_hand.decrease(twin.exchange, order, 600, None)
    for size in (400, 1_000, 1_500, 700):
        amended(twin, order, 10_000 - order.price, size)
        if hears == "listing":
            reconcile.run("live", "test")
        else:
            twin.send_order(order.order_id)
            inbox.apply_waiting()
        row.refresh_from_db()
        assert (row.size, row.status) == (size, "resting")
    quoted.sell_no(twin, 0, 10_000 - order.price, quoted.DEPTH + 5_000)
    position = quoted.step(twin, position)
    assert quoted.held(position)[0] == 700
    quoted.agree(position.profile)


@pytest.mark.parametrize("price", [5_000, 5_900])
@pytest.mark.parametrize("is_prolonged", [True, False])
def test_a_quote_moved_to_another_price_is_not_moved_back_and_its_basket_is_quoted_no_more(
    twin: Twin, price: int, is_prolonged: bool
) -> None:
    position = quoting(twin, "one_leg")
    order = there(twin)
    amended(twin, order, price, 1_000)
    if is_prolonged:
        half_expired(position)
        executor.step(position.pk)
        assert order.price == 10_000 - price
    for _ in range(3):
        position = quoted.step(twin, position)
    assert (position.status, position.close_code) == ("aborted", "quote_withdrawn")
    assert twin.markets[0] in position.quote_withdrawn
    assert quoted.rests_at_the_exchange(twin) == 0
    quoted.agree(position.profile)


def amended(twin: Twin, order: TwinOrder, price: int, count: int) -> None:
    connection.client().orders.amend(
        AmendOrder(
            order_id=order.order_id,
            ticker=order.ticker,
            outcome_side=Side.NO,
            price=Price(price),
            count=Count(count),
            exchange_index=0,
        )
    )
