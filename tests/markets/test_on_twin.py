"""The stream on the simulated exchange while that loses, repeats and renumbers frames, ends subscriptions and hangs up: a checker reads all
the time, and what reads as usable must have been the twin's truth a moment ago."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
import redis

from kalbot.common import clock
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.signing import Signer
from markets.prices import PriceReader
from markets.streaming.assembly import make_session, price_connection
from markets.streaming.loop import Stream
from markets.streaming.output.notifier import Notifier
from markets.streaming.watchlist_reader import WatchlistReader
from tests.markets.live_exchange import wait_for
from tests.markets.test_stream import Kept
from tests.simulator.served import Served

MAX_AGE_MS = 1_000
SLACK_MS = 500
MARKETS = 6
FAULTS = (("drop", 0.05), ("duplicate", 0.1), ("gap", 0.03))


class Checker:
    """Reads every book as fast as it can. ``over``: (market, count) -> when the twin had another one."""

    def __init__(self, tickers: list[str]) -> None:
        self.tickers = tickers
        self.over: dict[tuple[str, int], float] = {}
        self.violations: list[str] = []
        self.sound = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        reader = PriceReader()
        while not self.stop.is_set():
            event, now = reader.events(["EVENT"])["EVENT"], clock.now_ms()
            for ticker in self.tickers:
                if event.usable([ticker], MAX_AGE_MS, now) is not None:
                    continue
                depth = event.markets[ticker].depth
                count = dict(depth.yes_bids)[4000] if depth else 0
                late = now - self.over.get((ticker, count), now)
                self.sound += 1
                if late > MAX_AGE_MS + SLACK_MS:
                    self.violations.append(f"{ticker}: {count} was over {late:.0f} ms ago")
            time.sleep(0.002)


@pytest.mark.slow
def test_no_stale_book_is_ever_read_as_live_whatever_the_twin_does(tmp_path: Path, redis_db: redis.Redis) -> None:
    twin = Served(tmp_path, "--still", "--no-rate-limits", "--seed", "7", "--port", "0")
    environment = from_settings(twin.ready["rest"], twin.ready["ws"])
    signer = Signer.from_file(twin.ready["key_id"], Path(twin.ready["credentials"]) / "private_key.pem")
    pick = random.Random(3)
    counts: dict[str, int] = {}
    with KalshiClient(environment) as public:
        listed = [m for page in public.catalogue.events() for event in page.events for m in event.markets]
        tickers = [m.ticker for m in listed if m.price_level_structure == "linear_cent"][:MARKETS]
        checker = Checker(tickers)

        def move(ticker: str) -> None:
            before = counts.get(ticker, 1_000)
            counts[ticker] = before + 100
            levels = {"yes": [["0.4000", f"{counts[ticker] / 100:.2f}"]], "no": [["0.5500", "10.00"]]}
            twin.control("market/book", ticker=ticker, freeze=True, **levels)
            checker.over[ticker, before] = clock.now_ms()

        for ticker in tickers:
            move(ticker)
        watchlist = WatchlistReader(price_connection(), 1000)
        watchlist.current = {"EVENT": dict.fromkeys(tickers, "active")}
        notifier = Notifier(send=lambda *message: None)
        stream = Stream(lambda: make_session(environment, signer), price_connection(), watchlist, Kept(), notifier)
        thread = threading.Thread(target=stream.run, daemon=True)
        thread.start()
        try:
            wait_for(lambda: checker.sound > 0, 10)
            for kind, rate in FAULTS:
                twin.control("faults", kind=kind, channel="orderbook_delta", rate=rate, count=0)
            for step in range(600):
                move(pick.choice(tickers))
                if step in (150, 450):
                    twin.control("overflow", channel="orderbook_delta")
                if step == 300:
                    twin.control("disconnect", abrupt=True)
                time.sleep(0.01)
            twin.http.delete(f"{twin.url}/twin/faults", timeout=5)
            for ticker in tickers:
                move(ticker)  # the last lost frame shows itself with the next
            wait_for(lambda: _agree(public, tickers), 15)
        finally:
            checker.stop.set()
            stream.stop()
            thread.join(5)
            twin.stop()
    assert checker.violations == []
    assert checker.sound > 500
    assert stream.metrics.gaps > 5
    assert stream.metrics.connects == 2
    assert stream.books.suspected > 5


def _agree(public: KalshiClient, tickers: list[str]) -> bool:
    event = PriceReader().events(["EVENT"])["EVENT"]
    if event.usable(tickers, MAX_AGE_MS, clock.now_ms()) is not None:
        return False
    theirs = public.catalogue.orderbooks(tickers)
    ours = {ticker: event.markets[ticker].depth for ticker in tickers}
    return all((d.yes_bids, d.no_bids) == (theirs[t].yes, theirs[t].no) for t, d in ours.items() if d is not None)
