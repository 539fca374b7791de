"""What the stream and the scan record is what a replay sees."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from backtest.replay.books import ReplayBooks, ReplayPrices
from backtest.replay.feed import Feed
from kalbot.common.units import Count, Price
from markets.catalogue.scan import fetch_events, scan
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.ws import frames
from markets.models import TapeGap
from markets.streaming.state.books import Books
from markets.streaming.state.known import known
from markets.tape import restated
from markets.tape import writer as writing
from markets.tape.reader import Tape
from markets.tape.recorder import Recorder, paused, recorder
from markets.tape.records import Kind
from markets.tape.restated import Said
from markets.tape.writer import TapeWriter
from tests.markets.exchange import SmallExchange, game, temperature
from tests.markets.live_exchange import LiveExchange, wait_for
from tests.markets.test_stream import LEGS, Running


def test_a_replay_of_the_recording_has_the_books_that_the_stream_had(redis_db: redis.Redis, tmp_path: Path) -> None:
    exchange = LiveExchange()
    for ticker in LEGS:
        exchange.add(ticker)
    tape = Recorder(tmp_path, "stream0")
    running = Running(exchange, recorder=tape)
    wait_for(running.usable)
    running.exchange.set_level("EVENT-A", "yes", 4100, 725)
    running.exchange.set_level("EVENT-B", "no", 5400, 50)
    running.exchange.set_level("EVENT-A", "yes", 4000, 0)
    wait_for(running.agrees)
    live = {ticker: market.depth for ticker, market in running.event().markets.items()}
    running.stop()
    tape.close()
    exchange.close()

    books = ReplayBooks()
    prices = ReplayPrices(books)
    feed, seen = Feed(books, prices), {}
    books.watch("EVENT", LEGS)
    for record in Tape.open(tmp_path).records():
        feed.apply(record)
        found = prices.events(["EVENT"])["EVENT"]
        if found.live and found.usable(list(LEGS), 10**15, record.received_ns // 10**6) is None:
            seen = {ticker: market.depth for ticker, market in found.markets.items()}
    assert seen == live
    assert feed.counts["refused"] == 0
    assert not prices.events(["EVENT"])["EVENT"].live  # the connection's end is on the tape


@pytest.mark.django_db(transaction=True)
def test_a_replay_knows_the_books_again_as_soon_as_the_hole_has_ended(
    redis_db: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full while a level comes and another one goes; the connection lives on, and so do its books."""
    plain, full, again, say = writing.append, threading.Event(), list[str](), Recorder.known

    def append(file: BinaryIO, block: bytes) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(file, block)

    def said(self: Recorder, epoch: str, sequence: Mapping[int, int], messages: Sequence[Said]) -> None:
        say(self, epoch, sequence, messages)
        again.append(epoch)

    monkeypatch.setattr(Recorder, "known", said)
    monkeypatch.setattr(writing, "append", append)
    monkeypatch.setattr(writing, "RETRY_SECONDS", 0.1)
    exchange = LiveExchange()
    for ticker in LEGS:
        exchange.add(ticker)
    tape = Recorder(tmp_path, "stream0")
    running = Running(exchange, recorder=tape)
    wait_for(running.usable)
    wait_for(lambda: tape.writer.written > 0)
    full.set()
    exchange.set_level("EVENT-A", "yes", 4100, 725)
    exchange.set_level("EVENT-B", "no", 5400, 50)
    wait_for(running.agrees)
    wait_for(lambda: tape.writer.dropped > 0)
    full.clear()
    wait_for(lambda: bool(again))
    exchange.set_level("EVENT-A", "yes", 4000, 0)
    wait_for(running.agrees)
    live = {ticker: market.depth for ticker, market in running.event().markets.items()}
    running.stop()
    tape.close()
    exchange.close()

    books = ReplayBooks()
    prices = ReplayPrices(books)
    feed, known, kinds = Feed(books, prices), list[bool](), list[Kind]()
    seen: dict[str, object] = {}
    books.watch("EVENT", LEGS)
    for record in Tape.open(tmp_path).records():
        feed.apply(record)
        found = prices.events(["EVENT"])["EVENT"]
        usable = found.live and found.usable(list(LEGS), 10**15, record.received_ns // 10**6) is None
        known, kinds = [*known, usable], [*kinds, record.kind]
        if usable:
            seen = {ticker: market.depth for ticker, market in found.markets.items()}
    assert seen == live
    assert kinds.count(Kind.CONNECTION) == 3
    begins = kinds.index(Kind.GAP)
    ends = kinds.index(Kind.CONNECTION, begins)
    assert known[begins - 1]
    assert not any(known[begins : ends + 1])
    assert known[ends + 1]
    assert feed.holes.count == 1
    assert not feed.holes.lost
    assert feed.counts["refused"] == 0


def test_what_the_stream_does_not_know_it_does_not_say() -> None:
    books = Books()
    statuses = {
        "E-OPEN": "active",
        "E-PAUSED": "inactive",
        "E-OVER": "determined",
        "E-GAP": "active",
        "E-NONE": "active",
    }
    books.watch("E", statuses)
    for ticker in list(statuses)[:4]:
        books.snapshot(frames.BookSnapshot(1, 1, ticker, ((Price(4_000), Count(500)),), (), 7, None), 0)
    books.mark_suspect(["E-GAP"])
    said = known(books, 1, 3)
    assert [(one.sid, one.message()["type"], one.message()["msg"]) for one in said] == [
        (1, "orderbook_snapshot", _whole("E-OPEN")),
        (3, "market_lifecycle_v2", {"market_ticker": "E-PAUSED", "event_type": "deactivated"}),
        (1, "orderbook_snapshot", _whole("E-PAUSED")),
    ]
    assert [one.message()["msg"] for one in known(books, 1, None)] == [_whole("E-OPEN")]
    assert known(books, None, 3) == []


def _whole(ticker: str) -> dict[str, object]:
    return {"market_ticker": ticker, "yes_dollars_fp": [["0.4000", "5.00"]], "clock": 7}


def test_what_is_said_after_a_hole_is_of_that_moment_though_it_is_written_later() -> None:
    books = Books()
    books.watch("E", {"E-A": "active"})
    books.snapshot(frames.BookSnapshot(1, 9, "E-A", ((Price(4_000), Count(500)),), (), None, None), 0)
    said = known(books, 1, None)
    books.change("E-A", True, 4_100, 300, 10, None, None, 0)
    assert restated.before({1: 9, 3: 2}, said) == {"1": 8, "3": 2}
    (frame,) = map(json.loads, restated.frames({1: 9, 3: 2}, said))
    assert (frame["seq"], frame["msg"]["yes_dollars_fp"]) == (9, [["0.4000", "5.00"]])


def test_a_hole_of_a_queue_that_is_still_long_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = Recorder(tmp_path, "stream0")
    tape.has_recovered = True
    monkeypatch.setattr(TapeWriter, "is_behind", True)
    tape.known("e1", {1: 4}, [])
    assert tape.has_recovered
    monkeypatch.setattr(TapeWriter, "is_behind", False)
    tape.known("e1", {1: 4}, [])
    assert not tape.has_recovered
    tape.close()
    (record,) = Tape.open(tmp_path).records(kinds=[Kind.CONNECTION])
    assert json.loads(record.payload)["sequence"] == {"1": 4}


@pytest.mark.django_db
def test_a_scan_records_the_whole_catalogue_once_a_day_and_then_what_changed(
    exchange: SmallExchange, client: KalshiClient, settings: Settings, tmp_path: Path
) -> None:
    settings.KALBOT_TAPE_DIR = str(tmp_path)
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(3)), game("KXGAME-1"))
    tape = recorder("scan")
    assert tape is not None
    scan(client)
    wait_for(lambda: bool(list(tmp_path.glob("*.tape"))))
    scan(client)
    exchange.listed["KXHIGHMIA-2"]["title"] = "Another title"
    exchange.listed["KXHIGHMIA-2"]["markets"][0]["rules_primary"] = "Other rules."
    scan(client)
    fetch_events(client, ["KXGAME-1"])
    with paused():
        scan(client)
    tape.close()
    events = [record.key for record in Tape.open(tmp_path).records(kinds=[Kind.EVENT])]
    assert sorted(events[:4]) == ["KXGAME-1", "KXHIGHMIA-0", "KXHIGHMIA-1", "KXHIGHMIA-2"]
    assert events[4:] == ["KXHIGHMIA-2", "KXGAME-1"]
    assert {record.key for record in Tape.open(tmp_path).records(kinds=[Kind.SERIES])} == {"KXHIGHMIA", "KXGAME"}


