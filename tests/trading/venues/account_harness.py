"""A harness on an exchange that runs by itself: markets are found there, books are what they are, reads lag.

``bin/test --demo`` runs it on Kalshi's demo; the normal run runs it over a socket on the simulated exchange, so that
the way to the demo is known to work before anybody has a key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from kalbot.common import clock
from markets.fees import FeeSchedule, resolve
from markets.kalshi.environment import Environment
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Market as ListedMarket
from markets.kalshi.signing import Signer
from markets.models import Event, Market, Series
from tests.trading import world
from trading.accounting.fill_reports import FillReport
from trading.models import Order
from trading.venues.live import LiveVenue

from .harness import CENT, Levels, Scene, position_for

PATIENCE_S = 10.0
SMALL = 5_000
"""Cases take whole levels: of at most 50 contracts."""
HIGHEST_PRICE = 7_000
PAGES = 3


class NoMarket(Exception):
    """The exchange has no market that a case could be run on."""


def candidates(client: KalshiClient) -> Iterator[ListedMarket]:
    """Open markets in whole cents with a small offer that is neither nearly sure nor nearly impossible."""
    pages = client.catalogue.markets("open", mve_filter="exclude", max_pages=PAGES + 1)
    for _, page in zip(range(PAGES), pages, strict=False):
        for market in page.markets:
            bid, ask = market.yes_bid, market.yes_ask
            if (
                market.price_level_structure == "linear_cent"
                and bid is not None
                and ask is not None
                and 3 * CENT <= bid < ask <= HIGHEST_PRICE
                and 0 < market.yes_ask_size <= SMALL
            ):
                yield market


class AccountHarness:
    """The live venue with a key of its own on whatever exchange ``client`` talks to."""

    name = "demo"

    def __init__(self, client: KalshiClient, environment: Environment, signer: Signer, found: Iterator[ListedMarket]):
        self.exchange_client, self.environment, self.signer, self.found = client, environment, signer, found
        self.venue = LiveVenue(client)
        self.profile = world.add_profile("account", mode="live")

    def client(self, signer: Signer) -> KalshiClient:
        return KalshiClient(self.environment, signer)

    def scene(self, bids: Levels = (), asks: Levels = ()) -> Scene:
        client = self.exchange_client
        for market in self.found:
            book = client.catalogue.orderbook(market.ticker)
            asks = tuple((10_000 - price, count) for price, count in book.no)
            untouched = not list(client.portfolio.positions(ticker=market.ticker))
            if untouched and book.yes and asks and asks[0][1] <= SMALL and asks[0][1] >= 300 and book.yes[0][1] >= 300:
                return Scene(market.ticker, self._rows(market), tuple(book.yes), asks, self._fees(market))
        raise NoMarket("no open market in whole cents has 3 to 50 contracts on offer and a bid")

    def held(self, scene: Scene) -> int:
        self.catch_up()
        return sum(p.position for p in self.exchange_client.portfolio.positions(ticker=scene.ticker))

    def cash(self) -> int | None:
        return None

    def elapse(self, seconds: float) -> None:
        time.sleep(seconds)

    def catch_up(self) -> None:
        """Wait until reads show everything up to now, by the exchange's own word."""
        now, end = clock.now_ms() + (self.exchange_client.clock_skew_ms or 0), time.monotonic() + PATIENCE_S
        while self.exchange_client.exchange.user_data_time().timestamp() * 1000 < now and time.monotonic() < end:
            time.sleep(0.25)

    def fills(self, order: Order, count: int) -> list[FillReport]:
        self.catch_up()
        return self.venue.fills(order)

    def _fees(self, market: ListedMarket) -> FeeSchedule:
        event = self.exchange_client.catalogue.event(market.event_ticker)
        series = self.exchange_client.catalogue.series(event.series_ticker)
        override = event.fee_multiplier_override
        return resolve(
            series.fee_type,
            int(series.fee_multiplier * 1_000_000),
            event.fee_type_override,
            None if override is None else int(override * 1_000_000),
        )

    def _rows(self, market: ListedMarket) -> Any:
        Series.objects.get_or_create(ticker="KXFOUND", defaults={"category": "found"})
        event, _ = Event.objects.get_or_create(
            ticker=market.event_ticker, defaults={"series_id": "KXFOUND", "title": market.event_ticker}
        )
        columns = {
            "status": "active",
            "close_time": market.close_time,
            "price_bands": [[band.start, band.end, band.step] for band in market.price_bands],
            "exchange_index": market.exchange_index,
        }
        Market.objects.get_or_create(ticker=market.ticker, event=event, defaults=columns)
        open_one = event.positions.filter(profile=self.profile).first()
        return open_one or position_for(self.profile, event, market.ticker)
