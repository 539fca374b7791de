"""The parse boundary of the WebSocket: payloads in, frames out, nothing lost between.

frames in = applied + ignored + rejected, always. Sequence numbers are checked per subscription before
anything else sees a frame. A book frame that cannot be read is the trouble of the market it names; any other is a gap for
its whole subscription, because what it said is lost.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from markets.kalshi.schemas.boundary import check_keys, legible, sample

from . import parser
from .ambiguity import check_delta, check_sides, check_ticker
from .error_codes import TERMINAL
from .frames import ErrorFrame, Frame, GapFrame, RejectedFrame
from .sequence import Arrival, SequenceTracker
from .wire import (
    KNOWN_TYPES,
    Delta,
    Envelope,
    Error,
    MarketName,
    Message,
    Ok,
    Snapshot,
    Subscribed,
    Ticker,
    Unsubscribed,
)

BOOK_TYPES: Final = ("orderbook_delta", "orderbook_snapshot")
SAMPLES: Final = 20
TYPES_REMEMBERED: Final = 50

_CONTROL: Final = frozenset({Subscribed, Unsubscribed, Ok, Error})

_decode = msgspec.json.Decoder(Message).decode
_envelope = msgspec.json.Decoder(Envelope)
_market_name = msgspec.json.Decoder(MarketName)


class Tally:
    """Where the frames went.

    ``duplicates`` are part of ``ignored``; ``samples`` are the latest rejected frames.
    """

    __slots__ = ("applied", "duplicates", "ignored", "ignored_types", "received", "rejected", "samples")

    def __init__(self) -> None:
        self.received = 0
        self.applied = 0
        self.ignored = 0
        self.rejected = 0
        self.duplicates = 0
        self.ignored_types: Counter[str] = Counter()
        self.samples: deque[RejectedFrame] = deque(maxlen=SAMPLES)

    @property
    def balances(self) -> bool:
        """The invariant."""
        return self.received == self.applied + self.ignored + self.rejected


class Intake:
    """Turns payloads of one connection into frames. Make a new one for every connection.

    ``yes_priced`` holds the sids whose NO levels come in YES dollars; a sid gets there when a subscribe command of
    ``yes_price_commands`` (sent with ``use_yes_price`` true) is acknowledged.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.sequence = SequenceTracker()
        self.yes_price_commands: set[int] = set()
        self.yes_priced: set[int] = set()

    def feed(self, payloads: Iterable[bytes]) -> list[Frame]:
        """Frames of ``payloads`` in order, with GapFrame and RejectedFrame where something is missing."""
        out: list[Frame] = []
        append, tally = out.append, self.tally
        received = applied = 0
        for payload in payloads:
            received += 1
            try:
                wire = _decode(payload)
                kind = type(wire)
                if kind is Ticker:
                    check_ticker(payload, wire)
                    append(parser.ticker(wire))
                    applied += 1
                    continue
                if kind is Delta:
                    check_delta(payload, wire)
                    frame: Any = parser.delta(wire, wire.sid in self.yes_priced)
                elif kind is Snapshot:
                    check_keys(payload)
                    if wire.msg.yes_dollars_fp is None or wire.msg.no_dollars_fp is None:
                        check_sides(payload)
                    frame = parser.snapshot(wire, wire.sid in self.yes_priced)
                else:
                    check_keys(payload)
                    frame = parser.BUILDERS[kind](wire)
            except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
                mended = legible(payload)
                if mended != payload:
                    received -= 1
                    out += self.feed([mended])
                else:
                    self._not_applied(payload, error, out)
                continue
            if kind in _CONTROL:
                self._control(frame, out)
            elif (seq := getattr(frame, "seq", None)) is not None:
                arrival = self._arrive(frame.sid, seq, out)
                if arrival is Arrival.DUPLICATE:
                    tally.duplicates += 1
                    tally.ignored += 1
                    continue
                if arrival is Arrival.JUMP:
                    self._reject_jump(payload, frame, out)
                    continue
            append(frame)
            applied += 1
        tally.received += received
        tally.applied += applied
        return out

    def _control(self, frame: Any, out: list[Frame]) -> None:
        """Acknowledgements and errors: heard even when their number is an old one, and taken into account at once,
        because what follows may stand in the same batch."""
        if frame.sid is not None and getattr(frame, "seq", None) is not None:
            self._arrive(frame.sid, frame.seq, out)
        if type(frame) is ErrorFrame:
            if frame.code in TERMINAL and frame.sid is not None:
                self._forget(frame.sid)
        elif frame.kind == "subscribed" and frame.id in self.yes_price_commands:
            self.yes_priced.add(frame.sid)
        elif frame.kind == "unsubscribed":
            self._forget(frame.sid)

    def _forget(self, sid: int) -> None:
        self.sequence.forget(sid)
        self.yes_priced.discard(sid)

    def _arrive(self, sid: int, seq: int, out: list[Frame]) -> Arrival:
        """Count a number. A gap is announced in ``out`` before the frame that showed it."""
        arrival = self.sequence.arrive(sid, seq)
        if arrival in (Arrival.GAP, Arrival.JUMP):
            reason = "lost" if arrival is Arrival.GAP else "jump"
            out.append(GapFrame(sid=sid, expected=self.sequence.missing_from, got=seq, reason=reason))
        return arrival

    def _reject_jump(self, payload: bytes, frame: Any, out: list[Frame]) -> None:
        """A frame whose number cannot be believed: its content is not believed either."""
        self.tally.rejected += 1
        rejected = RejectedFrame(
            reason=f"sequence number {frame.seq} where {self.sequence.expected(frame.sid)} was due",
            sample=sample(payload),
            sid=frame.sid,
            seq=frame.seq,
            market_ticker=getattr(frame, "market_ticker", None),
        )
        self.tally.samples.append(rejected)
        out.append(rejected)

    def _not_applied(self, payload: bytes, error: Exception, out: list[Frame]) -> None:
        """Sort a frame that could not be applied: an unknown type is ignored, everything else is rejected."""
        try:
            outer = _envelope.decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._reject(RejectedFrame(reason=str(error), sample=sample(payload)), out)
            return
        if outer.type not in KNOWN_TYPES:
            self._ignore(outer, out)
            return
        self._reject(
            RejectedFrame(
                reason=str(error),
                sample=sample(payload),
                type=outer.type,
                sid=outer.sid,
                seq=outer.seq,
                market_ticker=_ticker_in(outer.msg),
            ),
            out,
        )

    def _ignore(self, outer: Envelope, out: list[Frame]) -> None:
        tally = self.tally
        tally.ignored += 1
        if outer.type in tally.ignored_types or len(tally.ignored_types) < TYPES_REMEMBERED:
            tally.ignored_types[outer.type] += 1
        if outer.sid is not None and outer.seq is not None:
            self._arrive(outer.sid, outer.seq, out)

    def _reject(self, rejected: RejectedFrame, out: list[Frame]) -> None:
        self.tally.rejected += 1
        self.tally.samples.append(rejected)
        out.append(rejected)
        if rejected.sid is None or rejected.seq is None:
            return
        arrival = self._arrive(rejected.sid, rejected.seq, out)
        of_one_market = rejected.type in BOOK_TYPES and rejected.market_ticker is not None
        if arrival is Arrival.NEXT and not of_one_market:
            out.append(GapFrame(sid=rejected.sid, expected=rejected.seq, got=rejected.seq, reason="rejected"))


def _ticker_in(msg: msgspec.Raw) -> str | None:
    try:
        name = _market_name.decode(msg)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return name.market_ticker or name.ticker
