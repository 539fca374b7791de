"""Cases 27 to 34: orders that rest, and their ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kalbot.common import clock
from markets.fees import OrderFees
from trading.venues.protocol import Refused

from .cases import case
from .harness import CENT, Harness, buy, fetch, row, send, trades
from .refusals import WORLD

GTC = {"time_in_force": "good_till_canceled"}


@case(27, "A resting order rests")
def rests(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", CENT, 300, **GTC)
    ack = send(harness, order)
    assert (ack.fill_count, ack.remaining_count) == (0, 300)
    seen = fetch(harness, order)
    assert (seen.fill_count, seen.remaining_count) == (0, 300)
    assert harness.venue.cancel(order).remaining_count == 0


@case(28, "What is there is taken, the rest rests, and a cancel keeps the fills")
def part_rests(harness: Harness) -> None:
    scene = harness.scene()
    price, there = scene.asks[0]
    order = row(scene, "buy", "yes", price, there + 200, **GTC)
    ack = send(harness, order)
    assert (ack.fill_count, ack.remaining_count) == (there, 200)
    gone = harness.venue.cancel(order)
    assert (gone.fill_count, gone.remaining_count) == (there, 0)
    assert trades(harness.fills(order, there)) == [(price, there)]
    assert harness.held(scene) == there


@case(29, "A resting order fills as a maker, at its own price", demo="it needs somebody who sells to us")
def maker(harness: Any) -> None:
    for side in ("yes", "no"):
        scene = harness.scene()
        price = scene.sells(side)[0][0] + CENT
        order = row(scene, "buy", side, price, 300, **GTC)
        assert send(harness, order).remaining_count == 300
        harness.offer(scene, side, price, 120)
        seen = fetch(harness, order)
        assert (seen.fill_count, seen.remaining_count) == (120, 180)
        (fill,) = harness.fills(order, 120)
        expected = OrderFees(scene.fees).add(price, 120, is_taker=False)
        assert (fill.price, fill.count, fill.fee, fill.is_taker) == (price, 120, expected, False)
        assert expected > 0, "the case is run where makers pay"
        assert harness.venue.cancel(order).fill_count == 120


@case(30, "A second cancel, and one of an order that filled, is no error and returns the final state")
def cancel_of_terminal(harness: Harness) -> None:
    scene = harness.scene()
    resting = row(scene, "buy", "yes", CENT, 300, **GTC)
    send(harness, resting)
    for _ in range(2):
        gone = harness.venue.cancel(resting)
        harness.catch_up()
        assert (gone.fill_count, gone.remaining_count) == (0, 0)
    filled = buy(harness, scene, "yes", 200)
    harness.catch_up()
    gone = harness.venue.cancel(filled)
    assert (gone.fill_count, gone.remaining_count) == (200, 0)


@case(31, "An order's time runs out")
def expiry(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", CENT, 300, expires_at=clock.now() + timedelta(seconds=4), **GTC)
    assert send(harness, order).remaining_count == 300
    harness.elapse(6)
    seen = fetch(harness, order)
    assert (seen.fill_count, seen.remaining_count) == (0, 0)


@case(32, "A cancel while trading is paused", demo=WORLD)
def cancel_in_pause(harness: Any) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", CENT, 300, **GTC)
    send(harness, order)
    harness.pause(scene)
    assert harness.venue.cancel(order).remaining_count == 0
    assert fetch(harness, order).remaining_count == 0


@case(33, "A cancel after the close", demo=WORLD)
def cancel_after_close(harness: Any) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", CENT, 300, **GTC)
    send(harness, order)
    harness.close(scene)
    try:
        assert harness.venue.cancel(order).remaining_count == 0
    except Refused:
        harness.elapse(2)
    seen = fetch(harness, order)
    assert (seen.fill_count, seen.remaining_count) == (0, 0)


@case(34, "After the close nothing fills", live="everybody's orders are refused after the close: case 20", demo=WORLD)
def close_ends_it(harness: Any) -> None:
    scene = harness.scene()
    price = scene.bids[0][0] + CENT
    order = row(scene, "buy", "yes", price, 300, **GTC)
    send(harness, order)
    harness.close(scene)
    harness.offer(scene, "yes", price, 300)
    assert fetch(harness, order).fill_count == 0
    assert harness.held(scene) == 0
