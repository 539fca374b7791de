"""Cases 35 to 44: it is not known whether the order exists. The venue resolves it; nothing is assumed, nothing is bought twice."""

from __future__ import annotations

from typing import Any

import pytest

from trading.models import Order
from trading.venues.protocol import Ack, Unresolved

from .cases import case
from .harness import Harness, known, row, send, trades
from .refusals import NO_WIRE, WORLD

ORDERS = "/portfolio/events/orders"
BROKEN: list[dict[str, Any]] = [{"kind": "timeout"}] + [{"kind": "error", "status": s} for s in (500, 503, 504)]


def lose(harness: Any, fault: dict[str, Any], when: str, order: Order) -> None:
    """Send the order and lose the answer, before or after the exchange took it."""
    harness.exchange.faults.add(**fault, when=when, method="POST", path=ORDERS)
    with pytest.raises(Unresolved):
        send(harness, order)


def ids_sent(harness: Any) -> list[str]:
    return [body["client_order_id"] for method, path, body in harness.twin.session.sent if method == "POST"]


@case(35, "The answer is lost after the order was taken", paper=NO_WIRE, demo=WORLD)
def lost_after(harness: Any) -> None:
    for fault in BROKEN:
        scene = harness.scene()
        order = row(scene, "buy", "yes", scene.asks[0][0], 300)
        lose(harness, fault, "after", order)
        for wanted in (True, False):
            ack = harness.venue.resolve(order, wanted)
            assert ack is not None
            assert (known(order, ack).fill_count, ack.remaining_count) == (300, 0)
        assert harness.held(scene) == 300
        assert trades(harness.fills(order, 300)) == [(scene.asks[0][0], 300)]


@case(36, "The request is lost before the order was taken, and it is still wanted", paper=NO_WIRE, demo=WORLD)
def lost_before(harness: Any) -> None:
    for fault in BROKEN:
        scene = harness.scene()
        order = row(scene, "buy", "yes", scene.asks[0][0], 300)
        lose(harness, fault, "before", order)
        assert harness.held(scene) == 0
        ack = harness.venue.resolve(order, wanted=True)
        assert ack is not None
        assert known(order, ack).fill_count == 300
        assert set(ids_sent(harness)[-2:]) == {str(order.pk)}, "sent again under its own id"
        assert harness.venue.resolve(order, wanted=True).fill_count == 300
        assert harness.held(scene) == 300


@case(37, "An order that never arrived and is not wanted any more buys nothing")
def not_wanted(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    ack = harness.venue.resolve(order, wanted=False)
    assert ack is None or (ack.fill_count, ack.remaining_count) == (0, 0)
    assert harness.held(scene) == 0


@case(38, "Its request cannot arrive late either", paper=NO_WIRE)
def no_late_arrival(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    harness.venue.resolve(order, wanted=False)
    harness.catch_up()
    with pytest.raises(Unresolved):
        send(harness, order)
    ack = harness.venue.resolve(order, wanted=False)
    assert ack is not None
    assert (ack.fill_count, ack.remaining_count) == (0, 0)
    assert harness.held(scene) == 0


@case(
    39,
    "The outcome stays unresolved until the signature has lapsed, if the exchange cannot show it",
    paper=NO_WIRE,
    demo=WORLD,
)
def only_time_decides(harness: Any) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    lose(harness, {"kind": "timeout"}, "before", order)
    harness.exchange.state.trading_paused = True
    for wanted in (True, False):
        with pytest.raises(Unresolved):
            harness.venue.resolve(order, wanted)
    harness.elapse(40)
    assert harness.venue.resolve(order, wanted=False) is None
    harness.exchange.state.trading_paused = False
    assert harness.held(scene) == 0


@case(40, "Reads that fail leave the order unresolved", paper=NO_WIRE, demo=WORLD)
def reads_fail(harness: Any) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    lose(harness, {"kind": "timeout"}, "after", order)
    harness.exchange.faults.add(kind="error", status=503, method="GET", path="/portfolio", count=0)
    with pytest.raises(Exception) as raised:
        harness.venue.resolve(order, wanted=False)
    assert type(raised.value).__name__ in ("Unresolved", "Refused")
    harness.exchange.faults.clear()
    assert harness.venue.resolve(order, wanted=False).fill_count == 300


@case(41, "The same id twice is one order")
def duplicate(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    first = send(harness, order)
    harness.catch_up()
    again: Ack | None
    try:
        again = harness.venue.create(order)
    except Unresolved:
        again = harness.venue.resolve(order, wanted=True)
    assert again is not None
    assert (again.exchange_order_id, again.fill_count) == (first.exchange_order_id, 300)
    assert harness.held(scene) == 300


@case(42, "A spent id stays spent after a cancel")
def spent(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", 100, 300, time_in_force="good_till_canceled")
    send(harness, order)
    harness.venue.cancel(order)
    harness.catch_up()
    order.price, order.time_in_force = scene.asks[0][0], "immediate_or_cancel"
    again: Ack | None
    try:
        again = harness.venue.create(order)
    except Unresolved:
        again = harness.venue.resolve(order, wanted=True)
    assert again is not None
    assert (again.fill_count, again.remaining_count) == (0, 0)
    assert harness.held(scene) == 0


@case(43, "A worker that took over finds out from the row alone")
def taken_over(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    first = harness.venue.create(order)
    harness.catch_up()
    found = type(harness.venue)(*([harness.venue.client] if hasattr(harness.venue, "client") else [])).resolve(
        Order.objects.get(pk=order.pk), wanted=False
    )
    assert found is not None
    assert (found.exchange_order_id, found.fill_count, found.remaining_count) == (first.exchange_order_id, 300, 0)
    assert harness.held(scene) == 300


@case(44, "Reads lag behind answers", paper="paper is read where it is written", demo=WORLD)
def lag(harness: Any) -> None:
    scene = harness.scene()
    harness.exchange.config.read_delay_ms = 400
    assert harness.venue.client.portfolio.balance().available > 0
    order = row(scene, "buy", "yes", scene.asks[0][0], 300)
    assert send(harness, order).fill_count == 300, "the answer to a write is immediate"
    assert harness.venue.fills(order) == []
    harness.elapse(1)
    assert trades(harness.venue.fills(order)) == [(scene.asks[0][0], 300)]
