"""The price store: one writer, fenced; nothing of a dead epoch reads as live."""

from __future__ import annotations

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kalbot.common import cache, express
from kalbot.common.units import Count, Price
from markets.book import Side
from markets.kalshi.ws.frames import BookSnapshot, TickerFrame
from markets.prices import EVENT_KEY, LEADER_KEY, LEASE_KEY, Ahead, PriceReader
from markets.streaming.output import metrics
from markets.streaming.output.leader import Leadership
from markets.streaming.output.publisher import Fenced, Publisher
from markets.streaming.state.books import Books
from tests.markets.live_exchange import wait_for

NOW = 1_800_000_000_000


def levels(pairs: list[tuple[int, int]]) -> tuple[tuple[Price, Count], ...]:
    return tuple((Price(price), Count(count)) for price, count in pairs)


def book_frame(
    ticker: str, yes: list[tuple[int, int]], no: list[tuple[int, int]], seq: int, clock: int
) -> BookSnapshot:
    return BookSnapshot(2, seq, ticker, levels(yes), levels(no), clock, None)


def ticker_frame(ticker: str, last: int, bid: int, bid_size: int, ask: int, ask_size: int) -> TickerFrame:
    sizes = Count(bid_size), Count(ask_size)
    return TickerFrame(1, ticker, Price(last), Price(bid), sizes[0], Price(ask), sizes[1], Count(0), Count(0), NOW - 5)


@pytest.fixture
def books() -> Books:
    kept = Books()
    kept.start_epoch("epoch-1")
    kept.watch("EVENT", {"EVENT-A": "active", "EVENT-B": "active"})
    kept.snapshot(book_frame("EVENT-A", [(4000, 1000), (3900, 500)], [(5500, 725)], 1, 7), NOW)
    kept.snapshot(book_frame("EVENT-B", [(5000, 300)], [(4500, 200)], 2, 9), NOW)
    kept.ticker(ticker_frame("EVENT-A", 4100, 4000, 1000, 4500, 725), NOW)
    return kept


LEASE_MS = 60_000
"""So long that nothing lapses by itself while a test runs, however slow the machine is."""


def lapse(client: redis.Redis) -> None:
    """Let what is left of the leader's time pass: Redis ends both keys by itself, as each has an end."""
    for key in (f"{LEADER_KEY}0", f"{LEASE_KEY}0"):
        assert 0 < int(client.pttl(key)) <= LEASE_MS
        client.pexpire(key, 1)
        wait_for(lambda key=key: not client.exists(key))


def leader(client: redis.Redis, lease_ms: int = LEASE_MS) -> tuple[Leadership, Publisher]:
    right = Leadership(client, lease_ms=lease_ms)
    assert right.acquire()
    return right, Publisher(client, right)


def publish(publisher: Publisher, books: Books, alive_ms: int = NOW) -> None:
    records, changed = books.take_changes()
    publisher.flush(books.epoch, alive_ms, records, changed)


def test_a_reader_gets_every_leg_with_book_quote_and_times(redis_db: redis.Redis, books: Books) -> None:
    publish(leader(redis_db)[1], books)
    event = PriceReader(redis_db).events(["EVENT"])["EVENT"]
    assert event.live
    assert event.epoch == "epoch-1"
    assert set(event.markets) == {"EVENT-A", "EVENT-B"}
    market = event.markets["EVENT-A"]
    assert market.depth is not None
    assert market.depth.yes_bids == ((4000, 1000), (3900, 500))
    assert market.depth.best_ask(Side.YES) == 4500
    assert (market.yes_bid, market.yes_ask, market.seq, market.clock) == (4000, 4500, 1, 7)
    assert PriceReader(redis_db).tickers(["EVENT-A", "NOBODY"])["EVENT-A"].yes_ask == 4500
    assert event.usable(["EVENT-A", "EVENT-B"], 1000, NOW + 500) is None


