"""Every print of settled events with the events' own answers (``trades/weather``, ``events``): no book was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from markets.tape.imports import source
from markets.tape.imports.answers import as_listed, settled
from markets.tape.imports.listing import Listing, event_of, series_of
from markets.tape.imports.packed import files, one_file
from markets.tape.imports.rest_books import _catalogued
from markets.tape.imports.source import Aside, Part, beside, contracts, dollars, lines, nanoseconds, rows
from markets.tape.records import Kind, Record
from markets.tape.store import json_record


def parts(root: Path) -> Iterator[Part]:
    """One part for each series and month; those of days whose events were not recorded become a tape of their own."""
    listing = Listing(_catalogued(root))
    for folder, tape in (("weather", "prints"), ("weather_unlabelled", "prints-without-events")):
        lacking = ["books", "quotes"] + ([] if tape == "prints" else ["events", "results"])
        for path in files(root, f"trades/{folder}/*.csv"):
            about = {
                "source": "every print"
                + (", with the events as the exchange answered after settlement" if tape == "prints" else ""),
                "cadence": "every print, to the microsecond",
                "absent": lacking,
                "assumed": [],
                "licence": "MIT (github.com/cpratim/Kalshi-Weather-Trading)",
            }
            series = path.name.split("_")[0]
            events = one_file(root / "events" / f"{series}.jsonl")
            yield Part(tape, path.name.split(".")[0], about, _Reader(path, events, listing))


class _Reader:
    def __init__(self, path: Path, events: Path | None, listing: Listing) -> None:
        self._path, self._events, self._listing = path, events, listing

    def __call__(self, aside: Aside) -> Iterator[Record]:
        prints = list(self._prints(aside))
        traded = {event_of(record.key) for record in prints}
        series: set[str] = set()
        answers = lines(self._events, aside) if self._events is not None else ()
        for answer in beside(self._events, answers, aside):
            with aside.unreadable():
                ticker = source.ticker(answer["event"]["event_ticker"])
                if ticker not in traded:
                    continue
                opened = min(nanoseconds(market["open_time"]) for market in answer["markets"])
                listed = json_record(opened, Kind.EVENT, ticker, as_listed(answer))
                name = answer["event"].get("series_ticker") or series_of(ticker)
                if name not in series:
                    series.add(name)
                    yield from self._listing.records([name], opened)
                yield listed
                for one in answer["markets"]:
                    with aside.unreadable():
                        yield from settled(one)
        yield from prints

    def _prints(self, aside: Aside) -> Iterator[Record]:
        for row in rows(self._path, ("created_time", "ticker", "yes_price_cents", "count", "taker_side"), aside):
            with aside.unreadable():
                price = Decimal(row["yes_price_cents"]) / 100
                yield print_of(nanoseconds(row["created_time"]), row["ticker"], price, row["count"], row["taker_side"])


def print_of(at_ns: int, ticker: str, yes_price: Decimal, count: Decimal | str, taker_side: str) -> Record:
    """One print; ``yes_price`` in dollars, ``count`` in contracts. Raises ValueError for what is none."""
    if taker_side not in ("yes", "no"):
        raise ValueError(f"not a side: {taker_side!r}")
    if not 0 < yes_price < 1 or not Decimal(count):
        raise ValueError(f"nobody trades {count} at {yes_price}")
    content = {"yes_price_dollars": dollars(yes_price), "count_fp": contracts(count), "taker_side": taker_side}
    return json_record(at_ns, Kind.TRADE, source.ticker(ticker), content)
