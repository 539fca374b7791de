"""Reads every recorded file that came over Kalshi's wire through the client's parse boundary.

``python -m tests.markets.kalshi.recorded`` prints one line per file: in = applied + ignored + rejected, and why.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from kalbot.common.units import DOLLAR_PRICE
from markets.kalshi.errors import SchemaError
from markets.kalshi.rest.orders import ORDER_LISTING
from markets.kalshi.rest.portfolio import FILL_LISTING, POSITION_LISTING, SETTLEMENT_LISTING
from markets.kalshi.schemas import pages
from markets.kalshi.schemas.boundary import Records, parse, parse_each
from markets.kalshi.schemas.catalogue import EVENT, build_event
from markets.kalshi.schemas.market import MARKET, build_market
from markets.kalshi.schemas.orderbook import BOOK, build_book
from markets.kalshi.schemas.portfolio import BALANCE, build_balance
from markets.kalshi.schemas.series import SERIES, build_series
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.frames import BookDelta, BookSnapshot, GapFrame, RejectedFrame
from markets.kalshi.ws.intake import Intake
from tests.conftest import SHARED


@dataclass
class Count:
    """What became of one file's records."""

    received: int = 0
    applied: int = 0
    ignored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        return self.reasons.total()

    def line(self, name: str) -> str:
        why = "; ".join(f"{n} x {reason}" for reason, n in self.reasons.most_common(3))
        notes = ", ".join(f"{n} {note}" for note, n in self.notes.items())
        sums = f"{self.received:>7} = {self.applied:>7} + {self.ignored} + {self.rejected}"
        return f"{name:<58} {sums}  {notes}{'  ' if notes and why else ''}{why}"


class _Line(msgspec.Struct):
    event: msgspec.Raw


class _Seq(msgspec.Struct):
    seq: int


_line, _seq = msgspec.json.Decoder(_Line), msgspec.json.Decoder(_Seq)


def lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield from (line for line in file if line.strip())


def one_by_one(path: Path, read: Callable[[bytes], object]) -> Count:
    count = Count()
    for line in lines(path):
        count.received += 1
        try:
            read(line)
            count.applied += 1
        except SchemaError as error:
            count.reasons[str(error)] += 1
    return count


def ws_file(path: Path) -> Count:
    """WebSocket messages, books rebuilt from them.

    ``seq`` jumps where other markets of the subscription had their messages; where it falls at a snapshot, the recorder
    had reconnected.
    """
    count = Count()
    books: dict[str, dict[Side, dict[int, int]]] = {}
    for connection in _connections(path):
        intake = Intake()
        for start in range(0, len(connection), 500):
            _apply(intake.feed(connection[start : start + 500]), books, count)
        assert intake.tally.balances
        count.received += intake.tally.received
        count.applied += intake.tally.applied
        count.ignored += intake.tally.ignored
        count.notes["connections"] += 1
    return count


def _connections(path: Path) -> Iterator[list[bytes]]:
    messages: list[bytes] = []
    last = 0
    for line in lines(path):
        message = bytes(_line.decode(line).event) if line.startswith(b'{"recv_ms"') else line
        if b"orderbook_snapshot" in message:
            seq = _seq.decode(message).seq
            if seq < last:
                yield messages
                messages = []
            last = seq
        messages.append(message)
    yield messages


def _apply(frames: list[Any], books: dict[str, dict[Side, dict[int, int]]], count: Count) -> None:
    for frame in frames:
        kind = type(frame)
        if kind is BookDelta:
            side = books[frame.market_ticker][frame.side]
            left = side.get(frame.price, 0) + frame.delta
            if left > 0:
                side[frame.price] = left
            else:
                side.pop(frame.price, None)
                count.notes["negative levels"] += left < 0
            book = books[frame.market_ticker]
            if book[Side.YES] and book[Side.NO]:
                crossed = max(book[Side.YES]) + max(book[Side.NO]) >= DOLLAR_PRICE
                count.notes["crossed"] += crossed
        elif kind is BookSnapshot:
            books[frame.market_ticker] = {Side.YES: dict(frame.yes), Side.NO: dict(frame.no)}
            count.notes["snapshots"] += 1
        elif kind is RejectedFrame:
            count.reasons[frame.reason] += 1
        elif kind is GapFrame:
            count.notes["jumps"] += 1


def event_pages(path: Path) -> Count:
    """One page a line."""
    count = Count()
    for line in lines(path):
        _count_page(line, count)
    return count


def event_page(path: Path) -> Count:
    """One page over many lines."""
    count = Count()
    _count_page(b"".join(lines(path)), count)
    return count


def _count_page(body: bytes, count: Count) -> None:
    page = pages.parse_event_page(body)
    count.received += len(page.events) + len(page.rejected)
    count.applied += len(page.events)
    count.notes["markets"] += sum(len(event.markets) for event in page.events)
    count.reasons.update(rejected.reason for rejected in page.rejected)


def market_page(path: Path) -> Count:
    body = b"".join(lines(path))
    page = pages.parse_market_page(body)
    count = Count(len(page.markets) + len(page.rejected), len(page.markets))
    count.notes["combos"] += sum(market.mve for market in page.markets)
    count.reasons.update(rejected.reason for rejected in page.rejected)
    return count


