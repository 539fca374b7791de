"""Cases 11 to 14: sales. A sale makes a holding smaller and can do nothing else."""

from __future__ import annotations

from markets.fees import OrderFees
from trading.venues.protocol import Refused

from .cases import case
from .harness import Harness, Scene, buy, in_time, row, send, trades


@case(11, "A holding is sold at the bid, in its own side's price")
def sale(harness: Harness) -> None:
    for side in ("yes", "no"):
        scene = harness.scene()
        buy(harness, scene, side, 200)
        before = harness.cash()
        price = scene.sells(side)[0][0]
        order = row(scene, "sell", side, price, 200)
        ack = send(harness, order)
        assert (ack.fill_count, ack.remaining_count) == (200, 0)
        fills = in_time(harness.fills(order, 200))
        assert trades(fills) == [(price, 200)]
        assert harness.held(scene) == 0
        expected = OrderFees(scene.fees)
        assert [fill.fee for fill in fills] == [expected.add(f.price, f.count, buys=False) for f in fills]
        if before is not None:
            assert (harness.cash() or 0) - before == price * 200 - expected.total


@case(12, "Never more is sold than is held")
def no_more_than_held(harness: Harness) -> None:
    for side in ("yes", "no"):
        scene = harness.scene()
        buy(harness, scene, side, 200)
        order = row(scene, "sell", side, scene.sells(side)[0][0], 500)
        ack = send(harness, order)
        assert (ack.fill_count, ack.remaining_count) == (200, 0)
        assert harness.held(scene) == 0
        assert _sold_again(harness, scene, side) == 0
        assert harness.held(scene) == 0


@case(13, "A sale of nothing sells nothing, and opens nothing on the other side")
def nothing_to_sell(harness: Harness) -> None:
    for side in ("yes", "no"):
        scene = harness.scene()
        assert _sold_again(harness, scene, side) == 0
        assert harness.held(scene) == 0


@case(14, "A sale of one side does not touch a holding of the other")
def other_side(harness: Harness) -> None:
    for held, sold in (("yes", "no"), ("no", "yes")):
        scene = harness.scene()
        buy(harness, scene, held, 200)
        before = harness.held(scene)
        assert _sold_again(harness, scene, sold) == 0
        assert harness.held(scene) == before


def _sold_again(harness: Harness, scene: Scene, side: str) -> int:
    """What a sale at the bid sells; an exchange may as well refuse it."""
    try:
        return send(harness, row(scene, "sell", side, scene.sells(side)[0][0], 200)).fill_count
    except Refused:
        return 0
