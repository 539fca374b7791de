"""Cases 47 to 53: an exchange that answers before it knows, refuses what it did, changes under us, and is not ours alone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from simulator.control import admin
from trading.venues.protocol import Ack, Refused, Unresolved

from .cases import case
from .harness import buy, fetch, known, row, send, trades
from .refusals import NO_WIRE, WORLD
from .unknown_outcomes import ORDERS

BATCH_ITEM = ORDERS + "/batched/item"
CODED = [
    (status, code)
    for status in (408, 500, 503, 504)
    for code in ("insufficient_balance", "order_already_exists", "trading_is_paused", "invalid_price")
]


def control(harness: Any, name: str, **body: Any) -> Any:
    """A control action of the simulated exchange."""
    status, answer = admin.handle(harness.exchange, "POST", name, {}, body)
    assert status == 200, answer
    return answer


@case(47, "A 408 or 5xx with the code of a refusal is no refusal", paper=NO_WIRE, demo=WORLD)
def coded_but_unknown(harness: Any) -> None:
    for status, code in CODED:
        for when in ("before", "after"):
            scene = harness.scene()
            order = row(scene, "buy", "yes", scene.asks[0][0], 300)
            harness.exchange.faults.add(kind="error", when=when, status=status, code=code, method="POST", path=ORDERS)
            with pytest.raises(Unresolved):
                send(harness, order)
            ack = harness.venue.resolve(order, wanted=True)
            assert ack is not None
            assert known(order, ack).fill_count == 300, (status, code, when)
            assert harness.held(scene) == 300


@case(48, "An answer of nothing may be followed by the fill", paper=NO_WIRE, demo=WORLD)
def nothing_then_a_fill(harness: Any) -> None:
    scene = harness.scene()
    harness.exchange.faults.add(kind="zero_answer", delay_ms=700, method="POST", path=ORDERS)
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    assert send(harness, order).fill_count == 0
    assert harness.venue.fills(order) == []
    harness.elapse(1)
    harness.exchange.advance()
    assert fetch(harness, order).fill_count == 300
    assert trades(harness.venue.fills(order)) == [(scene.asks[0][0], 300)]
    assert harness.held(scene) == 300


@case(49, "An order of a batch with a code that refuses nothing is unresolved", paper=NO_WIRE, demo=WORLD)
def unknown_item(harness: Any) -> None:
    scenes = [harness.scene() for _ in range(3)]
    orders = [row(scene, "buy", "yes", scene.asks[0][0], 100) for scene in scenes]
    harness.exchange.faults.add(kind="error", status=500, method="POST", path=BATCH_ITEM, skip=1)
    first, second, third = harness.venue.create_many(orders)
    assert isinstance(first, Ack)
    assert isinstance(second, Unresolved)
    assert isinstance(third, Ack)
    assert [harness.held(scene) for scene in scenes] == [100, 0, 100]


@case(50, "The price grid changes while the market is traded", paper="the grid is the catalogue's: case 15", demo=WORLD)
def grid_changes(harness: Any) -> None:
    scene = harness.scene()
    control(harness, "market/structure", ticker=scene.ticker, structure="deci_cent")
    assert send(harness, row(scene, "buy", "yes", scene.asks[0][0] + 10, 100)).fill_count == 100
    control(harness, "market/structure", ticker=scene.ticker, structure="linear_cent")
    with pytest.raises(Refused) as refused:
        send(harness, row(scene, "buy", "yes", scene.asks[0][0] + 10, 100))
    assert refused.value.code == "invalid_price"
    assert harness.held(scene) == 100


@case(51, "Prices at the ends of the grid", demo="a running exchange has the book it has; this needs chosen prices")
def ends_of_the_grid(harness: Any) -> None:
    for side, bids, asks in (
        ("yes", ((100, 500),), ((200, 500),)),
        ("yes", ((9_800, 500),), ((9_900, 500),)),
        ("no", ((100, 500),), ((200, 500),)),
        ("no", ((9_800, 500),), ((9_900, 500),)),
    ):
        scene = harness.scene(bids, asks)
        order = buy(harness, scene, side, 137)
        price = scene.buys(side)[0][0]
        assert trades(harness.fills(order, 137)) == [(price, 137)]
        assert sum(fill.fee for fill in harness.fills(order, 137)) > 0
        assert harness.held(scene) == (137 if side == "yes" else -137)


@case(52, "Somebody else sold what we hold: our sale sells nothing and opens nothing", paper=NO_WIRE, demo=WORLD)
def sold_by_somebody_else(harness: Any) -> None:
    scene = harness.scene()
    buy(harness, scene, "yes", 300)
    did = control(harness, "actor", do="sell", ticker=scene.ticker, count="3.00")
    assert did["filled"] == 300
    sale = row(scene, "sell", "yes", scene.bids[0][0], 300)
    with suppress(Refused):
        assert send(harness, sale).fill_count == 0
    assert harness.held(scene) == 0


@case(53, "An order that has left the live listings is found all the same", paper=NO_WIRE, demo=WORLD)
def found_in_history(harness: Any) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    harness.exchange.faults.add(kind="timeout", when="after", method="POST", path=ORDERS)
    with pytest.raises(Unresolved):
        send(harness, order)
    harness.exchange.config.account_historical_ms = 60_000
    harness.elapse(120)
    found = harness.venue.resolve(order, wanted=False)
    assert found is not None, "listed nowhere but in its history"
    assert found.fill_count == 300
