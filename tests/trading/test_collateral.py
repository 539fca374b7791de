"""Collateral return in our own books: what is set aside, what every fill, sale and settlement credits, and what the exchange shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, permutations
from random import Random
from typing import Any

import pytest
import time_machine
from django.db import transaction

from kalbot.common import clock
from markets.models import Event, Market
from simulator.flow import second_actor
from strategies.collateral.learning import agreeing
from strategies.cycle import cycle
from strategies.models import Decision, Profile, Verdict
from tests.trading import world
from tests.trading.struck import Striking
from tests.trading.ties import ties
from tests.trading.twin import Twin
from trading.accounting import collateral, ledger, locked, results
from trading.accounting.posting import Posting
from trading.closing import exits, settlement
from trading.execution import executor
from trading.execution.phases import selling
from trading.holdings import PositionHoldings
from trading.models import Denial, Discrepancy, ExchangeAccount, LedgerTransaction, Order, Position, ProfileBalance
from trading.reconciliation import collateral_learning, reconcile
from trading.safety import halt, live_readiness
from trading.venues import connection

pytestmark = pytest.mark.alike

DEPTH = 10_000
BIDS = (1_700, 2_000, 1_800, 1_900, 2_100, 1_900)
"""YES bids: NO costs 0.83, 0.80, 0.82, 0.81, 0.79, 0.81 = 4.86 and pays 5 at least."""
TICKERS = [f"KXT-1-{number}" for number in range(6)]
PAYS = 50 * world.DOLLAR


def _event() -> Event:
    found = world.add_event(outcomes=6, collateral_return_type="MECNET")
    world.publish(found.ticker, world.quoted(found, [(bid, bid + 200) for bid in BIDS]))
    return found


def _buy(profile: Profile, event: Event, count: int = 1_000) -> Position | None:
    limits = {ticker: 10_000 - bid for ticker, bid in zip(TICKERS, BIDS, strict=True)}
    return executor.execute(world.decide(profile, event, limits, count, "all_no", "no").pk)


def _paper(**columns: Any) -> Position:
    found = _buy(world.add_profile(**({"collateral_return": True} | columns)), _event())
    assert found is not None, Denial.objects.values_list("code", "detail")
    return found


def _settle(number: int, result: str) -> None:
    value = 10**6 if result == "yes" else 0
    Market.objects.filter(ticker=TICKERS[number]).update(status="finalized", result=result, settlement_value_e6=value)
    settlement.run()


def test_off_the_basket_locks_its_price() -> None:
    position = _paper(collateral_return=False)
    assert (position.status, position.returned, position.collateral) == ("open", 0, None)
    assert PositionHoldings().committed(position.profile).now().money == position.cost


def test_on_it_locks_what_it_can_lose_and_what_leaving_needs() -> None:
    position = _paper()
    assert position.status == "open"
    assert position.returned == PAYS
    assert position.cost < PAYS, "it pays more than it cost, so money came free"
    assert position.reserved == collateral.exit_reserve(position)
    assert 8 * world.DOLLAR < position.reserved < 10 * world.DOLLAR
    committed = PositionHoldings().committed(position.profile).now().money
    assert committed == position.cost + position.reserved - PAYS
    assert committed * 5 < position.cost
    ties(position)


def test_results_go_by_what_is_locked_with_what_leaving_needs() -> None:
    """By the price less what was returned it would be less than nothing, and a profit a negative return."""
    with time_machine.travel(clock.now(), tick=False) as traveller:
        position = _paper()
        traveller.shift(timedelta(days=1))
        found = results.result(position.profile, None, clock.now())
        assert found.capital_days == position.cost + position.reserved - PAYS > 0
        (week,) = locked.capital_of(position.profile, clock.now(), weeks=1).weeks
        assert week.locked > 0
        assert replace(found, realised=100, capital_days=-1).on_capital_days_ppm is None


def test_what_is_returned_is_booked_together_with_the_fills_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message for the fills of all legs, what is credited for them and what stays set aside: not one of each after the other."""
    booked: list[list[str]] = []
    real = ledger._book_lines

    def noted(profile_id: int, mode: str, rows: Sequence[tuple[LedgerTransaction, Posting]], **known: bool) -> None:
        booked.append([posting.kind for _, posting in rows])
        real(profile_id, mode, rows, **known)

    monkeypatch.setattr(ledger, "_book_lines", noted)
    ties(_paper(sending="all_at_once"))
    assert booked == [["deposit"], ["fill"] * 6 + ["collateral", "reserve"]]


