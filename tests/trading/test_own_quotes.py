"""Orders of ours that would trade with quotes of ours, on whichever subaccount: none is sent, none waits behind a quote for long.

Whether the exchange stops such an order across subaccounts is not documented: both are tried.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets.book import Side
from strategies.cycle import holdings
from strategies.models import Decision, Mode, Profile
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.books import live_books, others_books
from trading.closing import exits
from trading.execution import executor
from trading.models import Denial, Leg, Order, Position
from trading.reconciliation import reconcile

OTHER = 5


@pytest.fixture(params=[True, False], ids=["stopped by the exchange", "not stopped"])
def twin(request: Any, settings: Any) -> Twin:
    found = quoted.begin(settings)
    found.exchange.config.stp_across_subaccounts = request.param
    found.exchange.ledger.credit((OTHER, 0), 1_000 * world.DOLLAR)
    settings.KALBOT_FINAL_AFTER_SECONDS = 0
    quoted.profile(orphan_budget=50 * world.DOLLAR)
    world.add_profile("taker", mode="live", subaccount=OTHER)
    reconcile.run("live", "test")
    return found


def _quote(twin: Twin) -> Position:
    """NO on every leg rests at $0.55, $0.58 and $0.64, so YES is offered by us at $0.45, $0.42 and $0.36."""
    position = quoted.begun(twin, Profile.objects.get(name="maker"))
    assert len(quoted.resting(position)) == 3
    twin.sync()
    return position


def _taker() -> Profile:
    return Profile.objects.get(name="taker")


def _bet(twin: Twin, profile: Profile, price: int, count: int = 300) -> Decision:
    """YES on the first outcome."""
    return world.decide(profile, twin.row, {twin.markets[0]: price}, count, kind="coverage")


def _crossed(twin: Twin) -> list[Any]:
    """Fills of ours on the other subaccount against the quotes."""
    return [fill for fill in twin.exchange.ledger.fills if fill.subaccount == OTHER]


def test_an_offer_that_is_our_own_quote_is_not_bought_on_another_subaccount(twin: Twin) -> None:
    _quote(twin)
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "ask")  # what is left of the offers is ours
    twin.sync()
    assert executor.execute(_bet(twin, _taker(), 4_500).pk) is None
    assert Denial.objects.get().code == "own_order"
    assert _crossed(twin) == []


def test_offers_before_our_own_quote_are_bought_and_none_behind_it(twin: Twin) -> None:
    _quote(twin)
    twin.quote(twin.markets[0], "ask", 4_400, 200)  # before ours
    twin.sync()
    position = executor.execute(_bet(twin, _taker(), 4_600).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert [leg.held for leg in position.legs.all()] == [200]
    assert [fill.price for fill in _crossed(twin)] == [4_400]
    assert Order.objects.filter(position=position).count() == 1


@pytest.mark.parametrize("status", ["sending", "unknown"])
def test_a_quote_that_is_on_its_way_counts_as_one_that_rests(twin: Twin, status: str) -> None:
    quote = _quote(twin)
    quote.orders.update(status=status)
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "ask")
    twin.sync()
    assert executor.execute(_bet(twin, _taker(), 4_500).pk) is None
    assert Denial.objects.get().code == "own_order"


def test_a_sale_does_not_trade_with_our_own_quote_which_gives_way(twin: Twin) -> None:
    taker = _taker()
    decision = world.decide(taker, twin.row, {twin.markets[0]: 6_400}, 300, kind="coverage", side="no")
    held = executor.execute(decision.pk)
    assert held is not None
    assert held.status == "open"
    quote = _quote(twin)
    twin.cancel_makers(twin.markets[0], "ask")
    twin.quote(twin.markets[0], "ask", 4_700, 1_000)  # behind ours: NO at $0.53
    twin.sync()
    fills = len(_crossed(twin))
    prices = {(leg.market_id, leg.side): 5_200 for leg in held.legs.all()}
    exits.request_exit(position_id=held.pk, actor="ann", reason="out", least_prices=prices)
    held = executor.step(held.pk)
    assert (held.status, held.residual_code) == ("exiting", "own_order")
    assert len(_crossed(twin)) == fills
    quote = quoted.step(twin, quote)
    assert quoted.resting(quote) == {}, "what takes risk away comes before what adds some"
    twin.sync()
    Position.objects.filter(pk=held.pk).update(next_step_at=clock.now() - timedelta(seconds=1))
    held = executor.step(held.pk)
    assert held.status == "closed"
    assert [fill.price for fill in _crossed(twin)[fills:]] == [4_700]


def test_a_cycle_learns_which_bids_are_ours(twin: Twin) -> None:
    _quote(twin)
    own = holdings.current().own_bids(twin.markets, Mode.LIVE).now()
    assert own == {(ticker, "no"): price for ticker, price in zip(twin.markets, quoted.NO_BIDS, strict=True)}


def test_the_books_of_a_hedge_leave_out_offers_behind_our_own(twin: Twin) -> None:
    quote = _quote(twin)
    other = Position(profile=_taker(), mode="live", event=quote.event)
    depth = live_books.read_beside(other).reach(twin.markets[0])
    assert depth.no_bids == ()
    assert depth.yes_bids == ((3_600, quoted.DEPTH),)


def test_the_book_of_others_is_that_market_less_our_bids_and_what_lies_behind_them() -> None:
    event = world.add_event(outcomes=2)
    world.publish(event.ticker, world.quoted(event, [(3_900, 4_000), (3_900, 4_000)]))
    live = live_books.read(event)
    bid, other_bid = (3_900, 10_000), (6_000, 10_000)
    assert live.depth("KXT-1-0").bids(Side.YES) == (bid,)

    def of_others(side: str, *own: tuple[int, str, int, str], person: int = 0) -> tuple[Any, Any]:
        leg = Leg(market_id="KXT-1-0", side=side)
        orders = [
            Order(leg=Leg(market_id=f"KXT-1-{n}"), side=s, price=price, count=400, filled_count=100, status=status)
            for n, s, price, status in own
        ]
        persons = {("KXT-1-0", Side(side).other.value): person}
        depth = others_books._of_others(leg, orders, persons, live)
        return depth.bids(Side(side)), depth.bids(Side(side).other)

    assert of_others("yes") == ((bid,), (other_bid,))
    assert of_others("yes", (0, "yes", 3_900, "resting")) == (((3_900, 9_700),), (other_bid,))
    assert of_others("yes", (1, "yes", 3_900, "resting"), (1, "no", 6_000, "resting")) == ((bid,), (other_bid,))
    assert of_others("yes", (0, "no", 6_000, "resting")) == ((bid,), ()), "as good as ours is behind it"
    assert of_others("yes", (0, "no", 5_999, "resting")) == ((bid,), (other_bid,))
    assert of_others("yes", (0, "no", 6_000, "done")) == ((bid,), (other_bid,)), "it hides nothing any more"
    assert of_others("yes", person=6_000) == ((bid,), ())
    assert of_others("yes", person=5_999) == ((bid,), (other_bid,))
    assert of_others("no", (0, "no", 6_000, "resting")) == (((6_000, 9_700),), (bid,))
    assert of_others("no", (0, "yes", 3_900, "resting")) == ((other_bid,), ())
