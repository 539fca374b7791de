"""The exchange says something of an order of ours that cannot be of it: another market, another direction. It is refused and named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import time_machine

from kalbot.common import clock
from markets.models import ExchangeMessage
from markets.streaming.output.inbox import store
from strategies.models import Profile
from tests.trading import live_twin
from tests.trading.struck import Striking, StruckTwin, execute
from tests.trading.twin import fill_message
from trading import sweeper
from trading.accounting import audit
from trading.accounting.booking import book_fill
from trading.accounting.fill_reports import BookingError, FillReport
from trading.execution import executor
from trading.models import Discrepancy, Fill, ForeignOrder, Order, Position
from trading.reconciliation import inbox, reconcile
from trading.venues import factory
from trading.venues.protocol import Unresolved

Changes = dict[str, Any]
OTHER = "0b700010-0000-4001-8060-26e127c04fb2"
"""No order of ours has this id."""


class Lying(Striking):
    """Changes records of answers to GET requests whose path ends so: ``lies[path] = (list, changes)``; a list of "" is one record."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lies: dict[str, tuple[str, Changes]] = {}

    def send(self, request: Any, **kwargs: Any) -> Any:
        response = super().send(request, **kwargs)
        for end, (name, changes) in self.lies.items():
            if request.method == "GET" and request.url.split("?")[0].endswith(end):
                body = msgspec.json.decode(response.raw.read())
                found = body[name]
                for record in found if isinstance(found, list) else [found]:
                    record.update(changes)
                response.raw.seek(0)
                response.raw.truncate()
                response.raw.write(msgspec.json.encode(body))
                response.raw.seek(0)
        return response


class LyingTwin(StruckTwin):
    session: Lying


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False):
        yield


@pytest.fixture
def twin(settings: Any) -> LyingTwin:
    found = LyingTwin()
    found.session = Lying(found.exchange)
    return live_twin.connect(settings, found)


def _other(twin: LyingTwin, what: str) -> Changes:
    if what == "market":
        return {"ticker": twin.markets[2]}
    return {"outcome_side": "no", "book_side": "ask"}


def _resting(twin: LyingTwin) -> tuple[Position, Order]:
    """A basket of which 300 are whole and 700 of the last leg rest."""

    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD)
    return position, position.orders.get(status="resting")


@pytest.mark.parametrize("what", ["market", "direction"])
def test_an_execution_of_another_market_or_direction_is_not_booked_on_our_leg(twin: LyingTwin, what: str) -> None:
    position, order = _resting(twin)
    lie = {"ticker": twin.markets[0]} if what == "market" else _other(twin, what)
    twin.session.lies = {"/portfolio/fills": ("fills", lie)}
    twin.quote(twin.markets[2], "ask", 3_100, 5_000, rest=False)
    with time_machine.travel(clock.now() + timedelta(seconds=2), tick=False):
        twin.sync()
        executor.step(position.pk)
        reconcile.run("live", "test")
    order.refresh_from_db()
    assert order.filled_count == 0
    assert set(Discrepancy.objects.filter(code="fill_impossible").values_list("profile__name", flat=True)) == {"live"}
    twin.session.lies = {}
    with time_machine.travel(clock.now() + timedelta(seconds=10), tick=False):
        twin.sync()
        reconcile.run("live", "test")
        executor.step(position.pk)
    order.refresh_from_db()
    position.refresh_from_db()
    assert (order.filled_count, position.status, position.matched_count) == (700, "open", 1_000)
    assert audit.totals(position.profile) == []


