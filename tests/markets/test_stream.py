"""The stream against a small exchange that misbehaves on demand: what readers see is right and fresh, or not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from kalbot.common import cache, clock, express, messages
from markets.kalshi.environment import Environment
from markets.kalshi.signing import Signer
from markets.prices import EventPrices, PriceReader
from markets.streaming.assembly import make_session, price_connection
from markets.streaming.loop import Stream
from markets.streaming.output.inbox import Inbox, Message
from markets.streaming.output.notifier import Notifier
from markets.streaming.watchlist_reader import WatchlistReader
from markets.tape.recorder import Recorder
from tests.markets.live_exchange import LiveExchange, wait_for

LEGS = {"EVENT-A": "active", "EVENT-B": "active"}


class Kept(Inbox):
    """Keeps messages in a list instead of rows (the database has tests of its own)."""

    def __init__(self) -> None:
        super().__init__(lambda kinds: None)
        self.messages: list[Message] = []

    def put(self, message: Message) -> None:
        self.messages.append(message)


class Running:
    """A stream in a thread, with what a test inspects."""

    def __init__(self, exchange: LiveExchange, partition: int = 0, recorder: Recorder | None = None) -> None:
        key = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        signer = Signer.from_pem("test-key", key)
        environment = Environment("local", "http://127.0.0.1:1/trade-api/v2", exchange.url)
        self.exchange = exchange
        self.sent: list[tuple[Any, ...]] = []
        self.inbox = Kept()
        self.watchlist = WatchlistReader(price_connection(), 1000)
        self.watchlist.current = {"EVENT": LEGS}
        self.watchlist.fee_multipliers = {"EVENT": 1_000_000}
        self.notifier = Notifier(send=lambda *message: self.sent.append(message))
        self.stream = Stream(
            lambda: make_session(environment, signer),
            price_connection(),
            self.watchlist,
            self.inbox,
            self.notifier,
            partition,
            recorder=recorder,
        )
        self.reader = PriceReader(partitions=partition + 1)
        self._thread = threading.Thread(target=self.stream.run, daemon=True)
        self.notifier.start()
        self._thread.start()

    def event(self) -> EventPrices:
        return self.reader.events(["EVENT"])["EVENT"]

    def usable(self) -> bool:
        return self.event().usable(list(LEGS), 2_000, clock.now_ms()) is None

    def agrees(self) -> bool:
        """Whether readers see exactly the exchange's truth."""
        event = self.event()
        if event.usable(list(LEGS), 2_000, clock.now_ms()) is not None:
            return False
        for ticker in LEGS:
            depth, truth = event.markets[ticker].depth, self.exchange.books[ticker]
            if depth is None or dict(depth.yes_bids) != truth["yes"] or dict(depth.no_bids) != truth["no"]:
                return False
        return True

    def stop(self) -> None:
        self.stream.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.notifier.close()


@pytest.fixture
def exchange() -> Iterator[LiveExchange]:
    made = LiveExchange()
    for ticker in LEGS:
        made.add(ticker)
    yield made
    made.close()


@pytest.fixture
def running(exchange: LiveExchange, redis_db: redis.Redis) -> Iterator[Running]:
    made = Running(exchange)
    wait_for(made.usable)
    yield made
    made.stop()


def test_books_follow_snapshot_and_deltas(running: Running) -> None:
    running.exchange.set_level("EVENT-A", "yes", 4100, 725)
    running.exchange.set_level("EVENT-A", "yes", 4000, 0)
    running.exchange.set_level("EVENT-B", "no", 5400, 50)
    wait_for(running.agrees)
    market = running.event().markets["EVENT-A"]
    assert market.depth is not None
    assert market.depth.yes_bids == ((4100, 725),)
    assert market.exchange_ms > 0
    assert market.receive_ms >= market.exchange_ms - 1_000


def test_a_quiet_book_on_a_live_connection_stays_fresh(running: Running) -> None:
    for _ in range(3):
        threading.Event().wait(0.7)
        assert running.event().usable(list(LEGS), 1_500, clock.now_ms()) is None


def test_a_gap_makes_books_suspect_until_they_are_repaired(running: Running) -> None:
    seen: list[str | None] = []
    running.exchange.deaf = True  # the repair cannot come yet
    running.exchange.drop = 1
    running.exchange.set_level("EVENT-A", "yes", 3900, 100)
    running.exchange.set_level("EVENT-B", "yes", 3900, 100)
    wait_for(lambda: running.event().usable(["EVENT-A"], 60_000, clock.now_ms()) == "suspect")
    seen.append(running.event().usable(["EVENT-B"], 60_000, clock.now_ms()))
    assert seen == ["suspect"]  # the sequence is the subscription's, so every book of it is suspect
    running.exchange.deaf = False
    wait_for(running.agrees)
    assert running.stream.metrics.gaps == 1


