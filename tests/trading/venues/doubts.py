"""Cards 35 to 44: nobody knows whether the order exists. The venue is asked; nothing is assumed, nothing is bought twice."""

from __future__ import annotations

from typing import Any

import pytest

from trading.models import Order
from trading.venues.protocol import Unresolved

from .deck import card
from .ground import Ground, known, row, send, trades
from .refusals import NO_WIRE, WORLD

ORDERS = "/portfolio/events/orders"
BROKEN: list[dict[str, Any]] = [{"kind": "timeout"}] + [{"kind": "error", "status": s} for s in (500, 503, 504)]


def lose(ground: Any, fault: dict[str, Any], when: str, order: Order) -> None:
    """Send the order and lose the answer, before or after the exchange took it."""
    ground.exchange.faults.add(**fault, when=when, method="POST", path=ORDERS)
    with pytest.raises(Unresolved):
        send(ground, order)


def ids_sent(ground: Any) -> list[str]:
    return [body["client_order_id"] for method, path, body in ground.twin.session.sent if method == "POST"]


@card(35, "The answer is lost after the order was taken", paper=NO_WIRE, demo=WORLD)
def lost_after(ground: Any) -> None:
    for fault in BROKEN:
        scene = ground.scene()
        order = row(scene, "buy", "yes", scene.asks[0][0], 300)
        lose(ground, fault, "after", order)
        for wanted in (True, False):
            ack = ground.venue.resolve(order, wanted)
            assert ack is not None
            assert (known(order, ack).fill_count, ack.remaining_count) == (300, 0)
        assert ground.held(scene) == 300
        assert trades(ground.fills(order, 300)) == [(scene.asks[0][0], 300)]


@card(36, "The request is lost before the order was taken, and it is still wanted", paper=NO_WIRE, demo=WORLD)
def lost_before(ground: Any) -> None:
    for fault in BROKEN:
        scene = ground.scene()
        order = row(scene, "buy", "yes", scene.asks[0][0], 300)
        lose(ground, fault, "before", order)
        assert ground.held(scene) == 0
        ack = ground.venue.resolve(order, wanted=True)
        assert ack is not None
        assert known(order, ack).fill_count == 300
        assert set(ids_sent(ground)[-2:]) == {str(order.pk)}, "sent again under its own id"
        assert ground.venue.resolve(order, wanted=True).fill_count == 300
        assert ground.held(scene) == 300


@card(37, "An order that never arrived and is not wanted any more buys nothing")
def not_wanted(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    ack = ground.venue.resolve(order, wanted=False)
    assert ack is None or (ack.fill_count, ack.remaining_count) == (0, 0)
    assert ground.held(scene) == 0


@card(38, "Its request cannot arrive late either", paper=NO_WIRE)
def no_late_arrival(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    ground.venue.resolve(order, wanted=False)
    ground.catch_up()
    with pytest.raises(Unresolved):
        send(ground, order)
    ack = ground.venue.resolve(order, wanted=False)
    assert ack is not None
    assert (ack.fill_count, ack.remaining_count) == (0, 0)
    assert ground.held(scene) == 0


@card(
    39,
    "While nobody can tell, the venue does not either; when the signature has lapsed, it does",
    paper=NO_WIRE,
    demo=WORLD,
)
def only_time_tells(ground: Any) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    lose(ground, {"kind": "timeout"}, "before", order)
    ground.exchange.state.trading_paused = True
    for wanted in (True, False):
        with pytest.raises(Unresolved):
            ground.venue.resolve(order, wanted)
    ground.elapse(40)
    assert ground.venue.resolve(order, wanted=False) is None
    ground.exchange.state.trading_paused = False
    assert ground.held(scene) == 0


@card(40, "Reads that fail leave the doubt as it is", paper=NO_WIRE, demo=WORLD)
def reads_fail(ground: Any) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    lose(ground, {"kind": "timeout"}, "after", order)
    ground.exchange.faults.add(kind="error", status=503, method="GET", path="/portfolio", count=0)
    with pytest.raises(Exception) as raised:
        ground.venue.resolve(order, wanted=False)
    assert type(raised.value).__name__ in ("Unresolved", "Refused")
    ground.exchange.faults.clear()
    assert ground.venue.resolve(order, wanted=False).fill_count == 300


@card(41, "The same id twice is one order")
def duplicate(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    first = send(ground, order)
    ground.catch_up()
    try:
        again = ground.venue.create(order)
    except Unresolved:
        again = ground.venue.resolve(order, wanted=True)
    assert again is not None
    assert (again.exchange_order_id, again.fill_count) == (first.exchange_order_id, 300)
    assert ground.held(scene) == 300


@card(42, "A spent id stays spent after a cancel")
def spent(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", 100, 300, time_in_force="good_till_canceled")
    send(ground, order)
    ground.venue.cancel(order)
    ground.catch_up()
    order.price, order.time_in_force = scene.asks[0][0], "immediate_or_cancel"
    try:
        again = ground.venue.create(order)
    except Unresolved:
        again = ground.venue.resolve(order, wanted=True)
    assert again is not None
    assert (again.fill_count, again.remaining_count) == (0, 0)
    assert ground.held(scene) == 0


@card(43, "A worker that took over finds out from the row alone")
def taken_over(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    first = ground.venue.create(order)
    ground.catch_up()
    found = type(ground.venue)(*([ground.venue.client] if hasattr(ground.venue, "client") else [])).resolve(
        Order.objects.get(pk=order.pk), wanted=False
    )
    assert found is not None
    assert (found.exchange_order_id, found.fill_count, found.remaining_count) == (first.exchange_order_id, 300, 0)
    assert ground.held(scene) == 300


@card(44, "Reads lag behind answers", paper="paper is read where it is written", demo=WORLD)
def lag(ground: Any) -> None:
    scene = ground.scene()
    ground.exchange.config.read_delay_ms = 400
    assert ground.venue.client.portfolio.balance().available > 0
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    assert send(ground, order).fill_count == 300, "the answer to a write is immediate"
    assert ground.venue.fills(order) == []
    ground.elapse(1)
    assert trades(ground.venue.fills(order)) == [(scene.asks[0][0], 300)]
