"""Which books an exit, an unwind and a waiting purchase act on: REST ones for a person, never a suspect one, and what an unwind costs."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
import time_machine

from kalbot.common import cache, clock
from markets.prices import EVENT_KEY, EventRecord, RecordedMarkets
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading import sweeper
from trading.books import rest_books
from trading.closing import exit_preview, exits
from trading.denials import DenialCode, Denied
from trading.execution import executor
from trading.execution.phases import exit
from trading.models import Discrepancy, Position
from trading.reconciliation import reconcile

pytestmark = pytest.mark.alike


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _least(position: Position, price: int) -> dict[Any, int]:
    return {(leg.market_id, leg.side): price for leg in position.legs.all()}


def _feed_away(twin: StruckTwin) -> None:
    world.publish(twin.event, twin.books(), lease=None)


def _suspect(twin: StruckTwin, ticker: str) -> None:
    """The stream has a gap in one market."""
    key = EVENT_KEY + twin.event
    stored = cache.prices().get(key)
    assert isinstance(stored, bytes)
    record = msgspec.msgpack.decode(RecordedMarkets(stored).body, type=EventRecord)
    changed = tuple(msgspec.structs.replace(one, suspect=one.suspect or one.ticker == ticker) for one in record.markets)
    cache.prices().set(key, msgspec.msgpack.encode(msgspec.structs.replace(record, markets=changed)))


def test_a_person_exits_by_rest_books_at_the_prices_that_they_accepted(struck: StruckTwin) -> None:
    position = execute(struck)
    _feed_away(struck)
    shown = exit_preview.preview(position, by_rest=True)
    assert shown.unpriced is None
    assert [one.worst_price for one in shown.legs] == [2_900, 3_100, 3_000]
    exits.request_exit(
        position_id=position.pk,
        actor="ann",
        reason="out",
        least_prices=_least(position, 2_900),
        below_floor="x",
        by_rest=True,
    )
    for ticker in struck.markets:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 500, 5_000)
    position = executor.step(position.pk)
    assert (position.status, position.proceeds) == ("exiting", 0), "nothing is sold below what was accepted"
    for ticker in struck.markets:
        struck.quote(ticker, "bid", 2_950 // 100 * 100, 5_000)
    with _later(2):
        position = executor.step(position.pk)
        assert (position.status, struck.held()) == ("closed", {})


def test_patience_for_bids_does_not_run_while_the_rest_interface_is_away(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = execute(struck)
    _feed_away(struck)
    least = _least(position, 9_000)
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=least, below_floor="x", by_rest=True
    )
    assert executor.step(position.pk).residual_code == "no_bid"
    patience = exit.EXIT_PATIENCE.total_seconds()

    def away(*args: object) -> None:
        raise Denied(DenialCode.PRICE_NO_BOOK, "it does not answer")

    with _later(patience - 30), monkeypatch.context() as patch:
        patch.setattr(rest_books, "read", away)
        assert executor.step(position.pk).residual_code == "price_no_book"
    with _later(patience + 60):
        assert executor.step(position.pk).status == "exiting", "it begins again"
    with _later(2 * patience + 90):
        assert executor.step(position.pk).status == "open"


@pytest.mark.parametrize("source", ["triage", "person"])
def test_without_a_persons_word_nobody_exits_by_rest_books(struck: StruckTwin, source: str) -> None:
    position = execute(struck)
    _feed_away(struck)
    if source == "triage":
        with pytest.raises(exits.CannotExit) as refused:
            exits.request_exit(position_id=position.pk, actor="triage", reason="out", source="triage", by_rest=True)
        assert refused.value.code is DenialCode.BELOW_FLOOR
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=_least(position, 2_500), below_floor="x"
    )
    position = executor.step(position.pk)
    assert (position.status, position.residual_code) == ("exiting", "price_dead_epoch")
    assert struck.held() == dict.fromkeys(struck.markets, 1_000)


def test_a_suspect_book_is_not_sold_on_and_holds_up_no_other_leg(struck: StruckTwin) -> None:
    position = execute(struck)
    suspect = struck.markets[0]
    _suspect(struck, suspect)
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=_least(position, 2_500), below_floor="cash"
    )
    position = executor.step(position.pk)
    assert struck.held() == {suspect: 1_000}
    with _later(2):
        struck.sync()
        _suspect(struck, suspect)
        position = executor.step(position.pk)
        assert (position.residual_code, struck.held()) == ("price_suspect", {suspect: 1_000})
    with _later(9):
        struck.sync()
        assert executor.step(position.pk).status == "closed"


def test_of_several_reasons_to_wait_the_first_legs_counts(struck: StruckTwin) -> None:
    position = execute(struck)
    first, *others = position.legs.order_by("sequence").values_list("market_id", flat=True)
    struck.cancel_makers(first, "bid")
    struck.sync()
    for ticker in others:
        _suspect(struck, ticker)
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=_least(position, 2_500), below_floor="cash"
    )
    position = executor.step(position.pk)
    assert struck.held() == dict.fromkeys(struck.markets, 1_000)
    assert (position.residual_code, others[0] in position.residual) == ("price_suspect", True)


def test_an_unwind_that_gets_costly_ends_the_wait_of_a_resting_purchase(struck: StruckTwin) -> None:
    last = struck.markets[2]

    def thin() -> None:
        struck.cancel_makers(last, "ask")

    struck.session.before = {3: thin}
    position = execute(struck, on_partial=Profile.PartialPolicy.HOLD, leg_risk_budget=2 * world.DOLLAR)
    assert (position.status, position.orders.filter(status="resting").count()) == ("completing", 1)
    for ticker in struck.markets[:2]:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 2_400, 5_000)
    with _later(2):
        struck.sync()
        position = executor.step(position.pk)
        assert not position.orders.filter(status="resting").exists()
        assert position.status in ("unwinding", "aborted")
        assert -2 * world.DOLLAR <= position.realised < 0


def test_an_unwind_goes_back_to_completing_when_the_rest_is_offered_again(struck: StruckTwin) -> None:
    last = struck.markets[2]

    def vanish() -> None:
        struck.cancel_makers(last, "ask")
        for ticker in struck.markets:
            struck.cancel_makers(ticker, "bid")
        struck.sync()

    struck.session.before = {3: vanish}
    position = execute(struck)
    assert position.status == "unwinding"
    assert struck.held() == dict.fromkeys(struck.markets[:2], 1_000)
    struck.quote(last, "ask", 3_100, 5_000)
    with _later(5):
        struck.sync()
        position = executor.step(position.pk)
        assert (position.status, position.matched_count) == ("open", 1_000)
        assert position.events.filter(from_status="unwinding", to_status="completing").exists()
        assert not position.orders.filter(action="sell").exists()


def test_an_exit_of_a_leg_that_a_person_sold_ends(struck: StruckTwin) -> None:
    position = execute(struck)
    reconcile.run("live", "test")
    for ticker in struck.markets:
        assert (
            second_actor.act(struck.exchange, "sell", {"tickers": [ticker], "count": 1_000}, Random(1))["did"] == "sell"
        )
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices=_least(position, 2_500), below_floor="cash"
    )
    executor.step(position.pk)
    with _later(5):
        for _ in range(2):
            assert reconcile.run("live", "test").error == ""
        struck.sync()
        position = executor.step(position.pk)
        assert (position.status, struck.held()) == ("closed", {})


def test_a_person_who_cancels_our_resting_order_leaves_no_basket_waiting(struck: StruckTwin) -> None:
    last = struck.markets[2]

    def thin() -> None:
        struck.cancel_makers(last, "ask")
        struck.quote(last, "ask", 3_100, 300)

    struck.session.before = {3: thin}
    position = execute(struck, on_partial=Profile.PartialPolicy.HOLD)
    resting = position.orders.get(status="resting")
    terms = {"tickers": [last], "order_id": resting.exchange_order_id}
    assert second_actor.act(struck.exchange, "cancel", terms, Random(1))["did"] == "cancel"
    for _ in range(8):
        with _later(3):
            struck.sync()
            position = executor.step(position.pk)
    with _later(70):
        struck.sync()
        position = executor.step(position.pk)
        assert (position.status, position.matched_count) == ("open", 300)
        assert set(struck.held().values()) == {300}


@pytest.mark.parametrize(("bid", "sold"), [(3_000, True), (2_900, False)])
def test_what_filled_after_an_exit_was_requested_is_sold_for_what_it_cost_less_the_usual_tolerance(
    struck: StruckTwin, bid: int, sold: bool
) -> None:
    """An order answered with nothing fills while what the other legs hold is sold: nobody was shown a price of that leg."""
    position = execute(struck)
    Position.objects.update(guaranteed=False)
    late = struck.markets[0]
    for side in ("bid", "ask"):
        struck.cancel_makers(late, side)
    struck.quote(late, "bid", bid, 5_000)
    struck.sync()
    request = exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=_least(position, 100))
    request.least_prices = [row for row in request.least_prices if row["ticker"] != late]
    request.save()
    for seconds in (0, 2):
        with _later(seconds):
            struck.sync()
            position = executor.step(position.pk)
    assert struck.held() == ({} if sold else {late: 1_000})
    assert position.status == ("closed" if sold else "exiting")


@pytest.mark.parametrize(
    ("source", "kind", "ends"),
    [
        ("person", "all_yes", "bids"),
        ("triage", "all_yes", "settled"),
        ("person", "coverage", "withdrawn"),
        ("triage", "coverage", "bids"),
    ],
)
def test_an_exit_that_sold_one_leg_waits_for_bids_for_the_others(
    struck: StruckTwin, source: str, kind: str, ends: str
) -> None:
    position = execute(struck)
    Position.objects.update(guaranteed=False, kind=kind)  # words of a person are not what this is about
    others = struck.markets[1:]
    for ticker in others:
        struck.cancel_makers(ticker, "bid")
    struck.sync()
    least = _least(position, 2_000)
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", source=source, least_prices=least)
    position = executor.step(position.pk)
    assert struck.held() == dict.fromkeys(others, 1_000)
    for minute in (1, 5, 12):
        with _later(60 * minute):
            struck.sync()
            sweeper.sweep()
    position.refresh_from_db()
    assert (position.status, position.residual_code) == ("exiting", "no_bid")
    assert [one.code for one in Discrepancy.objects.filter(resolved_at=None)] == ["exit_waiting"]
    if ends == "withdrawn":
        assert exits.withdraw(position.pk, actor="ann", reason="enough")
    elif ends == "settled":
        struck.finish(others[0])
    else:
        for ticker in others:
            struck.quote(ticker, "bid", 2_100, 5_000)
    with _later(60 * 15):
        struck.sync()
        reconcile.run("live", "test")
        for _ in range(2):
            sweeper.sweep()
        position.refresh_from_db()
    expected = {"bids": "closed", "settled": "settled", "withdrawn": "open"}
    assert (position.status, bool(position.residual_code)) == (expected[ends], ends == "withdrawn")
    assert not position.exit_requests.filter(status="open").exists()
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize(
    ("first", "second", "renews"), [("triage", "triage", True), ("ann", "ann", True), ("ann", "triage", False)]
)
def test_newer_advice_names_the_prices_of_an_advised_exit_once_its_patience_is_over(
    struck: StruckTwin, first: str, second: str, renews: bool
) -> None:
    position = execute(struck)
    Position.objects.update(guaranteed=False)
    others = struck.markets[1:]
    for ticker in others:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 2_100, 5_000)
    struck.sync()

    def advise(actor: str, price: int) -> int:
        least = _least(position, price)
        request = exits.request_exit(
            position_id=position.pk, actor=actor, reason="r", source="triage", least_prices=least
        )
        return request.pk

    began = advise(first, 2_800)
    executor.step(position.pk)
    assert struck.held() == dict.fromkeys(others, 1_000)
    with _later(2):
        struck.sync()
        assert executor.step(position.pk).residual_code == "no_bid"
        assert advise(second, 2_000) == began, "its patience is not over"
    with _later(exit.EXIT_PATIENCE.total_seconds() + 10):
        struck.sync()
        assert executor.step(position.pk).residual_code == "no_bid"
        assert (advise(second, 2_000) != began) is renews
    with _later(exit.EXIT_PATIENCE.total_seconds() + 80):
        struck.sync()
        position = executor.step(position.pk)
    assert (position.status, struck.held() == {}) == (("closed", True) if renews else ("exiting", False))
