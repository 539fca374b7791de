"""Best prices of whole events without sizes, fetched every half hour (``quotes/*.jsonl``: games, ranges, ladders)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.listing import Listing, market, series_of
from markets.tape.imports.packed import files
from markets.tape.imports.rest_books import _catalogued
from markets.tape.imports.source import Aside, Part, dollars, lines, nanoseconds, ticker
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

_STRIKES: Final = ("strike_type", "floor_strike", "cap_strike")


def parts(root: Path) -> Iterator[Part]:
    """One part for each file of ``quotes/``."""
    listing = Listing(_catalogued(root))
    for path in files(root, "quotes/*.jsonl"):
        name = path.name.split(".")[0]
        about = {
            "source": "best prices of whole events over REST",
            "cadence": "passes about 30 minutes apart",
            "absent": ["sizes", "volume", "rules of most events", "prints"],
            "assumed": ["one-cent steps"],
            "licence": "none stated",
        }
        yield Part(f"quotes-{name.split('_2')[0].replace('_', '-')}", name, about, _Reader(path, listing))


class _Reader:
    def __init__(self, path: Path, listing: Listing) -> None:
        self._path, self._listing = path, listing

    def __call__(self, aside: Aside) -> Iterator[Record]:
        listed: dict[str, frozenset[str]] = {}
        series: set[str] = set()
        for line in lines(self._path, aside):
            at, events = 0, []
            with aside.unreadable():
                at, events = nanoseconds(line["captured_at"]), _events(line)
            for event in events:
                with aside.unreadable():
                    named, legs = event.get("event_ticker"), event.get("outcomes") or event.get("strikes") or []
                    if not named or not legs:
                        continue
                    event_ticker = ticker(named)
                    name, tickers = series_of(event_ticker), frozenset(ticker(leg["ticker"]) for leg in legs)
                    found = [] if name in series else list(self._listing.records([name], at))
                    if listed.get(event_ticker) != tickers:
                        content = self._event(event, legs, at, whole=_is_whole(event) and len(tickers) == len(legs))
                        found.append(json_record(at, Kind.EVENT, event_ticker, content))
                    for leg in legs:
                        content = quote(leg.get("yes_bid"), leg.get("no_bid"))
                        found.append(json_record(at, Kind.QUOTE, leg["ticker"], content))
                    series.add(name)
                    listed[event_ticker] = tickers
                    yield from found

    def _event(self, event: dict[str, Any], legs: list[dict[str, Any]], at: int, *, whole: bool) -> dict[str, Any]:
        times = {
            "close_time": event.get("close_time"),
            "open_time": event.get("open_time"),
            "expected_expiration_time": event.get("game_start") or event.get("close_time"),
        }
        markets = [
            market(
                leg["ticker"],
                name=leg.get("outcome_name") or leg.get("outcome_code") or "",
                strikes={name: leg.get(name) for name in _STRIKES},
                times=times,
            )
            for leg in legs
        ]
        is_game = series_of(event["event_ticker"]).endswith("GAME")
        exclusive = (True if is_game else None) if whole else False  # an event with legs missing proves nothing
        markets = self._listing.as_captured(event["event_ticker"], markets, at)
        return self._listing.event(
            event["event_ticker"], markets, title=event.get("game_title") or "", exclusive=exclusive
        )


def _events(line: dict[str, Any]) -> list[dict[str, Any]]:
    if "open_events" in line:
        return list(line["open_events"].get("events") or [])
    current = line.get("current")
    return [current] if isinstance(current, dict) else [line]


def _is_whole(event: dict[str, Any]) -> bool:
    return event.get("completeness_ok") is True


def quote(yes_bid: Any, no_bid: Any) -> dict[str, str | None]:
    """A QUOTE payload. A bid of zero or none means that nobody bids."""
    return {
        "yes_bid_dollars": dollars(yes_bid) if yes_bid else None,
        "no_bid_dollars": dollars(no_bid) if no_bid else None,
    }
