"""Cases 45 and 46: several orders in one request, each with an outcome of its own."""

from __future__ import annotations

from typing import Any

from trading.venues.protocol import Ack, Refused, Unresolved

from .cases import case
from .harness import Harness, row, trades
from .refusals import NO_WIRE, WORLD
from .unknown_outcomes import ORDERS


@case(45, "A batch is accepted in part")
def in_part(harness: Harness) -> None:
    scene = harness.scene()
    price = scene.asks[0][0]
    good, bad, late = (row(scene, "buy", "yes", at, 100) for at in (price, price + 5, price))
    taken, refused, also = harness.venue.create_many([good, bad, late])
    assert isinstance(taken, Ack)
    assert isinstance(also, Ack)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry) == ("invalid_price", False)
    assert (taken.fill_count, also.fill_count) == (100, 100)
    assert taken.exchange_order_id != also.exchange_order_id
    for order, ack in ((good, taken), (late, also)):
        order.exchange_order_id = ack.exchange_order_id
        assert trades(harness.fills(order, 100)) == [(price, 100)]
    harness.catch_up()
    assert harness.held(scene) == 200


@case(46, "The answer to a batch is lost: each of its orders is resolved by itself", paper=NO_WIRE, demo=WORLD)
def lost(harness: Any) -> None:
    for when, held in (("before", 0), ("after", 200)):
        scene = harness.scene()
        orders = [row(scene, "buy", "yes", scene.asks[0][0], 100) for _ in range(2)]
        harness.exchange.faults.add(kind="timeout", when=when, method="POST", path=ORDERS)
        assert all(isinstance(one, Unresolved) for one in harness.venue.create_many(orders))
        assert harness.held(scene) == held
        found = [harness.venue.resolve(order, wanted=True) for order in orders]
        assert [ack.fill_count for ack in found if ack is not None] == [100, 100]
        assert harness.held(scene) == 200
