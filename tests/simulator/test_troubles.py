"""The exchange as a harsh place, by schedule and by seed: answers, books, pauses, reads, restarts, and somebody else on the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.control import admin
from simulator.errors import RequestTimedOut
from simulator.exchange import Exchange
from simulator.faults import trouble
from simulator.flow.jumps import SHAPES

from .world import B825, CLE, GAME, HIGH, MIN, T80, Client, Listener, code

CREATE = "/portfolio/events/orders"


def act(exchange: Exchange, name: str, verb: str = "POST", /, **body: Any) -> Any:
    """A control action that is carried out."""
    status, answer = admin.handle(exchange, verb, name, {}, body)
    assert status == 200, answer
    return answer


def levels(exchange: Exchange, ticker: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    book = exchange.books[ticker]
    return book.yes_levels(), book.no_levels()


# ---- answers


def test_zero_answer_hides_a_fill_that_happened(client: Client) -> None:
    client.exchange.faults.add(kind="zero_answer", path=CREATE)
    status, body = client.order(MIN, "bid", "0.4900", "10.00")
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "0.00", "0.00")
    assert "average_fill_price" not in body
    assert client.one(body["order_id"])["fill_count_fp"] == "10.00"
    assert client.position(MIN) == 1_000


def test_zero_answer_with_a_delay_fills_later_and_only_then(client: Client) -> None:
    exchange = client.exchange
    client.exchange.faults.add(kind="zero_answer", path=CREATE, delay_ms=700)
    listener = Listener(exchange)
    listener.send("subscribe", channels=["fill"])
    cash = client.cash(3)
    status, body = client.order(MIN, "bid", "0.4900", "10.00")
    assert (status, body["fill_count"]) == (201, "0.00")
    assert client.one(body["order_id"])["status"] == "canceled"
    assert (client.position(MIN), client.cash(3)) == (0, cash)
    exchange.advance(exchange.now() + 699)
    assert not [f for f in listener.frames() if f["type"] == "fill"]
    exchange.advance(exchange.now() + 1)
    (fill,) = [f for f in listener.frames() if f["type"] == "fill"]
    assert (fill["msg"]["order_id"], fill["msg"]["count_fp"]) == (body["order_id"], "10.00")
    assert client.one(body["order_id"])["status"] == "executed"


def test_delayed_execution_finds_the_market_closed_and_does_not_happen(client: Client) -> None:
    exchange = client.exchange
    exchange.faults.add(kind="zero_answer", path=CREATE, delay_ms=1_000)
    _, body = client.order(MIN, "bid", "0.4900", "10.00")
    act(exchange, "market/close", ticker=MIN)
    exchange.advance(exchange.now() + 1_000)
    assert client.one(body["order_id"])["fill_count_fp"] == "0.00"
    assert client.position(MIN) == 0


@pytest.mark.parametrize(("delay_ms", "rests"), [(700, True), (3_000, False)])
def test_an_order_that_is_executed_late_expires_when_it_said(client: Client, delay_ms: int, rests: bool) -> None:
    exchange = client.exchange
    exchange.faults.add(kind="zero_answer", path=CREATE, delay_ms=delay_ms)
    until = exchange.now() // 1000 + 2
    _, body = client.order(MIN, "bid", "0.0100", "10.00", "good_till_canceled", expiration_time=until)
    exchange.advance(until * 1000 - 1)
    assert client.one(body["order_id"])["status"] == ("resting" if rests else "canceled")
    exchange.advance(until * 1000 + 2_000)
    assert client.one(body["order_id"])["status"] == "canceled"


def test_one_item_of_a_batch_is_answered_with_zero(client: Client) -> None:
    client.exchange.faults.add(kind="zero_answer", path=CREATE + "/batched/item", skip=1)
    items = [
        {
            "ticker": ticker,
            "side": "bid",
            "price": "0.6000",
            "count": "1.00",
            "time_in_force": "immediate_or_cancel",
            "self_trade_prevention_type": "maker",
            "client_order_id": f"b-{ticker[-3:]}",
        }
        for ticker in (MIN, CLE)
    ]
    status, body = client.call("POST", CREATE + "/batched", {"orders": items})
    assert status == 201
    assert [item["fill_count"] for item in body["orders"]] == ["1.00", "0.00"]
    assert (client.position(MIN), client.position(CLE)) == (100, 100)


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_error_with_a_code_after_the_commit(client: Client, status: int) -> None:
    client.exchange.faults.add(kind="error", path=CREATE, when="after", status=status, code="insufficient_balance")
    assert code(client.order(MIN, "bid", "0.4900", "10.00")) == (status, "insufficient_balance")
    assert client.position(MIN) == 1_000


def test_ghost_fill_is_on_the_channel_and_in_no_read(client: Client) -> None:
    exchange = client.exchange
    listener = Listener(exchange)
    listener.send("subscribe", channels=["fill"])
    order_id = client.placed(MIN, "bid", "0.4000", "5.00")
    ghost = act(exchange, "ghost_fill", order_id=order_id)["trade_id"]
    assert [f["msg"]["trade_id"] for f in listener.frames() if f["type"] == "fill"] == [ghost]
    assert client.get("/portfolio/fills")["fills"] == []
    assert client.position(MIN) == 0


# ---- books


def test_books_jump_between_any_two_requests(client: Client) -> None:
    exchange = client.exchange
    act(exchange, "faults", kind="act", action="jump", body={"event_ticker": GAME, "shape": "random"}, count=0)
    seen = {str(client.get(f"/markets/{MIN}/orderbook")) for _ in range(20)}
    assert len(seen) == 20
    assert len(exchange.happened) == 20


@pytest.mark.parametrize("structure", ["linear_cent", "deci_cent", "center_deci_edge_centi_cent"])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_jumped_book_stays_on_the_grid_and_uncrossed(exchange: Exchange, shape: str, structure: str) -> None:
    act(exchange, "market/structure", ticker=B825, structure=structure)
    for _ in range(40):
        act(exchange, "jump", ticker=B825, shape="random")
        act(exchange, "jump", ticker=B825, shape=shape)
        yes, no = levels(exchange, B825)
        assert all(exchange.markets[B825].valid_price(p) for p, _ in yes + no)
        assert not yes or not no or yes[-1][0] + no[-1][0] < 10_000


def test_a_book_vanishes_and_returns(exchange: Exchange) -> None:
    before = levels(exchange, B825)
    act(exchange, "jump", ticker=B825, shape="vanish")
    assert levels(exchange, B825) == ([], [])
    act(exchange, "jump", ticker=B825, shape="return")
    assert levels(exchange, B825) == before


@pytest.mark.parametrize("structure, least", [("linear_cent", 100), ("deci_cent", 10), ("tapered_deci_cent", 10)])
def test_prices_stand_at_the_ends_of_the_grid(exchange: Exchange, structure: str, least: int) -> None:
    act(exchange, "market/structure", ticker=B825, structure=structure)
    asks, bids = set(), set()
    for _ in range(30):
        act(exchange, "jump", ticker=B825, shape="low")
        asks.add(exchange.books[B825].best_ask())
        act(exchange, "jump", ticker=B825, shape="high")
        bids.add(exchange.books[B825].best_bid())
    assert least in asks
    assert 10_000 - least in bids


def test_a_resting_order_that_a_book_jumps_over_is_filled(client: Client) -> None:
    order_id = client.placed(MIN, "bid", "0.4800", "5.00")
    act(client.exchange, "market/book", ticker=MIN, yes=[], no=[["0.6000", "9.00"]])
    assert client.one(order_id)["status"] == "executed"


def test_a_coarser_grid_drops_what_the_makers_have_off_it(exchange: Exchange) -> None:
    act(exchange, "market/structure", ticker=B825, structure="deci_cent")
    act(exchange, "market/book", ticker=B825, yes=[["0.3810", "5.00"], ["0.3800", "5.00"]], no=[])
    act(exchange, "market/structure", ticker=B825, structure="linear_cent")
    assert levels(exchange, B825)[0] == [(3_800, 500)]


# ---- pauses


def test_timetable_pauses_a_market_a_shard_and_the_exchange(client: Client) -> None:
    exchange = client.exchange
    entries = [
        {"in_ms": 1_000, "action": "market/pause", "body": {"ticker": MIN, "for_ms": 500}},
        {"in_ms": 2_000, "action": "status", "body": {"trading_paused": True, "shard": 3, "for_ms": 500}},
        {"in_ms": 3_000, "action": "status", "body": {"exchange_paused": True, "for_ms": 500}},
    ]
    act(exchange, "timetable", entries=entries)
    refused = []
    for at in (0, 1_100, 1_600, 2_100, 2_600, 3_100, 3_600):
        exchange.advance(exchange.started_ms + at)
        answer = client.order(MIN, "bid", "0.0100", "1.00")
        refused.append("" if answer[0] == 201 else code(answer)[1])
    paused = "trading_is_paused"
    assert refused == ["", paused, "", paused, "", "exchange_is_paused", ""]


def test_timetable_repeats_until_it_is_cleared(exchange: Exchange) -> None:
    entry = {"in_ms": 100, "every_ms": 100, "times": 0, "action": "jump", "body": {"ticker": MIN, "shape": "shift"}}
    act(exchange, "timetable", entries=[entry])
    exchange.advance(exchange.now() + 1_000)
    assert len(exchange.happened) == 10
    act(exchange, "timetable", "DELETE")
    exchange.advance(exchange.now() + 1_000)
    assert len(exchange.happened) == 10


def test_announced_pause_is_listed_until_it_is_over(client: Client) -> None:
    exchange = client.exchange

    def windows() -> list[Any]:
        return list(client.get("/exchange/schedule")["schedule"]["maintenance_windows"])

    weekly = windows()
    act(exchange, "maintenance", in_ms=60_000, for_ms=10_000)
    assert len(windows()) == len(weekly) + 1
    exchange.advance(exchange.now() + 60_000)
    assert not client.get("/exchange/status")["trading_active"]
    exchange.advance(exchange.now() + 10_000)
    assert client.get("/exchange/status")["trading_active"]
    assert windows() == weekly


def test_entries_that_cannot_be_used_are_refused(exchange: Exchange) -> None:
    for entry in ({"action": "nonsense"}, {"in_ms": "x", "action": "jump"}, {"action": "jump", "times": 3}, {}):
        assert admin.handle(exchange, "POST", "timetable", {}, {"entries": [entry]})[0] == 400
    assert admin.handle(exchange, "POST", "faults", {}, {"kind": "act", "action": "nonsense"})[0] == 400
    assert admin.handle(exchange, "POST", "faults", {}, {"kind": "error", "action": "jump"})[0] == 400


# ---- a second actor


def test_second_actor_buys_sells_and_has_no_client_id(client: Client) -> None:
    exchange = client.exchange
    bought = act(exchange, "actor", do="buy", ticker=MIN, side="bid", price="0.4900", count="10.00", rest=False)
    assert bought["filled"] == 1_000
    order = client.one(bought["order_id"])
    assert (order["client_order_id"], order["fill_count_fp"]) == ("", "10.00")
    again = act(exchange, "actor", do="buy", ticker=MIN, side="bid", price="0.4900", count="1.00", rest=False)
    assert again["order_id"] != bought["order_id"]
    sold = act(exchange, "actor", do="sell", ticker=MIN, count="4.00")
    assert (sold["did"], client.position(MIN)) == ("sell", 700)


def test_second_actor_shrinks_and_cancels_our_orders(client: Client) -> None:
    order_id = client.placed(MIN, "bid", "0.4000", "5.00")
    shrunk = act(client.exchange, "actor", do="shrink", ticker=MIN)
    assert shrunk["order_id"] == order_id
    assert 0 < shrunk["remaining"] < 500
    assert act(client.exchange, "actor", do="cancel", ticker=MIN)["order_id"] == order_id
    assert client.one(order_id)["status"] == "canceled"
    assert act(client.exchange, "actor", do="cancel", ticker=MIN) == {"did": "nothing"}


def test_second_actor_deposits_and_withdraws_no_more_than_is_free(client: Client) -> None:
    exchange, free = client.exchange, client.free(3)
    act(exchange, "actor", do="deposit", shard=3, amount=50_000_000)
    assert client.free(3) == free + 50_000_000
    act(exchange, "actor", do="withdraw", shard=3, amount=10**12)
    assert 0 <= client.free(3) < 10_000
    assert admin.handle(exchange, "GET", "truth", {}, {})[1]["balanced"]


def test_second_actor_acts_between_two_requests(client: Client) -> None:
    body = {"do": "buy", "ticker": MIN, "side": "bid", "price": "0.4900", "count": "1.00", "rest": False}
    act(client.exchange, "faults", kind="act", action="actor", body=body, method="GET", skip=1)
    client.get("/exchange/status")
    assert client.position(MIN) == 0
    client.get("/exchange/status")
    assert client.position(MIN) == 100


# ---- reads and restarts


@pytest.mark.parametrize(
    "setting, path", [("stale_books_ms", f"/markets/{MIN}/orderbook"), ("stale_account_ms", "/portfolio/orders")]
)
def test_cached_reads_show_the_past_until_they_age(client: Client, setting: str, path: str) -> None:
    exchange = client.exchange
    setattr(exchange.config, setting, 1_000)
    before = client.get(path)
    client.placed(MIN, "bid", "0.4400", "5.00")
    assert client.get(path) == before
    exchange.advance(exchange.now() + 1_000)
    assert client.get(path) != before


def test_restart_drops_connections_and_refuses_until_it_is_over(client: Client) -> None:
    exchange = client.exchange
    listener = Listener(exchange)
    listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[MIN], use_yes_price=True)
    order_id = client.placed(MIN, "bid", "0.4400", "5.00")
    act(exchange, "restart", for_ms=1_000)
    assert listener.session.closed
    assert client.call("GET", "/exchange/status")[0] == 503
    exchange.advance(exchange.now() + 1_000)
    assert client.one(order_id)["status"] == "resting"
    assert exchange.markets[MIN].clock == 0


# ---- terms, fees


def test_terms_of_a_series_change(client: Client) -> None:
    act(client.exchange, "series/terms", series_ticker="KXHIGHNY", contract_terms_url="https://terms.invalid/2.pdf")
    assert client.get("/series/KXHIGHNY")["series"]["contract_terms_url"] == "https://terms.invalid/2.pdf"


# ---- by seed


def test_seed_draws_the_same_troubles_and_every_kind_has_its_own_stream() -> None:
    tickers = [T80, B825, MIN]
    assert trouble.draw(7, tickers, 10_000) == trouble.draw(7, tickers, 10_000)
    assert trouble.draw(7, tickers, 10_000) != trouble.draw(8, tickers, 10_000)
    alone = trouble.draw(7, tickers, 10_000, ["pauses"])
    assert all(entry in trouble.draw(7, tickers, 10_000).entries for entry in alone.entries)


@pytest.mark.parametrize("kinds, tickers, for_ms", [(["nonsense"], [MIN], 1), (None, [], 1), (None, [MIN], 0)])
def test_troubles_that_cannot_be_drawn_are_refused(kinds: list[str] | None, tickers: list[str], for_ms: int) -> None:
    with pytest.raises(ValueError, match="kinds are"):
        trouble.draw(1, tickers, for_ms, kinds)


def _day(exchange: Exchange, seed: int) -> list[Any]:
    """A short day under the troubles of a seed: what was answered, and what happened."""
    act(exchange, "trouble", seed=seed, for_ms=20_000, tickers=[T80, B825, MIN, CLE])
    client, answers = Client(exchange), []
    for number in range(40):
        exchange.advance(exchange.now() + 500)
        try:
            answers.append(client.order((MIN, CLE, B825)[number % 3], "bid", "0.6000", "1.00"))
            answers.append(client.call("GET", "/portfolio/positions"))
        except RequestTimedOut as error:
            answers.append((0, str(error.committed)))
    return [answers, list(exchange.happened), exchange.faults.fired]


@pytest.mark.parametrize("seed", range(25))
def test_troubled_day_is_repeatable_and_loses_no_money(make: Callable[..., Exchange], seed: int) -> None:
    first, second = make(seed=seed), make(seed=seed)
    assert _day(first, seed) == _day(second, seed)
    assert first.happened
    truth = admin.handle(first, "GET", "truth", {}, {})[1]
    assert truth["balanced"]
    assert all(row["cash"] >= 0 for row in truth["cash"])


def test_every_kind_of_trouble_strikes_somewhere(make: Callable[..., Exchange]) -> None:
    struck = set()
    for seed in range(40):
        drawn = trouble.draw(seed, [f"{HIGH}-T80", MIN], 10_000)
        struck |= {entry["action"] for entry in drawn.entries}
        struck |= {fault["kind"] for fault in drawn.faults}
    assert struck == {
        "zero_answer",
        "error",
        "timeout",
        "rate_limit",
        "act",
        "jump",
        "actor",
        "market/pause",
        "status",
        "maintenance",
        "restart",
        "event/fees",
        "market/structure",
        "market/rules",
        "series/terms",
    }
