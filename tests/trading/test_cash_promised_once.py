"""Collateral return: no cash is promised twice, to an exit and to something else, and an exit that has little of it still goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from io import BytesIO
from random import Random
from typing import Any

import pytest

from kalbot.common import clock
from markets.models import Event, Market
from simulator.flow import second_actor
from tests.trading import quoted, world
from tests.trading.ties import ties
from tests.trading.twin import Twin
from trading.accounting import booking, collateral, ledger
from trading.closing import exits, settlement
from trading.execution import executor
from trading.execution.phases import selling
from trading.execution.sizing import fitting
from trading.models import Denial, Discrepancy, ExchangeAccount, Order, Position, ProfileBalance
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection

pytestmark = pytest.mark.alike

DEPTH = 10_000
BIDS = (1_700, 2_000, 1_800, 1_900, 2_100, 1_900)
"""YES bids: NO costs 4.86 and pays 5 at least; leaving early at once needs $8.77."""
TICKERS = [f"KXT-1-{number}" for number in range(6)]
ALL = dict(zip(TICKERS, BIDS, strict=True))


def _bought(event: Event, name: str, limits: Mapping[str, int], **columns: Any) -> Position | None:
    profile = world.add_profile(name, **columns)
    return executor.execute(world.decide(profile, event, limits, 1_000, "all_no", "no").pk)


def _no(bids: Mapping[str, int]) -> dict[str, int]:
    return {ticker: 10_000 - bid for ticker, bid in bids.items()}


def _leave(position: Position, **columns: Any) -> None:
    accepted = {"least_prices": {(leg.market_id, leg.side): 100 for leg in position.legs.all()}, "below_floor": "out"}
    exits.request_exit(position_id=position.pk, actor="ann", reason="enough", **(accepted | columns))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two tries."""
    monkeypatch.setattr(selling, "RUNG_PAUSE", timedelta())


# ---- on paper


def _paper(**columns: Any) -> Position:
    event = world.add_event(outcomes=6, collateral_return_type="MECNET")
    world.publish(event.ticker, world.quoted(event, [(bid, bid + 200) for bid in BIDS]))
    position = _bought(event, "careful", _no(ALL), collateral_return=True, **columns)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


@pytest.mark.parametrize("higher", [0, 500, 1_000, 1_500])
def test_an_exit_takes_what_was_set_aside_for_it_and_never_more_cash_than_there_is(higher: int) -> None:
    """Bids fall after the purchase, so that leaving needs more than was set aside, and then more than there is at all."""
    position = _paper(capital=10 * world.DOLLAR)
    _leave(position)
    for _ in range(20):
        quotes = [(bid + higher, bid + higher + 200) for bid in BIDS]
        world.publish("KXT-1", world.quoted(position.event, quotes))
        position = executor.step(position.pk)
        ties(position)
        balance = ProfileBalance.objects.get(profile=position.profile)
        assert min(balance.cash, balance.reserved) >= 0
    if higher < 1_500:
        assert (position.status, position.returned, position.reserved) == ("closed", 0, 0)
    else:
        assert (position.status, position.residual_code) == ("exiting", "sale_needs_funds")


def test_what_a_sale_frees_stays_set_aside_for_the_legs_that_will_need_it() -> None:
    """One leg is larger than the others: selling what it has more brings money that the others need, so no basket may take it."""
    position = _paper()
    first = position.legs.order_by("sequence")[0]
    for leg in position.legs.exclude(pk=first.pk):
        settle: dict[str, Any] = {
            "count": 600,
            "proceeds": 600 * 8_000,
            "evidence": {},
            "actor": "ann",
            "reason": "sold by hand",
        }
        collateral_before = position.returned
        assert booking.correct(leg.pk, key=f"by hand {leg.pk}", **settle)
        position.refresh_from_db()
        assert position.returned < collateral_before
        ties(position)
    assert position.reserved == collateral.exit_reserve(position)


