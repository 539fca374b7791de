"""A recorded snapshot of the exchange as events and books: the same types as the live ones, no database.

A snapshot is a folder with ``events.jsonl.gz`` (one page of GET /events with nested markets a line) and
``orderbooks.jsonl.gz`` (one market's full book a line). It passes the parse boundary of ``markets.kalshi`` like anything
else from outside; what the boundary refuses is counted and reported.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
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
from markets.terms.facts import EventFacts
from markets.terms.rules_file import Sample, with_rules
from strategies.catalogue.universe import EventView, view_of

EVENTS: Final = "events.jsonl.gz"
BOOKS: Final = "orderbooks.jsonl.gz"
DEFAULT_FEE: Final = {"series__fee_type": "quadratic", "series__fee_multiplier_e6": 1_000_000}
"""A snapshot holds no series: the fee of nearly all of them is assumed, and stated beside the result."""

RECORDED, BY_SERIES, NOT_RECORDED = "recorded", "by series, from a file", "not recorded"

_INSTANT = re.compile(r"(\d{8}T\d{6}Z)")
_BOOK = decoder_of(TickerBookWire)


class SnapshotError(KalbotError):
    """The folder is not a recorded snapshot; the message says why in one sentence."""


@dataclass(slots=True)
class Snapshot:
    """Events and books of one instant. ``refused``: sentences about what the parse boundary did not take. ``without_rules``: events
    whose rules were not recorded and not supplied; ``filled``: those that got the texts of their series."""

    at_ms: int
    events: dict[str, EventView] = field(default_factory=dict)
    depths: dict[str, Depth] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    without_rules: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)

    def rules_of(self, event: str) -> str:
        """Where the rules texts of an event come from."""
        if event in self.without_rules:
            return NOT_RECORDED
        return BY_SERIES if event in self.filled else RECORDED


def load(folder: Path, at: datetime | None = None, rules: Mapping[str, Sample] | None = None) -> Snapshot:
    """Read the snapshot in ``folder``. ``at``: its instant, by default the one in its folder's name, else now. ``rules``: texts by
    series for events that were recorded without.

    Raises SnapshotError for a folder that is none.
    """
    if not folder.is_dir():
        raise SnapshotError(f"{folder} is not a folder.")
    missing = [name for name in (EVENTS, BOOKS) if not (folder / name).is_file()]
    if missing:
        raise SnapshotError(f"{folder} is not a recorded snapshot: it has no {' and no '.join(missing)}.")
    snapshot = Snapshot(_instant(folder, at))
    for number, line in enumerate(_lines(folder / EVENTS), start=1):
        _read_page(line, number, snapshot, rules or {})
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


def _read_page(line: bytes, number: int, snapshot: Snapshot, rules: Mapping[str, Sample]) -> None:
    try:
        page = parse_event_page(line)
    except SchemaError as error:
        raise SnapshotError(f"{EVENTS}, line {number} is not a page of events: {error}.") from None
    snapshot.refused += [f"an event was refused: {r.reason}" for r in page.rejected]
    for event in page.events:
        facts, snapshot.events[event.event_ticker] = view(event, rules)
        if not any(m.rules_primary or m.rules_secondary for m in facts.markets):
            snapshot.without_rules.add(event.event_ticker)
        elif not any(m.rules_primary or m.rules_secondary for m in event.markets):
            snapshot.filled.add(event.event_ticker)


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


def view(event: WireEvent, rules: Mapping[str, Sample] | None = None) -> tuple[EventFacts, EventView]:
    """Facts and view of one event of the wire, certified by them (neither reviewed series nor contract terms are known here)."""
    markets: list[dict[str, Any]] = [market_row(market) for market in event.markets]
    row = event_row(event) | DEFAULT_FEE
    facts = with_rules(build_facts(row, markets), rules or {})
    found = exhaustiveness.certify(facts)
    row["rules_hash"] = found.rules_hash
    return facts, view_of(row, markets, _certificate(found), deep=True)


def _certificate(found: exhaustiveness.Certificate | exhaustiveness.Refusal) -> dict[str, Any] | None:
    """What a view takes of a certificate; it has no row here."""
    if isinstance(found, exhaustiveness.Refusal):
        return None
    return {
        "pk": None,
        "grade": found.grade,
        "one_must_win": found.one_must_win,
        "states": found.states.to_json(),
        "residual": list(found.residual),
    }
