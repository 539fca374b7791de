"""What the stream and the scan record is what a replay sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from backtest.replay.books import ReplayBooks, ReplayPrices
from backtest.replay.feed import Feed
from markets.catalogue.scan import fetch_events, scan
from markets.kalshi.rest.client import KalshiClient
from markets.models import TapeGap
from markets.tape.reader import Tape
from markets.tape.recorder import Recorder, paused, recorder
from markets.tape.records import Kind
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
