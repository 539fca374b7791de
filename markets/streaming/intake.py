"""The fast path of the two frequent kinds of frames, deltas and tickers: from bytes to book in one step.

Everything else goes through ``markets.kalshi.ws.intake`` and is handed to ``sink`` at its place in the order. The rules are
the same: sequence numbers are checked before a frame is applied, and received = applied + ignored + rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Final

import msgspec

from kalbot.common import clock
from markets.kalshi.ws import frames, parser, wire
from markets.kalshi.ws.ambiguity import check_delta, check_ticker
from markets.kalshi.ws.intake import Intake
from markets.kalshi.ws.sequence import Arrival
from markets.streaming.state.books import Books

Sink = Callable[[frames.Frame, int], None]

_decode: Final = msgspec.json.Decoder(wire.Message).decode
_NEXT: Final = Arrival.NEXT
_DUPLICATE: Final = Arrival.DUPLICATE


class StreamIntake(Intake):
    """Applies tickers and deltas to ``books`` as they are read. ``feed`` returns the other frames, which are applied already."""

    def __init__(self, books: Books, sink: Sink, record: Callable[[Sequence[bytes]], None] | None = None) -> None:
        """``record`` gets every batch as it came, before anything is made of it."""
        super().__init__()
        self._record = record
        self._books = books
        self._sink = sink

    def feed(self, payloads: Iterable[bytes]) -> list[frames.Frame]:
        """See Intake.feed."""
        if self._record is not None:
            payloads = list(payloads)
            self._record(payloads)
        return self.feed_timed(zip(payloads, repeat(clock.now_ms())))

    def feed_timed(self, payloads: Iterable[tuple[bytes, int]]) -> list[frames.Frame]:
        """``feed`` of what came in several batches: each payload with the time (Unix milliseconds) at which it came. Not recorded."""
        others: list[frames.Frame] = []
        tally, arrive, yes_priced = self.tally, self.sequence.arrive, self.yes_priced
        on_ticker, on_change, ticker, level = self._books.ticker, self._books.change, parser.ticker, parser.level_change
        decode, of_delta, of_ticker, next_one = _decode, wire.Delta, wire.Ticker, _NEXT
        applied = 0
        for payload, at in payloads:
            try:
                message = decode(payload)
                kind = type(message)
                if kind is of_delta:
                    check_delta(payload, message)
                    sid, seq, change = message.sid, message.seq, message.msg
                    is_yes, price, count = level(change, sid in yes_priced)
                elif kind is of_ticker:
                    check_ticker(payload, message)
                    on_ticker(ticker(message), at)
                    applied += 1
                    continue
                else:
                    self._ordinary(payload, at, others)
                    continue
            except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
                self._ordinary(payload, at, others)
                continue
            arrival = arrive(sid, seq)
            if arrival is next_one:
                on_change(change.market_ticker, is_yes, price, count, seq, change.clock, change.ts_ms, at)
                applied += 1
            elif arrival is _DUPLICATE:
                tally.duplicates += 1
                tally.ignored += 1
                tally.received += 1
            else:
                found: list[frames.Frame] = []
                jump = arrival is Arrival.JUMP
                reason = "jump" if jump else "lost"
                found.append(frames.GapFrame(sid=sid, expected=self.sequence.missing_from, got=seq, reason=reason))
                if jump:
                    self._reject_jump(payload, parser.delta(message, sid in yes_priced), found)
                    tally.received += 1
                for other in found:
                    self._sink(other, at)
                others += found
                if not jump:
                    on_change(change.market_ticker, is_yes, price, count, seq, change.clock, change.ts_ms, at)
                    applied += 1
        tally.received += applied
        tally.applied += applied
        return others

    def _ordinary(self, payload: bytes, at: int, others: list[frames.Frame]) -> None:
        parsed = super().feed((payload,))
        for frame in parsed:
            self._sink(frame, at)
        others += parsed
