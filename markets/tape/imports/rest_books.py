"""Full books that were fetched over REST every half hour to every few hours (``books/*.jsonl``).

A pass carries one time for all its books although it took minutes, so the legs of an event are up to seconds apart: stated in the tape.
Between two passes nothing is known, and the books of a pass are prices only at its moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.listing import ASSUMED_RULES, DAILY, Listing, event_of, market, series_of
from markets.tape.imports.packed import files
from markets.tape.imports.source import Aside, Part, contracts, dollars, lines, nanoseconds, ticker
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

_STRIKES: Final = ("strike_type", "floor_strike", "cap_strike")


def parts(root: Path) -> Iterator[Part]:
    """The parts of a recorded set: one for each file of ``books/``."""
    listing = Listing(_catalogued(root))
    beside = Beside(root)
    for path in files(root, "books/*.jsonl"):
        daily = path.name.startswith("weather")
        about: dict[str, Any] = {
            "source": "REST order books",
            "cadence": "passes minutes to hours apart; the books of a pass carry its one time",
            "absent": ["volume", "open interest", "prints", "rules of most events"],
            "assumed": ["one-cent steps"] + ([ASSUMED_RULES] if daily else ["games and ranges: as the series' events"]),
            "licence": "none stated",
        }
        name = path.name.split(".")[0]
        yield Part(f"books-{name.split('_2')[0].replace('_', '-')}", name, about, _Reader(path, listing, beside))


def _catalogued(root: Path) -> Path:
    """The second set repeats no catalogue: that of the first, beside it, serves both."""
    beside = root.parent / "recorded"
    return root if (root / "catalog").is_dir() or not beside.is_dir() else beside


class Beside:
    """What was recorded beside the prices of a set: results, and when events end."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def results(self) -> dict[str, tuple[int, str]]:
        """market -> (when it was known, result)."""
        found: dict[str, tuple[int, str]] = {}
        aside, root = Aside(), _catalogued(self._root)
        for path in files(root, "settlement/*.jsonl"):
            for line in lines(path, aside):
                with aside.unreadable():
                    if line["result"] in ("yes", "no"):
                        found[ticker(line["ticker"])] = (nanoseconds(line["captured_at"]), line["result"])
        for path in files(root, "weather/actuals_*.jsonl"):
            for line in lines(path, aside):
                with aside.unreadable():
                    for event in line["settled_markets"]["events"]:
                        for leg, result in event["results"].items():
                            if result in ("yes", "no"):
                                found[ticker(leg)] = (nanoseconds(line["captured_at"]), result)
        aside.warn("results")
        return found

    def end(self, event: str, at_ns: int) -> str | None:
        """When ``event`` is expected to end, as the quotes recorded beside the books said by then; None where none had."""
        known = self._ends.get(event, [])
        n = bisect_right(known, at_ns, key=lambda said: said[0])
        return known[n - 1][1] if n else None

    @cached_property
    def _ends(self) -> dict[str, list[tuple[int, str]]]:
        """event -> [(when it was captured, when it is expected to end), ...] oldest first, changes alone."""
        found: dict[str, list[tuple[int, str]]] = {}
        aside = Aside()  # what cannot be read is named where the quotes themselves are
        for path in files(self._root, "quotes/*.jsonl"):
            for line in lines(path, aside):
                with aside.unreadable():
                    at = nanoseconds(line["captured_at"])
                    for event in (line, line.get("current")):
                        end = (event.get("game_start") or event.get("close_time")) if isinstance(event, dict) else None
                        if end and event.get("event_ticker"):
                            found.setdefault(str(event["event_ticker"]), []).append((at, str(end)))
        return {event: _changes(sorted(said)) for event, said in found.items()}


