"""Two matchings that were written apart, the simulated exchange's and the backtest's, give the same fills on the same schedules.

A schedule of jumping books runs on two copies of one exchange. On the first our orders are real; the second one's frames, which know
nothing of our orders, are the tape of the replay. What the exchange filled, the replay's venue has to fill, with the same fees.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from backtest.replay.books import ReplayBooks, ReplayPrices
from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets import prices
from markets.kalshi.ws.frames import BookDelta, BookSnapshot
from markets.kalshi.ws.intake import Intake
from simulator.control import actions
from simulator.ws.commands import receive
from tests.trading import world
from tests.trading.twin import Twin
from trading.venues.replay import Latency, ReplayVenue

from .harness import ASKS, BIDS, Scene, position_for, row, trades
from .own_harness import MAKER_SERIES, LiveHarness

SHAPES = ("random", "random", "low", "high", "vanish")
"""Those that put whole new books in the place of the old, whatever was taken from them."""
COUNTS = (1, 37, 100, 250, 1_000, 5_000)


class Tape:
    """The second copy of the exchange and the books that its frames make."""

    def __init__(self, event: str) -> None:
        self.twin, self.books, self.intake = Twin(event), ReplayBooks(), Intake()
        self.ticker = self.twin.add_market(BIDS, ASKS)
        self.books.start_epoch("epoch")
        self.books.watch(event, {self.ticker: "active"})
        self.session = self.twin.exchange.hub.connect()
        params = {"channels": ["orderbook_delta"], "market_tickers": [self.ticker], "use_yes_price": False}
        receive(self.session, json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
        self.prices = ReplayPrices(self.books)
        self.prices.epochs[event] = "epoch"
        self.follow()

    def follow(self) -> None:
        self.twin.exchange.commit()
        for frame in self.intake.feed(self.session.take()):
            if isinstance(frame, BookSnapshot):
                self.books.snapshot(frame, clock.now_ms())
            elif isinstance(frame, BookDelta):
                self.books.delta(frame, clock.now_ms())
        self.prices.alive["epoch"] = clock.now_ms() * 1_000_000


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("key")


@pytest.fixture
def traveller() -> Iterator[Any]:
    with time_machine.travel(clock.now(), tick=True) as moved:
        yield moved


@pytest.fixture(autouse=True)
def _world(redis_db: object, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()


def near(rng: random.Random, scene_book: Any, side: str) -> int:
    """A limit within some ticks of the present best offer of a side, in the side's own price."""
    best = scene_book.best_ask() if side == "yes" else DOLLAR_PRICE - scene_book.best_bid()
    return int(min(max(100, best + rng.randint(-2, 8) * 100), 9_900))


@pytest.mark.parametrize("seed", range(10))
def test_the_replays_venue_fills_what_the_exchange_fills(seed: int, credentials: Path, traveller: Any) -> None:
    rng = random.Random(seed)
    real = LiveHarness(credentials, traveller)
    scene = real.scene()
    tape = Tape(real.twin.event)
    assert tape.ticker == scene.ticker
    position = position_for(world.add_profile("replayed"), real.twin.row, scene.ticker)
    replayed = Scene(scene.ticker, position, BIDS, ASKS, scene.fees)
    venue = ReplayVenue(tape.books, Latency.parse("0"), seed)
    tape.twin.exchange.series["KXT"].fee_type = MAKER_SERIES
    filled = 0
    with prices.use(tape.prices):
        for _ in range(15):
            shape = rng.choice(SHAPES)
            for exchange in (real.exchange, tape.twin.exchange):
                actions.perform(exchange, "jump", {"ticker": scene.ticker, "shape": shape})
            tape.follow()
            for _ in range(rng.randint(1, 3)):
                book = real.exchange.books[scene.ticker]
                if book.best_bid() is None or book.best_ask() is None:
                    break  # a book with an empty side is no price to paper and replay: they refuse
                side, count = rng.choice(("yes", "no")), rng.choice(COUNTS)
                price = near(rng, book, side)
                orders = [row(one, "buy", side, price, count) for one in (scene, replayed)]
                acks = [real.venue.create(orders[0]), venue.create(orders[1])]
                assert acks[0].fill_count == acks[1].fill_count, (shape, side, price, count)
                orders[0].exchange_order_id = acks[0].exchange_order_id
                fills = [real.venue.fills(orders[0]), venue.fills(orders[1])]
                assert trades(fills[0]) == trades(fills[1]), (shape, side, price, count)
                assert sum(fill.fee for fill in fills[0]) == sum(fill.fee for fill in fills[1])
                filled += acks[0].fill_count
    assert filled > 0
    assert tape.intake.tally.rejected == 0
