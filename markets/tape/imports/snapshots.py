"""Whole snapshots of the exchange (``snapshots/<pass>``): pages of events and a book for each market, all of one instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markets.tape.imports.listing import Listing
from markets.tape.imports.packed import one_file
from markets.tape.imports.rest_books import Beside, _catalogued, settlement
from markets.tape.imports.source import Aside, Part, Refused, lines, ticker
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

    def __call__(self, aside: Aside) -> Iterator[Record]:
        moment = datetime.strptime(self._folder.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        at = int(moment.timestamp()) * 10**9
        events = list(self._events(aside, at))
        yield from self._listing.records({event["series_ticker"] for event in events}, at)
        for event in events:
            yield json_record(at, Kind.EVENT, event["event_ticker"], event)
        for book in lines(self._of("orderbooks.jsonl"), aside):
            with aside.unreadable():
                yield json_record(at, Kind.BOOK, ticker(book["ticker"]), {"orderbook_fp": book["orderbook_fp"]})
        if self._last:
            listed = {market["ticker"] for event in events for market in event["markets"]}
            for leg, (known, result) in sorted(Beside(self._root).results.items()):
                if leg in listed:
                    yield settlement(known, leg, result)

    def _of(self, name: str) -> Path:
        found = one_file(self._folder / name)
        if found is None:
            raise Refused(f"there is no {name} in it")
        return found

    def _events(self, aside: Aside, at: int) -> Iterator[dict[str, Any]]:
        for page in lines(self._of("events.jsonl"), aside):
            events: list[dict[str, Any]] = []
            with aside.unreadable():
                events = list(page["events"])
            for event in events:
                with aside.unreadable():
                    markets = self._listing.as_captured(ticker(event["event_ticker"]), event["markets"], at)
                    for market in markets:
                        ticker(market["ticker"])
                    ticker(f"{event['series_ticker']}-X")
                    yield event | {"markets": markets}
