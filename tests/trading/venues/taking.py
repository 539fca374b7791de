"""Cases 1 to 10: orders that take what is there."""

from __future__ import annotations

from markets.fees import OrderFees

from .cases import case
from .harness import CENT, CRUMBS, Harness, fetch, in_time, row, send, trades

CHOSEN = "a running exchange has the book it has; this needs one of chosen sizes"


@case(1, "Immediate order, all of it there")
def whole(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    ack = send(harness, order)
    assert (ack.fill_count, ack.remaining_count) == (300, 0)
    assert trades(harness.fills(order, 300)) == [(scene.asks[0][0], 300)]
    assert harness.held(scene) == 300


@case(2, "Immediate order, a part of it there")
def part(harness: Harness) -> None:
    scene = harness.scene()
    price, there = scene.asks[0]
    order = row(scene, "buy", "yes", price, there + 100)
    ack = send(harness, order)
    assert (ack.fill_count, ack.remaining_count) == (there, 0)
    assert harness.held(scene) == there
    assert fetch(harness, order).remaining_count == 0


@case(3, "Immediate order, nothing there")
def nothing(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", CENT, 300)
    ack = send(harness, order)
    assert (ack.fill_count, ack.remaining_count) == (0, 0)
    assert harness.venue.fills(order) == []
    assert harness.held(scene) == 0


@case(4, "A better price than the limit is ours")
def improvement(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0] + CENT, 100)
    assert send(harness, order).fill_count == 100
    assert trades(harness.fills(order, 100)) == [(scene.asks[0][0], 100)]


@case(5, "Level by level at the levels' own prices, and no further than the limit", demo=CHOSEN)
def walk(harness: Harness) -> None:
    scene = harness.scene()
    (first, there), (second, more) = scene.asks[:2]
    order = row(scene, "buy", "yes", second, there + more + 100)
    ack = send(harness, order)
    assert (ack.fill_count, ack.remaining_count) == (there + more, 0)
    assert trades(harness.fills(order, there + more)) == [(first, there), (second, more)]


@case(6, "Fractions of a contract")
def fractions(harness: Harness) -> None:
    scene = harness.scene()
    for count in (1, 137):
        order = row(scene, "buy", "yes", scene.asks[0][0], count)
        assert send(harness, order).fill_count == count
        assert trades(harness.fills(order, count)) == [(scene.asks[0][0], count)]
    assert harness.held(scene) == 138


@case(7, "NO is bought from the bids for YES")
def the_other_side(harness: Harness) -> None:
    scene = harness.scene()
    price = scene.buys("no")[0][0]
    assert price == 10_000 - scene.bids[0][0]
    order = row(scene, "buy", "no", price, 200)
    assert send(harness, order).fill_count == 200
    assert trades(harness.fills(order, 200)) == [(price, 200)]
    assert harness.held(scene) == -200


@case(8, "What was taken is gone", demo="a market maker may fill the gap at once")
def taken(harness: Harness) -> None:
    scene = harness.scene()
    price, there = scene.asks[0]
    assert send(harness, row(scene, "buy", "yes", price, there)).fill_count == there
    assert send(harness, row(scene, "buy", "yes", price, 100)).fill_count == 0


@case(9, "Fills and fees to the last digit, and the cash with them")
def money(harness: Harness) -> None:
    scene, before = harness.scene(), harness.cash()
    price = scene.asks[0][0]
    order = row(scene, "buy", "yes", price, 137)
    ack = send(harness, order)
    fills = in_time(harness.fills(order, 137))
    expected = OrderFees(scene.fees)
    for fill in fills:
        assert fill.fee == expected.add(fill.price, fill.count)
        assert fill.is_taker
    spent = sum(fill.price * fill.count + fill.fee for fill in fills)
    assert spent == price * 137 + expected.total
    assert ack.spent is not None
    assert abs(ack.spent - spent) <= 200, "the answer's average is rounded; the fills are exact"
    if before is not None:
        assert before - (harness.cash() or 0) == spent


@case(10, "Fills of one order share one accumulator", demo=CHOSEN)
def accumulator(harness: Harness) -> None:
    scene, before = harness.scene(asks=CRUMBS), harness.cash()
    order = row(scene, "buy", "yes", CRUMBS[2][0], 291)
    assert send(harness, order).fill_count == 291
    fills = sorted(harness.fills(order, 291), key=lambda fill: fill.price)
    together = OrderFees(scene.fees)
    fees = [together.add(fill.price, fill.count) for fill in fills]
    assert [fill.fee for fill in fills] == fees
    assert fees != [OrderFees(scene.fees).add(fill.price, fill.count) for fill in fills], (
        "the case must distinguish them"
    )
    if before is not None:
        assert before - (harness.cash() or 0) == together.paid + together.total