def test_what_an_exit_frees_stays_set_aside_for_the_rest_of_it() -> None:
    """The legs that need cash were sold first, and then a part of the larger one, which brings some: the rest needs more than is left."""
    position = _paper()
    Position.objects.filter(pk=position.pk).update(status="exiting")
    for leg in position.legs.order_by("-sequence"):
        sold: dict[str, Any] = {"evidence": {}, "actor": "ann", "reason": "sold by hand", "count": 600}
        assert booking.correct(leg.pk, key=f"by hand {leg.pk}", proceeds=600 * 8_000, **sold)
    ties(position)
    assert position.reserved >= collateral.exit_reserve(position) > 0


def test_what_is_set_aside_follows_each_result() -> None:
    position = _paper()
    for number, result in enumerate(("no", "no", "yes")):
        value = 10**6 if result == "yes" else 0
        Market.objects.filter(ticker=TICKERS[number]).update(
            status="finalized", result=result, settlement_value_e6=value
        )
        settlement.run()
        ties(position)
        needed = collateral.exit_reserve(position)
        assert position.reserved == needed if result == "no" else position.reserved <= needed
    Market.objects.filter(ticker=TICKERS[3]).update(status="finalized", result="scalar", settlement_value_e6=300_000)
    settlement.run()
    ties(position)
    assert (position.returned, position.reserved) == (0, 0), "nothing is counted with, so leaving needs nothing"


def test_a_result_taken_back_while_an_order_has_no_end_leaves_books_that_tie() -> None:
    position = _paper()
    market = Market.objects.filter(ticker=TICKERS[0])
    market.update(status="finalized", result="no", settlement_value_e6=0)
    settlement.run()
    Order.objects.filter(leg__market=TICKERS[0]).update(status="unknown")
    market.update(result="yes", settlement_value_e6=10**6)
    settlement.run()
    ties(position)
    Order.objects.filter(leg__market=TICKERS[0]).update(status="done")
    settlement.run()
    ties(position)
    assert position.returned == 50 * world.DOLLAR


@pytest.mark.parametrize("held", [4, 2])
def test_after_a_market_beside_the_legs_was_settled_at_a_price_nothing_is_counted_with(held: int) -> None:
    """As after one of its own: what the exchange does then is documented nowhere, and cash that it takes back is promised to nobody."""
    event = world.add_event(outcomes=6, collateral_return_type="MECNET")
    bids = (2_900, 3_000, 2_800, 2_900) if held == 4 else (5_600, 5_700)
    quotes = [(bid, bid + 200) for bid in (*bids, *([100] * (6 - held)))]
    world.publish(event.ticker, world.quoted(event, quotes))
    limits = {ticker: 10_000 - bid for ticker, bid in zip(TICKERS[:held], bids, strict=True)}
    position = _bought(event, "careful", limits, collateral_return=True)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert position.returned == (held - 1) * 10 * world.DOLLAR
    beside = Market.objects.filter(ticker=TICKERS[5])
    beside.update(status="finalized", result="scalar", settlement_value_e6=300_000)
    settlement.run()
    ties(position)
    assert (position.returned, position.reserved) == (0, 0)
    beside.update(result="no", settlement_value_e6=0)
    settlement.run()
    position.refresh_from_db()
    assert position.returned == collateral.held_back(position)


# ---- live, on the twin


@pytest.fixture
def twin(settings: Any) -> Twin:
    settings.KALBOT_LIVE = True
    found = Twin()
    for bid in BIDS:
        found.add_market([(bid, DEPTH)], [(bid + 200, DEPTH)])
    connection.use(found.client())
    _exclusive(found)
    live_readiness.require_reconciliation()
    return found


def _exclusive(twin: Twin) -> None:
    Event.objects.filter(pk=twin.row.pk).update(collateral_return_type="MECNET")
    twin.row.refresh_from_db()
    twin.sync()


def _switch(mode: str) -> None:
    """The account counts with it, and the exchange has it on."""
    ExchangeAccount.objects.all().delete()
    connection.client().portfolio.cash.set_netting(0, mode != "off")
    reconcile.run("live", "test")
    ExchangeAccount.objects.update(collateral=mode)
    assert reconcile.run("live", "test").error == ""


