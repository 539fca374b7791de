"""Best bids of both sides at every change, without sizes (``quotes_hf/*.csv``), with derived results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from markets.tape.imports.event_quotes import quote
from markets.tape.imports.listing import ASSUMED_RULES, DAILY, Listing, event_of, market, series_of
from markets.tape.imports.packed import files, one_file
from markets.tape.imports.rest_books import _catalogued, day_of, settlement
from markets.tape.imports.source import Aside, Part, Refused, beside, iso, nanoseconds, rows
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

CENT: Final = Decimal("0.01")
HALF: Final = Decimal("0.5")
NEW_YORK: Final = ZoneInfo("America/New_York")
"""Its midnight ends trading there, and no later than the exchange does anywhere else."""
RESULT_KNOWN: Final = timedelta(days=1, hours=15)
"""The official report of a day is out by the next day's 15:00 UTC; the exchange determines after it."""
_LEG: Final = re.compile(r"-(B|T)(-?\d+(?:\.\d+)?)$")


def parts(root: Path) -> Iterator[Part]:
    """One part an event-day."""
    listing, folder = Listing(_catalogued(root)), root / "quotes_hf"
    results = cache(lambda: _results(one_file(folder / "results_derived.csv")))
    for path in files(folder, "KX*.csv"):
        about = {
            "source": "best bids at every change",
            "cadence": "every change; silence means unchanged, as far as the recorder saw",
            "absent": ["sizes", "prints", "volume"],
            "assumed": ["one-cent steps", "results derived from the official report", ASSUMED_RULES],
            "licence": "none stated",
        }
        yield Part("best-changes", path.name.split(".")[0], about, _Reader(path, listing, results))


class _Reader:
    def __init__(self, path: Path, listing: Listing, results: Callable[[], tuple[dict[str, str], Aside]]) -> None:
        self._path, self._listing, self._results = path, listing, results

    def __call__(self, aside: Aside) -> Iterator[Record]:
        event = self._path.name.split(".")[0]
        changes = sorted(self._changes(event, aside), key=lambda record: record.received_ns)
        legs = sorted({record.key for record in changes if record.kind is Kind.QUOTE})
        if not legs:
            raise Refused(f"{self._path.name} has no row that can be read")
        first, last = changes[0].received_ns, changes[-1].received_ns
        yield from self._listing.records([series_of(event)], first)
        yield json_record(first, Kind.EVENT, event, self._event(event, legs))
        yield json_record(first, Kind.CONNECTION, event, {"state": "open"})
        yield from changes
        yield json_record(last, Kind.CONNECTION, event, {"state": "closed"})
        known = _day(event) + RESULT_KNOWN
        results, unread = self._results()
        aside.also(unread)
        for ticker in legs:
            if ticker in results:
                yield settlement(int(known.timestamp()) * 10**9, ticker, results[ticker])

    def _changes(self, event: str, aside: Aside) -> Iterator[Record]:
        """Quotes. What a row that cannot be read said of its leg is not known, so it is a gap of the event."""
        seen, last = 0, 0
        for row in rows(self._path, ("ts_utc", "ticker", "yes_bid", "no_bid"), aside):
            with aside.unreadable():
                at, ticker = nanoseconds(row["ts_utc"]), row["ticker"]
                if event_of(ticker) != event:
                    raise ValueError(f"{ticker} is no market of {event}")
                yes, no = (int(row[name] or 0) * CENT for name in ("yes_bid", "no_bid"))
                found = json_record(at, Kind.QUOTE, ticker, quote(yes, no))
                if aside.count > seen and last:
                    hole = {"after_ns": last, "before_ns": at, "reason": "rows that cannot be read"}
                    yield json_record(last, Kind.GAP, ticker, hole)
                seen, last = aside.count, at
                yield found

    def _event(self, event: str, legs: list[str]) -> dict[str, Any]:
        midnight = (_day(event) + timedelta(days=1)).replace(tzinfo=NEW_YORK)
        closes = iso(int((midnight - timedelta(minutes=1)).timestamp()) * 10**9)
        is_daily = (
            DAILY.match(series_of(event)) is not None
        )  # of others the tickers say neither strikes nor exclusiveness
        strikes = strikes_of(legs) if is_daily else {}
        markets = []
        for ticker in legs:
            one = market(
                ticker, strikes=strikes.get(ticker), times={"close_time": closes, "expected_expiration_time": closes}
            )
            markets.append(one | self._listing.rules_of(one, day_of(event)))
        return self._listing.event(event, markets, exclusive=True if is_daily else None)


def strikes_of(legs: list[str]) -> dict[str, dict[str, Any]]:
    """The strikes that the tickers of a daily temperature carry: ``-B32.5`` is 32 to 33, ``-T37`` the outer side of 37."""
    found: dict[str, dict[str, Any]] = {}
    middles = [Decimal(match[2]) for leg in legs if (match := _LEG.search(leg)) and match[1] == "B"]
    for leg in legs:
        match = _LEG.search(leg)
        if match is None:
            continue
        value = Decimal(match[2])
        if match[1] == "B" and abs(value) % 1 == HALF:
            found[leg] = {"strike_type": "between", "floor_strike": int(value - HALF), "cap_strike": int(value + HALF)}
        elif match[1] == "T" and middles and value > max(middles):
            found[leg] = {"strike_type": "greater", "floor_strike": int(value)}
        elif match[1] == "T" and middles and value < min(middles):
            found[leg] = {"strike_type": "less", "cap_strike": int(value)}
    return {leg: found.get(leg, {}) for leg in legs}


def _day(event: str) -> datetime:
    return datetime.strptime(event.split("-")[1], "%y%b%d").replace(tzinfo=UTC)


def _results(path: Path | None) -> tuple[dict[str, str], Aside]:
    """Market -> result, and what of the file cannot be read. A market that has two has none."""
    aside, found, twice = Aside(), dict[str, str](), set[str]()
    table = rows(path, ("ticker", "result_derived"), aside) if path is not None else ()
    for row in beside(path, table, aside):
        with aside.unreadable():
            ticker, result = row["ticker"], row["result_derived"]
            if result not in ("yes", "no", ""):
                raise ValueError(f"not a result: {result!r}")
            if result and found.setdefault(ticker, result) != result:
                twice.add(ticker)
                raise ValueError(f"{ticker} has another result above")
    return {ticker: result for ticker, result in found.items() if ticker not in twice}, aside