def test_prices_that_are_read_with_something_else_are_those_of_the_reader(redis_db: redis.Redis, books: Books) -> None:
    publish(leader(redis_db)[1], books)
    reader, wanted = PriceReader(), ["EVENT", "OTHER"]
    ahead = Ahead(reader, wanted)
    ahead.know(redis_db.mget([*ahead.keys]))  # type: ignore[arg-type]  # the stubs know of awaitables
    before = reader.events(wanted)
    redis_db.delete(EVENT_KEY + "EVENT")
    assert ahead.events(wanted) == before
    assert ahead.events(["EVENT"])["EVENT"].live
    assert not ahead.events(["EVENT", "THIRD"])["EVENT"].live, (
        "what was not read with it is read, and all at one instant"
    )
    with cache.isolated():
        assert Ahead(reader, wanted).keys == []
    without = Ahead(reader, [])
    without.know([])
    assert (without.keys, without.events(["OTHER"])) == ([], reader.events(["OTHER"]))


def test_age_is_that_of_the_last_proof_of_life_not_of_the_last_change(redis_db: redis.Redis, books: Books) -> None:
    _, publisher = leader(redis_db)
    publish(publisher, books)
    publisher.flush("epoch-1", NOW + 9_000, {})
    event = PriceReader(redis_db).events(["EVENT"])["EVENT"]
    assert event.age_ms(NOW + 9_400) == 400
    assert event.usable(["EVENT-A"], 1000, NOW + 9_400) is None
    assert event.usable(["EVENT-A"], 1000, NOW + 10_001) == "stale"


def test_each_reason_why_not(redis_db: redis.Redis, books: Books) -> None:
    books.watch("EVENT", {"EVENT-A": "active", "EVENT-B": "active", "EVENT-C": "active", "EVENT-D": "active"})
    books.snapshot(book_frame("EVENT-C", [], [], 3, 1), NOW)
    books.mark_suspect(["EVENT-B"])
    publish(leader(redis_db)[1], books)
    event = PriceReader(redis_db).events(["EVENT"])["EVENT"]
    assert event.usable(["EVENT-A"], 1000, NOW) is None
    assert event.usable(["EVENT-A", "EVENT-B"], 1000, NOW) == "suspect"
    assert event.usable(["EVENT-C"], 1000, NOW) == "no_side"
    assert event.usable(["EVENT-D"], 1000, NOW) == "no_book"
    assert event.usable(["EVENT-Z"], 1000, NOW) == "no_book"
    assert PriceReader(redis_db).events(["OTHER"])["OTHER"].usable([], 1000, NOW) == "no_book"


def test_a_side_that_nobody_offers_has_no_price(redis_db: redis.Redis, books: Books) -> None:
    books.snapshot(book_frame("EVENT-B", [(5000, 300)], [], 3, 10), NOW)
    publish(leader(redis_db)[1], books)
    event = PriceReader(redis_db).events(["EVENT"])["EVENT"]
    assert event.usable(["EVENT-B"], 1000, NOW, Side.NO) is None
    assert event.usable(["EVENT-B"], 1000, NOW, Side.YES) == "no_side"
    depth = event.markets["EVENT-B"].depth
    assert depth is not None
    assert depth.best_ask(Side.YES) is None


def test_a_paused_market_is_not_usable(redis_db: redis.Redis, books: Books) -> None:
    books.set_status("EVENT-A", "inactive")
    publish(leader(redis_db)[1], books)
    assert PriceReader(redis_db).events(["EVENT"])["EVENT"].usable(["EVENT-A"], 1000, NOW) == "not_active"


def test_records_of_a_dead_epoch_are_not_prices(redis_db: redis.Redis, books: Books) -> None:
    _, publisher = leader(redis_db)
    publish(publisher, books)
    publisher.flush("epoch-2", NOW, {})
    event = PriceReader(redis_db).events(["EVENT"])["EVENT"]
    assert not event.live
    assert event.markets == {}
    assert event.usable(["EVENT-A"], 10**9, NOW) == "dead_epoch"
    assert PriceReader(redis_db).tickers(["EVENT-A"]) == {}


def test_a_withdrawn_lease_kills_every_price_at_once(redis_db: redis.Redis, books: Books) -> None:
    _, publisher = leader(redis_db)
    publish(publisher, books)
    publisher.flush("", 0, {})
    assert not PriceReader(redis_db).events(["EVENT"])["EVENT"].live


def test_the_lease_of_a_killed_writer_lapses(redis_db: redis.Redis, books: Books) -> None:
    publish(leader(redis_db)[1], books)
    reader = PriceReader(redis_db)
    assert reader.events(["EVENT"])["EVENT"].live
    assert reader.stream_status()["alive"]
    lapse(redis_db)
    assert not reader.events(["EVENT"])["EVENT"].live
    assert not reader.stream_status()["alive"]