def _live(twin: Twin, name: str = "live", **columns: Any) -> Position:
    bids = dict(zip(twin.markets, BIDS, strict=False))
    position = _bought(twin.row, name, _no(bids), mode="live", **columns)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def _left_with(twin: Twin, amount: int) -> None:
    """A person withdraws all of the account's cash but ``amount``: our books still have it."""
    more = twin.exchange.ledger.available((0, 0)) - amount
    assert second_actor.act(twin.exchange, "withdraw", {"amount": more}, Random(1))["did"] == "withdraw"


def _steps(twin: Twin, position: Position, number: int = 30) -> Position:
    for _ in range(number):
        twin.sync()
        Position.objects.filter(pk=position.pk).update(next_step_at=clock.now())
        position = executor.step(position.pk)
    return position


def test_an_exit_with_less_cash_than_it_needs_sells_the_same_share_of_each_leg_again_and_again(twin: Twin) -> None:
    """Leg by leg it would end with two legs sold and no cash for the others."""
    _switch("on")
    position = _live(twin)
    _left_with(twin, 5 * world.DOLLAR)
    _leave(position)
    position = _steps(twin, position)
    assert (position.status, twin.held()) == ("closed", {})
    counts = list(Order.objects.filter(action="sell").order_by("created_at").values_list("leg", "count"))
    assert len({leg for leg, _ in counts[:6]}) == 6
    assert len({count for _, count in counts[:6]}) == 1
    assert 0 < counts[0][1] < 1_000
    assert not Order.objects.filter(status="rejected").exists(), "nothing was sent that the exchange cannot do"
    ties(position)


def test_a_guaranteed_basket_is_left_in_whole_ones_when_cash_is_short(twin: Twin) -> None:
    """At prices that bring as much as it is sure to pay; what is kept meanwhile is whole."""
    _switch("on")
    position = _live(twin)
    for ticker in TICKERS:
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "ask", 1_300, DEPTH)
    _left_with(twin, 5 * world.DOLLAR)
    _leave(position, least_prices={(ticker, "no"): 8_600 for ticker in TICKERS}, below_floor="")
    position = _steps(twin, position)
    assert (position.status, twin.held()) == ("closed", {})
    counts = list(Order.objects.filter(action="sell").order_by("created_at").values_list("count", flat=True))
    assert len(set(counts[:6])) == 1
    assert counts[0] < 1_000


def test_what_not_even_one_contract_of_each_has_the_cash_for_is_sold_in_part_and_the_rest_named(twin: Twin) -> None:
    _switch("on")
    position = _live(twin)
    _left_with(twin, 30 * world.DOLLAR // 100)
    _leave(position)
    position = _steps(twin, position, 8)
    assert (position.status, position.residual_code) == ("exiting", "sale_needs_funds")
    assert min(twin.held().values()) == -1_000 < max(twin.held().values()), "one contract of a leg was sold"
    ties(position)


def _two_baskets(twin: Twin) -> tuple[Twin, Position, Position]:
    """One of each of two events of an account, with collateral return on; the twin of the other event."""
    other = Twin("KXU-1", beside=twin)
    for bid in BIDS:
        other.add_market([(bid, DEPTH)], [(bid + 200, DEPTH)])
    _exclusive(other)
    _switch("on")
    return other, _live(twin), _live(other, "second")


def test_an_exit_does_not_take_what_is_set_aside_for_another_basket_of_the_account(twin: Twin) -> None:
    other, first, second = _two_baskets(twin)
    for ticker in TICKERS:  # leaving needs twice of what was set aside
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "ask", 3_000, DEPTH)
    _left_with(twin, 18 * world.DOLLAR)
    second.refresh_from_db()
    assert second.reserved > 8 * world.DOLLAR
    _leave(first)
    for _ in range(12):
        first = _steps(twin, first, 1)
        assert twin.exchange.ledger.available((0, 0)) >= second.reserved
    assert first.residual_code == "sale_needs_funds"
    _leave(second)
    assert _steps(other, second).status == "closed", "it has the cash that was kept for it"