def _changes(said: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [one for before, one in pairwise([(0, ""), *said]) if before[1] != one[1]]


class _Reader:
    def __init__(self, path: Path, listing: Listing, beside: Beside) -> None:
        self._path, self._listing, self._beside = path, listing, beside

    def __call__(self, aside: Aside) -> Iterator[Record]:
        listed: dict[str, tuple[frozenset[str], str | None]] = {}
        series: set[str] = set()
        held: set[str] = set()
        for at, books in sorted(self._passes(aside).items()):
            events: dict[str, list[dict[str, Any]]] = {}
            for book in books:
                events.setdefault(event_of(book["ticker"]), []).append(book)
            new = {series_of(event) for event in events} - series
            series |= new
            yield from self._listing.records(new, at)
            for event, legs in events.items():
                aside.place = f"{self._path.name} {event}"
                with aside.unreadable():
                    tickers, end = frozenset(leg["ticker"] for leg in legs), self._beside.end(event, at)
                    if listed.get(event) != (tickers, end):
                        content = self._event(event, legs, at, end)
                        listed[event] = tickers, end
                        held |= tickers
                        yield json_record(at, Kind.EVENT, event, content)
            for book in books:
                yield json_record(at, Kind.BOOK, book["ticker"], book["orderbook"])
        for leg in sorted(held & self._beside.results.keys()):
            known_ns, result = self._beside.results[leg]
            yield settlement(known_ns, leg, result)

    def _passes(self, aside: Aside) -> dict[int, list[dict[str, Any]]]:
        """Time of a pass -> its books, the last of each market."""
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for line in lines(self._path, aside):
            with aside.unreadable():
                at, leg = nanoseconds(line["captured_at"]), ticker(line["ticker"])
                found.setdefault(at, {})[leg] = line | {"orderbook": _body(line)}
        return {at: list(books.values()) for at, books in found.items()}

    def _event(self, event: str, legs: list[dict[str, Any]], at: int, end: str | None) -> dict[str, Any]:
        markets = []
        for leg in legs:
            one = market(
                leg["ticker"],
                name=leg.get("yes_sub_title") or "",
                strikes={name: leg.get(name) for name in _STRIKES},
                times={"close_time": leg.get("close_time"), "expected_expiration_time": leg.get("close_time") or end},
            )
            if leg.get("group") == "daily":
                one |= self._listing.rules_of(one, day_of(event))
            markets.append(one)
        exclusive = True if DAILY.match(series_of(event)) and legs[0].get("group") == "daily" else None
        if series_of(event).endswith("GAME"):
            exclusive = True  # as the README of the set says of games
            markets = self._listing.as_captured(event, markets, at)
        return self._listing.event(event, markets, exclusive=exclusive)


def _body(book: dict[str, Any]) -> dict[str, Any]:
    sides = {
        f"{side}_dollars": [[dollars(price), contracts(size)] for price, size in reversed(book[f"{side}_bids"])]
        for side in ("yes", "no")
    }
    return {"orderbook_fp": sides}


def settlement(
    known_ns: int, market_ticker: str, result: str, settled_on: str = "", value: Decimal | str | None = None
) -> Record:
    """A final result, known from ``known_ns`` on. ``settled_on``: the exchange's ``expiration_value``, where it was recorded.

    ``value``: what YES pays, dollars; it may be left out of yes and no. Raises ValueError for another result, and for a value that
    contradicts it."""
    pays = {"yes": "1.0000", "no": "0.0000"}.get(result)
    if result == "scalar" and value not in (None, ""):
        pays = dollars(Decimal(value or 0))
    elif pays is None or (value not in (None, "") and dollars(Decimal(value or 0)) != pays):
        raise ValueError(f"not a result: {result!r} of {market_ticker} that pays {value}")
    content = {"result": result, "settlement_value_dollars": pays, "expiration_value": settled_on}
    return json_record(known_ns, Kind.SETTLEMENT, market_ticker, content)


def day_of(event: str) -> str:
    """The day of an event ticker as rules write it: ``KXHIGHNY-26JUL19`` -> "July 19, 2026"; empty where there is none."""
    try:
        day = datetime.strptime(event.split("-")[1], "%y%b%d")
    except (IndexError, ValueError):
        return ""
    return f"{day:%B} {day.day}, {day.year}"