@pytest.mark.parametrize("what", ["market", "direction", "id"])
def test_a_message_of_an_execution_that_contradicts_its_order_changes_nothing(twin: LyingTwin, what: str) -> None:
    position = execute(twin)
    before = Fill.objects.count()
    row = position.orders.get(leg__market_id=twin.markets[0])
    Order.objects.filter(pk=row.pk).update(count=2_000, status="resting")
    (theirs,) = (fill for fill in twin.exchange.ledger.fills if fill.order_id == row.exchange_order_id)
    others = {
        "market": {"ticker": twin.markets[1]},
        "direction": {"book_side": "ask"},
        "id": {"client_order_id": OTHER},
    }
    other = others[what]
    store([fill_message(msgspec.structs.replace(theirs, fill_id="another", **other))])
    inbox.apply_waiting()
    assert Fill.objects.count() == before
    assert "BookingError" in ExchangeMessage.objects.get().error
    store([fill_message(msgspec.structs.replace(theirs, fill_id="a true one"))])
    inbox.apply_waiting()
    assert Fill.objects.count() == before + 1, "it would have been booked"


@pytest.mark.parametrize("what", ["market", "direction", "id"])
def test_a_message_that_shows_our_order_as_another_does_not_end_it(twin: LyingTwin, what: str) -> None:
    _, order = _resting(twin)
    theirs = twin.exchange.ledger.orders[order.exchange_order_id]
    truth = theirs.ticker, theirs.book_side, theirs.client_order_id, theirs.status, theirs.remaining
    theirs.status, theirs.remaining = "canceled", 0
    if what == "market":
        theirs.ticker = twin.markets[1]
    elif what == "direction":
        theirs.book_side = "ask"
    else:
        theirs.client_order_id = OTHER
    twin.send_order(order.exchange_order_id)
    inbox.apply_waiting()
    order.refresh_from_db()
    assert order.status == "resting"
    assert "BookingError" in ExchangeMessage.objects.get().error
    theirs.ticker, theirs.book_side, theirs.client_order_id, theirs.status, theirs.remaining = truth
    theirs.status = "canceled"
    twin.send_order(order.exchange_order_id)
    inbox.apply_waiting()
    order.refresh_from_db()
    assert order.status == "done", "a true one does"


@pytest.mark.parametrize("what", ["market", "direction"])
def test_an_order_that_is_shown_as_another_is_not_believed(twin: LyingTwin, what: str) -> None:
    position, order = _resting(twin)
    lie = {"ticker": twin.markets[0]} if what == "market" else _other(twin, what)
    lie |= {"status": "executed", "fill_count_fp": "7.00", "remaining_count_fp": "0.00"}
    twin.session.lies = {
        f"/portfolio/orders/{order.exchange_order_id}": ("order", lie),
        "/portfolio/orders": ("orders", lie),
    }
    venue = factory.venue_for("live")
    for read in (venue.fetch, venue.find, lambda one: venue.resolve(one, False)):
        with pytest.raises(Unresolved):
            read(order)
    reconcile.run("live", "test")
    order.refresh_from_db()
    assert (order.status, order.filled_count) == ("resting", 0)
    named = Discrepancy.objects.get(code="unreadable", key=f"order:{order.exchange_order_id}")
    assert named.ours == f"yes {twin.markets[2]}"
    assert not ForeignOrder.objects.exists()
    twin.session.lies = {}
    twin.quote(twin.markets[2], "ask", 3_100, 5_000, rest=False)
    with time_machine.travel(clock.now() + timedelta(seconds=3), tick=False):
        twin.sync()
        sweeper.sweep()
    position.refresh_from_db()
    assert (position.status, position.matched_count) == ("open", 1_000)


def test_an_execution_without_its_market_is_booked_as_before(twin: LyingTwin) -> None:
    _, order = _resting(twin)
    assert book_fill(order.pk, FillReport("late", 3_100, 100, 0, True, clock.now_ms()), "websocket")
    other = FillReport("other", 3_100, 100, 0, True, clock.now_ms(), (twin.markets[2], "no"))
    with pytest.raises(BookingError, match="is of"):
        book_fill(order.pk, other, "websocket")
    order.refresh_from_db()
    assert order.filled_count == 100