@pytest.mark.parametrize(("left", "closes"), [(23, False), (40, True)])
def test_an_exit_does_not_take_what_a_quote_is_hedged_with(twin: Twin, left: int, closes: bool) -> None:
    """Of what a quote has set aside the exchange keeps back its own price alone."""
    other = Twin("KXU-1", beside=twin)
    for bid, ask in zip(quoted.NO_BIDS, quoted.NO_ASKS, strict=True):
        other.add_market([(10_000 - ask, DEPTH)], [(10_000 - bid, DEPTH)])
    _switch("on")
    first = _live(twin)
    wide: dict[str, Any] = {"orphan_budget": 50 * world.DOLLAR, "quote_min_margin_ppm": 1_000}
    maker = quoted.profile(quoting="one_leg", **wide)
    other.sync()
    second = quoted.begun(other, maker)
    ((price, count),) = quoted.resting(second).values()
    hedge = second.reserved - price * count
    for ticker in TICKERS:
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "ask", 3_000, DEPTH)
    _left_with(twin, left * world.DOLLAR)
    _leave(first)
    lowest = left * world.DOLLAR
    send = twin.session.send

    def watched(request: Any, **kwargs: Any) -> Any:
        nonlocal lowest
        answer = send(request, **kwargs)
        lowest = min(lowest, twin.exchange.ledger.available((0, 0)))
        return answer

    twin.session.send = watched  # type: ignore[method-assign]  # every request is watched
    first = _steps(twin, first, 8)
    assert lowest >= hedge > 14 * world.DOLLAR
    assert (first.status == "closed") is closes
    assert closes or first.residual_code == "sale_needs_funds"


def test_where_less_is_there_than_was_set_aside_for_two_exits_both_go_on_with_it(twin: Twin) -> None:
    """Each may take what was set aside for it: neither waits for what only the other could give."""
    other, first, second = _two_baskets(twin)
    for ticker in TICKERS:
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "ask", 3_000, DEPTH)
    _left_with(twin, 12 * world.DOLLAR)
    _leave(first)
    _leave(second)
    _steps(twin, first, 8)
    assert _steps(other, second).status == "closed" or twin.exchange.ledger.available((0, 0)) < 2 * world.DOLLAR


