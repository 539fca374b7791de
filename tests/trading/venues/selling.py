"""Cards 11 to 14: sales. A sale makes a holding smaller and can do nothing else."""

from __future__ import annotations

from markets.fees import OrderFees
from trading.venues.protocol import Refused

from .deck import card
from .ground import Ground, Scene, buy, in_time, row, send, trades


@card(11, "A holding is sold at the bid, in its own side's price")
def sale(ground: Ground) -> None:
    for side in ("yes", "no"):
        scene = ground.scene()
        buy(ground, scene, side, 200)
        before = ground.cash()
        price = scene.sells(side)[0][0]
        order = row(scene, "sell", side, price, 200)
        ack = send(ground, order)
        assert (ack.fill_count, ack.remaining_count) == (200, 0)
        fills = in_time(ground.fills(order, 200))
        assert trades(fills) == [(price, 200)]
        assert ground.held(scene) == 0
        expected = OrderFees(scene.fees)
        assert [fill.fee for fill in fills] == [expected.add(f.price, f.count, buys=False) for f in fills]
        if before is not None:
            assert ground.cash() - before == price * 200 - expected.total


@card(12, "Never more is sold than is held")
def no_more_than_held(ground: Ground) -> None:
    for side in ("yes", "no"):
        scene = ground.scene()
        buy(ground, scene, side, 200)
        order = row(scene, "sell", side, scene.sells(side)[0][0], 500)
        ack = send(ground, order)
        assert (ack.fill_count, ack.remaining_count) == (200, 0)
        assert ground.held(scene) == 0
        assert _sold_again(ground, scene, side) == 0
        assert ground.held(scene) == 0


@card(13, "A sale of nothing sells nothing, and opens nothing on the other side")
def nothing_to_sell(ground: Ground) -> None:
    for side in ("yes", "no"):
        scene = ground.scene()
        assert _sold_again(ground, scene, side) == 0
        assert ground.held(scene) == 0


@card(14, "A sale of one side does not touch a holding of the other")
def other_side(ground: Ground) -> None:
    for held, sold in (("yes", "no"), ("no", "yes")):
        scene = ground.scene()
        buy(ground, scene, held, 200)
        before = ground.held(scene)
        assert _sold_again(ground, scene, sold) == 0
        assert ground.held(scene) == before


def _sold_again(ground: Ground, scene: Scene, side: str) -> int:
    """What a sale at the bid sells; an exchange may as well refuse it."""
    try:
        return send(ground, row(scene, "sell", side, scene.sells(side)[0][0], 200)).fill_count
    except Refused:
        return 0
