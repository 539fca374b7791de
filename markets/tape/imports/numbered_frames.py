"""Frames as the exchange would have sent them, made of rows of an archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from markets.tape.records import Kind, Record, pack_frames
from markets.tape.store import json_record


class NumberedFrames:
    """Frames of one subscription, numbered as they are made."""

    def __init__(self, sid: int, epoch: str) -> None:
        self._sid, self._epoch, self._seq = sid, epoch, 0

    def opened(self, at: int, state: str = "open") -> Record:
        """The connection opens or closes."""
        return json_record(at, Kind.CONNECTION, self._epoch, {"state": state})

    def snapshot(self, at: int, ticker: str, yes: list[list[str]], no: list[list[str]]) -> Record:
        """A whole book: levels of price and count as the exchange writes them."""
        message: dict[str, Any] = {"market_ticker": ticker}
        message |= {"yes_dollars_fp": yes} if yes else {}
        message |= {"no_dollars_fp": no} if no else {}
        return self._frame(at, "orderbook_snapshot", message)

    def delta(self, at: int, ticker: str, side: str, price: str, change: str) -> Record:
        """One change of a level."""
        message = {
            "market_ticker": ticker,
            "side": side,
            "price_dollars": price,
            "delta_fp": change,
            "ts_ms": at // 10**6,
        }
        return self._frame(at, "orderbook_delta", message)

    def lost(self, at: int, ticker: Any, began: Sequence[Record]) -> Iterator[Record]:
        """A message that cannot be read, after those of ``began`` that open the connection: nothing that was known of its event before is a
        price, until the next snapshots. Where its market is not known either, that holds for every event."""
        yield from (record for record in began if record.kind is Kind.CONNECTION)
        hole = {"after_ns": at, "before_ns": at, "reason": "a row that cannot be read"}
        yield json_record(at, Kind.GAP, ticker if isinstance(ticker, str) else "", hole)

    def _frame(self, at: int, kind: str, message: dict[str, Any]) -> Record:
        self._seq += 1
        frame = json.dumps(
            {"type": kind, "sid": self._sid, "seq": self._seq, "msg": message}, separators=(",", ":")
        ).encode()
        return Record(at, Kind.FRAMES, self._epoch, pack_frames([frame]))
