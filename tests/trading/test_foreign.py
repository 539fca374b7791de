"""A person on the same account: seen, listed, booked with evidence, and respected."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import time_machine

from kalbot.common import clock
from markets.kalshi.errors import Rejected
from markets.kalshi.rest.cash import Cash
from simulator.accounts import transfers
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading.accounting import audit, balance_check
from trading.denials import DenialCode
from trading.execution import executor
from trading.models import (
    AccountTransaction,
    Correction,
    Denial,
    Discrepancy,
    ExchangeAccount,
    ForeignOrder,
    Leg,
    Position,
)
from trading.reconciliation import foreign, inbox, reconcile
from trading.safety import halt
from trading.venues import connection

pytestmark = pytest.mark.alike

DEPTH = 10_000
LIMITS = (3_000, 3_200, 3_100)
DOLLAR = 1_000_000


def _try(twin: Twin, **columns: Any) -> Position | None:
    profile = Profile.objects.filter(name="live").first() or world.add_profile("live", mode="live", **columns)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    return executor.execute(decision.pk)


def _buy(twin: Twin) -> Position:
    position = _try(twin)
    assert position is not None
    reconcile.run("live", "test")
    return position


def _person(twin: Twin, what: str, **terms: Any) -> dict[str, Any]:
    terms.setdefault("tickers", [twin.markets[0]])
    did = second_actor.act(twin.exchange, what, terms, Random(1))
    assert did["did"] == what, did
    return did


def _agrees(twin: Twin) -> None:
    for _ in range(2):
        row = reconcile.run("live", "test")
        assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    for profile in Profile.objects.filter(mode="live"):
        assert balance_check.summary(profile)["difference"] == 0
        assert audit.totals(profile) == []
        assert halt.current(profile) == "active"


def test_orders_without_a_client_id_are_kept_apart_by_the_exchanges_own(twin: Twin) -> None:
    _buy(twin)
    ids = {
        str(_person(twin, "buy", side="bid", price=1_000 + i * 100, count=100, rest=True)["order_id"]) for i in range(3)
    }
    _agrees(twin)
    assert set(ForeignOrder.objects.values_list("exchange_order_id", flat=True)) == ids
    assert set(ForeignOrder.objects.values_list("client_order_id", "is_resting")) == {("", True)}
    _person(twin, "cancel", order_id=sorted(ids)[0])
    reconcile.run("live", "test")
    assert ForeignOrder.objects.filter(is_resting=True).count() == 2


@pytest.mark.parametrize("by_stream", [True, False])
def test_an_order_whose_client_id_no_database_keeps_is_seen_all_the_same(twin: Twin, by_stream: bool) -> None:
    terms = {"side": "bid", "price": 1_000, "count": 100, "rest": True, "client_order_id": "my\x00 bot"}
    order_id = _person(twin, "buy", **terms)["order_id"]
    if by_stream:
        twin.send_order(order_id)
        assert inbox.apply_waiting() == 1
    else:
        _agrees(twin)
    kept = ForeignOrder.objects.get()
    assert (kept.exchange_order_id, kept.client_order_id, kept.is_resting) == (order_id, "my\ufffd bot", True)
    reconcile.run("live", "test")
    assert _try(twin) is None, "somebody rests in the event"


def test_cash_behind_a_persons_resting_order_is_theirs_and_hides_no_other_difference(twin: Twin) -> None:
    _buy(twin)
    _person(twin, "buy", side="bid", price=1_000, count=1_000, rest=True)
    _agrees(twin)
    twin.exchange.ledger.credit((0, 0), -2 * DOLLAR)
    assert reconcile.run("live", "test").differences == 1
    assert Discrepancy.objects.get(resolved_at=None).amount == -2 * DOLLAR


@pytest.mark.parametrize(("side", "price"), [("bid", 3_000), ("ask", 2_600)])
def test_a_trade_beside_us_is_booked_and_differs_in_nothing(twin: Twin, side: str, price: int) -> None:
    """Before we hold anything of the market: the contracts are theirs."""
    world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    _person(twin, "buy", tickers=[twin.markets[2]], side=side, count=700, rest=False)
    _agrees(twin)
    booked = AccountTransaction.objects.get(kind="trade")
    assert (booked.ticker, booked.count) == (twin.markets[2], 700 if side == "bid" else -700)
    assert booked.amount < 0
    assert ExchangeAccount.objects.get().foreign == {twin.markets[2]: booked.count}


@pytest.mark.parametrize("is_foreign", [True, False, None])
def test_a_trade_is_booked_as_a_persons_only_where_that_is_certain(
    twin: Twin, is_foreign: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        _person(twin, "buy", tickers=[twin.markets[2]], side="bid", price=3_200, count=700, rest=False)
        fills = list(connection.client().portfolio.fills())
    assert fills
    monkeypatch.setattr(foreign, "_is_foreign", lambda fill: is_foreign)
    new, waiting = foreign.book_trades(fills)
    assert new == AccountTransaction.objects.filter(kind="trade").count() == (1 if is_foreign else 0)
    assert list(waiting) == ([(0, twin.markets[2])] if is_foreign is None else [])


@pytest.mark.parametrize("sold", [1, 400, 1_000])
def test_contracts_of_ours_that_a_person_sold_are_taken_out_of_the_leg_with_their_evidence(
    twin: Twin, sold: int
) -> None:
    position = _buy(twin)
    _person(twin, "sell", count=sold)
    _agrees(twin)
    leg = Leg.objects.get(position=position, market_id=twin.markets[0])
    correction = Correction.objects.get()
    assert (leg.held, correction.count, correction.leg) == (1_000 - sold, sold, leg)
    assert correction.proceeds == 2_400 * sold - correction.fees
    assert correction.evidence["order"] == ForeignOrder.objects.get().exchange_order_id
    position.refresh_from_db()
    assert (position.matched_count, position.guaranteed) == (1_000 - sold, sold == 1)
    assert not ExchangeAccount.objects.get().foreign


def test_no_of_ours_is_closed_by_the_yes_that_a_person_buys(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, {twin.markets[0]: 8_000}, 500, kind="coverage", side="no")
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    reconcile.run("live", "test")
    leg = position.legs.get()
    assert (leg.side, leg.held) == ("no", 500)
    _person(twin, "buy", side="bid", count=300, rest=False)
    _agrees(twin)
    leg.refresh_from_db()
    assert (leg.held, Correction.objects.get().count) == (200, 300)
    assert not ExchangeAccount.objects.get().foreign


def test_a_person_who_buys_more_than_we_sell_holds_the_rest(twin: Twin) -> None:
    """NO bought over our YES: first it sells what is ours, then it opens contracts of their own."""
    position = _buy(twin)
    _person(twin, "buy", side="ask", count=1_500, rest=False)
    _agrees(twin)
    assert Leg.objects.get(position=position, market_id=twin.markets[0]).held == 0
    assert ExchangeAccount.objects.get().foreign == {twin.markets[0]: -500}


def test_what_a_person_bought_on_top_is_sold_before_ours(twin: Twin) -> None:
    position = _buy(twin)
    _person(twin, "buy", side="bid", count=300, rest=False)
    reconcile.run("live", "test")
    _person(twin, "sell", count=200)
    _agrees(twin)
    assert Leg.objects.get(position=position, market_id=twin.markets[0]).held == 1_000
    assert ExchangeAccount.objects.get().foreign == {twin.markets[0]: 100}


def test_everything_sold_by_a_person_closes_the_position(twin: Twin) -> None:
    position = _buy(twin)
    for ticker in twin.markets:
        _person(twin, "sell", tickers=[ticker], count=1_000)
    _agrees(twin)
    position.refresh_from_db()
    assert (position.status, position.close_type) == ("closed", "exit")


def test_settled_contracts_of_a_person_are_booked_as_theirs(twin: Twin) -> None:
    position = _buy(twin)
    _person(twin, "buy", side="bid", count=300, rest=False)
    reconcile.run("live", "test")
    twin.finish(twin.markets[0])
    _agrees(twin)
    position.refresh_from_db()
    assert position.payout == 10 * DOLLAR
    booked = AccountTransaction.objects.get(kind="settlement")
    assert (booked.amount, booked.count) == (3 * DOLLAR, -300)


@pytest.mark.parametrize(("what", "sign"), [("deposit", 1), ("withdraw", -1)])
def test_money_that_the_exchange_lists_as_moved_is_a_transaction_of_its_own(twin: Twin, what: str, sign: int) -> None:
    _person(twin, "deposit", amount=7 * DOLLAR)  # before us: in the opening balance
    _buy(twin)
    _person(twin, what, amount=30 * DOLLAR)
    _agrees(twin)
    booked = AccountTransaction.objects.exclude(amount=0).get()
    assert booked.amount == sign * 30 * DOLLAR
    assert booked.kind == ("deposit" if sign > 0 else "withdrawal")


@pytest.mark.parametrize("what", ["held", "resting"])
@pytest.mark.parametrize("allowed", [True, False])
def test_an_event_with_contracts_that_are_not_ours_is_denied_unless_the_profile_allows_it(
    twin: Twin, what: str, allowed: bool
) -> None:
    world.add_profile("live", mode="live", beside_foreign=allowed)
    price = {"price": 1_000} if what == "resting" else {}
    _person(twin, "buy", side="bid", count=100, rest=what == "resting", **price)
    twin.sync()
    position = _try(twin)
    assert (position is not None) == allowed
    if not allowed:
        denial = Denial.objects.get()
        assert denial.code == DenialCode.FOREIGN_CONTRACTS
        assert f"{what}" in denial.detail
    _agrees(twin)


def test_what_a_person_holds_of_the_other_side_is_never_bought_against(twin: Twin) -> None:
    """The exchange would close their contracts with our purchase and pay the pairs out."""
    world.add_profile("live", mode="live", beside_foreign=True)
    _person(twin, "buy", side="ask", count=100, rest=False)
    _agrees(twin)
    assert _try(twin) is None
    assert Denial.objects.get().code == DenialCode.FOREIGN_CONTRACTS
    _person(twin, "sell", count=100)
    _agrees(twin)
    assert _try(twin) is not None


def test_an_order_of_ours_whose_answer_was_lost_is_never_taken_for_a_persons(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markets.kalshi.rest.orders import Orders

    _try(twin)
    profile = Profile.objects.get(name="live")
    Position.objects.update(status="closed")
    from trading.models import LiveEventClaim, Order

    LiveEventClaim.objects.all().delete()
    reconcile.run("live", "test")
    with monkeypatch.context() as patch:
        patch.setattr(Orders, "list", lambda self, **terms: iter(()))
        twin.exchange.faults.add(kind="timeout", method="POST", when="after", count=1)
        executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk)
        assert Order.objects.filter(status="unknown").count() == 1
        reconcile.run("live", "test")
    assert not AccountTransaction.objects.filter(kind="trade").exists()
    assert not ForeignOrder.objects.exists()


def test_money_moved_between_subaccounts_is_a_transaction_of_both(twin: Twin) -> None:
    _buy(twin)
    world.add_profile("other", mode="live", subaccount=1)
    ledger_of = twin.exchange.ledger
    ledger_of.credit((1, 0), 5 * DOLLAR)
    transfers.between_subaccounts(twin.exchange, str(UUID(int=1)), 4 * DOLLAR, 0, 0, 1)  # before it is first seen
    reconcile.run("live", "test")
    transfers.between_subaccounts(twin.exchange, str(UUID(int=2)), 10 * DOLLAR, 0, 0, 1)
    _agrees(twin)
    booked = AccountTransaction.objects.filter(kind="transfer", account__subaccount=1).exclude(amount=0)
    assert [one.amount for one in booked] == [10 * DOLLAR], "the first is in the opening balance there"
    booked = AccountTransaction.objects.filter(kind="transfer", account__subaccount=0)
    assert sorted(one.amount for one in booked) == [-10 * DOLLAR, -4 * DOLLAR]


def test_an_account_whose_transfers_are_not_listed_is_compared_all_the_same(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: Any, **named: Any) -> Any:
        raise Rejected(403, "forbidden", "subaccounts need the advanced tier")

    _buy(twin)
    monkeypatch.setattr(Cash, "transfers", refused)
    _person(twin, "deposit", amount=30 * DOLLAR)
    _agrees(twin)
    assert AccountTransaction.objects.get(kind="deposit").amount == 30 * DOLLAR


@pytest.mark.parametrize("wrong", [{"status": "settling"}, {"amount_cents": -5}])
def test_a_deposit_that_cannot_be_read_is_named_and_hides_no_other(twin: Twin, wrong: dict[str, Any]) -> None:
    _buy(twin)
    _person(twin, "deposit", amount=30 * DOLLAR)
    send = twin.session.send

    def beside(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.url.split("?")[0].endswith("/portfolio/deposits"):
            body = json.loads(answer.content)
            body["deposits"].append(body["deposits"][0] | {"id": "odd"} | wrong)
            answer._content = json.dumps(body).encode()
        return answer

    twin.session.send = beside  # type: ignore[method-assign]
    row = reconcile.run("live", "test")
    assert (row.error, row.balance_difference) == ("", 0)
    assert [one.key[:8] for one in Discrepancy.objects.filter(resolved_at=None)] == ["deposit:"]


@pytest.mark.parametrize("path", ["/portfolio/balance", "/portfolio/positions"])
@pytest.mark.parametrize("what", ["buy", "sell", "deposit", "withdraw"])
def test_what_a_person_does_in_the_middle_of_a_comparison_is_no_difference(twin: Twin, what: str, path: str) -> None:
    position = _buy(twin)
    send, done = twin.session.send, list[str]()

    def beside(request: Any, **kwargs: Any) -> Any:
        if request.url.split("?")[0].endswith(path) and not done:
            done.append(what)
            _person(twin, what, count=300, amount=7 * DOLLAR, rest=False)
        return send(request, **kwargs)

    twin.session.send = beside  # type: ignore[method-assign]
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, done) == ("", 0, [what])
    _agrees(twin)
    position.refresh_from_db()
    assert position.legs.get(market_id=twin.markets[0]).held == (700 if what == "sell" else 1_000)
