"""A person's order that goes by a client id of ours, copied or never sent by us, is theirs: named, kept apart, and never withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
import time_machine

from kalbot.common import clock
from markets.models import ExchangeMessage
from markets.streaming.output.inbox import store
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import live_twin, world
from tests.trading.rewriting import ORDERS, Body, Rewriting, RewritingTwin
from tests.trading.struck import execute
from tests.trading.twin import fill_message
from trading import sweeper
from trading.accounting import audit, balance_check
from trading.execution.orders import cancel as cancelling
from trading.models import AccountTransaction, Discrepancy, ExchangeAccount, Fill, ForeignOrder, Order, Position
from trading.reconciliation import inbox, reconcile
from trading.venues import factory
from trading.venues.protocol import Unresolved

PRICE, COUNT = 2_000, 300
LATER = timedelta(seconds=20)
OTHERS: dict[str, dict[str, Any]] = {
    "price": {"price": PRICE - 100},
    "count": {"count": COUNT + 100},
    "market": {"tickers": 1},
    "direction": {"side": "ask", "price": 9_000},
    "subaccount": {"subaccount": 1},
}


@pytest.fixture(autouse=True)
def now() -> Iterator[Any]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as found:
        yield found


@pytest.fixture
def twin(settings: Any) -> RewritingTwin:
    found = RewritingTwin()
    found.session = Rewriting(found.exchange)
    live_twin.connect(settings, found)
    world.add_profile("live", mode="live", beside_foreign=True)
    found.exchange.ledger.credit((1, 0), 50 * world.DOLLAR)
    world.add_profile("other", mode="live", subaccount=1, is_active=False)
    return found


def _row(position: Position, **columns: Any) -> Order:
    """An order of ours of which the exchange knows nothing."""
    leg = position.legs.get(market_id=position.legs.order_by("market_id")[0].market_id)
    values: dict[str, Any] = {
        "profile": position.profile,
        "mode": "live",
        "position": position,
        "leg": leg,
        "action": "buy",
        "purpose": "complete",
        "side": "yes",
        "price": PRICE,
        "count": COUNT,
        "time_in_force": "good_till_canceled",
        "status": "rejected",
        "error_code": "never_arrived",
        "ended_at": clock.now(),
        "sent_at": clock.now(),
        "attempts": 1,
    }
    return Order.objects.create(**(values | columns))


def _person(twin: RewritingTwin, order: Order, **other: Any) -> str:
    """They rest an order like ours under its id, but for what is ``other``."""
    terms = {"side": "bid", "price": PRICE, "count": COUNT, "rest": True, "client_order_id": str(order.pk)} | other
    terms["tickers"] = [twin.markets[other.get("tickers", 0)]]
    did = second_actor.act(twin.exchange, "buy", terms, Random(1))
    assert did["filled"] == 0
    return str(did["order_id"])


def _goes_on(twin: RewritingTwin, now: Any, times: int = 4) -> None:
    for _ in range(times):
        now.shift(LATER)
        twin.sync()
        Position.objects.update(lease_until=None, next_step_at=clock.now())
        sweeper.sweep()
        reconcile.run("live", "test")


def _stays_theirs(twin: RewritingTwin, order: Order, theirs: str, status: str = "rejected") -> None:
    assert twin.exchange.ledger.orders[theirs].status == "resting"
    kept = ForeignOrder.objects.get(exchange_order_id=theirs)
    assert (kept.is_resting, kept.client_order_id) == (True, str(order.pk))
    named = Discrepancy.objects.get(code="unreadable", key=f"order:{theirs}", resolved_at=None)
    assert str(order.pk) in named.ours
    order.refresh_from_db()
    assert (order.status, order.exchange_order_id, order.filled_count) == (status, "", 0)


@pytest.mark.parametrize("what", sorted(OTHERS))
def test_an_order_under_an_id_of_ours_that_is_not_our_order_is_named_and_not_withdrawn(
    twin: RewritingTwin, now: Any, what: str
) -> None:
    order = _row(execute(twin))
    theirs = _person(twin, order, **OTHERS[what])
    _goes_on(twin, now)
    _stays_theirs(twin, order, theirs)


@pytest.mark.parametrize("code", ["not_sent", "no_credentials", "halted"])
def test_an_order_under_an_id_that_was_never_sent_is_named_and_not_withdrawn(
    twin: RewritingTwin, now: Any, code: str
) -> None:
    order = _row(execute(twin), error_code=code, attempts=0, sent_at=None)
    theirs = _person(twin, order)
    _goes_on(twin, now)
    _stays_theirs(twin, order, theirs)


def test_an_order_that_was_there_before_our_row_is_not_ours(twin: RewritingTwin, now: Any) -> None:
    position = execute(twin)
    order = _row(position)
    theirs = _person(twin, order)
    Order.objects.filter(pk=order.pk).update(created_at=clock.now() + timedelta(minutes=2))
    _goes_on(twin, now)
    _stays_theirs(twin, order, theirs)


def test_an_order_that_is_in_all_like_our_row_is_ours_and_withdrawn(twin: RewritingTwin, now: Any) -> None:
    """Its answer was lost and a proof of absence was wrong."""
    order = _row(execute(twin))
    theirs = _person(twin, order)
    _goes_on(twin, now, 2)
    order.refresh_from_db()
    assert (order.exchange_order_id, order.status) == (theirs, "done")
    assert twin.exchange.ledger.orders[theirs].status == "canceled"
    assert not ForeignOrder.objects.exists()


@pytest.mark.parametrize("sent", [0, 10])
def test_one_whose_price_a_person_changed_while_its_answer_was_lost_is_ours(
    twin: RewritingTwin, now: Any, sent: int
) -> None:
    """Long after it was sent nothing of ours may arrive: then another price means another order."""
    order = _row(execute(twin))
    Order.objects.filter(pk=order.pk).update(
        sent_at=clock.now() - timedelta(minutes=sent), created_at=clock.now() - timedelta(minutes=sent)
    )
    theirs = _person(twin, order)
    moved = twin.exchange.ledger.orders[theirs]
    book = twin.exchange.books[twin.markets[0]]
    book.remove(moved)
    moved.price, moved.updated_ms = PRICE - 100, moved.created_ms + 1_000
    book.add(moved)
    _goes_on(twin, now, 2)
    order.refresh_from_db()
    assert order.exchange_order_id == ("" if sent else theirs)
    assert moved.status == ("resting" if sent else "canceled")


def test_what_their_order_under_our_id_fills_is_booked_as_theirs(twin: RewritingTwin, now: Any) -> None:
    position = execute(twin)
    reconcile.run("live", "test")
    order = _row(position, price=PRICE + 100)
    theirs = _person(twin, order)
    twin.send_order(theirs)
    inbox.apply_waiting()
    twin.quote(twin.markets[0], "ask", PRICE, COUNT, rest=False)
    twin.cancel_makers(twin.markets[0], "bid")
    twin.quote(twin.markets[0], "ask", PRICE, COUNT, rest=False)
    (fill,) = (one for one in twin.exchange.ledger.fills if one.order_id == theirs)
    for fee_id in ("once", "again"):
        store([fill_message(fill)])
        inbox.apply_waiting()
        assert not Fill.objects.filter(order=order).exists(), fee_id
    _goes_on(twin, now)
    assert not Fill.objects.filter(order=order).exists()
    assert ExchangeAccount.objects.get(subaccount=0).foreign == {twin.markets[0]: COUNT}
    assert (
        AccountTransaction.objects.filter(kind="trade", key__startswith=f"trade:{theirs}:").exclude(amount=0).exists()
    )
    row = reconcile.run("live", "test")
    assert (row.error, row.balance_difference) == ("", 0)
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.positions("live") == []


@pytest.mark.parametrize(
    ("change", "is_ours"),
    [({}, True), ({"price": PRICE + 200}, False), ({"count": COUNT + 1}, False), ({"price": PRICE - 200}, True)],
)
def test_an_execution_of_the_stream_is_ours_within_the_limit_and_count_of_the_row(
    twin: RewritingTwin, change: dict[str, Any], is_ours: bool
) -> None:
    order = _row(execute(twin), status="unknown", error_code="", ended_at=None)
    (theirs,) = (one for one in twin.exchange.ledger.fills if one.ticker == twin.markets[0])
    fill = msgspec.structs.replace(
        theirs,
        **(
            {"fill_id": "new", "order_id": "theirs", "client_order_id": str(order.pk), "price": PRICE, "count": COUNT}
            | change
        ),
    )
    store([fill_message(fill)])
    inbox.apply_waiting()
    order.refresh_from_db()
    assert (order.filled_count, order.exchange_order_id) == ((COUNT, "theirs") if is_ours else (0, ""))
    assert ExchangeMessage.objects.get().error == ("" if is_ours else "not an order of ours")


def test_an_id_that_somebody_else_has_spent_is_absent_once_ours_can_arrive_no_more(
    twin: RewritingTwin, now: Any
) -> None:
    order = _row(execute(twin), status="unknown", error_code="", ended_at=None)
    theirs = _person(twin, order, price=PRICE - 100)
    venue = factory.venue_for("live")
    with pytest.raises(Unresolved, match="ours is at"):
        venue.resolve(order, True)
    now.shift(timedelta(seconds=60))
    assert venue.resolve(order, True) is None
    order.moved_at = clock.now() - timedelta(seconds=30)
    assert venue.find(order) is None
    assert twin.exchange.ledger.orders[theirs].status == "resting"


def test_an_answer_that_names_a_persons_resting_order_does_not_have_it_withdrawn(twin: RewritingTwin, now: Any) -> None:
    """What rests of ours is withdrawn by its own id; theirs stays."""
    did = second_actor.act(
        twin.exchange,
        "buy",
        {"tickers": [twin.markets[2]], "side": "bid", "price": 1_000, "count": 300, "rest": True},
        Random(1),
    )

    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    def named(body: Body) -> None:
        if body.get("remaining_count") not in (None, "0.00"):
            body["order_id"] = did["order_id"]

    twin.session.before = {3: thin}
    twin.session.rewrite[ORDERS] = named
    Profile.objects.filter(name="live").update(on_partial=Profile.PartialPolicy.HOLD)
    position = execute(twin)
    twin.session.rewrite.clear()
    order = position.orders.get(status="resting")
    true = order.exchange_order_id
    assert twin.exchange.ledger.orders[true].client_order_id == str(order.pk), "the first read shows whose it is"
    order.exchange_order_id = str(did["order_id"])
    order.save(update_fields=["exchange_order_id"])
    cancelling.refresh(order, cancel=True)
    order.refresh_from_db()
    assert (order.status, order.filled_count) == ("done", 0)
    assert (order.exchange_order_id, twin.exchange.ledger.orders[true].status) == (true, "canceled")
    assert twin.exchange.ledger.orders[str(did["order_id"])].status == "resting"
    assert not [one for one in twin.session.sent if one[0] == "DELETE" and one[1].endswith(str(did["order_id"]))]