def raw_markets(path: Path) -> Count:
    """Lines with a list of verbatim market objects."""
    count = Count()
    for line in lines(path):
        bodies = msgspec.json.decode(line, type=_Markets).markets
        parsed, rejected = parse_each(MARKET, build_market, Records(tuple(bodies), suspect=False))
        count.received += len(bodies)
        count.applied += len(parsed)
        count.reasons.update(r.reason for r in rejected)
    return count


class _Kept(msgspec.Struct):
    response: msgspec.Raw


class _Markets(msgspec.Struct):
    markets: list[msgspec.Raw]


def weather_books(path: Path) -> Count:
    """The API's own object inside a reshaped line."""
    count = Count()
    for line in lines(path):
        raw = json.loads(line).get("raw_orderbook")
        count.received += 1
        if raw is None:
            count.ignored += 1
            continue
        body = json.dumps(raw if "orderbook_fp" in raw else {"orderbook_fp": raw}).encode()
        try:
            pages.parse_orderbook(body)
            count.applied += 1
        except SchemaError as error:
            count.reasons[str(error)] += 1
    return count


_CASSETTE: dict[str, Callable[[bytes], object]] = {
    "/markets": pages.parse_market_page,
    "/portfolio/balance": lambda body: parse(BALANCE, build_balance, body),
    "/portfolio/fills": FILL_LISTING.parse,
    "/portfolio/positions": POSITION_LISTING.parse,
    "/portfolio/settlements": SETTLEMENT_LISTING.parse,
    "/portfolio/orders": ORDER_LISTING.parse,
}


def cassette(path: Path) -> Count:
    """Request and answer pairs of the cents era: V1 writes are ignored, the rest read or refused."""
    count = Count()
    for exchange in json.loads(path.read_text()):
        route = exchange["request"]["uri"].split("/trade-api/v2")[1].partition("?")[0]
        body = exchange["response"]["body"]
        count.received += 1
        if exchange["request"]["method"] != "GET":
            count.ignored += 1
            continue
        if route.startswith("/portfolio/orders/"):
            route, body = "/portfolio/orders", {"orders": [body["order"]], "cursor": ""}
        try:
            read = _CASSETTE[route](json.dumps(body).encode())
            rejected = getattr(read, "rejected", ())
            count.reasons.update(r.reason for r in rejected)
            count.applied += not rejected
        except SchemaError as error:
            count.reasons[str(error)] += 1
    return count


def whole(read: Callable[[bytes], object]) -> Callable[[Path], Count]:
    """A file that is one body."""

    def reader(path: Path) -> Count:
        count = Count(1)
        try:
            read(b"".join(lines(path)))
            count.applied = 1
        except SchemaError as error:
            count.reasons[str(error)] += 1
        return count

    return reader


def each(read: Callable[[bytes], object]) -> Callable[[Path], Count]:
    return lambda path: one_by_one(path, read)


READERS: list[tuple[str, Callable[[Path], Count]]] = [
    ("ws/*.jsonl", ws_file),
    ("ws/gold15m/*.ndjson.gz", ws_file),
    (
        "ws/gold15m/metadata/*.json",
        whole(lambda body: pages.parse_event(msgspec.json.decode(body, type=_Kept).response)),
    ),
    ("snapshots/*/events.jsonl.gz", event_pages),
    ("snapshots/*/orderbooks.jsonl.gz", each(lambda line: parse(BOOK, lambda w: build_book(w.orderbook_fp), line))),
    ("books/weather_20*.jsonl.gz", weather_books),
    ("catalog/events_all_*.jsonl.gz", each(lambda line: parse(EVENT, build_event, line))),
    ("catalog/series_all_*.jsonl.gz", each(lambda line: parse(SERIES, build_series, line))),
    ("catalog/sports_markets_raw_*.jsonl.gz", raw_markets),
    ("catalog/events_page_raw_*.json.gz", event_page),
    ("catalog/markets_page_mve_*.json.gz", market_page),
    ("rest/market_single.json", whole(pages.parse_market)),
    ("rest/event_single.json", whole(pages.parse_event)),
    ("rest/events_*.json", event_page),
    ("rest/markets_resolved.json", market_page),
    ("rest/historical_markets_rain.json", market_page),
    ("rest/orderbook.json", whole(pages.parse_orderbook)),
    ("orders/*.json", cassette),
]
"""Every file over the wire that the client has a use for. Not among them: candlesticks (no such call in the client),
reshaped tapes (books of sports, quotes, settlements, the CSV), and weather services."""


def files(root: Path) -> Iterator[tuple[Path, Callable[[Path], Count]]]:
    for pattern, reader in READERS:
        for path in sorted(root.glob(pattern)):
            yield path, reader


def main() -> None:
    root = SHARED / "recorded"
    print(f"{'file':<58} {'in':>7} = {'applied':>7} + ignored + rejected")
    for path, reader in files(root):
        print(reader(path).line(str(path.relative_to(root))))


if __name__ == "__main__":
    main()