@pytest.mark.django_db(transaction=True)
def test_a_hole_in_the_recording_is_a_row_with_its_reason_and_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    tape = Recorder(folder, "scan")
    folder.rmdir()
    folder.write_text("in the way")
    tape.writer.raw(Kind.STATUS, "", b"{}")
    wait_for(_one(lambda gap: gap.ended_at is None))
    folder.unlink()
    folder.mkdir()
    tape.writer.raw(Kind.STATUS, "", json.dumps({"n": 1}).encode())
    wait_for(_one(lambda gap: gap.ended_at is not None), 10)
    tape.close()
    assert TapeGap.objects.get().dropped == 1


@pytest.mark.django_db(transaction=True)
def test_the_writing_thread_keeps_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    closed = Recorder._write

    def watched(self: Recorder, work: Callable[[], object]) -> None:
        closed(self, work)
        ended.append(0 if connection.connection is None else 1)

    monkeypatch.setattr(Recorder, "_write", watched)
    folder = tmp_path / "tape"
    tape = Recorder(folder, "scan")
    folder.rmdir()
    folder.write_text("in the way")
    tape.writer.raw(Kind.STATUS, "", b"{}")
    wait_for(lambda: bool(ended))
    tape.close()
    assert ended[0] == 0


def _one(condition: Callable[[TapeGap], bool]) -> Callable[[], bool]:
    return lambda: any(condition(gap) for gap in TapeGap.objects.all())
