"""Cards 45 and 46: several orders in one request, each with a fate of its own."""

from __future__ import annotations

from typing import Any

from trading.venues.protocol import Ack, Refused, Unresolved

from .deck import card
from .doubts import ORDERS
from .ground import Ground, row, trades
from .refusals import NO_WIRE, WORLD


@card(45, "A batch is accepted in part")
def in_part(ground: Ground) -> None:
    scene = ground.scene()
    price = scene.asks[0][0]
    good, bad, late = (row(scene, "buy", "yes", at, 100) for at in (price, price + 5, price))
    taken, refused, also = ground.venue.create_many([good, bad, late])
    assert isinstance(taken, Ack)
    assert isinstance(also, Ack)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry) == ("invalid_price", False)
    assert (taken.fill_count, also.fill_count) == (100, 100)
    assert taken.exchange_order_id != also.exchange_order_id
    for order, ack in ((good, taken), (late, also)):
        order.exchange_order_id = ack.exchange_order_id
        assert trades(ground.fills(order, 100)) == [(price, 100)]
    ground.catch_up()
    assert ground.held(scene) == 200


@card(46, "The answer to a batch is lost: each of its orders is asked about", paper=NO_WIRE, demo=WORLD)
def lost(ground: Any) -> None:
    for when, held in (("before", 0), ("after", 200)):
        scene = ground.scene()
        orders = [row(scene, "buy", "yes", scene.asks[0][0], 100) for _ in range(2)]
        ground.exchange.faults.add(kind="timeout", when=when, method="POST", path=ORDERS)
        assert all(isinstance(one, Unresolved) for one in ground.venue.create_many(orders))
        assert ground.held(scene) == held
        found = [ground.venue.resolve(order, wanted=True) for order in orders]
        assert [ack.fill_count for ack in found if ack is not None] == [100, 100]
        assert ground.held(scene) == 200