def test_an_impossible_change_makes_a_book_suspect_and_repairs_it(running: Running) -> None:
    del running.exchange.books["EVENT-A"]["yes"][4000]  # the truth lost it without a word
    running.exchange.books["EVENT-A"]["yes"][3000] = 500
    running.exchange.set_level("EVENT-A", "yes", 3000, 100)
    wait_for(running.agrees)
    assert running.stream.books.suspected >= 1


def test_a_lost_connection_kills_every_price_and_a_new_epoch_brings_them_back(running: Running) -> None:
    before = running.event().epoch
    running.exchange.refuse = True
    running.exchange.disconnect()
    wait_for(lambda: not running.event().live)
    running.exchange.set_level("EVENT-A", "yes", 3500, 100)
    running.exchange.refuse = False
    wait_for(running.agrees)
    assert running.event().epoch != before
    wait_for(lambda: ("trading.tasks.reconcile", "reconnect") in running.sent)  # what was said meanwhile


def test_a_mute_exchange_makes_prices_old(running: Running) -> None:
    running.exchange.mute = True
    wait_for(lambda: running.event().usable(list(LEGS), 1_500, clock.now_ms()) == "stale")
    running.exchange.mute = False


def test_a_terminal_error_of_the_books_leads_to_a_new_subscription(running: Running) -> None:
    running.exchange.error(25)
    running.exchange.set_level("EVENT-A", "yes", 3600, 100)
    wait_for(running.agrees)
    assert running.exchange.connects == 1


def test_a_terminal_error_of_the_fills_leads_to_a_new_connection(running: Running) -> None:
    running.exchange.error(10, "fill")
    wait_for(lambda: running.exchange.connects == 2)
    wait_for(running.agrees)


def test_the_watchlist_extends_and_shrinks_the_subscription(running: Running) -> None:
    running.exchange.add("OTHER-A")
    running.watchlist.current = {"EVENT": LEGS, "OTHER": {"OTHER-A": "active"}}
    wait_for(lambda: running.reader.events(["OTHER"])["OTHER"].usable(["OTHER-A"], 2_000, clock.now_ms()) is None)
    assert running.agrees()
    running.watchlist.current = {"OTHER": {"OTHER-A": "active"}}
    wait_for(lambda: running.event().usable(["EVENT-A"], 2_000, clock.now_ms()) == "no_book")
    wait_for(lambda: running.exchange.clients[0].markets == {"OTHER-A"})
    assert running.stream.metrics.gaps == 0


def test_books_beyond_the_exchanges_limit_are_no_prices_and_are_added_when_others_leave(running: Running) -> None:
    for ticker in ("OTHER-A", "OTHER-B"):
        running.exchange.add(ticker)
    running.exchange.book_limit = 2
    both = {"EVENT": LEGS, "OTHER": {"OTHER-A": "active", "OTHER-B": "active"}}
    running.watchlist.current = both
    wait_for(lambda: running.stream.metrics.over_limit == 2)
    other = running.reader.events(["OTHER"])["OTHER"]
    assert other.usable(["OTHER-A"], 2_000, clock.now_ms()) == "no_book"
    assert running.usable()
    running.watchlist.current = {"OTHER": both["OTHER"]}
    wait_for(lambda: running.reader.events(["OTHER"])["OTHER"].usable(["OTHER-A"], 2_000, clock.now_ms()) is None)
    assert running.stream.metrics.connects == 1


def test_a_further_process_keeps_books_and_leaves_rows_and_tickers_to_the_first(
    exchange: LiveExchange, redis_db: redis.Redis
) -> None:
    further = Running(exchange, partition=1)
    try:
        wait_for(further.usable)
        exchange.fill("T1")
        exchange.quote("KXELSE-1", 1000, 1200)
        exchange.lifecycle({"market_ticker": "EVENT-A", "event_type": "deactivated"})
        wait_for(lambda: further.event().usable(["EVENT-A"], 2_000, clock.now_ms()) == "not_active")
        assert not further.inbox.messages
        assert not further.reader.tickers(["KXELSE-1"])
    finally:
        further.stop()


def test_fills_and_lifecycle_are_kept_and_a_pause_is_seen_at_once(running: Running) -> None:
    running.exchange.fill("t1")
    running.exchange.lifecycle({"market_ticker": "EVENT-A", "event_type": "deactivated", "is_deactivated": True})
    wait_for(lambda: running.event().usable(list(LEGS), 2_000, clock.now_ms()) == "not_active")
    wait_for(lambda: len(running.inbox.messages) == 2)
    fill, pause = sorted(running.inbox.messages, key=lambda m: m.kind)
    assert (fill.kind, fill.key, fill.payload["count"], fill.payload["fee"]) == (
        "fill",
        "fill:t1:order-t1",
        725,
        124_400,
    )
    assert (pause.kind, pause.market_ticker, pause.payload["event_type"]) == ("lifecycle", "EVENT-A", "deactivated")


