"""The simulated exchange in this process, behind the real client: only the socket is missing.

The books that trading reads in Redis are the twin's own at the moment of ``sync``, so a test can make them differ.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from kalbot.common import clock
from kalbot.common.units import DOLLAR, DOLLAR_PRICE
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.signing import Signer
from markets.kalshi.token_buckets import Limiter
from markets.kalshi.ws.frames import FillFrame
from markets.kalshi.ws.intake import Intake
from markets.models import Certificate, Market, Series
from markets.models import Event as EventRow
from markets.streaming.output.inbox import Message, store
from markets.streaming.output.messages import to_message
from markets.terms.states import listed_states
from simulator.accounts.records import Fill
from simulator.accounts.records import Order as TwinOrder
from simulator.clock import ManualClock, RealClock
from simulator.config import SimulatorConfig
from simulator.errors import RequestTimedOut
from simulator.exchange import Exchange
from simulator.listing import lifecycle, model
from simulator.matching.engine import execute_market_maker
from simulator.rest.app import handle
from simulator.ws.frames import fill as fill_body
from simulator.ws.frames import order as order_body
from tests.trading import world

SIGNED_AT = "KALSHI-ACCESS-TIMESTAMP"
BASE = "http://twin.invalid/trade-api/v2"
LINEAR_CENT = [[0, 10_000, 100]]


class OurClock(RealClock):
    """The exchange's clock is the product's, also where a test slows that one down: else a slow test meets a skewed clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never steps back."""
        self._last = max(self._last, clock.now_ms())
        return self._last


class NoLimit:
    """The account's token buckets are the twin's business here."""

    def acquire(self, *args: Any, **kwargs: Any) -> None: ...

    def update(self, limits: Any) -> None: ...

    def refused(self, *args: Any) -> None:
        """Nothing to count."""

    def available(self, *args: Any) -> int:
        return 10**6


class Unsigned:
    """The twin has no keys, so nobody checks more than the time of signing."""

    key_id = "test"

    def headers(self, method: str, path: str, at_ms: int) -> dict[str, str]:
        return {SIGNED_AT: str(at_ms)}


class TwinSession(requests.Session):
    """Answers requests by calling the exchange. ``on_request`` may inspect or break each one."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self.exchange = exchange
        self.sent: list[tuple[str, str, Any]] = []
        self.ahead: timedelta | None = timedelta()
        """How far the clock that its answers show is ahead of ours; None: they show none."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        body = request.body
        self.sent.append((request.method or "", parts.path, msgspec.json.decode(body) if body else None))
        try:
            status, answer = handle(self.exchange, request.method or "", parts.path, parts.query, {}, body)
        except RequestTimedOut as error:
            raise requests.exceptions.ReadTimeout(str(error)) from error
        response = requests.Response()
        response.status_code = status
        if self.ahead is not None:
            response.headers["Date"] = format_datetime(clock.from_ms(self.exchange.now()) + self.ahead, usegmt=True)
        content = b"" if answer is None else (answer if isinstance(answer, bytes) else msgspec.json.encode(answer))
        response.raw = BytesIO(content)
        return response


class Twin:
    """One event on an exchange whose clock is ours, with what the catalogue and the stream would have made of it."""

    def __init__(
        self,
        event: str = "KXT-1",
        shard: int = 0,
        manual: bool = False,
        beside: Twin | None = None,
        **config: Any,
    ) -> None:
        """``beside``: another event on the exchange of that twin, on the same account."""
        if beside is None:
            defaults = {"still": True, "rate_limits": False, "roll": False, "settlement_timer_s": 0}
            self.exchange = Exchange(
                SimulatorConfig(**(defaults | config)), ManualClock(clock.now_ms()) if manual else OurClock()
            )
            self.exchange.open_accounts()
        else:
            self.exchange = beside.exchange
        self.event, self.shard = event, shard
        self.markets: list[str] = []
        self.session: TwinSession = TwinSession(self.exchange) if beside is None else beside.session
        self.seen_fills = 0
        self._list_event()

    def client(self, limiter: Limiter | None = None, signer: Signer | None = None) -> KalshiClient:
        """The real client, talking to this exchange. ``signer``: where signing itself matters."""
        return KalshiClient(
            from_settings(BASE, "ws://twin.invalid/trade-api/ws/v2"),
            signer or Unsigned(),  # type: ignore[arg-type]
            limiter or NoLimit(),
            self.session,
            clock=clock.now_ms,
        )

    def add_market(self, bids: world.Levels, asks: world.Levels, *, no_position: bool = True) -> str:
        """List an outcome with YES bids and YES asks (price, count), and its catalogue row."""
        ticker, now = f"{self.event}-{len(self.markets)}", self.exchange.now()
        close = now + 2 * 86_400_000
        market = model.Market(
            ticker=ticker,
            event_ticker=self.event,
            series_ticker="KXT",
            market_id=ticker,
            shard=self.shard,
            title=ticker,
            yes_sub_title=ticker,
            no_sub_title=ticker,
            strike_type="custom",
            floor_strike=None,
            cap_strike=None,
            custom_strike=None,
            rules_primary="",
            rules_secondary="",
            created_ms=now,
            updated_ms=now,
            open_ms=now,
            close_ms=close,
            expected_ms=close,
            latest_ms=close,
            settlement_timer_s=0,
            status="active",
            price_level_structure="linear_cent",
            ranges=LINEAR_CENT,
            volume=0,
            volume_24h=0,
            open_interest=0,
            dollar_volume=0,
            last_price=0,
            quote_bid=0,
            quote_ask=10_000,
            quote_size=100,
            quoted=False,
            anchor=0.3,
        )
        self.exchange.add_market(market, list(bids), list(asks))
        market.settlement_timer_s = 0
        self.exchange.events[self.event].markets.append(ticker)
        self.markets.append(ticker)
        Certificate.objects.filter(event_id=self.event).update(
            states=listed_states(self.markets, certified=True).to_json()
        )
        Market.objects.update_or_create(
            ticker=ticker,
            defaults={
                "event_id": self.event,
                "status": "active",
                "close_time": clock.from_ms(close),
                "price_bands": LINEAR_CENT,
                "exchange_index": self.shard,
            },
        )
        return ticker

    def _list_event(self) -> None:
        now = self.exchange.now()
        self.exchange.series["KXT"] = model.Series(
            ticker="KXT",
            title="Test",
            category="Sports",
            tags=[],
            frequency="daily",
            fee_type="quadratic",
            fee_multiplier=10_000,
            settlement_sources=[],
            shard=self.shard,
            updated_ms=now,
        )
        self.exchange.events[self.event] = model.Event(
            ticker=self.event,
            series_ticker="KXT",
            title=self.event,
            sub_title="",
            category="Sports",
            mutually_exclusive=True,
            collateral_return_type="MECNET",
            strike_ms=None,
            strike_period=None,
            shard=self.shard,
            markets=[],
            updated_ms=now,
            life_ms=86_400_000,
        )
        Series.objects.get_or_create(ticker="KXT", defaults={"category": "Sports", "fee_type": "quadratic"})
        row, made = EventRow.objects.get_or_create(
            ticker=self.event,
            defaults={
                "series_id": "KXT",
                "mutually_exclusive": True,
                "rules_hash": "rules",
                "exchange_index": self.shard,
            },
        )
        if made:
            world.certify(row, [f"{self.event}-0"])
        self.row = row

    # ---- what the stream does

    def books(self) -> dict[str, tuple[world.Levels, world.Levels]]:
        """The twin's books as the stream would write them."""
        found: dict[str, tuple[world.Levels, world.Levels]] = {}
        for ticker in self.markets:
            book = self.exchange.books[ticker]
            found[ticker] = (tuple(reversed(book.yes_levels())), tuple(reversed(book.no_levels())))
        return found

    def sync(self) -> None:
        """Write the present books to Redis."""
        world.publish(self.event, self.books(), statuses={t: self.exchange.markets[t].status for t in self.markets})

    def send_fills(self) -> int:
        """Put the fills that happened since the last call into the inbox, as the stream would."""
        new = self.exchange.ledger.fills[self.seen_fills :]
        self.seen_fills += len(new)
        store([fill_message(fill) for fill in new])
        return len(new)

    def send_order(self, order_id: str) -> None:
        """Put how one of our orders is now into the inbox, as the stream would."""
        body = order_body(self.exchange, self.exchange.ledger.orders[order_id])
        (frame,) = Intake().feed([b'{"type":"user_order","sid":1,"msg":' + body + b"}"])
        store([to_message(frame, epoch="", receive_ms=clock.now_ms())])  # type: ignore[arg-type]  # an order's frame

    # ---- what other people do

    def quote(self, ticker: str, side: str, price: int, count: int, *, rest: bool = True) -> None:
        """Somebody else sends an order (bid or ask, YES price); it trades with what it crosses, ours too, then rests."""
        execute_market_maker(self.exchange, self.exchange.markets[ticker], side, price, count, rest)

    def cancel_makers(self, ticker: str, side: str) -> None:
        """Everybody else takes their orders of one side away."""
        book = self.exchange.books[ticker]
        for order in list(book.orders(side)):
            if not isinstance(order, TwinOrder):
                book.remove(order)

    # ---- the end of a market

    def finish(self, winner: str | None, value: int | None = None) -> None:
        """Close, determine and finalise every market; ``winner`` pays a dollar (None: nobody), or all pay ``value``."""
        for ticker in self.markets:
            if value is not None:
                self.settle(ticker, "scalar", value)
            else:
                self.settle(ticker, "yes" if ticker == winner else "no")

    def settle(self, ticker: str, result: str, value: int | None = None) -> None:
        """Close, determine and finalise one market; ``value`` of a scalar result."""
        market = self.exchange.markets[ticker]
        pays = (DOLLAR_PRICE if result == "yes" else 0) if value is None else value
        lifecycle.determine(self.exchange, market, result, pays)
        lifecycle.finalize(self.exchange, market)
        Market.objects.filter(ticker=ticker).update(status="closed")

    def correct(self, ticker: str, result: str, value: int | None = None) -> None:
        """The exchange settles one market again, with another result, and the catalogue hears of it."""
        pays = (DOLLAR_PRICE if result == "yes" else 0) if value is None else value
        lifecycle.correct(self.exchange, self.exchange.markets[ticker], result, pays)
        Market.objects.filter(ticker=ticker).update(
            status="finalized", result=result, settlement_value_e6=pays * (DOLLAR // DOLLAR_PRICE)
        )

    # ---- the truth

    def cash(self, *subaccounts: int) -> int:
        """All cash of these subaccounts, of the primary one if none is given, micro-dollars."""
        return sum(amount for (sub, _), amount in self.exchange.ledger.cash.items() if sub in (subaccounts or (0,)))

    def held(self, subaccount: int | None = None) -> dict[str, int]:
        """Signed positions that are not zero, of all subaccounts together or of one."""
        found: Counter[str] = Counter()
        for position in self.exchange.ledger.positions.values():
            if subaccount in (None, position.subaccount):
                found[position.ticker] += position.count
        return {ticker: count for ticker, count in found.items() if count}


def fill_message(fill: Fill) -> Message:
    """A fill of the twin as the stream stores it: from the bytes that the twin's WebSocket sends."""
    (frame,) = Intake().feed([b'{"type":"fill","sid":1,"msg":' + fill_body(fill) + b"}"])
    assert isinstance(frame, FillFrame)
    return to_message(frame, epoch="", receive_ms=fill.created_ms)