def test_ten_dollars_buy_what_costs_fifty() -> None:
    position = _paper(capital=10 * world.DOLLAR)
    assert (position.status, position.matched_count) == ("open", 1_000)
    balance = ProfileBalance.objects.get(profile=position.profile)
    assert balance.cash >= 0
    assert balance.cash + balance.reserved == 10 * world.DOLLAR - position.cost + PAYS
    ties(position)


@pytest.mark.parametrize("dollars", [2, 4, 7, 9])
def test_what_the_cycle_sizes_by_what_it_locks_is_admitted(dollars: int) -> None:
    """Little capital, all of it needed: the engine that decides and the one that sets aside count alike."""
    event = _event()
    profile = world.add_profile(
        collateral_return=True, capital=dollars * world.DOLLAR, max_per_position=50 * world.DOLLAR
    )
    Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    cycle.run()
    decision = Decision.objects.get()
    assert decision.max_cost > 4 * dollars * world.DOLLAR
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert position.status == "open"
    ties(position)


def test_without_it_ten_dollars_do_not() -> None:
    assert _buy(world.add_profile(capital=10 * world.DOLLAR), _event()) is None
    assert Denial.objects.get().code == "capital"


def test_less_than_the_worst_moment_is_denied() -> None:
    profile = world.add_profile(collateral_return=True, capital=8 * world.DOLLAR)
    assert _buy(profile, _event()) is None
    assert Denial.objects.get().code == "capital"


def test_cash_is_never_short_whichever_legs_fill() -> None:
    """Books that take only some legs: what is set aside suffices at every fill."""
    event = _event()
    profile = world.add_profile(collateral_return=True, capital=10 * world.DOLLAR)
    books = dict(world.quoted(event, [(bid, bid + 200) for bid in BIDS]))
    for ticker in TICKERS[3:]:
        books[ticker] = (((1_000, DEPTH),), books[ticker][1])
    world.publish(event.ticker, books)
    limits = {ticker: 10_000 - bid for ticker, bid in zip(TICKERS, BIDS, strict=True)}
    decision = world.decide(profile, event, limits, 1_000, "all_no", "no")
    world.publish(event.ticker, world.quoted(event, [(bid, bid + 200) for bid in BIDS]))
    position = executor.execute(decision.pk)
    assert position is not None
    balance = ProfileBalance.objects.get(profile=profile)
    assert min(balance.cash, balance.reserved) >= 0


@pytest.mark.parametrize("order", list(permutations(range(6)))[::97])
def test_settlement_in_any_order_ties_at_every_step(order: tuple[int, ...]) -> None:
    position = _paper()
    start = ProfileBalance.objects.get(profile=position.profile)
    before = start.cash + start.reserved
    for number in order:
        _settle(number, "yes" if number == 2 else "no")
        ties(position)
    assert (position.status, position.returned, position.payout) == ("settled", 0, PAYS)
    end = ProfileBalance.objects.get(profile=position.profile)
    assert end.cash + end.reserved == before, "what it pays was returned before"
    assert position.realised == PAYS - position.cost if position.cost else position.realised > 0


def test_nobody_wins_pays_one_dollar_more() -> None:
    position = _paper()
    for number in range(6):
        _settle(number, "no")
    position.refresh_from_db()
    assert (position.payout, position.returned) == (60 * world.DOLLAR, 0)
    ties(position)