def test_tickers_of_unwatched_markets_are_kept_as_quotes(running: Running) -> None:
    running.exchange.quote("ELSEWHERE-X", 1200, 1500)
    wait_for(lambda: "ELSEWHERE-X" in running.reader.tickers(["ELSEWHERE-X"]))
    quote = running.reader.tickers(["ELSEWHERE-X"])["ELSEWHERE-X"]
    assert (quote.yes_bid, quote.yes_ask) == (1200, 1500)


def test_a_move_within_reach_of_a_certain_basket_wakes_the_strategy_and_no_other_does(running: Running) -> None:
    for leg in LEGS:
        running.exchange.set_level(leg, "no", 5200, 1000)
        running.exchange.set_level(leg, "no", 5500, 0)
    wait_for(running.agrees)
    threading.Event().wait(0.6)
    running.sent.clear()
    running.exchange.set_level("EVENT-A", "no", 4800, 100)  # not the best
    running.exchange.set_level("EVENT-A", "no", 4900, 100)
    running.exchange.set_level("EVENT-A", "no", 5200, 0)  # the best moves away
    running.exchange.set_level("EVENT-B", "no", 5000, 100)
    running.exchange.set_level("EVENT-B", "no", 5200, 0)
    wait_for(running.agrees)
    threading.Event().wait(0.4)
    assert running.sent == []
    running.exchange.set_level("EVENT-A", "no", 5900, 100)
    wait_for(lambda: ("strategies.tasks.evaluate_event", "EVENT") in [message[:2] for message in running.sent])
    written, notified = next(message for message in running.sent if message[1] == "EVENT")[2:]
    received = max(market.receive_ms for market in running.event().markets.values())
    assert received * 1000 <= written <= notified


def test_an_event_leaves_with_its_prices_while_a_worker_waits_and_again_soon_after(
    running: Running, redis_db: redis.Redis
) -> None:
    redis_db.set(cache.key(express.SERVED), 1, ex=60)
    threading.Event().wait(0.6)
    running.sent.clear()
    running.exchange.set_level("EVENT-A", "no", 5900, 100)
    wait_for(lambda: redis_db.zcard(cache.key(express.WAITING)))
    market = running.event().markets["EVENT-A"]
    taken = express.take()
    assert taken is not None
    assert (taken.event, taken.at_us >= market.receive_ms * 1000) == ("EVENT", True)
    assert market.depth is not None
    assert market.depth.no_bids[0] == (5900, 100), "what it is evaluated on is there"
    running.exchange.set_level("EVENT-A", "no", 5950, 100)
    wait_for(lambda: (messages.EVALUATE_EVENT, "EVENT") in [message[:2] for message in running.sent])
    assert len(running.sent) == 1
    assert express.take() is None


def test_an_event_of_a_family_is_evaluated_when_it_moves_though_it_does_not_pay_alone(running: Running) -> None:
    for leg in LEGS:
        running.exchange.set_level(leg, "no", 5200, 1000)
        running.exchange.set_level(leg, "no", 5500, 0)
    wait_for(running.agrees)
    threading.Event().wait(0.6)
    running.sent.clear()
    running.watchlist.in_families = frozenset({"EVENT"})
    running.exchange.set_level("EVENT-A", "yes", 3900, 10)
    running.exchange.set_level("EVENT-A", "yes", 4000, 0)
    wait_for(lambda: (messages.EVALUATE_EVENT, "EVENT") in [message[:2] for message in running.sent])


def test_an_emptied_redis_costs_a_moment(running: Running, redis_db: redis.Redis) -> None:
    running.exchange.quote("ELSEWHERE-X", 1200, 1500)
    wait_for(lambda: running.reader.tickers(["ELSEWHERE-X"]))
    connects = running.exchange.connects
    redis_db.flushdb()
    wait_for(running.agrees)
    wait_for(lambda: running.reader.tickers(["ELSEWHERE-X"]))
    assert running.exchange.connects == connects


def test_a_standby_takes_over_when_the_leader_stops(exchange: LiveExchange, redis_db: redis.Redis) -> None:
    leader = Running(exchange)
    wait_for(leader.usable)
    standby = Running(exchange)
    threading.Event().wait(0.7)
    assert exchange.connects == 1
    before = standby.event().epoch
    assert standby.sent == []
    leader.stop()
    wait_for(standby.agrees)
    assert standby.event().epoch != before
    wait_for(lambda: ("trading.tasks.reconcile", "connect") in standby.sent)  # fills while nobody listened
    wait_for(lambda: ("markets.tasks.scan_catalogue",) in standby.sent)
    standby.stop()


def test_stopping_withdraws_prices_within_two_seconds(exchange: LiveExchange, redis_db: redis.Redis) -> None:
    running = Running(exchange)
    wait_for(running.usable)
    began = clock.now_ms()
    running.stop()
    assert clock.now_ms() - began < 2_000
    assert not running.event().live
