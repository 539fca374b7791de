"""Cards 1 to 10: orders that take what is there."""

from __future__ import annotations

from markets.fees import OrderFees

from .deck import card
from .ground import CENT, CRUMBS, Ground, in_time, look, row, send, trades

CHOSEN = "a running exchange has the book it has; this needs one of chosen sizes"


@card(1, "Immediate order, all of it there")
def whole(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    ack = send(ground, order)
    assert (ack.fill_count, ack.remaining_count) == (300, 0)
    assert trades(ground.fills(order, 300)) == [(scene.asks[0][0], 300)]
    assert ground.held(scene) == 300


@card(2, "Immediate order, a part of it there")
def part(ground: Ground) -> None:
    scene = ground.scene()
    price, there = scene.asks[0]
    order = row(scene, "buy", "yes", price, there + 100)
    ack = send(ground, order)
    assert (ack.fill_count, ack.remaining_count) == (there, 0)
    assert ground.held(scene) == there
    assert look(ground, order).remaining_count == 0


@card(3, "Immediate order, nothing there")
def nothing(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", CENT, 300)
    ack = send(ground, order)
    assert (ack.fill_count, ack.remaining_count) == (0, 0)
    assert ground.venue.fills(order) == []
    assert ground.held(scene) == 0


@card(4, "A better price than the limit is ours")
def improvement(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0] + CENT, 100)
    assert send(ground, order).fill_count == 100
    assert trades(ground.fills(order, 100)) == [(scene.asks[0][0], 100)]


@card(5, "Level by level at the levels' own prices, and no further than the limit", demo=CHOSEN)
def walk(ground: Ground) -> None:
    scene = ground.scene()
    (first, there), (second, more) = scene.asks[:2]
    order = row(scene, "buy", "yes", second, there + more + 100)
    ack = send(ground, order)
    assert (ack.fill_count, ack.remaining_count) == (there + more, 0)
    assert trades(ground.fills(order, there + more)) == [(first, there), (second, more)]


@card(6, "Fractions of a contract")
def fractions(ground: Ground) -> None:
    scene = ground.scene()
    for count in (1, 137):
        order = row(scene, "buy", "yes", scene.asks[0][0], count)
        assert send(ground, order).fill_count == count
        assert trades(ground.fills(order, count)) == [(scene.asks[0][0], count)]
    assert ground.held(scene) == 138


@card(7, "NO is bought from the bids for YES")
def the_other_side(ground: Ground) -> None:
    scene = ground.scene()
    price = scene.buys("no")[0][0]
    assert price == 10_000 - scene.bids[0][0]
    order = row(scene, "buy", "no", price, 200)
    assert send(ground, order).fill_count == 200
    assert trades(ground.fills(order, 200)) == [(price, 200)]
    assert ground.held(scene) == -200


@card(8, "What was taken is gone", demo="a market maker may fill the gap at once")
def taken(ground: Ground) -> None:
    scene = ground.scene()
    price, there = scene.asks[0]
    assert send(ground, row(scene, "buy", "yes", price, there)).fill_count == there
    assert send(ground, row(scene, "buy", "yes", price, 100)).fill_count == 0


@card(9, "Fills and fees to the last digit, and the cash with them")
def money(ground: Ground) -> None:
    scene, before = ground.scene(), ground.cash()
    price = scene.asks[0][0]
    order = row(scene, "buy", "yes", price, 137)
    ack = send(ground, order)
    fills = in_time(ground.fills(order, 137))
    expected = OrderFees(scene.fees)
    for fill in fills:
        assert fill.fee == expected.add(fill.price, fill.count)
        assert fill.is_taker
    spent = sum(fill.price * fill.count + fill.fee for fill in fills)
    assert spent == price * 137 + expected.total
    assert ack.spent is not None
    assert abs(ack.spent - spent) <= 200, "the answer's average is rounded; the fills are exact"
    if before is not None:
        assert before - ground.cash() == spent


@card(10, "Fills of one order share one accumulator", demo=CHOSEN)
def accumulator(ground: Ground) -> None:
    scene, before = ground.scene(asks=CRUMBS), ground.cash()
    order = row(scene, "buy", "yes", CRUMBS[2][0], 291)
    assert send(ground, order).fill_count == 291
    fills = sorted(ground.fills(order, 291), key=lambda fill: fill.price)
    together = OrderFees(scene.fees)
    fees = [together.add(fill.price, fill.count) for fill in fills]
    assert [fill.fee for fill in fills] == fees
    assert fees != [OrderFees(scene.fees).add(fill.price, fill.count) for fill in fills], (
        "the card must tell them apart"
    )
    if before is not None:
        assert before - ground.cash() == together.paid + together.total