def test_an_amended_result_is_followed() -> None:
    position = _paper()
    _settle(0, "no")
    assert Position.objects.get().returned == 40 * world.DOLLAR
    _settle(0, "yes")
    ties(position)
    assert position.returned == 50 * world.DOLLAR, "one has won: each of the others pays for sure"


def test_after_a_scalar_result_nothing_is_counted_with() -> None:
    position = _paper()
    Market.objects.filter(ticker=TICKERS[0]).update(status="finalized", result="scalar", settlement_value_e6=300_000)
    settlement.run()
    ties(position)
    assert position.returned == 0


def _request(position: Position, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody wants out, at almost any price."""
    monkeypatch.setattr(selling, "RUNG_PAUSE", timedelta())
    exits.request_exit(
        position_id=position.pk,
        actor="somebody",
        reason="enough",
        least_prices={(ticker, "no"): 100 for ticker in TICKERS},
        below_floor="I want out",
    )


def _exit(position: Position, monkeypatch: pytest.MonkeyPatch, tries: int = 12) -> Position:
    _request(position, monkeypatch)
    for _ in range(tries):
        world.publish("KXT-1", world.quoted(position.event, [(bid, bid + 200) for bid in BIDS]))
        executor.step(position.pk)
        ties(position)
        assert ProfileBalance.objects.get(profile=position.profile).cash >= 0
    return position


def test_an_exit_takes_back_what_was_returned_and_ends_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    position = _exit(_paper(capital=20 * world.DOLLAR), monkeypatch)
    assert (position.status, position.returned, position.reserved) == ("closed", 0, 0)
    assert position.realised < 0


def test_a_leg_that_cannot_be_sold_for_want_of_cash_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    position = _paper(capital=20 * world.DOLLAR)
    profile = Profile.objects.get(pk=position.profile_id)
    balance = ProfileBalance.objects.get(profile=profile)
    ledger.deposit(profile, -min(profile.capital, balance.cash + balance.reserved), "somebody")
    Profile.objects.filter(pk=profile.pk).update(capital=0)
    _hold_nothing_back(position)
    position = Position.objects.get(pk=position.pk)
    _request(position, monkeypatch)
    for _ in range(3):
        world.publish("KXT-1", world.quoted(position.event, [(bid, bid + 200) for bid in BIDS]))
        executor.step(position.pk)
    position.refresh_from_db()
    assert position.residual_code == "sale_needs_funds"
    assert "KXT-1-" in position.residual
    assert position.status == "exiting"


def _hold_nothing_back(position: Position) -> None:
    """As after a withdrawal: neither cash nor a reserve is left."""
    with transaction.atomic():
        ledger.move_reserve(position, -Position.objects.get(pk=position.pk).reserved, "release:test")
    balance = ProfileBalance.objects.get(profile=position.profile)
    if balance.cash > 0:
        ledger.deposit(position.profile, 0, "somebody")
        Profile.objects.filter(pk=position.profile_id).update(capital=max(0, position.profile.capital - balance.cash))
        ledger.ensure_funded(Profile.objects.get(pk=position.profile_id))


# ---- live, on the twin


@pytest.fixture
def twin(settings: object) -> Twin:
    settings.KALBOT_LIVE = True  # type: ignore[attr-defined]
    found = Twin()
    for bid in BIDS:
        found.add_market([(bid, DEPTH)], [(bid + 200, DEPTH)])
    connection.use(found.client())
    type(found.row).objects.filter(pk=found.row.pk).update(collateral_return_type="MECNET")
    found.row.refresh_from_db()
    live_readiness.require_reconciliation()
    found.sync()
    return found


def _switch(twin: Twin, mode: str, exchange: bool = True) -> None:
    """The account counts with it, and the exchange has it on."""
    connection.client().portfolio.cash.set_netting(0, exchange)
    reconcile.run("live", "test")
    ExchangeAccount.objects.update(collateral=mode)
    assert reconcile.run("live", "test").error == ""


def _live(twin: Twin, **columns: Any) -> Position:
    profile = world.add_profile("live", mode="live", **columns)
    position = _buy(profile, twin.row)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def _open_codes() -> set[str]:
    return set(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True))


def test_the_exchange_shows_what_we_count_at_every_step(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    _switch(twin, "on")
    position = _live(twin, capital=20 * world.DOLLAR)
    assert position.returned == PAYS
    row = reconcile.run("live", "test")
    assert (row.differences, row.balance_difference) == (0, 0)
    _request(position, monkeypatch)
    for _ in range(10):
        twin.sync()
        executor.step(position.pk)
        assert reconcile.run("live", "test").balance_difference in (0, None)
        ties(position)
    assert position.status == "closed"
    assert reconcile.run("live", "test").balance_difference == 0


def test_settlement_pays_the_rest_and_nothing_differs(twin: Twin) -> None:
    _switch(twin, "on")
    position = _live(twin)
    for number in (4, 0, 2, 5, 1, 3):
        twin.settle(TICKERS[number], "yes" if number == 0 else "no")
        settlement.run("live")
        row = reconcile.run("live", "test")
        assert (row.differences, row.balance_difference) == (0, 0), _open_codes()
        ties(position)
    assert (position.status, position.payout, position.returned) == ("settled", PAYS, 0)


@pytest.mark.parametrize(
    ("order", "winner"),
    [((4, 0, 2, 5, 1, 3), 0), ((0, 1, 2, 3, 4, 5), 0), ((5, 4, 3, 2, 1, 0), 5), ((5, 0, 1, 2, 4, 3), None)],
)
def test_a_record_that_shows_what_is_left_is_no_difference_in_whatever_order_markets_settle(
    twin: Twin, order: tuple[int, ...], winner: int | None
) -> None:
    """Legs of unequal counts, all settled by the exchange before we book the first."""
    twin.exchange.config.netting_revenue_net = True
    _switch(twin, "on")
    position = _live(twin)
    for number, sold in enumerate((100, 300, 300, 750, 999)):
        did = second_actor.act(twin.exchange, "sell", {"tickers": [TICKERS[number]], "count": sold}, Random(1))
        assert did.get("filled") == sold
    assert reconcile.run("live", "test").differences == 0
    for number in order:
        twin.settle(TICKERS[number], "yes" if number == winner else "no")
    row = reconcile.run("live", "test")
    assert (row.differences, row.balance_difference, _open_codes()) == (0, 0, set())
    ties(position)


@pytest.mark.parametrize("outside", ["yes", "no"])
def test_a_market_beside_the_legs_that_settles_first_is_no_difference(twin: Twin, outside: str) -> None:
    """When it wins every leg pays, so the exchange returns all of it before the legs settle."""
    _switch(twin, "on")
    limits = {ticker: 10_000 - bid for ticker, bid in zip(TICKERS[:4], BIDS, strict=False)}
    owner = world.add_profile("live", mode="live")
    position = executor.execute(
        world.decide(owner, twin.row, limits, 1_000, "all_no", "no", floor=40 * world.DOLLAR).pk
    )
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert position.returned == 30 * world.DOLLAR
    twin.settle(TICKERS[5], outside)
    row = reconcile.run("live", "test")
    assert (row.differences, _open_codes()) == (0, set())
    for number in (1, 3, 0, 2):
        twin.settle(TICKERS[number], "yes" if outside == "no" and number == 3 else "no")
        settlement.run("live")
        assert reconcile.run("live", "test").differences == 0, (
            list(Discrepancy.objects.values_list("theirs", "code", "amount")),
            list(position.legs.values_list("settled_count")),
            list(Position.objects.values_list("returned", "status")),
        )
        ties(position)
    assert reconcile.run("live", "test").balance_difference == 0
    assert position.payout == (40 if outside == "yes" else 30) * world.DOLLAR


def test_a_record_of_a_basket_with_collateral_return_that_no_order_explains_is_named(twin: Twin) -> None:
    _switch(twin, "on")
    _live(twin)
    twin.settle(TICKERS[1], "no")
    (record,) = twin.exchange.ledger.settlements
    record.revenue -= 3 * world.DOLLAR
    settlement.run("live")
    assert "settlement_revenue" in _open_codes()


def test_what_the_exchange_has_and_our_books_do_not_is_named(twin: Twin) -> None:
    _switch(twin, "off")
    assert _open_codes() == {"netting_on"}
    ExchangeAccount.objects.update(collateral="on")
    reconcile.run("live", "test")
    assert _open_codes() == set()
    _switch(twin, "on", exchange=False)
    assert _open_codes() == {"netting_on"}


def test_an_exchange_that_returns_nothing_after_all_stops_new_risk(twin: Twin) -> None:
    _switch(twin, "on")
    twin.exchange.events[twin.event].collateral_return_type = ""
    position = _live(twin)
    assert reconcile.run("live", "test").balance_difference == -PAYS
    assert "cash" in _open_codes()
    assert halt.current(position.profile) == "reducing"


def test_nothing_is_opened_beside_contracts_that_are_not_ours(twin: Twin) -> None:
    _switch(twin, "on")
    twin.exchange.ledger.credit((0, 0), 0)
    ExchangeAccount.objects.update(foreign={TICKERS[0]: -500})
    profile = world.add_profile("live", mode="live", beside_foreign=True)
    assert _buy(profile, twin.row) is None
    assert Denial.objects.get().code == "foreign_contracts"


# ---- learning


def test_the_first_smallest_basket_teaches_and_the_account_goes_on(twin: Twin) -> None:
    _switch(twin, "learning")
    position = _live(twin)
    assert (position.status, position.target_count, position.sends_together) == ("open", 100, False)
    account = ExchangeAccount.objects.get()
    cash = [one["available"] for one in account.collateral_evidence]
    assert len(cash) == 7
    assert [later > earlier for earlier, later in pairwise(cash[1:])] == [True] * 5, "money comes free"
    assert reconcile.run("live", "test").differences == 0
    account.refresh_from_db()
    assert (account.collateral, account.collateral_reading) == ("on", {"yes_counts": False, "whole_cents": False})


def test_what_was_bought_and_settled_long_before_does_not_disturb_what_is_learnt(twin: Twin) -> None:
    other = Twin("KXT-2", beside=twin)
    market = other.add_market([(4_000, DEPTH)], [(4_200, DEPTH)])
    other.sync()
    older = world.add_profile("older", mode="live")
    assert executor.execute(world.decide(older, other.row, {market: 4_200}, 500, "coverage").pk) is not None
    other.settle(market, "yes")
    settlement.run("live")
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        twin.exchange.clock.move_to(clock.now_ms())
        twin.sync()
        _switch(twin, "learning")
        _live(twin)
        row = reconcile.run("live", "test")
    assert row.differences == 0
    assert ExchangeAccount.objects.get().collateral == "on"


def test_a_choice_of_off_ends_the_learning_of_a_basket_that_is_open(twin: Twin) -> None:
    _switch(twin, "learning")
    position = _live(twin)
    ExchangeAccount.objects.update(collateral="off")
    row = reconcile.run("live", "test")
    assert row.error == ""
    position.refresh_from_db()
    assert position.status == "open"
    assert ExchangeAccount.objects.get().collateral == "off", "nothing is concluded"


@pytest.mark.parametrize("what", ["deposit", "withdraw"])
def test_money_that_a_person_moves_while_learning_proves_nothing(
    twin: Twin, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _switch(twin, "learning")
    send = twin.session.send
    done: list[dict[str, Any]] = []

    def beside(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.method == "POST" and "orders" in request.url and len(done) < 2:
            # twice: one movement alone is noticed in what the cash shows
            done.append(second_actor.act(twin.exchange, what, {"tickers": TICKERS, "amount": 7_000_000}, Random(1)))
        return answer

    monkeypatch.setattr(twin.session, "send", beside)
    position = _live(twin)
    assert done[0]["did"] == what
    row = reconcile.run("live", "test")
    assert (row.error, Discrepancy.objects.filter(code="collateral").count()) == ("", 0)
    position.refresh_from_db()
    assert (position.status, (position.collateral or {})["learning"]) == ("open", False)
    assert ExchangeAccount.objects.get().collateral == "learning", "the next basket is learnt from"


@pytest.mark.parametrize("what", ["rests", "comes and goes", "goes", "our other market settles"])
def test_what_others_rest_or_what_settles_while_learning_proves_nothing(
    twin: Twin, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an order reserves is not available, and a settlement is booked after the exchange has paid it: neither is a difference."""
    other = Twin("KXT-2", beside=twin)
    market = other.add_market([(4_000, DEPTH)], [(4_200, DEPTH)])
    other.sync()
    rest = {"tickers": [market], "side": "bid", "rest": True, "count": 500}
    if what == "our other market settles":
        older = world.add_profile("older", mode="live")
        assert executor.execute(world.decide(older, other.row, {market: 4_200}, 500, "coverage").pk) is not None
    if what == "goes":
        second_actor.act(twin.exchange, "buy", rest, Random(1))
    _switch(twin, "learning")
    send = twin.session.send
    sent: list[str] = []

    def beside(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.method == "POST" and "orders" in request.url:
            sent.append(request.url)
            if len(sent) == 3 and what in ("rests", "comes and goes"):
                assert second_actor.act(twin.exchange, "buy", rest, Random(1))["did"] == "buy"
            if (len(sent), what) in ((4, "comes and goes"), (3, "goes")):
                assert second_actor.act(twin.exchange, "cancel", {"tickers": [market]}, Random(1))["did"] == "cancel"
            if (len(sent), what) == (3, "our other market settles"):
                other.settle(market, "yes")
        return answer

    monkeypatch.setattr(twin.session, "send", beside)
    position = _live(twin)
    assert len(sent) == len(TICKERS)
    row = reconcile.run("live", "test")
    assert (row.error, Discrepancy.objects.filter(code="collateral").count()) == ("", 0)
    position.refresh_from_db()
    assert (position.status, (position.collateral or {})["learning"]) == ("open", False)
    assert ExchangeAccount.objects.get().collateral == "learning", "the next basket is learnt from"


@pytest.mark.parametrize("seed", range(2))
def test_results_reversed_again_and_again_leave_the_books_of_the_last_ones(seed: int) -> None:
    """Each market settles, some more than once with another result: at every step the books tie, and in the end they are those of the last
    results."""
    position, draw = _paper(), Random(seed)
    start = ProfileBalance.objects.get(profile=position.profile)
    before = start.cash + start.reserved
    turns = [*range(6), *(draw.randrange(6) for _ in range(6))]
    draw.shuffle(turns)
    last: dict[int, str] = {}
    for number in turns:
        last[number] = (
            "no" if "yes" in {r for n, r in last.items() if n != number} else draw.choice(["yes", "no", "no"])
        )
        _settle(number, last[number])
        ties(position)
    pays = sum(result == "no" for result in last.values()) * 10 * world.DOLLAR
    end = ProfileBalance.objects.get(profile=position.profile)
    assert (position.status, position.returned, position.payout) == ("settled", 0, pays)
    assert end.cash + end.reserved == before + pays - PAYS


@pytest.mark.parametrize("switch", ["off", "on", "yes_counts", "whole_cents", "revenue_net"])
def test_results_corrected_after_the_payout_leave_the_cash_that_the_exchange_shows(twin: Twin, switch: str) -> None:
    """To the micro-dollar, after each result and each correction, whatever was returned before; legs of unequal counts."""
    config, draw = twin.exchange.config, Random(switch)
    if switch in ("yes_counts", "whole_cents", "revenue_net"):
        setattr(config, f"netting_{switch}", True)
    _switch(twin, "off" if switch == "off" else "on", exchange=switch != "off")
    if switch in ("yes_counts", "whole_cents"):
        ExchangeAccount.objects.update(collateral_reading={switch: True})
    position = _live(twin)
    assert bool(position.returned) == (switch != "off")
    for number, sold in enumerate((103, 300, 301, 750)):
        second_actor.act(twin.exchange, "sell", {"tickers": [TICKERS[number]], "count": sold}, Random(1))
    assert reconcile.run("live", "test").balance_difference == 0
    turns = [*range(6), *(draw.randrange(6) for _ in range(8))]
    draw.shuffle(turns)
    last: dict[int, str] = {}
    for number in turns:
        has_winner = "yes" in {result for one, result in last.items() if one != number}
        result = draw.choice(("no" if has_winner else "yes", "no", "no", "scalar"))
        value = draw.randrange(1, 10_000) if result == "scalar" else None
        (twin.correct if number in last else twin.settle)(TICKERS[number], result, value)
        last[number] = result
        row = reconcile.run("live", "test")
        assert (row.error, row.balance_difference, _open_codes()) == ("", 0, set())
        ties(position)
    assert (position.status, position.returned) == ("settled", 0)


def test_cash_that_shows_half_of_a_fill_for_a_moment_is_read_again(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The price is taken, and what is returned comes a moment later."""
    _switch(twin, "learning")
    send, half, ledger_of = twin.session.send, [False], twin.exchange.ledger

    def lagging(request: Any, **kwargs: Any) -> Any:
        is_half, half[0] = half[0] and "/portfolio/balance" in request.url, request.method == "POST" or half[0]
        if not is_half:
            return send(request, **kwargs)
        half[0] = False
        ledger_of.credit((0, 0), -770_000)
        try:
            return send(request, **kwargs)
        finally:
            ledger_of.credit((0, 0), 770_000)

    monkeypatch.setattr(twin.session, "send", lagging)
    _live(twin)
    assert reconcile.run("live", "test").differences == 0
    assert ExchangeAccount.objects.get().collateral == "on"


def test_while_one_is_learnt_from_no_other_is_opened(twin: Twin) -> None:
    _switch(twin, "learning")
    _live(twin)
    other = Twin("KXT-2", beside=twin)
    for bid in BIDS:
        other.add_market([(bid, DEPTH)], [(bid + 200, DEPTH)])
    type(other.row).objects.filter(pk=other.row.pk).update(collateral_return_type="MECNET")
    other.row.refresh_from_db()
    other.sync()
    limits = {ticker: 10_000 - bid for ticker, bid in zip(other.markets, BIDS, strict=True)}
    decision = world.decide(world.add_profile("second", mode="live"), other.row, limits, 1_000, "all_no", "no")
    assert executor.execute(decision.pk) is None
    assert Denial.objects.get().code == "collateral_learning"
    reconcile.run("live", "test")
    Denial.objects.all().delete()
    position = executor.execute(decision.pk)
    assert position is not None
    assert position.target_count == 1_000


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_no_reading_predicts_is_named_with_both_figures(twin: Twin, elsewhere: bool) -> None:
    """Also where somebody buys meanwhile, but with the cash of another subaccount."""
    _switch(twin, "learning")
    twin.exchange.events[twin.event].collateral_return_type = ""
    if elsewhere:
        twin.exchange.ledger.credit((1, 0), 50 * world.DOLLAR)
        market = Twin("KXT-2", beside=twin).add_market([(4_000, DEPTH)], [(4_200, DEPTH)])
        buys = {"tickers": [market], "side": "bid", "rest": True, "count": 500, "subaccount": 1}
        assert second_actor.act(twin.exchange, "buy", buys, Random(1))["did"] == "buy"
    _live(twin)
    reconcile.run("live", "test")
    row = Discrepancy.objects.get(code="collateral")
    assert "predicted" in row.ours
    assert "after step 2" in row.theirs
    assert ExchangeAccount.objects.get().collateral == "off"


def test_cash_that_cannot_be_read_while_learning_proves_nothing_and_the_basket_is_kept(twin: Twin) -> None:
    """The next one is learnt from."""
    _switch(twin, "learning")
    twin.session = broken = Striking(twin.exchange)
    broken.answers["/portfolio/balance"] = b"<html>"
    connection.use(twin.client())
    position = _live(twin)
    broken.answers.clear()
    reconcile.run("live", "test")
    position.refresh_from_db()
    assert position.status == "open"
    assert position.collateral is not None
    assert position.collateral["learning"] is False
    account = ExchangeAccount.objects.get()
    assert (account.collateral, account.collateral_evidence) == ("learning", [])


def test_a_rebate_while_learning_proves_nothing(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed nowhere: a difference of cash, but none of collateral."""
    _switch(twin, "learning")
    send, done = twin.session.send, list[str]()

    def beside(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.method == "POST" and not done:
            done.append("rebate")
            twin.exchange.ledger.credit((0, 0), 10_000)
        return answer

    monkeypatch.setattr(twin.session, "send", beside)
    position = _live(twin)
    reconcile.run("live", "test")
    assert (done, _open_codes()) == (["rebate"], {"cash"})
    assert ExchangeAccount.objects.get().collateral == "learning", "the next basket is learnt from"
    position.refresh_from_db()
    assert (position.status, (position.collateral or {})["learning"]) == ("open", False)


@pytest.mark.parametrize("chosen", ["off", "on"])
def test_what_a_person_chooses_while_it_is_concluded_stays(
    twin: Twin, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to the exchange lies in between, which takes its time."""
    _switch(twin, "learning")
    if chosen == "on":  # a difference would switch it off
        twin.exchange.events[twin.event].collateral_return_type = ""
    _live(twin)

    def meanwhile(*args: Any) -> Any:
        ExchangeAccount.objects.update(collateral=chosen, collateral_reading={"yes_counts": True})
        return agreeing(*args)

    monkeypatch.setattr(collateral_learning, "agreeing", meanwhile)
    reconcile.run("live", "test")
    account = ExchangeAccount.objects.get()
    assert (account.collateral, account.collateral_reading) == (chosen, {"yes_counts": True})
    assert not Discrepancy.objects.filter(code="collateral").exists()


def test_an_order_that_nobody_read_the_cash_after_teaches_nothing(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers died after two of them: of one alone the sum that moved is noticed in what the cash shows."""
    _switch(twin, "learning")
    real, number = collateral_learning.after, [0]

    def lost(order: Order) -> None:
        number[0] += 1
        if number[0] not in (2, 4):
            real(order)

    monkeypatch.setattr(collateral_learning, "after", lost)
    position = _live(twin)
    assert (position.status, number[0]) == ("open", 6)
    reconcile.run("live", "test")
    assert not Discrepancy.objects.filter(code="collateral").exists()
    assert ExchangeAccount.objects.get().collateral == "learning", "the next basket is learnt from"


def test_a_basket_that_is_sold_before_it_has_taught_is_no_purchase(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read between its sales says nothing about purchases; what was read between these still does."""
    _switch(twin, "learning")
    position = _live(twin)
    _request(position, monkeypatch)
    for _ in range(12):
        twin.sync()
        Position.objects.filter(pk=position.pk).update(next_step_at=clock.now())
        position = executor.step(position.pk)
    assert position.status == "closed", position.residual
    reconcile.run("live", "test")
    assert not Discrepancy.objects.filter(code="collateral").exists()
    assert ExchangeAccount.objects.get().collateral == "on"