def test_only_one_leads_and_the_old_one_cannot_write_after_a_pause(redis_db: redis.Redis, books: Books) -> None:
    _, old = leader(redis_db)
    publish(old, books)
    standby = Leadership(redis_db)
    assert not standby.acquire()
    lapse(redis_db)  # the old leader is paused meanwhile
    assert standby.acquire()
    new = Publisher(redis_db, standby)
    new.flush("epoch-2", NOW, {})
    before = redis_db.get(EVENT_KEY + "EVENT")
    books.snapshot(book_frame("EVENT-A", [(1, 1)], [], 99, 99), NOW)
    redis_db.set(cache.key(express.SERVED), 1, ex=60)
    records, changed = books.take_changes()
    old.begin(books.epoch, NOW, records, changed, ["EVENT"])
    with pytest.raises(Fenced):
        old.finish(wait=True)
    assert redis_db.get(EVENT_KEY + "EVENT") == before
    assert not redis_db.exists(cache.key(express.WAITING)), "nothing is evaluated on what was not written"
    assert b"epoch-2" in (redis_db.get(LEASE_KEY + "0") or b"")
    with pytest.raises(Fenced):
        old.forget([EVENT_KEY + "EVENT"])


def test_an_emptied_redis_gives_no_token_twice(redis_db: redis.Redis) -> None:
    first = Leadership(redis_db)
    assert first.acquire()
    redis_db.flushdb()
    second = Leadership(redis_db)
    assert second.acquire()
    assert first.token != second.token
    with pytest.raises(Fenced):
        Publisher(redis_db, first).flush("x", NOW, {})


def test_a_flush_that_arrives_late_is_dropped(redis_db: redis.Redis, books: Books) -> None:
    _, publisher = leader(redis_db)
    publish(publisher, books)
    current = redis_db.get(EVENT_KEY + "EVENT")
    publisher._number -= 1  # what a lost answer and a second connection amount to
    redis_db.set(cache.key(express.SERVED), 1, ex=60)
    publisher.begin("epoch-1", NOW - 1, {EVENT_KEY + "EVENT": b"old"}, ["EVENT"], ["EVENT"])
    publisher.finish(wait=True)
    assert redis_db.get(EVENT_KEY + "EVENT") == current
    assert (publisher.put, redis_db.exists(cache.key(express.WAITING))) == (express.NOBODY, 0)


def test_a_flush_of_many_records_arrives_whole(redis_db: redis.Redis) -> None:
    _, publisher = leader(redis_db)
    records = {f"{EVENT_KEY}{n}": b"%d" % n for n in range(9_001)}
    publisher.flush("epoch-1", NOW, records)
    assert redis_db.mget(list(records)) == list(records.values())


def test_a_released_right_is_free_at_once(redis_db: redis.Redis) -> None:
    right, publisher = leader(redis_db)
    publisher.flush("epoch-1", NOW, {})
    right.release()
    assert not PriceReader(redis_db).stream_status()["alive"]
    assert Leadership(redis_db).acquire()


def test_a_redis_that_is_away_reads_as_no_prices() -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    reader = PriceReader(nowhere)
    assert not reader.events(["EVENT"])["EVENT"].live
    assert reader.tickers(["EVENT-A"]) == {}
    assert not reader.stream_status()["alive"]


def test_metrics_of_several_processes_are_added_up_and_the_oldest_proof_of_life_counts(redis_db: redis.Redis) -> None:
    for partition, alive in ((0, NOW), (1, NOW - 700)):
        right = Leadership(redis_db, partition)
        assert right.acquire()
        Publisher(redis_db, right).flush(f"epoch-{partition}", alive, {})
        metrics.publish(redis_db, partition, {"pid": partition, "messages": 10 + partition, "lag_ms": partition})
    status = PriceReader(redis_db, partitions=2).stream_status()
    assert (status["alive"], status["messages"], status["alive_ms"], status["lag_ms"]) == (True, 21, NOW - 700, 0)
    assert [partition["messages"] for partition in status["partitions"]] == [10, 11]
    assert not PriceReader(redis_db, partitions=3).stream_status()["alive"]