def test_a_sale_that_our_books_do_not_know_to_need_cash_is_made_smaller(twin: Twin) -> None:
    """Collateral was returned although our books have it off."""
    _switch("off")
    position = _live(twin, capital=100 * world.DOLLAR)
    assert position.collateral is None
    twin.exchange.ledger.set_option("netting:0", "1")
    for ticker in TICKERS:
        twin.exchange.ledger.set_option(f"netted:0:{ticker}", "-1000")
    twin.exchange.ledger.credit((0, 0), 1)
    _left_with(twin, world.DOLLAR * 7 // 10)
    _leave(position)
    for _ in range(4):
        position = _steps(twin, position, 1)
    counts = set(Order.objects.filter(action="sell", filled_count__gt=0).values_list("filled_count", flat=True))
    assert 200 in counts, "a quarter of it went"


@pytest.mark.parametrize(("before", "after"), [("off", "on"), ("on", "off"), ("on", "learning")])
def test_a_basket_counts_on_what_holds_when_its_money_is_set_aside(
    twin: Twin, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person chooses between the read of the account and the lock of its cash."""
    _switch(before)
    profile = world.add_profile("live", mode="live")
    ledger.ensure_funded(profile)
    real = collateral.reading_for

    def chosen(*args: Any) -> Any:
        found = real(*args)
        ExchangeAccount.objects.update(collateral=after)
        return found

    monkeypatch.setattr(collateral, "reading_for", chosen)
    position = executor.execute(world.decide(profile, twin.row, _no(ALL), 1_000, "all_no", "no").pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert (position.collateral is not None) == (after != "off")
    assert bool((position.collateral or {}).get("learning")) == (after == "learning")


def test_two_baskets_that_are_learnt_from_do_not_begin_at_once(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker admits one between the checks and the lock."""
    _switch("learning")
    profile, other = world.add_profile("live", mode="live"), world.add_profile("other", mode="live")
    ledger.ensure_funded(profile)
    event = world.add_event("KXU-1")
    decision = world.decide(other, event, {"KXU-1-0": 3_000})
    real = fitting.legs_of

    def admitted(*args: Any) -> Any:
        row = {"event": event, "kind": "all_no", "target_count": 100, "status": "executing", "mode": "live"}
        Position.objects.create(profile=other, decision=decision, collateral={"learning": True}, **row)
        return real(*args)

    monkeypatch.setattr(fitting, "legs_of", admitted)
    assert executor.execute(world.decide(profile, twin.row, _no(ALL), 1_000, "all_no", "no").pk) is None
    assert Denial.objects.get().code == "collateral_learning"


def test_an_order_of_another_basket_of_ours_beside_the_first_proves_nothing(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is begun after the first one, and rests for a while: what it sets aside at the exchange is not available."""
    _switch("learning")
    older, event = world.add_profile("older", mode="live"), world.add_event("KXU-1")
    send, sent = twin.session.send, list[str]()

    def beside(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.method != "POST" or "orders" not in request.url:
            return answer
        sent.append(request.url)
        if len(sent) == 2:
            twin.exchange.ledger.credit((0, 0), -world.DOLLAR)
            decision = world.decide(older, event, {"KXU-1-0": 3_000}, kind="coverage")
            row = {"event": event, "kind": "coverage", "target_count": 1_000, "status": "quoting", "mode": "live"}
            quote = Position.objects.create(profile=older, decision=decision, **row)
            leg = quote.legs.create(market_id="KXU-1-0", side="yes", sequence=0, target_count=1_000, limit_price=3_000)
            order = {"price": 1_000, "count": 1_000, "status": "resting", "side": "yes", "mode": "live"}
            Order.objects.create(position=quote, leg=leg, profile=older, action="buy", purpose="quote", **order)
        if len(sent) == 4:
            twin.exchange.ledger.credit((0, 0), world.DOLLAR)
            Order.objects.filter(profile=older).update(status="done", ended_at=clock.now())
            Position.objects.filter(profile=older).update(status="aborted")
        return answer

    monkeypatch.setattr(twin.session, "send", beside)
    position = _live(twin)
    reconcile.run("live", "test")
    assert len(sent) == len(TICKERS)
    assert not Discrepancy.objects.filter(code="collateral").exists()
    assert ExchangeAccount.objects.get().collateral == "learning", "the next basket is learnt from"
    position.refresh_from_db()
    assert (position.collateral or {})["learning"] is False


def test_what_is_returned_when_a_smaller_leg_wins_is_no_difference_before_its_record_is_listed(twin: Twin) -> None:
    """Legs of unequal counts: the exchange pays out at once that every other leg is sure of now."""
    _switch("on")
    position = _live(twin)
    for number, sold in enumerate((100, 300, 300, 750, 999)):
        second_actor.act(twin.exchange, "sell", {"tickers": [TICKERS[number]], "count": sold}, Random(1))
    assert reconcile.run("live", "test").differences == 0
    send = twin.session.send

    def unlisted(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if "/portfolio/settlements" in request.url:
            answer.raw = BytesIO(b'{"settlements":[],"cursor":""}')
        return answer

    twin.session.send = unlisted  # type: ignore[method-assign]
    twin.settle(TICKERS[0], "yes")
    reconcile.run("live", "test")
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    del twin.session.send
    reconcile.run("live", "test")
    ties(position)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


def test_a_market_beside_the_legs_that_was_settled_at_a_price_leaves_the_cash_that_the_exchange_shows(
    twin: Twin,
) -> None:
    """It takes back what it had returned; our books had that as cash until the legs settled."""
    extra = twin.add_market([(100, DEPTH)], [(300, DEPTH)])
    twin.sync()
    _switch("on")
    position = _live(twin)
    twin.settle(extra, "scalar", 3_000)
    Market.objects.filter(ticker=extra).update(status="finalized", result="scalar", settlement_value_e6=300_000)
    row = reconcile.run("live", "test")
    assert (row.error, row.balance_difference) == ("", 0)
    ties(position)
    for ticker in TICKERS:
        twin.settle(ticker, "no")
    row = reconcile.run("live", "test")
    assert (row.error, row.balance_difference) == ("", 0)
    ties(position)
    assert (position.status, position.payout) == ("settled", 60 * world.DOLLAR)
