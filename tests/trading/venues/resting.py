"""Cards 27 to 34: orders that rest, and their ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kalbot.common import clock
from markets.fees import OrderFees
from trading.venues.protocol import Refused

from .deck import card
from .ground import CENT, Ground, buy, look, row, send, trades
from .refusals import WORLD

GTC = {"time_in_force": "good_till_canceled"}


@card(27, "A resting order rests")
def rests(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", CENT, 300, **GTC)
    ack = send(ground, order)
    assert (ack.fill_count, ack.remaining_count) == (0, 300)
    seen = look(ground, order)
    assert (seen.fill_count, seen.remaining_count) == (0, 300)
    assert ground.venue.cancel(order).remaining_count == 0


@card(28, "What is there is taken, the rest rests, and a cancel keeps the fills")
def part_rests(ground: Ground) -> None:
    scene = ground.scene()
    price, there = scene.asks[0]
    order = row(scene, "buy", "yes", price, there + 200, **GTC)
    ack = send(ground, order)
    assert (ack.fill_count, ack.remaining_count) == (there, 200)
    gone = ground.venue.cancel(order)
    assert (gone.fill_count, gone.remaining_count) == (there, 0)
    assert trades(ground.fills(order, there)) == [(price, there)]
    assert ground.held(scene) == there


@card(29, "A resting order fills as a maker, at its own price", demo="it needs somebody who sells to us")
def maker(ground: Any) -> None:
    for side in ("yes", "no"):
        scene = ground.scene()
        price = scene.sells(side)[0][0] + CENT
        order = row(scene, "buy", side, price, 300, **GTC)
        assert send(ground, order).remaining_count == 300
        ground.offer(scene, side, price, 120)
        seen = look(ground, order)
        assert (seen.fill_count, seen.remaining_count) == (120, 180)
        (fill,) = ground.fills(order, 120)
        expected = OrderFees(scene.fees).add(price, 120, is_taker=False)
        assert (fill.price, fill.count, fill.fee, fill.is_taker) == (price, 120, expected, False)
        assert expected > 0, "the card is played where makers pay"
        assert ground.venue.cancel(order).fill_count == 120


@card(30, "A second cancel, and one of an order that filled, is no error and tells the end")
def cancel_of_terminal(ground: Ground) -> None:
    scene = ground.scene()
    resting = row(scene, "buy", "yes", CENT, 300, **GTC)
    send(ground, resting)
    for _ in range(2):
        gone = ground.venue.cancel(resting)
        ground.catch_up()
        assert (gone.fill_count, gone.remaining_count) == (0, 0)
    filled = buy(ground, scene, "yes", 200)
    ground.catch_up()
    gone = ground.venue.cancel(filled)
    assert (gone.fill_count, gone.remaining_count) == (200, 0)


@card(31, "An order's time runs out")
def expiry(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", CENT, 300, expires_at=clock.now() + timedelta(seconds=4), **GTC)
    assert send(ground, order).remaining_count == 300
    ground.elapse(6)
    seen = look(ground, order)
    assert (seen.fill_count, seen.remaining_count) == (0, 0)


@card(32, "A cancel while trading is paused", demo=WORLD)
def cancel_in_pause(ground: Any) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", CENT, 300, **GTC)
    send(ground, order)
    ground.pause(scene)
    assert ground.venue.cancel(order).remaining_count == 0
    assert look(ground, order).remaining_count == 0


@card(33, "A cancel after the close", demo=WORLD)
def cancel_after_close(ground: Any) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", CENT, 300, **GTC)
    send(ground, order)
    ground.close(scene)
    try:
        assert ground.venue.cancel(order).remaining_count == 0
    except Refused:
        ground.elapse(2)
    seen = look(ground, order)
    assert (seen.fill_count, seen.remaining_count) == (0, 0)


@card(34, "After the close nothing fills", live="everybody's orders are refused after the close: card 20", demo=WORLD)
def close_ends_it(ground: Any) -> None:
    scene = ground.scene()
    price = scene.bids[0][0] + CENT
    order = row(scene, "buy", "yes", price, 300, **GTC)
    send(ground, order)
    ground.close(scene)
    ground.offer(scene, "yes", price, 300)
    assert look(ground, order).fill_count == 0
    assert ground.held(scene) == 0
