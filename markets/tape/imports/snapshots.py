"""Whole snapshots of the exchange (``snapshots/<pass>``): pages of events and a book for each market, all of one instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from markets.tape.imports.listing import Listing
from markets.tape.imports.rest_books import _catalogued, _results, settlement
from markets.tape.imports.source import Part, lines
from markets.tape.records import Kind, Record
from markets.tape.store import json_record


def parts(root: Path) -> Iterator[Part]:
    """One part for each pass."""
    listing = Listing(_catalogued(root))
    folders = sorted(path for path in (root / "snapshots").glob("*") if path.is_dir())
    for number, folder in enumerate(folders):
        about = {
            "source": "one instant of the exchange, events and books",
            "cadence": "passes hours apart",
            "absent": ["volume", "open interest", "rules of most events", "open times of most games"],
            "assumed": [],
            "licence": "none stated",
        }
        yield Part("snapshots", folder.name, about, _Reader(folder, root, listing, last=number == len(folders) - 1))


class _Reader:
    def __init__(self, folder: Path, root: Path, listing: Listing, *, last: bool) -> None:
        self._folder, self._root, self._listing, self._last = folder, root, listing, last

    def __call__(self) -> Iterator[Record]:
        moment = datetime.strptime(self._folder.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        at = int(moment.timestamp()) * 10**9
        events = [event for page in lines(self._folder / "events.jsonl.gz") for event in page["events"]]
        yield from self._listing.records({event["series_ticker"] for event in events}, at)
        for event in events:
            markets = self._listing.as_captured(event["event_ticker"], event["markets"], at)
            yield json_record(at, Kind.EVENT, event["event_ticker"], event | {"markets": markets})
        for book in lines(self._folder / "orderbooks.jsonl.gz"):
            yield json_record(at, Kind.BOOK, book["ticker"], {"orderbook_fp": book["orderbook_fp"]})
        if self._last:
            listed = {market["ticker"] for event in events for market in event["markets"]}
            for ticker, (known, result) in sorted(_results(self._root).items()):
                if ticker in listed:
                    yield settlement(known, ticker, result)
