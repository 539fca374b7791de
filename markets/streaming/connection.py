"""One life of the connection: an epoch. Frames in, state and messages out; the loop decides when what is written.

**Proof of life.** Twice a second a harmless command is sent. Frames come in order, so its answer proves that everything the exchange had
sent when the command left has been applied here. The time of *sending* an answered command is therefore how fresh the prices are: a
silent network, a stuck exchange and a backlog in our own socket all make it old.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from kalbot.common.clock import now_ms
from markets.kalshi.errors import Disconnected
from markets.kalshi.ws import frames as f
from markets.kalshi.ws.error_codes import Reaction
from markets.kalshi.ws.session import Session
from markets.streaming.intake import StreamIntake
from markets.streaming.output.inbox import Message
from markets.streaming.output.messages import to_message
from markets.streaming.output.metrics import Figures
from markets.streaming.state.books import Books
from markets.streaming.subscriptions import BOOKS, BookSubscription

log = logging.getLogger(__name__)

BEAT_MS: Final = 500
DEAD_MS: Final = 10_000
"""No answered beat for so long, and the connection is given up."""
ACCOUNT: Final = ("fill", "user_orders")
LIFECYCLE: Final = "market_lifecycle_v2"
TICKER: Final = "ticker"

STATUS_AFTER: Final[dict[str, str]] = {
    "created": "initialized",
    "activated": "active",
    "deactivated": "inactive",
    "determined": "determined",
    "settled": "finalized",
}


class Connection:
    """Applies the frames of one session to ``books`` and hands what must be kept to ``keep``.

    Of several stream processes one is ``whole``: it takes the tickers of all markets and what must become rows. The others take their
    books, and the lifecycle for the markets' status alone.
    """

    def __init__(
        self,
        session: Session,
        books: Books,
        figures: Figures,
        keep: Callable[[Message], None],
        *,
        whole: bool = True,
    ) -> None:
        self.epoch = f"{now_ms()}-{secrets.token_hex(4)}"
        self.intake = session.intake = StreamIntake(books, self._handle)
        self.session = session
        self.books = books
        self.figures = figures
        self.subscription = BookSubscription(session)
        self.alive_ms = 0
        self.lifecycle_gap = False
        """Set when lifecycle messages may have been lost; whoever has the catalogue read again clears it."""
        self.doubtful: list[str] = []
        """Books that another thread found wrong; doubted at the next ``tend``."""
        self._keep = keep
        self._whole = whole
        self._channels: dict[int, str] = {}
        self._followed: Mapping[str, Mapping[str, str]] = {}
        self._beat: tuple[int, int] | None = None
        self._last_beat_ms = 0
        self._apply: Mapping[type, Callable[[Any, int], None]] = {
            f.BookSnapshot: self._snapshot,
            f.FillFrame: self._kept,
            f.UserOrderFrame: self._kept,
            f.LifecycleFrame: self._lifecycle,
            f.EventLifecycleFrame: self._kept,
            f.EventFeeFrame: self._kept,
            f.GapFrame: self._gap,
            f.RejectedFrame: self._rejected,
            f.ErrorFrame: self._error,
            f.Ack: self._ack,
        }

    def open(self) -> None:
        """Connect and subscribe. Raises Unreachable or a Rejected kind."""
        self.session.connect()
        self.books.start_epoch(self.epoch)
        self.session.subscribe([LIFECYCLE])
        if self._whole:
            self.session.subscribe([TICKER])
            self.session.subscribe(list(ACCOUNT))
        self.alive_ms = now_ms()
        self.beat(self.alive_ms)

    def pump(self, timeout: float) -> int:
        """Apply what has come, waiting up to ``timeout`` seconds. Returns the number of frames. Raises Disconnected."""
        before = self.intake.tally.received
        self.session.receive(timeout)  # the intake applies every frame at its place
        count = self.intake.tally.received - before
        self.figures.messages += count
        return count

    def tend(self, wanted: Mapping[str, Mapping[str, str]], at: int) -> None:
        """What has to be done now and then: follow the wishes, repair, prove life. Raises Disconnected."""
        self._follow(wanted)
        while self.doubtful:
            self.books.doubt((self.doubtful.pop(),))
        self.subscription.adjust(self.books.markets.keys(), at)
        self.books.check_crossed(at)
        if self.books.repair:
            self.subscription.repair(self.books.repair, at)
        self.beat(at)
        if at - self.alive_ms > DEAD_MS:
            raise Disconnected(f"no proof of life for {at - self.alive_ms} ms")

    def beat(self, at: int) -> None:
        """Send the next proof of life when it is time and the last one was answered."""
        if self._beat is None and at - self._last_beat_ms >= BEAT_MS:
            self._last_beat_ms = at
            self._beat = (self.session.list_subscriptions(), at)

    def close(self) -> None:
        self.session.close()

    def _follow(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        if wanted is self._followed:
            return
        before, self._followed = self._followed, wanted
        for event in [event for event in self.books.events if event not in wanted]:
            self.books.unwatch(event)
        for event, statuses in wanted.items():
            known = before.get(event)
            if known != statuses:
                self.books.watch(event, statuses)
                for ticker, status in statuses.items():
                    if known is None or known.get(ticker) != status:  # the catalogue learnt it since
                        self.books.set_status(ticker, status)

    def _handle(self, frame: f.Frame, at: int) -> None:
        handler = self._apply.get(type(frame))
        if handler is not None:
            handler(frame, at)

    # -- frames ----------------------------------------------------------------------------------------------------

    def _snapshot(self, frame: f.BookSnapshot, at: int) -> None:
        self.subscription.arrived(frame.market_ticker)
        self.books.snapshot(frame, at)

    def _kept(self, frame: Any, at: int) -> None:
        if self._whole:
            self._keep(to_message(frame, self.epoch, at))

    def _lifecycle(self, frame: f.LifecycleFrame, at: int) -> None:
        status = STATUS_AFTER.get(str(frame.event_type))
        if status is not None:
            self.books.set_status(frame.market_ticker, status)
        if frame.price_bands is not None:
            self.books.doubt(
                (frame.market_ticker,)
            )  # another grid: take the book anew rather than trust the old levels
        self._kept(frame, at)

    def _gap(self, frame: f.GapFrame, at: int) -> None:
        self.figures.gaps += 1
        channel = self._channels.get(frame.sid)
        if channel == BOOKS:
            log.warning("gap on the books before number %s (%s)", frame.got, frame.reason)
            self.books.doubt(list(self.subscription.markets))
        elif channel == LIFECYCLE and self._whole:
            self.lifecycle_gap = True

    def _rejected(self, frame: f.RejectedFrame, at: int) -> None:
        self.figures.rejected += 1
        log.warning("refused a %s frame: %s: %s", frame.type, frame.reason, frame.sample[:200])
        if frame.type in ("orderbook_delta", "orderbook_snapshot") and frame.market_ticker:
            self.books.doubt((frame.market_ticker,))

    def _error(self, frame: f.ErrorFrame, at: int) -> None:
        log.warning("the exchange complains: %s %s (%s)", frame.code, frame.message, frame.reaction)
        if frame.reaction is Reaction.RECONNECT:
            raise Disconnected(f"error {frame.code}: {frame.message}")
        if self._beat is not None and frame.id == self._beat[0]:
            self._beat = None
            return
        if frame.reaction is Reaction.RESUBSCRIBE:
            if self._channels.get(frame.sid or 0, BOOKS) != BOOKS:
                raise Disconnected(f"subscription {frame.sid} ended: {frame.code} {frame.message}")
            self.books.doubt(list(self.subscription.markets))
        self.subscription.on_error(frame, at)

    def _ack(self, frame: f.Ack, at: int) -> None:
        if frame.kind == "subscribed" and frame.sid is not None and frame.channel is not None:
            self._channels[frame.sid] = frame.channel
        if self._beat is not None and frame.id == self._beat[0]:
            self.alive_ms = self._beat[1]
            self.figures.lag_ms = at - self._beat[1]
            self._beat = None
