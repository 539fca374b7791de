"""An answer that names another order, executions that are listed twice, and what happens while an account is first seen: nothing is booked
twice or as somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import time_machine

from kalbot.common import cache, clock
from markets.prices import LEASE_KEY
from simulator.accounts import transfers
from simulator.flow import second_actor
from tests.trading import live_twin, world
from tests.trading.rewriting import FILLS, ORDERS, Body, Rewriting, RewritingTwin
from tests.trading.struck import execute
from trading import sweeper
from trading.accounting import audit, balance_check
from trading.closing import exits
from trading.execution import executor
from trading.models import AccountTransaction, Discrepancy, ExchangeAccount, Order, Position
from trading.reconciliation import reconcile
from trading.venues import factory


@pytest.fixture(autouse=True)
def now() -> Iterator[Any]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as found:
        yield found


@pytest.fixture
def twin(settings: Any) -> RewritingTwin:
    found = RewritingTwin()
    found.session = Rewriting(found.exchange)
    return live_twin.connect(settings, found)


def _twice(body: Body) -> None:
    """Every execution once more, under another id."""
    body["fills"] += [one | {"fill_id": one["fill_id"] + "-again"} for one in body["fills"]]


def _names(second: Callable[[str], str]) -> Callable[[Body], None]:
    """The answer to the second order names ``second`` of the first one's id."""
    seen: list[str] = []

    def change(body: Body) -> None:
        seen.append(body["order_id"])
        if len(seen) == 2:
            body["order_id"] = second(seen[0])

    return change


def _goes_on(twin: RewritingTwin, now: Any, times: int = 4) -> Position:
    for _ in range(times):
        now.shift(timedelta(seconds=20))
        twin.sync()
        Position.objects.update(lease_until=None, next_step_at=clock.now())
        sweeper.sweep()
        reconcile.run("live", "test")
    return Position.objects.get()


def _ties(twin: RewritingTwin, position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.totals(position.profile) == []
    assert audit.positions("live") == []


def test_an_execution_of_a_part_that_is_listed_twice_is_not_booked_twice_when_it_is_bought(
    twin: RewritingTwin,
) -> None:
    """Four of ten filled, listed as eight: with eight booked the other legs were made to match contracts that are not there."""

    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 400)

    twin.session.before = {3: thin}
    twin.session.rewrite[FILLS] = _twice
    execute(twin)
    third = Order.objects.get(leg__market_id=twin.markets[2], purpose="entry")
    assert (third.status, third.filled_count, third.reported_fill_count) == ("booking", 0, 400)
    for _ in range(2):
        reconcile.run("live", "test")
    third.refresh_from_db()
    assert (third.status, third.filled_count) == ("done", 400)
    found = Discrepancy.objects.filter(code="fill_impossible", resolved_at=None)
    assert {one.theirs.endswith(f"the order says {n}") for one in found for n in (400,)} >= {True}
    assert not Discrepancy.objects.filter(code__in=("position", "cash"), resolved_at=None).exists()


