"""Harnesses that make their own world: the simulated exchange behind the real client, and paper."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import time_machine

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets.fees import FeeSchedule
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.signing import Signer
from markets.models import Market, Series
from simulator.accounts.auth import KeyRing, load_or_create
from simulator.errors import RequestTimedOut
from simulator.listing import lifecycle
from simulator.rest.app import handle
from tests.trading import world
from tests.trading.twin import NoLimit, Twin, TwinSession
from trading.accounting.fill_reports import FillReport
from trading.models import Order, PaperOrder
from trading.venues.live import LiveVenue
from trading.venues.paper import PaperVenue

from .harness import ASKS, BIDS, Levels, Scene, position_for

MAKER_SERIES = "quadratic_with_maker_fees"


class SignedSession(TwinSession):
    """Passes the client's headers on, so that the exchange checks every signature, and keeps the bodies that left."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        parts, body = urlsplit(request.url or ""), request.body
        self.sent.append((request.method or "", parts.path, msgspec.json.decode(body) if body else None))
        try:
            status, answer = handle(
                self.exchange, request.method or "", parts.path, parts.query, dict(request.headers), body
            )
        except RequestTimedOut as error:
            raise requests.exceptions.ReadTimeout(str(error)) from error
        response = requests.Response()
        response.status_code = status
        response.raw = BytesIO(b"" if answer is None else msgspec.json.encode(answer))
        return response


class LiveHarness:
    """The live venue, the real client with a real key, and the simulated exchange; only the socket is missing."""

    name = "live"

    def __init__(self, folder: Path, traveller: time_machine.Traveller) -> None:
        self.traveller = traveller
        self.key, _ = load_or_create(folder)
        self.signer = Signer.from_file(self.key.key_id, folder / "private_key.pem")
        self.twin = Twin()
        self.twin.exchange.keys = KeyRing({self.key.key_id: self.key})
        self.twin.exchange.series["KXT"].fee_type = MAKER_SERIES
        Series.objects.filter(ticker="KXT").update(fee_type=MAKER_SERIES)
        self.fees = FeeSchedule(MAKER_SERIES)
        self.profile = world.add_profile("live", mode="live")
        self.twin.session.close()
        self.twin.session = SignedSession(self.twin.exchange)
        self.venue = LiveVenue(self.client(self.signer))
        self.exchange = self.twin.exchange
        self.position: Any = None

    def client(self, signer: Signer) -> KalshiClient:
        made = self.twin.client()
        return KalshiClient(made.environment, signer, NoLimit(), self.twin.session, clock=clock.now_ms)

    def scene(self, bids: Levels = BIDS, asks: Levels = ASKS) -> Scene:
        ticker = self.twin.add_market(bids, asks)
        self.position = self.position or position_for(self.profile, self.twin.row, ticker)
        return Scene(ticker, self.position, bids, asks, self.fees)

    def held(self, scene: Scene) -> int:
        return self.exchange.ledger.position(0, scene.ticker)

    def cash(self) -> int | None:
        return self.twin.cash()

    def elapse(self, seconds: float) -> None:
        self.traveller.shift(seconds)

    def catch_up(self) -> None: ...

    def fills(self, order: Order, count: int) -> list[FillReport]:
        return self.venue.fills(order)

    # ---- a world of one's own

    def offer(self, scene: Scene, side: str, price: int, count: int) -> None:
        """Somebody sells ``side`` at ``price``."""
        yes = side == "yes"
        self.twin.quote(
            scene.ticker, "ask" if yes else "bid", price if yes else DOLLAR_PRICE - price, count, rest=False
        )

    def pause(self, scene: Scene) -> None:
        lifecycle.pause(self.exchange, self.exchange.markets[scene.ticker])

    def close(self, scene: Scene) -> None:
        lifecycle.set_close(self.exchange, self.exchange.markets[scene.ticker], self.exchange.now())
        self.exchange.advance()


class PaperHarness:
    """The paper venue over books in a real Redis."""

    name = "paper"

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self.traveller = traveller
        self.venue = PaperVenue()
        self.profile = world.add_profile("paper")
        self.fees = FeeSchedule(MAKER_SERIES)
        self.books: dict[str, tuple[Levels, Levels, str]] = {}

    def scene(self, bids: Levels = BIDS, asks: Levels = ASKS) -> Scene:
        event = world.add_event(f"KXP-{len(self.books)}", outcomes=1)
        type(event.series).objects.update(fee_type=MAKER_SERIES)
        event.series.refresh_from_db()
        ticker = f"{event.ticker}-0"
        scene = Scene(ticker, position_for(self.profile, event, ticker), bids, asks, self.fees)
        self.publish(ticker, bids, asks, "active")
        return scene

    def publish(self, ticker: str, bids: Levels, asks: Levels, status: str, **more: Any) -> None:
        self.books[ticker] = (bids, asks, status)
        no_bids = tuple((DOLLAR_PRICE - price, count) for price, count in asks)
        world.publish(ticker[:-2], {ticker: (bids, no_bids)}, statuses={ticker: status}, **more)

    def held(self, scene: Scene) -> int:
        total = 0
        for paper in PaperOrder.objects.filter(market_id=scene.ticker):
            sign = (1 if paper.action == "buy" else -1) * (1 if paper.side == "yes" else -1)
            total += sign * paper.filled_count
        return total

    def cash(self) -> int | None:
        return None

    def elapse(self, seconds: float) -> None:
        self.traveller.shift(seconds)
        for ticker, book in self.books.items():
            self.publish(ticker, *book)

    def catch_up(self) -> None: ...

    def fills(self, order: Order, count: int) -> list[FillReport]:
        return self.venue.fills(order)

    # ---- a world of one's own

    def offer(self, scene: Scene, side: str, price: int, count: int) -> None:
        """Somebody sells ``side`` at ``price``: the book of the stream shows it."""
        bids, asks, status = self.books[scene.ticker]
        if side == "yes":
            bids, asks = tuple(x for x in bids if x[0] < price), ((price, count), *asks)
        else:
            bids, asks = ((DOLLAR_PRICE - price, count), *bids), tuple(x for x in asks if x[0] > DOLLAR_PRICE - price)
        self.publish(scene.ticker, bids, asks, status)

    def pause(self, scene: Scene) -> None:
        self._status(scene, "inactive")

    def close(self, scene: Scene) -> None:
        self._status(scene, "closed")
        Market.objects.filter(ticker=scene.ticker).update(status="closed", close_time=clock.now())

    def _status(self, scene: Scene, status: str) -> None:
        bids, asks, _ = self.books[scene.ticker]
        self.publish(scene.ticker, bids, asks, status)
