"""A recorded snapshot of the exchange as events and books: the same types as the live ones, no database.

A snapshot is a folder with ``events.jsonl.gz`` (one page of GET /events with nested markets a line) and
``orderbooks.jsonl.gz`` (one market's full book a line). It passes the parse boundary of ``markets.kalshi`` like anything
else from outside; what the boundary refuses is counted and reported.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from kalbot.common.errors import KalbotError
from markets.book import Depth
from markets.catalogue.rows import event_row, market_row
from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas import Event as WireEvent
from markets.kalshi.schemas.boundary import decoder_of, parse
from markets.kalshi.schemas.orderbook import Book, TickerBookWire, build_book
from markets.kalshi.schemas.pages import parse_event_page
from markets.terms import exhaustiveness
from markets.terms.catalogue_facts import build_facts
from strategies.catalogue.universe import EventView, view_of

EVENTS: Final = "events.jsonl.gz"
BOOKS: Final = "orderbooks.jsonl.gz"
DEFAULT_FEE: Final = {"series__fee_type": "quadratic", "series__fee_multiplier_e6": 1_000_000}
"""A snapshot holds no series: the fee of nearly all of them is assumed, and stated beside the result."""

_INSTANT = re.compile(r"(\d{8}T\d{6}Z)")
_BOOK = decoder_of(TickerBookWire)


class SnapshotError(KalbotError):
    """The folder is not a recorded snapshot; the message says why in one sentence."""


@dataclass(slots=True)
class Snapshot:
    """Events and books of one instant. ``refused``: sentences about what the parse boundary did not take."""

    at_ms: int
    events: dict[str, EventView] = field(default_factory=dict)
    depths: dict[str, Depth] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def load(folder: Path, at: datetime | None = None) -> Snapshot:
    """Read the snapshot in ``folder``. ``at``: its instant, by default the one in its folder's name, else now.

    Raises SnapshotError for a folder that is none.
    """
    if not folder.is_dir():
        raise SnapshotError(f"{folder} is not a folder.")
    missing = [name for name in (EVENTS, BOOKS) if not (folder / name).is_file()]
    if missing:
        raise SnapshotError(f"{folder} is not a recorded snapshot: it has no {' and no '.join(missing)}.")
    snapshot = Snapshot(_instant(folder, at))
    for number, line in enumerate(_lines(folder / EVENTS), start=1):
        _read_page(line, number, snapshot)
    for number, line in enumerate(_lines(folder / BOOKS), start=1):
        _read_book(line, number, snapshot)
    if not snapshot.events:
        raise SnapshotError(f"{folder} holds no event that can be read.")
    return snapshot


def _instant(folder: Path, at: datetime | None) -> int:
    found = _INSTANT.search(folder.resolve().name)
    if at is None and found is not None:
        at = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int((at or datetime.now(UTC)).timestamp() * 1000)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from (line for line in file if line.strip())
    except (OSError, EOFError, zlib.error) as error:
        raise SnapshotError(f"{path} cannot be read as gzip: {error}.") from None


def _read_page(line: bytes, number: int, snapshot: Snapshot) -> None:
    try:
        page = parse_event_page(line)
    except SchemaError as error:
        raise SnapshotError(f"{EVENTS}, line {number} is not a page of events: {error}.") from None
    snapshot.refused += [f"an event was refused: {r.reason}" for r in page.rejected]
    for event in page.events:
        snapshot.events[event.event_ticker] = view(event)


def _read_book(line: bytes, number: int, snapshot: Snapshot) -> None:
    """A book that is corrupt (crossed, doubled levels) is left out: its market then has no price."""
    try:
        ticker, book = parse(_BOOK, _with_ticker, line)
    except SchemaError as error:
        snapshot.refused.append(f"{BOOKS}, line {number}: {error}")
        return
    snapshot.depths[ticker] = Depth(book.yes, book.no)


def _with_ticker(wire: TickerBookWire) -> tuple[str, Book]:
    return wire.ticker, build_book(wire.orderbook_fp)


def view(event: WireEvent) -> EventView:
    """The view of one event of the wire, certified by its own facts (reviewed series are not known here)."""
    markets: list[dict[str, Any]] = [market_row(market) for market in event.markets]
    row = event_row(event) | DEFAULT_FEE
    facts = build_facts(row, markets)
    found = exhaustiveness.certify(facts)
    row["rules_hash"] = found.rules_hash
    return view_of(row, markets, None, certified=isinstance(found, exhaustiveness.Certificate), deep=True)
