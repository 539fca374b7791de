"""What the flooding server sends: snapshots, then ticker and delta frames (1 : 3), from a seed, with the books after the last one."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

LEGS: Final = 8
DEPTH: Final = 10
STAMP: Final = b"2999999999999"
"""Stands where a frame says when it was sent; a stamped flood puts ``stamp()`` there."""
STAMPED: Final = 3 * 10**12
"""Times from here on (of the year 2065, as the exchange's milliseconds) are stamps."""


def stamp() -> int:
    """Microseconds of this day (UTC), as a time that a frame may carry."""
    return STAMPED + time.time_ns() // 1000 % (86_400 * 10**6)


def tickers(markets: int) -> list[str]:
    """Market names in the exchange's style, eight to an event."""
    return [f"KXFLOOD-26NOV23-E{n // LEGS:05d}-L{n % LEGS}" for n in range(markets)]


def event_of(ticker: str) -> str:
    return ticker.rsplit("-", 1)[0]


def framed(payload: bytes) -> bytes:
    """One unmasked text frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Flood:
    """Books of the first ``books`` markets, tickers of all. ``truth`` are the books after the last frame that was taken."""

    def __init__(self, markets: int, books: int = 0, seed: int = 1, stamped: bool = False) -> None:
        self.names = tickers(markets)
        self.booked = self.names[: books or markets]
        self.seq = 0
        self.stamp = STAMP.decode() if stamped else str(int(time.time() * 1000))
        self._random = random.Random(seed)
        self._ids = {name: f"0d6d6c0e-5d5c-4a52-8f4e-{n:012x}" for n, name in enumerate(self.names)}
        self._levels: dict[str, dict[str, dict[int, int]]] = {}
        for name in self.booked:
            middle = self._random.randrange(20, 80)
            self._levels[name] = {
                "yes": {(middle - 1 - i) * 100: 100 * (5 + i) for i in range(min(DEPTH, middle - 1))},
                "no": {(99 - middle - i) * 100: 100 * (5 + i) for i in range(min(DEPTH, 99 - middle))},
            }

    def snapshots(self, sid: int) -> Iterator[bytes]:
        for name in self.booked:
            self.seq += 1
            message: dict[str, Any] = {"market_ticker": name, "market_id": self._ids[name], "clock": 1}
            for side, levels in self._levels[name].items():
                if levels:
                    ranked = sorted(levels.items())
                    message[f"{side}_dollars_fp"] = [[f"{p / 10000:.4f}", f"{c / 100:.2f}"] for p, c in ranked]
            yield msgspec.json.encode({"type": "orderbook_snapshot", "sid": sid, "seq": self.seq, "msg": message})

    def first_tickers(self, sid: int) -> Iterator[bytes]:
        """One ticker of every market, as the exchange sends them by and by."""
        return (self._ticker(name, sid) for name in self.names)

    def frames(self, count: int, ticker_sid: int, book_sid: int) -> Iterator[bytes]:
        """One ticker, three deltas, and so on."""
        deltas = self.deltas(count, book_sid)
        for n in range(count):
            if n % 4 == 0:
                yield self._ticker(self.names[self._random.randrange(len(self.names))], ticker_sid)
            else:
                yield next(deltas)

    def deltas(self, count: int, book_sid: int) -> Iterator[bytes]:
        pick, clock = self._random.randrange, 1
        for _ in range(count):
            name = self.booked[pick(len(self.booked))]
            side = "yes" if pick(2) else "no"
            levels = self._levels[name][side]
            price = list(levels)[pick(len(levels))]
            change = (pick(9) + 1) * 100
            if levels[price] > 2000:
                change = -change
            levels[price] += change
            clock += 1
            self.seq += 1
            yield (
                f'{{"type":"orderbook_delta","sid":{book_sid},"seq":{self.seq},"msg":{{"market_ticker":"{name}",'
                f'"market_id":"{self._ids[name]}","clock":{clock},"price_dollars":"{price / 10000:.4f}",'
                f'"delta_fp":"{change / 100:.2f}","side":"{side}","ts_ms":{self.stamp},"ts":"2026-11-23T02:13:21.456Z"}}}}'
            ).encode()

    def account(self, number: int) -> Iterator[bytes]:
        """What must become rows: a pause and a return of one market, and an own fill."""
        name, moment = self.booked[number % len(self.booked)], int(time.time() * 1000)
        for place, kind in enumerate(("deactivated", "activated")):
            said = {"market_ticker": name, "event_type": kind, "is_deactivated": kind == "deactivated"}
            seq = 2 * number + place + 1
            yield msgspec.json.encode({"type": "market_lifecycle_v2", "sid": 3, "seq": seq, "msg": said})
        fill = {
            "trade_id": f"trade-{number}",
            "order_id": f"order-{number}",
            "market_ticker": name,
            "exchange_index": 0,
            "is_taker": True,
            "outcome_side": "yes",
            "book_side": "bid",
            "yes_price_dollars": "0.4000",
            "count_fp": "1.00",
            "fee_cost": "0.0200",
            "post_position_fp": "1.00",
            "ts_ms": moment,
        }
        yield msgspec.json.encode({"type": "fill", "sid": 4, "msg": fill})

    def _ticker(self, name: str, sid: int) -> bytes:
        book = self._levels.get(name)
        bid, ask, bid_size, ask_size = 4_000, 4_500, 500, 700
        if book is not None:
            bid, ask = max(book["yes"]), 10_000 - max(book["no"])
            bid_size, ask_size = book["yes"][bid], book["no"][10_000 - ask]
        return (
            f'{{"type":"ticker","sid":{sid},"msg":{{"market_ticker":"{name}","market_id":"{self._ids[name]}",'
            f'"price_dollars":"{bid / 10000:.4f}","yes_bid_dollars":"{bid / 10000:.4f}","yes_ask_dollars":"{ask / 10000:.4f}",'
            f'"yes_bid_size_fp":"{bid_size / 100:.2f}","yes_ask_size_fp":"{ask_size / 100:.2f}","last_trade_size_fp":"3.00",'
            f'"volume_fp":"{self._random.randrange(9000)}.50","open_interest_fp":"2210.00","dollar_volume":2090,'
            f'"dollar_open_interest":905,"ts":1763864000,"ts_ms":{self.stamp},"time":"2026-11-23T02:13:20.123Z"}},'
            f'"sending_ts_ms":{self.stamp}}}'
        ).encode()

    def truth(self) -> dict[str, dict[str, dict[int, int]]]:
        return self._levels
