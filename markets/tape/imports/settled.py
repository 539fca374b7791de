"""Settled events with a few recorded moments of their prices (``settled/``): daily highs three times a day, games near their close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.best_changes import RESULT_KNOWN
from markets.tape.imports.listing import ASSUMED_RULES, Listing, event_of, market
from markets.tape.imports.packed import files, one_file
from markets.tape.imports.rest_books import _catalogued, day_of, settlement
from markets.tape.imports.source import Aside, Part, Refused, instant, lines, moment_of, nanoseconds, rows, ticker
from markets.tape.imports.touches import touch
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

HOUR_NS: Final = 3_600 * 10**9
_PRICED: Final = "real_ask"
_COLUMNS: Final = (
    "event_ticker",
    "ticker",
    "strike_type",
    "floor_strike",
    "cap_strike",
    "result",
    "expiration_value",
    "open_time",
    "close_time",
)
_QUOTES: Final = "weather_19cities_quotes_3x_day.csv"
_QUOTED: Final = ("target", "ticker", "snapshot_hour_utc", "last_yes_bid", "last_yes_ask")
_TIMES: Final = ("open_time", "close_time")


def parts(root: Path) -> Iterator[Part]:
    """One part for the temperatures of several cities, one a file of games."""
    listing, folder = Listing(_catalogued(root)), root / "settled"
    highs = one_file(folder / "weather_19cities_markets.csv")
    if highs is not None:
        about = _about("three moments a day", ["sizes", "prints", "changes between the moments"], ASSUMED_RULES)
        yield Part("quotes-settled-highs", "weather_19cities", about, _Highs(highs, listing))
    for path in files(folder, "sports_near_close_*.jsonl"):
        about = _about("one moment near the close", ["bids", "sizes", "prints", "rules"], "one-cent steps")
        yield Part("quotes-settled-games", path.name.split(".")[0], about, _Games(path, listing))


def _about(cadence: str, absent: list[str], assumed: str) -> dict[str, Any]:
    source = "prices of settled events"
    return {"source": source, "cadence": cadence, "absent": absent, "assumed": [assumed], "licence": "none stated"}


class _Highs:
    def __init__(self, path: Path, listing: Listing) -> None:
        self._path, self._listing = path, listing

    def __call__(self, aside: Aside) -> Iterator[Record]:
        events: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in rows(self._path, _COLUMNS, aside):
            with aside.unreadable():
                events[event_of(ticker(row["ticker"]))].append(row)
        listed: set[str] = set()
        results: list[Record] = []
        for event, legs in sorted(events.items()):
            aside.place = f"{self._path.name} {event}"
            with aside.unreadable():
                at = min(nanoseconds(leg["open_time"]) for leg in legs)
                found = json_record(at, Kind.EVENT, event, self._event(event, legs))
                day = datetime.strptime(event.split("-")[1] + "+0000", "%y%b%d%z")
                known = int((day + RESULT_KNOWN).timestamp()) * 10**9
                yield from self._listing.records([event.split("-", 1)[0]], at)
                yield found
                listed |= {leg["ticker"] for leg in legs}
                results += [
                    settlement(known, leg["ticker"], leg["result"], leg["expiration_value"])
                    for leg in legs
                    if leg["result"] in ("yes", "no")
                ]
        for row in rows(self._quotes(), _QUOTED, aside):
            with aside.unreadable():
                if row["ticker"] in listed:
                    moment = moment_of(row["target"]) + _hour(row["snapshot_hour_utc"]) * HOUR_NS
                    content = _touch(row["last_yes_bid"], row["last_yes_ask"])
                    yield json_record(moment, Kind.QUOTE, row["ticker"], content)
        yield from results

    def _quotes(self) -> Path:
        found = one_file(self._path.with_name(_QUOTES))
        if found is None:
            raise Refused(f"there is no {_QUOTES} beside it")
        return found

    def _event(self, event: str, legs: list[dict[str, str]]) -> dict[str, Any]:
        markets = []
        for leg in legs:
            strikes = {name: int(leg[name]) for name in ("floor_strike", "cap_strike") if leg[name]}
            one = market(
                leg["ticker"],
                strikes={"strike_type": leg["strike_type"], **strikes},
                times={name: leg[name] for name in _TIMES} | {"expected_expiration_time": leg["close_time"]},
            )
            markets.append(one | self._listing.rules_of(one, day_of(event)))
        return self._listing.event(event, markets, exclusive=True)


class _Games:
    """Asks of all outcomes at the end of the minute nearest to the close; no bid was recorded, so no NO side has a price."""

    def __init__(self, path: Path, listing: Listing) -> None:
        self._path, self._listing = path, listing

    def __call__(self, aside: Aside) -> Iterator[Record]:
        for game in lines(self._path, aside):
            if "outcomes" in game:  # else a bookmaker's line beside the exchange's events
                with aside.unreadable():
                    yield from list(self._game(game))

    def _game(self, game: dict[str, Any]) -> Iterator[Record]:
        legs, event = game["outcomes"], ticker(game["event_ticker"])
        opened = min(nanoseconds(leg["open_time"]) for leg in legs)
        whole = (
            all(event_of(leg["ticker"]) == event for leg in legs) and len({ticker(leg["ticker"]) for leg in legs}) > 1
        )
        markets = [
            market(
                leg["ticker"],
                times={name: leg[name] for name in _TIMES} | {"expected_expiration_time": leg["occurrence_datetime"]},
            )
            for leg in legs
        ]
        title = legs[0].get("title") or ""
        yield from self._listing.records([event.split("-", 1)[0]], opened)
        listed = self._listing.event(event, markets, title=title, exclusive=whole)
        yield json_record(opened, Kind.EVENT, event, listed)
        for leg in legs:
            near = leg.get("sample_ask_near_close") or {}
            if near.get("price_source_tag") == _PRICED:
                yield json_record(
                    instant(near["end_period_ts"]), Kind.QUOTE, leg["ticker"], _touch("", near["yes_ask"])
                )
        for leg in legs:
            if leg["result"] in ("yes", "no"):
                yield settlement(nanoseconds(game["captured_at"]), leg["ticker"], leg["result"])


def _hour(text: str) -> int:
    hour = int(text)
    if not 0 <= hour < 24:
        raise ValueError(f"not an hour: {text}")
    return hour


def _touch(bid: Any, ask: Any) -> dict[str, str]:
    yes, no = (Decimal(value) if value not in ("", None) else None for value in (bid, ask))
    return touch(yes, no)
