"""One WebSocket connection without its socket: frames out, sequences per subscription (docs/kalshi-protocol.md 12)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from simulator.core import ExchangeCore

from . import frames
from .channels import SEQUENCED


class Registry(Protocol):
    """The hub as a session sees it."""

    sessions: list[Session]
    frames_sent: int

    def join(self, subscription: Subscription, tickers: list[str]) -> None: ...
    def leave(self, subscription: Subscription, tickers: list[str]) -> None: ...
    def drop(self, subscription: Subscription) -> None: ...


class Subscription:
    """A channel of a session. ``tickers`` None: every market. Sequence numbers start at 1 and count acks too."""

    __slots__ = ("channel", "seq", "sequenced", "session", "sid", "skip_ack", "tickers", "yes_price")

    def __init__(self, session: Session, sid: int, channel: str, tickers: dict[str, None] | None) -> None:
        self.session, self.sid, self.channel, self.tickers = session, sid, channel, tickers
        self.seq = 0
        self.sequenced = channel in SEQUENCED
        self.skip_ack = False
        self.yes_price = False

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def send(self, kind: str, body: bytes, ticker: str, command_id: int | None = None) -> None:
        """Queue one message, unless a fault hits it or the reader is too slow."""
        session = self.session
        exchange = session.exchange
        if exchange.faults.rules:
            fault = exchange.faults.frame(self.channel, ticker, exchange.now())
            if fault and session.inject(self, fault, kind, body, command_id):
                return
        if session.waiting_bytes > exchange.config.buffer_limit_bytes:
            session.overflow(self)
            return
        session.queue(self.frame(kind, body, command_id))

    def frame(self, kind: str, body: bytes, command_id: int | None = None) -> bytes:
        """The envelope around a body; sequenced channels take the next number."""
        head = b'{"type":"%b","sid":%d' % (kind.encode(), self.sid)
        if self.sequenced:
            self.seq += 1
            head += b',"seq":%d' % self.seq
        if command_id:
            head += b',"id":%d' % command_id
        return b'%b,"msg":%b,"sending_ts_ms":%d}' % (head, body, self.session.exchange.now())

    def send_snapshot(self, ticker: str, command_id: int | None = None) -> None:
        """The full book of a market, taking its place in the sequence."""
        market = self.session.exchange.markets.get(ticker)
        if market is not None:
            body = frames.snapshot(market, self.session.exchange.books[ticker], self.yes_price)
            self.send("orderbook_snapshot", body, ticker, command_id)


class Session:
    """One connection of the API user. The socket empties ``out``; ``wake`` is called when frames wait in it."""

    def __init__(self, exchange: ExchangeCore, hub: Registry, wake: Callable[[], None] | None = None) -> None:
        self.exchange, self.hub = exchange, hub
        self.wake = wake
        self.out: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.subscriptions: dict[int, Subscription] = {}
        self.closed = False
        self.close_code = 1000
        self._next_sid = 1
        self.command_times: deque[int] = deque()

    # ---- frames out

    def queue(self, frame: bytes) -> None:
        self.out.append(frame)
        self.waiting_bytes += len(frame)
        self.hub.frames_sent += 1
        if self.wake is not None:
            self.wake()

    def reply(self, body: dict[str, Any]) -> None:
        body["sending_ts_ms"] = self.exchange.now()
        self.queue(msgspec.json.encode(body))

    def take(self, most_bytes: int = 1 << 62) -> list[bytes]:
        """Frames that wait, oldest first, up to about ``most_bytes``."""
        taken: list[bytes] = []
        size = 0
        while self.out and size < most_bytes:
            frame = self.out.popleft()
            size += len(frame)
            taken.append(frame)
        self.waiting_bytes -= size
        return taken

    def error(self, code: int, message: str, command_id: int | None = None, tickers: list[str] | None = None) -> None:
        inner: dict[str, Any] = {"code": code, "msg": message}
        if tickers:
            inner["market_tickers"] = tickers
        body: dict[str, Any] = {"type": "error", "msg": inner}
        if command_id:
            body["id"] = command_id
        self.reply(body)

    # ---- subscriptions

    def open(self, channel: str, tickers: list[str] | None) -> Subscription:
        subscription = Subscription(self, self._next_sid, channel, None if tickers is None else dict.fromkeys(tickers))
        self._next_sid += 1
        self.subscriptions[subscription.sid] = subscription
        self.hub.join(subscription, tickers or [])
        return subscription

    def drop(self, subscription: Subscription) -> None:
        if self.subscriptions.pop(subscription.sid, None) is not None:
            self.hub.drop(subscription)

    def overflow(self, subscription: Subscription) -> None:
        """Error 25 ends the subscription; the client has to subscribe again."""
        self.drop(subscription)
        body: dict[str, Any] = {
            "type": "error",
            "sid": subscription.sid,
            "msg": {"code": 25, "msg": "Subscription buffer overflow"},
        }
        body["seq"] = subscription.next_seq()
        self.reply(body)

    def inject(self, subscription: Subscription, fault: str, kind: str, body: bytes, command_id: int | None) -> bool:
        """Apply a frame fault; True if the frame is dealt with."""
        if fault == "drop":
            subscription.next_seq()
            return True
        if fault == "gap":
            subscription.seq += 3
            return False
        if fault == "duplicate":
            frame = subscription.frame(kind, body, command_id)
            self.queue(frame)
            self.queue(frame)
            return True
        if fault == "overflow":
            self.overflow(subscription)
            return True
        self.close(1011)
        return True

    def close(self, code: int = 1000) -> None:
        """End the session: nothing is queued any more, the socket closes."""
        if self.closed:
            return
        self.closed, self.close_code = True, code
        for subscription in list(self.subscriptions.values()):
            self.drop(subscription)
        if self in self.hub.sessions:
            self.hub.sessions.remove(self)
        if self.wake is not None:
            self.wake()
