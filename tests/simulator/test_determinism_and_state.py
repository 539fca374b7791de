"""Same seed and same requests: the same run. And a run that goes on after it was stopped or killed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.clock import ManualClock
from simulator.config import SimulatorConfig
from simulator.control.internal_state import internal_state
from simulator.errors import RequestTimedOut
from simulator.exchange import Exchange
from simulator.persistence.snapshot import load_snapshot
from simulator.persistence.state import StateError, StateFile, restore
from simulator.rest.app import handle

from .world import B805, B825, MIN, START, Client, Listener


def run(exchange: Exchange, steps: int = 150) -> str:
    """A digest of everything a client sees in a busy, faulty run."""
    exchange.faults.add(kind="error", status=503, when="after", path="/portfolio", rate=0.05, count=0)
    exchange.faults.add(kind="drop", rate=0.02, count=0)
    client, listener, rng = Client(exchange), Listener(exchange), random.Random(3)
    digest = hashlib.sha256()
    listener.send("subscribe", channels=["ticker", "trade", "fill", "user_orders"])
    listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[B825, B805, MIN])
    for _ in range(steps):
        ticker, side, price = (
            rng.choice([B825, B805, MIN]),
            rng.choice(["bid", "ask"]),
            f"0.{rng.randrange(1, 100):02d}",
        )
        digest.update(repr(client.order(ticker, side, price, str(rng.randrange(1, 40)), "good_till_canceled")).encode())
        exchange.advance(exchange.now() + 250)
        digest.update(json.dumps(listener.frames()).encode())
    digest.update(repr(internal_state(exchange, set())).encode())
    return digest.hexdigest()


def test_two_runs_of_one_seed_are_identical_and_of_another_are_not(make: Callable[..., Exchange]) -> None:
    settings = {"still": False, "edge_every_s": 5.0, "speed": 600.0, "rate_limits": True}
    first, second = run(make(seed=7, **settings)), run(make(seed=7, **settings))
    assert first == second
    assert run(make(seed=8, **settings)) != first


def restarted(folder: Path, path: Path, later_ms: int = 5_000, **settings: Any) -> Exchange:
    """A fresh process on the state of an old one."""
    config = SimulatorConfig(**({"rate_limits": False, "still": True} | settings))
    exchange = Exchange(config, ManualClock(START + later_ms))
    exchange.recorded = load_snapshot(folder, config, exchange.streams, exchange.now())
    file = StateFile(path)
    restore(exchange, *file.load())
    file.save(exchange)
    exchange.file = file
    exchange.begin()
    return exchange


@pytest.fixture
def kept(make: Callable[..., Exchange], tmp_path: Path) -> tuple[Client, Path]:
    exchange = make()
    exchange.file = StateFile(tmp_path / "state")
    exchange.file.save(exchange)
    return Client(exchange), tmp_path / "state"


def test_a_killed_simulator_resumes_without_losing_a_committed_write(
    kept: tuple[Client, Path], snapshot_folder: Path
) -> None:
    client, path = kept
    client.order(B825, "bid", "0.4200", "10")
    first, second = client.placed(B805, "bid", "0.3000", "5"), client.placed(B805, "bid", "0.3000", "7")
    client.order(MIN, "ask", "0.4600", "550")
    before = internal_state(client.exchange, {"positions", "orders", "fills"})
    book = client.get(f"/markets/{MIN}/orderbook")
    again = Client(restarted(snapshot_folder, path))  # nothing was saved since: the journal alone carries it
    after = internal_state(again.exchange, {"positions", "orders", "fills"})
    for part in ("cash", "positions", "orders", "fills", "market_maker_cash", "fees_collected", "balanced"):
        assert after[part] == before[part], part
    assert again.one(first)["status"] == "resting"
    queue = again.get("/portfolio/orders/queue_positions", market_tickers=B805)["queue_positions"]
    assert [(q["order_id"], q["queue_position_fp"]) for q in queue] == [(first, "80.00"), (second, "85.00")]
    assert again.order(B825, "bid", "0.4200", "1", client_order_id="c-1")[0] == 409
    assert book != again.get(f"/markets/{MIN}/orderbook")  # market makers' levels are those of the last checkpoint


def test_a_stopped_simulator_resumes_with_its_books_and_its_clock(
    kept: tuple[Client, Path], snapshot_folder: Path
) -> None:
    client, path = kept
    client.order(MIN, "ask", "0.4600", "550")
    client.placed(B805, "bid", "0.3000", "5")
    left = client.exchange.markets[B825].close_ms - client.exchange.now()
    assert client.exchange.file is not None
    client.exchange.file.save(client.exchange)
    again = Client(restarted(snapshot_folder, path, later_ms=3_600_000))
    for ticker in client.exchange.books:
        assert again.get(f"/markets/{ticker}/orderbook") == client.get(f"/markets/{ticker}/orderbook")
    assert again.exchange.markets[B825].close_ms - again.exchange.now() == left


def test_settlement_happens_once_across_a_restart(kept: tuple[Client, Path], snapshot_folder: Path) -> None:
    client, path = kept
    client.order(B825, "bid", "0.4200", "10")
    client.exchange.advance(client.exchange.markets[B825].close_ms + 1_600)
    client.exchange.commit()
    assert client.exchange.markets[B825].status == "determined"
    again = Client(restarted(snapshot_folder, path, client.exchange.now() - START + 60_000))
    again.exchange.advance(again.exchange.now() + 5_000)
    again.exchange.commit()
    assert [s["ticker"] for s in again.get("/portfolio/settlements")["settlements"]] == [B825]
    third = Client(restarted(snapshot_folder, path, again.exchange.now() - START + 60_000))
    third.exchange.advance(third.exchange.now() + 60_000)
    assert len(third.get("/portfolio/settlements")["settlements"]) == 1
    assert internal_state(third.exchange, set())["balanced"]


def test_new_events_survive_a_kill(make: Callable[..., Exchange], tmp_path: Path, snapshot_folder: Path) -> None:
    exchange = make(still=False, flow_events_per_step=0)
    exchange.file = StateFile(tmp_path / "state")
    exchange.file.save(exchange)
    exchange.advance(exchange.markets[B825].close_ms + 10_000)
    exchange.commit()
    again = restarted(
        snapshot_folder, tmp_path / "state", exchange.now() - START + 1_000, still=False, flow_interval_ms=100
    )
    assert set(again.events) == set(exchange.events)
    again.advance(again.now() + 20_000)
    fresh = next(e for e in again.events.values() if e.ticker == "KXHIGHNY-26JUL21")
    assert all(again.books[t].best_ask() for t in fresh.markets)


def test_a_cut_last_line_is_left_out_and_a_foreign_file_refused(
    kept: tuple[Client, Path], snapshot_folder: Path
) -> None:
    client, path = kept
    client.order(B825, "bid", "0.4200", "10")
    client.order(B825, "bid", "0.4200", "5")
    journal = next(path.parent.glob("state.*.journal"))
    journal.write_bytes(journal.read_bytes()[:-40])
    assert restarted(snapshot_folder, path).ledger.position(0, B825) == 1_000
    path.write_text("{}")
    with pytest.raises(StateError):
        StateFile(path).load()


# ---- faults of requests and late reads


def test_an_error_after_commit_has_taken_effect_and_one_before_has_not(client: Client) -> None:
    client.exchange.faults.add(kind="error", when="before", path="/portfolio/events/orders", status=503)
    assert client.order(B825, "bid", "0.4200", "1")[0] == 503
    assert client.position(B825) == 0
    client.exchange.faults.add(kind="error", when="after", path="/portfolio/events/orders", status=500)
    assert client.order(B825, "bid", "0.4200", "1")[0] == 500
    assert client.position(B825) == 100
    client.exchange.faults.add(kind="rate_limit", count=2)
    assert [client.call("GET", "/markets")[0] for _ in range(3)] == [429, 429, 200]


def test_a_market_closes_between_two_legs(client: Client) -> None:
    client.exchange.faults.add(kind="close", method="POST", path="/portfolio/events/orders", skip=1, ticker=B805)
    assert client.order(B825, "bid", "0.4200", "1")[0] == 201
    assert client.order(B805, "bid", "0.3500", "1")[1]["error"]["code"] == "market_inactive"


def test_429_as_the_documentation_has_it(make: Callable[..., Exchange]) -> None:
    client = Client(make(rate_limit_text_body=True))
    client.exchange.faults.add(kind="rate_limit")
    assert client.call("GET", "/markets") == (429, {"error": "too many requests"})


@pytest.mark.parametrize("when, held", [("before", 0), ("after", 100)])
def test_a_timeout_gives_no_answer_and_a_query_by_its_id_shows_what_happened(
    client: Client, when: str, held: int
) -> None:
    client.exchange.faults.add(kind="timeout", when=when, method="POST")
    with pytest.raises(RequestTimedOut) as lost:
        client.order(B825, "bid", "0.4200", "1", client_order_id="unsure")
    assert (lost.value.committed, client.position(B825)) == (when == "after", held)
    assert client.order(B825, "bid", "0.4200", "1", client_order_id="unsure")[0] == (409 if held else 201)


def test_reads_may_be_late_while_writes_answer_at_once(make: Callable[..., Exchange]) -> None:
    client = Client(make(read_delay_ms=500))
    assert client.get("/portfolio/orders")["orders"] == []
    order = client.placed(B825, "bid", "0.1000", "1")
    assert client.call("GET", f"/portfolio/orders/{order}")[0] == 404
    client.exchange.advance(START + 500)
    assert client.one(order)["status"] == "resting"
    assert client.cancel(order)[0] == 200
    assert client.one(order)["status"] == "resting"
    client.exchange.advance(START + 1_000)
    assert client.one(order)["status"] == "canceled"


def test_cached_quotes_are_stale_for_fifteen_seconds(make: Callable[..., Exchange]) -> None:
    client = Client(make(stale_cache_ms=15_000))
    before = client.get(f"/markets/{B825}")
    client.order(B825, "bid", "0.4200", "20.5")
    assert client.get(f"/markets/{B825}") == before
    assert client.get(f"/markets/{B825}/orderbook")["orderbook_fp"]["no_dollars"][-1] == ["0.5500", "60.00"]
    client.exchange.advance(START + 15_000)
    assert client.get(f"/markets/{B825}")["market"]["yes_ask_dollars"] == "0.4500"


def test_a_whole_request_may_be_given_as_raw_strings(client: Client) -> None:
    status, body = handle(client.exchange, "get", "/trade-api/v2/markets", "limit=1&status=open", {}, b"")
    assert (status, len(body["markets"])) == (200, 1)
