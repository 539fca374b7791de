"""Who has subscribed to what, and the fan-out of everything that happens to them."""

from __future__ import annotations

from collections.abc import Callable

from simulator.accounts.records import Fill, Group, Order, Position
from simulator.core import ExchangeCore
from simulator.listing.model import Event, Market
from simulator.matching.book import Resting

from . import frames
from .channels import CHANNELS
from .session import Session, Subscription


class Hub:
    """All sessions of an exchange and the index from channel and market to subscriptions."""

    def __init__(self, exchange: ExchangeCore) -> None:
        self.exchange = exchange
        self.sessions: list[Session] = []
        self.channels: dict[str, list[Subscription]] = {name: [] for name in CHANNELS}
        """Subscriptions without a market filter."""
        self.markets: dict[str, dict[str, list[Subscription]]] = {name: {} for name in CHANNELS}
        self.frames_sent = 0

    # ---- sessions

    def connect(self, wake: Callable[[], None] | None = None) -> Session:
        """A new connection; ``wake`` is called when frames wait in it."""
        session = Session(self.exchange, self, wake)
        self.sessions.append(session)
        return session

    def disconnect(self, code: int) -> int:
        """Close every connection; returns how many there were."""
        open_sessions = list(self.sessions)
        for session in open_sessions:
            session.close(code)
        return len(open_sessions)

    # ---- index

    def join(self, subscription: Subscription, tickers: list[str]) -> None:
        """Index a subscription: for all markets if it has no filter, else for ``tickers``."""
        if subscription.tickers is None:
            self.channels[subscription.channel].append(subscription)
        index = self.markets[subscription.channel]
        for ticker in tickers:
            index.setdefault(ticker, []).append(subscription)

    def leave(self, subscription: Subscription, tickers: list[str]) -> None:
        index = self.markets[subscription.channel]
        for ticker in tickers:
            listed = index.get(ticker, [])
            if subscription in listed:
                listed.remove(subscription)
            if not listed:
                index.pop(ticker, None)

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription altogether."""
        if subscription.tickers is None:
            self.channels[subscription.channel].remove(subscription)
        else:
            self.leave(subscription, list(subscription.tickers))

    def forget(self, ticker: str) -> None:
        """A market was delisted."""
        for index in self.markets.values():
            for subscription in index.pop(ticker, []):
                if subscription.tickers is not None:
                    subscription.tickers.pop(ticker, None)

    def listeners(self, channel: str, ticker: str) -> list[Subscription]:
        filtered = self.markets[channel].get(ticker)
        everything = self.channels[channel]
        return everything + filtered if filtered else everything

    # ---- publishing

    def ticker(self, market: Market) -> None:
        listeners = self.listeners("ticker", market.ticker)
        if listeners:
            body = frames.ticker(market, self.exchange.books[market.ticker], self.exchange.now())
            for subscription in listeners:
                subscription.send("ticker", body, market.ticker)

    def delta(self, market: Market, side: str, price: int, change: int, order: Resting | None) -> None:
        listeners = self.markets["orderbook_delta"].get(market.ticker)
        if not listeners:
            return
        now = self.exchange.now()
        bodies: dict[bool, bytes] = {}
        for subscription in list(listeners):
            body = bodies.get(subscription.yes_price)
            if body is None:
                body = bodies[subscription.yes_price] = frames.delta(
                    market, side, price, change, subscription.yes_price, order, now
                )
            subscription.send("orderbook_delta", body, market.ticker)

    def trade(self, market: Market, trade_id: str, price: int, count: int, taker_side: str) -> None:
        listeners = self.listeners("trade", market.ticker)
        if listeners:
            body = frames.trade(market, trade_id, price, count, taker_side, self.exchange.now())
            for subscription in listeners:
                subscription.send("trade", body, market.ticker)

    def fill(self, record: Fill) -> None:
        self._private("fill", "fill", record.ticker, lambda: frames.fill(record))

    def order(self, record: Order) -> None:
        self._private("user_orders", "user_order", record.ticker, lambda: frames.order(self.exchange, record))

    def position(self, record: Position) -> None:
        self._private(
            "market_positions", "market_position", record.ticker, lambda: frames.position(self.exchange, record)
        )

    def lifecycle(self, market: Market, kind: str) -> None:
        self._all("market_lifecycle_v2", "market_lifecycle_v2", frames.lifecycle(market, kind))
        if kind == "created":
            for subscription in self.markets["orderbook_delta"].get(market.ticker, ()):
                subscription.send_snapshot(market.ticker)

    def event_created(self, event: Event) -> None:
        self._all("market_lifecycle_v2", "event_lifecycle", frames.event(event))

    def event_fee(self, event: Event) -> None:
        self._all("market_lifecycle_v2", "event_fee_update", frames.event_fee(event))

    def group(self, group: Group, kind: str) -> None:
        self._all("order_group_updates", "order_group_updates", frames.group(group, kind, self.exchange.now()))

    def _private(self, channel: str, kind: str, ticker: str, body: Callable[[], bytes]) -> None:
        listeners = self.listeners(channel, ticker)
        if listeners:
            built = body()
            for subscription in listeners:
                subscription.send(kind, built, ticker)

    def _all(self, channel: str, kind: str, body: bytes) -> None:
        for subscription in list(self.channels[channel]):
            subscription.send(kind, body, "")
