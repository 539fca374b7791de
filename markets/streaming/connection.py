"""One life of the connection: an epoch. Frames in, state and messages out; the loop decides what is written when.

**Proof of life.** Twice a second a harmless command is sent. Frames come in order, so its answer proves that everything the exchange had
sent when the command left has been applied here. The time of *sending* an acknowledged command is therefore the age of the prices: a
silent network, a stuck exchange and a backlog in our own socket all make it old.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kalbot.common import clock
from markets.kalshi.errors import Disconnected
from markets.kalshi.vocabulary import LifecycleEvent, MarketStatus
from markets.kalshi.ws import frames
from markets.kalshi.ws.error_codes import Reaction
from markets.kalshi.ws.intake import BOOK_TYPES
from markets.kalshi.ws.session import Session
from markets.streaming.intake import StreamIntake
from markets.streaming.output.inbox import Message
from markets.streaming.output.messages import to_message
from markets.streaming.output.metrics import Metrics
from markets.streaming.state.books import Books
from markets.streaming.state.known import known
from markets.streaming.subscriptions import BOOKS, BookSubscription
from markets.tape.recorder import Recorder

log = logging.getLogger(__name__)

BEAT_MS: Final = 500
DEAD_MS: Final = 10_000
"""Without an acknowledged heartbeat for so long the connection is closed."""
UNREADABLE: Final = 5
"""So many frames of one market that cannot be read, and its book is no longer requested."""
FORGIVEN_MS: Final = 600_000
"""After so long the count begins again."""
REPORTED: Final = 100
"""So many kinds of rejected frames are logged, each once."""
ACCOUNT: Final = ("fill", "user_orders")
LIFECYCLE: Final = "market_lifecycle_v2"
TICKER: Final = "ticker"

STATUS_AFTER: Final[dict[LifecycleEvent, MarketStatus]] = {
    LifecycleEvent.CREATED: MarketStatus.INITIALIZED,
    LifecycleEvent.ACTIVATED: MarketStatus.ACTIVE,
    LifecycleEvent.DEACTIVATED: MarketStatus.INACTIVE,
    LifecycleEvent.DETERMINED: MarketStatus.DETERMINED,
    LifecycleEvent.SETTLED: MarketStatus.FINALIZED,
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
        metrics: Metrics,
        keep: Callable[[Message], None],
        *,
        whole: bool = True,
        recorder: Recorder | None = None,
    ) -> None:
        self.epoch = f"{clock.now_ms()}-{secrets.token_hex(4)}"
        self.intake = session.intake = StreamIntake(books, self._handle, self._record if recorder is not None else None)
        self._recorder = recorder
        self.session = session
        self.books = books
        self.metrics = metrics
        self.subscription = BookSubscription(session)
        self.alive_ms = 0
        self.lifecycle_gap = False
        """Set when lifecycle messages may have been lost; cleared by whoever has the catalogue scanned again."""
        self.divergent: list[str] = []
        """Books that another thread found to differ from REST; marked suspect at the next ``maintain``."""
        self._keep = keep
        self._whole = whole
        self._channels: dict[int, str] = {}
        self._unreadable: dict[tuple[str | None, str], tuple[int, int]] = {}
        """Rejected frames by type and, of those whose book is kept, by market: how many, since when."""
        self._followed: Mapping[str, Mapping[str, str]] = {}
        self._beat: tuple[int, int] | None = None
        self._last_beat_ms = 0
        self._apply: Mapping[type, Callable[[Any, int], None]] = {
            frames.BookSnapshot: self._snapshot,
            frames.FillFrame: self._kept,
            frames.UserOrderFrame: self._kept,
            frames.LifecycleFrame: self._lifecycle,
            frames.EventLifecycleFrame: self._kept,
            frames.EventFeeFrame: self._kept,
            frames.GapFrame: self._gap,
            frames.RejectedFrame: self._rejected,
            frames.ErrorFrame: self._error,
            frames.Ack: self._ack,
        }

    @property
    def clock_skew_ms(self) -> int | None:
        """Our clock minus the exchange's in ms, from the handshake (whole seconds, so coarse)."""
        skew = self.session.skew.skew_ms
        return None if skew is None else -skew

    def open(self) -> None:
        """Connect and subscribe. Raises Unreachable or a Rejected kind."""
        self.session.connect()
        self.books.start_epoch(self.epoch)
        if self._recorder is not None:
            self._recorder.opened(self.epoch)
        self.session.subscribe([LIFECYCLE])
        if self._whole:
            self.session.subscribe([TICKER])
            self.session.subscribe(list(ACCOUNT))
        self.alive_ms = clock.now_ms()
        self.beat(self.alive_ms)

    def pump(self, timeout: float) -> int:
        """Apply what has come, waiting up to ``timeout`` seconds. Returns the number of frames. Raises Disconnected."""
        before = self.intake.tally.received
        self.session.receive(timeout)  # the intake applies every frame at its place
        count = self.intake.tally.received - before
        self.metrics.messages += count
        return count

    def maintain(self, wanted: Mapping[str, Mapping[str, str]], at: int) -> None:
        """Periodic work: follow the watchlist, repair books, send heartbeats. Raises Disconnected."""
        self._follow(wanted)
        while self.divergent:
            self.books.mark_suspect((self.divergent.pop(),))
        self.subscription.adjust(self.books.markets.keys(), at)
        self.books.check_crossed(at)
        if self.books.repair:
            self.subscription.repair(self.books.repair, at)
        self.beat(at)
        if at - self.alive_ms > DEAD_MS:
            raise Disconnected(f"no proof of life for {at - self.alive_ms} ms")

    def beat(self, at: int) -> None:
        """Send the next heartbeat when it is due and the last one was acknowledged."""
        if self._beat is None and at - self._last_beat_ms >= BEAT_MS:
            self._last_beat_ms = at
            self._beat = (self.session.list_subscriptions(), at)

    def close(self) -> None:
        self.session.close()
        if self._recorder is not None:
            self._recorder.closed(self.epoch)

    def _record(self, payloads: Sequence[bytes]) -> None:
        recorder = self._recorder
        if recorder is not None:
            if recorder.has_recovered:
                lives = self.session.sid_of(LIFECYCLE)
                said = known(self.books, self.session.sid_of(BOOKS), lives)
                recorder.known(self.epoch, self.intake.sequence.last(), said)
            recorder.frames(self.epoch, payloads, time.time_ns())

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
                    if known is None or known.get(ticker) != status:  # changed in the catalogue since
                        self.books.set_status(ticker, status)

    def _handle(self, frame: frames.Frame, at: int) -> None:
        handler = self._apply.get(type(frame))
        if handler is not None:
            handler(frame, at)

    # -- frames ----------------------------------------------------------------------------------------------------

    def _snapshot(self, frame: frames.BookSnapshot, at: int) -> None:
        self.subscription.arrived(frame.market_ticker)
        self.books.snapshot(frame, at)

    def _kept(self, frame: Any, at: int) -> None:
        if self._whole:
            self._keep(to_message(frame, self.epoch, at))

    def _lifecycle(self, frame: frames.LifecycleFrame, at: int) -> None:
        status = STATUS_AFTER.get(frame.event_type)
        if status is not None:
            self.books.set_status(frame.market_ticker, status.value)
        if frame.price_bands is not None:
            self.books.mark_suspect((frame.market_ticker,))  # the grid changed: the old levels may be off it
        self._kept(frame, at)

    def _gap(self, frame: frames.GapFrame, at: int) -> None:
        self.metrics.gaps += 1
        channel = self._channels.get(frame.sid)
        if frame.reason == "jump":
            self._jump(frame, channel)
        elif channel == BOOKS:
            log.warning("sequence gap in the books before number %s (%s)", frame.got, frame.reason)
            self.books.mark_suspect(list(self.subscription.markets))
        elif channel == LIFECYCLE and self._whole:
            self.lifecycle_gap = True

    def _jump(self, frame: frames.GapFrame, channel: str | None) -> None:
        """A number that cannot be believed: the subscription is made again, any other than the books' with the connection."""
        if channel != BOOKS:
            raise Disconnected(f"subscription {frame.sid}: number {frame.got} where {frame.expected} was due")
        if self.session.sid_of(BOOKS) == frame.sid:  # once, not for every frame until the exchange has answered
            log.warning("book subscription made again: number %s where %s was due", frame.got, frame.expected)
            self.books.mark_suspect(list(self.subscription.markets))
            self.subscription.renew()

    def _rejected(self, frame: frames.RejectedFrame, at: int) -> None:
        """One market's unreadable frame is that market's trouble; after ``UNREADABLE`` of them its book is given up."""
        self.metrics.rejected += 1
        ticker = frame.market_ticker or ""
        known = (frame.type, ticker if ticker in self.books.markets else "")
        count, since = self._unreadable.get(known, (0, at))
        count, since = (1, at) if at - since > FORGIVEN_MS else (count + 1, since)
        self._unreadable[known] = (count, since)
        if count == 1 and len(self._unreadable) <= REPORTED:  # once each; the rest is in the counter
            log.warning("frame rejected: %s %s: %s: %s", frame.type, ticker, frame.reason, frame.sample[:200])
        if frame.type not in BOOK_TYPES or ticker not in self.books.markets:
            return
        self.books.mark_suspect((ticker,))
        if count >= UNREADABLE and ticker in self.subscription.markets:
            log.error(
                "book of %s given up after %s unreadable frames; it has no prices on this connection", ticker, count
            )
            self.metrics.given_up += 1
            self.subscription.drop(ticker)

    def _error(self, frame: frames.ErrorFrame, at: int) -> None:
        log.warning("exchange returned an error: %s %s (%s)", frame.code, frame.message, frame.reaction)
        if frame.reaction is Reaction.RECONNECT:
            raise Disconnected(f"error {frame.code}: {frame.message}")
        if self._beat is not None and frame.id == self._beat[0]:
            self._beat = None
            return
        if frame.reaction is Reaction.RESUBSCRIBE:
            if self._channels.get(frame.sid or 0, BOOKS) != BOOKS:
                raise Disconnected(f"subscription {frame.sid} ended: {frame.code} {frame.message}")
            self.books.mark_suspect(list(self.subscription.markets))
        self.subscription.on_error(frame, at)

    def _ack(self, frame: frames.Ack, at: int) -> None:
        if frame.kind == "subscribed" and frame.sid is not None and frame.channel is not None:
            self._channels[frame.sid] = frame.channel
        if self._beat is not None and frame.id == self._beat[0]:
            self.alive_ms = self._beat[1]
            self.metrics.lag_ms = at - self._beat[1]
            self._beat = None