def test_an_execution_that_is_listed_again_later_is_named_and_not_booked(twin: RewritingTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 400)

    twin.session.before = {3: thin}
    position = execute(twin)
    twin.session.rewrite[FILLS] = _twice
    reconcile.run("live", "test")
    assert {leg.market_id: leg.held for leg in position.legs.all()} == twin.held()
    assert Discrepancy.objects.filter(code="fill_impossible", resolved_at=None).count() == 3
    assert not Discrepancy.objects.filter(code__in=("position", "cash"), resolved_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_names_another_order_of_ours_says_nothing_of_the_outcome(twin: RewritingTwin, now: Any) -> None:
    twin.session.rewrite[ORDERS] = _names(lambda first: first)
    position = execute(twin)
    assert (position.status, position.matched_count) == ("open", 1_000), "it is found by our own id at once"
    position = _goes_on(twin, now)
    assert (position.status, position.matched_count) == ("open", 1_000)
    ids = set(Order.objects.values_list("exchange_order_id", flat=True))
    assert ids == set(twin.exchange.ledger.orders)
    _ties(twin, position)


def test_an_answer_that_names_a_persons_order_makes_their_trade_not_ours(twin: RewritingTwin, now: Any) -> None:
    world.add_profile("live", mode="live", beside_foreign=True)
    reconcile.run("live", "test")
    did = second_actor.act(
        twin.exchange,
        "buy",
        {"tickers": [twin.markets[1]], "side": "bid", "price": 3_200, "count": 300, "rest": False},
        Random(1),
    )
    assert did["filled"] == 300
    reconcile.run("live", "test")
    twin.sync()
    twin.session.rewrite[ORDERS] = _names(lambda first: str(did["order_id"]))
    execute(twin)
    named = Order.objects.get(exchange_order_id=did["order_id"])
    read = factory.venue_for("live").fetch(named)
    assert (read.exchange_order_id != did["order_id"], read.fill_count) == (True, 1_000), "it is found by our own id"
    twin.session.rewrite.clear()
    position = _goes_on(twin, now)
    assert (position.status, position.matched_count) == ("open", 1_000)
    assert not Order.objects.filter(exchange_order_id=did["order_id"]).exists()
    assert ExchangeAccount.objects.get().foreign == {twin.markets[1]: 300}
    _ties(twin, position)


@pytest.mark.parametrize("what", ["transfer", "trade"])
def test_what_happens_while_an_account_is_first_read_is_in_its_opening_balance_and_not_booked_once_more(
    twin: RewritingTwin, now: Any, what: str
) -> None:
    position = execute(twin)
    reconcile.run("live", "test")
    twin.exchange.ledger.credit((1, 0), 50 * world.DOLLAR)
    world.add_profile("other", mode="live", subaccount=1)
    send, done = twin.session.send, list[str]()

    def beside(request: Any, **kwargs: Any) -> Any:
        if "/portfolio/balance" in request.url and "subaccount=1" in request.url and not done:
            done.append(what)
            if what == "transfer":
                transfers.between_subaccounts(twin.exchange, str(UUID(int=2)), 10 * world.DOLLAR, 0, 0, 1)
            else:
                terms = {"tickers": [twin.markets[1]], "side": "bid", "count": 300, "rest": False, "subaccount": 1}
                second_actor.act(twin.exchange, "buy", terms, Random(1))
        return send(request, **kwargs)

    twin.session.send = beside  # type: ignore[method-assign]
    for _ in range(3):
        reconcile.run("live", "test")
        now.shift(timedelta(seconds=30))
    assert done == [what]
    assert not Discrepancy.objects.exists()
    assert not AccountTransaction.objects.filter(account__subaccount=1).exclude(amount=0).exists()
    assert ExchangeAccount.objects.get(subaccount=1).foreign == ({twin.markets[1]: 300} if what == "trade" else {})
    _ties(twin, position)


@pytest.mark.parametrize("lasts", [1, 99])
@pytest.mark.parametrize("what", ["transfer", "trade"])
def test_what_is_not_listed_yet_when_an_account_is_first_read_is_not_booked_once_more(
    twin: RewritingTwin, now: Any, monkeypatch: pytest.MonkeyPatch, what: str, lasts: int
) -> None:
    """Cash and contracts show it at once, the lists later. While they go on changing the account is not taken."""
    position = execute(twin)
    reconcile.run("live", "test")
    twin.exchange.ledger.credit((1, 0), 50 * world.DOLLAR)
    world.add_profile("other", mode="live", subaccount=1)
    if what == "transfer":
        transfers.between_subaccounts(twin.exchange, str(UUID(int=2)), 10 * world.DOLLAR, 0, 0, 1)
    else:
        terms = {"tickers": [twin.markets[1]], "side": "bid", "count": 300, "rest": False, "subaccount": 1}
        second_actor.act(twin.exchange, "buy", terms, Random(1))
    slept = list[float]()

    def unlisted(body: Body) -> None:
        name = "fills" if what == "trade" else "transfers"
        left = len(slept) - lasts + 1
        of_other = [one for one in body[name] if what == "transfer" or one["subaccount_number"] == 1]
        if lasts < 99:
            body[name] = [one for one in body[name] if left > 0 or one not in of_other]
        elif of_other and len(slept) % 2:
            body[name] = [one for one in body[name] if one not in of_other]

    path = "/portfolio/fills" if what == "trade" else "/portfolio/subaccounts/transfers"
    twin.session.rewrite["GET", path] = unlisted
    monkeypatch.setattr(clock, "sleep", lambda seconds: slept.append(seconds) if seconds else None)
    reconcile.run("live", "test")
    account = ExchangeAccount.objects.filter(subaccount=1)
    assert account.exists() == (lasts < 99)
    twin.session.rewrite.clear()
    for _ in range(2):
        now.shift(timedelta(seconds=30))
        reconcile.run("live", "test")
    assert not Discrepancy.objects.exists()
    assert not AccountTransaction.objects.filter(account__subaccount=1).exclude(amount=0).exists()
    assert account.get().foreign == ({twin.markets[1]: 300} if what == "trade" else {})
    twin.session.rewrite.clear()
    _ties(twin, position)


@pytest.mark.parametrize(("behind", "reads"), [(0, 2), (0.5, 2), (1, 3), (60, 4)])
def test_an_account_is_taken_by_lists_that_are_as_new_as_its_cash_or_have_not_changed_for_long(
    twin: RewritingTwin, now: Any, monkeypatch: pytest.MonkeyPatch, behind: float, reads: int
) -> None:
    execute(twin)
    world.add_profile("other", mode="live", subaccount=1)
    heard = list[str]()

    def old(body: Body) -> None:
        heard.append(body["as_of_time"])
        body["as_of_time"] = (clock.now() - timedelta(seconds=behind)).isoformat()

    twin.session.rewrite["GET", "/exchange/user_data_timestamp"] = old
    monkeypatch.setattr(clock, "sleep", lambda seconds: now.shift(timedelta(seconds=seconds)))
    row = reconcile.run("live", "test")
    assert (row.error, len(heard), ExchangeAccount.objects.filter(subaccount=1).exists()) == ("", reads, True)


def test_a_crossed_book_of_the_rest_interface_is_not_sold_on_and_holds_up_no_other_leg(twin: RewritingTwin) -> None:
    """No living book looks like that, so nobody knows what is there; the others are read alone."""
    position = execute(twin)
    twin.sync()
    cache.prices().delete(LEASE_KEY + "0")
    odd = ["0.9000", "50.00"]

    def together(body: Body) -> None:
        body["orderbooks"][0]["orderbook_fp"]["no_dollars"].append(odd)

    def alone(body: Body) -> None:
        body["orderbook_fp"]["no_dollars"].append(odd)

    twin.session.rewrite["GET", "/markets/orderbooks"] = together
    twin.session.rewrite["GET", f"/markets/{twin.markets[0]}/orderbook"] = alone
    least: dict[Any, int] = {(leg.market_id, leg.side): 2_000 for leg in position.legs.all()}
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=least, below_floor="cash", by_rest=True
    )
    executor.step(position.pk)
    assert twin.held() == {twin.markets[0]: 1_000}
