"""Quotes on paper fill by public trades, behind who stood before them: three models, each trade once, none from before."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kalbot.common import cache, clock
from markets import traded
from markets.book import Side
from markets.tape.reader import Tape
from markets.tape.recorder import recorder
from markets.tape.records import Kind
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.closing import exits
from trading.execution import executor
from trading.models import Order, PaperOrder, Position
from trading.quoted import open_quotes
from trading.venues import prints
from trading.venues.paper import PaperVenue


@pytest.fixture
def twin(settings: Any) -> Twin:
    _due()
    for key in [*cache.prices().keys(cache.key("prints:*")), *cache.prices().keys(cache.key("traded:*"))]:
        cache.prices().delete(key)
    return quoted.begin(settings)


def _due() -> None:
    for every in (prints.EVERY, prints.AT_CANCEL):
        cache.prices().delete(cache.key(f"paper prints {every}"))


def _later(twin: Twin) -> None:
    """Both clocks have gone on by some milliseconds."""
    since = twin.exchange.now()
    while twin.exchange.now() < since + 5:
        pass


def _begun(twin: Twin, settings: Any, model: str) -> Position:
    settings.KALBOT_PAPER_QUEUE = model
    position = quoted.begun(twin, quoted.profile(mode="sim", orphan_budget=50 * world.DOLLAR))
    twin.exchange.clock.move_to(twin.exchange.now() + 50)
    return position


def _step(twin: Twin, position: Position) -> int:
    """What the first leg holds once the trades of now are known."""
    _due()
    prints.fetch()
    twin.sync()
    return quoted.held(executor.step(position.pk))[0]


def test_trades_fill_a_quote_once_all_that_stood_before_it_has_traded(twin: Twin, settings: Any) -> None:
    position = _begun(twin, settings, "pessimistic")
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH - 200)
    assert _step(twin, position) == 0
    paper = PaperOrder.objects.get(order__leg__market_id=twin.markets[0])
    assert (paper.queue_ahead, paper.queue_level) == (200, 200)
    assert open_quotes.of(position).legs[0].ahead == 200
    twin.quote(twin.markets[0], "ask", 4_500, 500)  # others join behind us
    quoted.sell_no(twin, 0, 5_500, 350)
    assert _step(twin, position) == 150
    assert _step(twin, position) == 150, "each trade counts once"


@pytest.mark.parametrize(("model", "filled"), [("optimistic", 100), ("realistic", 60), ("pessimistic", 0)])
def test_the_models_differ_by_what_they_say_of_cancels(twin: Twin, settings: Any, model: str, filled: int) -> None:
    position = _begun(twin, settings, model)
    twin.cancel_makers(twin.markets[0], "ask")
    twin.quote(twin.markets[0], "ask", 4_500, 40)  # all but 40 have left
    assert _step(twin, position) == 0
    twin.quote(twin.markets[0], "ask", 4_500, 200)  # others join behind us
    quoted.sell_no(twin, 0, 5_500, 100)
    assert _step(twin, position) == filled


def test_a_trade_whose_level_was_read_before_it_was_listed_counts_once(twin: Twin, settings: Any) -> None:
    position = _begun(twin, settings, "realistic")
    depth = PaperOrder.objects.get(order__leg__market_id=twin.markets[0]).queue_ahead
    quoted.sell_no(twin, 0, 5_500, depth - 200)
    twin.sync()
    executor.step(position.pk)
    paper = PaperOrder.objects.get(order__leg__market_id=twin.markets[0])
    assert (paper.queue_ahead, paper.queue_falls[0][1:]) == (200, [depth - 200, depth - 200])
    assert _step(twin, position) == 0
    paper.refresh_from_db()
    assert (paper.queue_ahead, paper.queue_falls) == (200, [])
    quoted.sell_no(twin, 0, 5_500, 200)
    assert _step(twin, position) == 0, "two hundred stood before it still"


def test_a_trade_below_the_bid_passed_through_it_whatever_stood_before(twin: Twin, settings: Any) -> None:
    position = _begun(twin, settings, "pessimistic")
    twin.cancel_makers(twin.markets[0], "ask")
    twin.quote(twin.markets[0], "ask", 4_600, 400)  # NO bid of 0.54
    quoted.sell_no(twin, 0, 5_400, 250)
    assert _step(twin, position) == 250


def test_trades_of_the_other_side_of_other_markets_and_from_before_fill_nothing(twin: Twin, settings: Any) -> None:
    quoted.sell_no(twin, 0, 5_500, 100)
    position = _begun(twin, settings, "optimistic")
    twin.quote(twin.markets[0], "ask", 3_600, 300, rest=False)  # somebody buys NO at 0.64
    assert _step(twin, position) == 0
    assert quoted.held(position) == [0, 0, 0]


def test_trades_are_read_while_a_profile_quotes_and_counted_for_every_market(twin: Twin, settings: Any) -> None:
    maker = quoted.profile(quoting="none")
    before = len(twin.session.sent)
    assert prints.fetch() == 0
    assert len(twin.session.sent) == before
    maker.quoting = "all_legs"
    maker.save(update_fields=["quoting"])
    quoted.sell_no(twin, 1, 5_800, 700)
    assert prints.fetch() == 0, "no quote on paper rests there"
    hit = twin.markets[1], Side.NO
    cache.prices().set(cache.key("traded:since"), clock.now_ms() // 1000 - 10)
    cache.prices().delete(*cache.prices().keys(cache.key("traded:id:*")))
    _due()
    prints.fetch()
    rates = traded.rates([hit])
    assert rates is not None
    assert 60 < rates[hit] <= 70


def test_trades_that_were_counted_are_on_the_tape_once_with_the_time_at_which_they_were_made(
    twin: Twin, settings: Any, tmp_path: Path
) -> None:
    settings.KALBOT_TAPE_DIR = str(tmp_path)
    quoted.profile()
    quoted.sell_no(twin, 1, 5_800, 700)
    for _ in range(2):
        _due()
        prints.fetch()
    tape = recorder("trades")
    assert tape is not None
    tape.close()
    (record,) = Tape.open(tmp_path).records(kinds=[Kind.TRADE])
    assert record.key == twin.markets[1]
    said = json.loads(record.payload)
    assert (said["yes_price_dollars"], said["count_fp"], said["taker_side"]) == ("0.4200", "7.00", "yes")
    assert said["trade_id"]
    assert datetime.fromisoformat(said["created_time"]).timestamp() * 1000 <= twin.exchange.now() + 1


@pytest.mark.parametrize("silent", [False, True])
def test_what_was_sold_to_a_quote_just_before_it_is_withdrawn_counts(
    twin: Twin, settings: Any, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = _begun(twin, settings, "optimistic")
    assert _step(twin, position) == 0
    quoted.sell_no(twin, 0, 5_500, 300)
    _due()
    if silent:
        twin.exchange.faults.add(kind="timeout", method="GET", path="/markets/trades", count=0)
    exits.withdraw_quote(position.pk, actor="ann", reason="test")
    twin.sync()
    position = executor.step(position.pk)
    assert quoted.held(position)[0] == (0 if silent else 300)
    assert not PaperOrder.objects.filter(is_open=True).exists()


@pytest.mark.parametrize("how", ["trades", "offers"])
def test_nothing_fills_a_quote_that_expired_while_nobody_was_there(twin: Twin, settings: Any, how: str) -> None:
    position = _begun(twin, settings, "optimistic")
    quoted.sell_no(twin, 0, 5_500, 150)
    _later(twin)
    Order.objects.update(expires_at=clock.now())
    _later(twin)
    if how == "trades":
        quoted.sell_no(twin, 0, 5_500, 300)
    else:
        twin.cancel_makers(twin.markets[0], "ask")
        twin.quote(twin.markets[0], "bid", 4_600, 300)
    assert _step(twin, position) == 150, "before it expired"


@pytest.mark.parametrize("ends", ["withdrawn", "expired"])
def test_what_was_sold_to_a_quote_before_it_ended_counts_also_where_its_book_is_not_known_any_more(
    twin: Twin, settings: Any, ends: str
) -> None:
    """That is when it is withdrawn; and nobody had read the trades yet when it expired."""
    position = _begun(twin, settings, "optimistic")
    assert _step(twin, position) == 0
    quoted.sell_no(twin, 0, 5_500, 300)
    _later(twin)
    _due()
    order = Order.objects.get(leg__market=twin.markets[0], purpose="quote")
    if ends == "expired":
        order.expires_at = clock.now()
        order.save(update_fields=["expires_at"])
    world.publish("KXT-1", {}, lease=None)
    venue = PaperVenue()
    ack = venue.cancel(order) if ends == "withdrawn" else venue.fetch(order)
    assert (ack.fill_count, ack.remaining_count) == (300, 0)
