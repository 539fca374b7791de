"""The way of the two kinds of frames that come by the thousand, from bytes to book in one step.

Everything else goes through ``markets.kalshi.ws.intake`` and is handed to ``sink`` at its place in the order. The rules are
the same: numbers are checked before anything is believed, and received = applied + ignored + rejected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from markets.kalshi.ws import frames as f
from markets.kalshi.ws import parser
from markets.kalshi.ws import wire as w
from markets.kalshi.ws.intake import Intake
from markets.kalshi.ws.sequence import Arrival
from markets.streaming.state.books import Books

Sink = Callable[[f.Frame, int], None]

_decode: Final = msgspec.json.Decoder(w.Message).decode
_NEXT: Final = Arrival.NEXT
_DUPLICATE: Final = Arrival.DUPLICATE


class StreamIntake(Intake):
    """Applies tickers and deltas to ``books`` as they are read. ``feed`` returns the other frames, which are applied already."""

    def __init__(self, books: Books, sink: Sink) -> None:
        super().__init__()
        self._books = books
        self._sink = sink

    def feed(self, payloads: Iterable[bytes]) -> list[f.Frame]:
        """See Intake.feed."""
        others: list[f.Frame] = []
        books, tally, arrive, yes_priced = self._books, self.tally, self.sequence.arrive, self.yes_priced
        on_ticker, on_delta, ticker, delta = books.ticker, books.delta, parser.ticker, parser.delta
        at = time.time_ns() // 1_000_000
        applied = 0
        for payload in payloads:
            try:
                wire = _decode(payload)
                kind = type(wire)
                if kind is w.Delta:
                    frame = delta(wire, wire.sid in yes_priced)  # type: ignore[arg-type]
                elif kind is w.Ticker:
                    on_ticker(ticker(wire), at)  # type: ignore[arg-type]
                    applied += 1
                    continue
                else:
                    self._ordinary(payload, at, others)
                    continue
            except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
                self._ordinary(payload, at, others)
                continue
            sid, seq = frame.sid, frame.seq
            arrival = arrive(sid, seq)
            if arrival is _NEXT:
                on_delta(frame, at)
                applied += 1
            elif arrival is _DUPLICATE:
                tally.duplicates += 1
                tally.ignored += 1
                tally.received += 1
            else:
                gap = f.GapFrame(sid=sid, expected=0, got=seq)
                others.append(gap)
                self._sink(gap, at)
                on_delta(frame, at)
                applied += 1
        tally.received += applied
        tally.applied += applied
        return others

    def _ordinary(self, payload: bytes, at: int, others: list[f.Frame]) -> None:
        frames = super().feed((payload,))
        for frame in frames:
            self._sink(frame, at)
        others += frames
