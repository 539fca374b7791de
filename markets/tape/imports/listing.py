"""Events and series around recordings that hold only prices: from the catalogues that were recorded beside them.

Nothing is guessed: an event is exclusive if the recorded catalogue says so of its series, a series has the fee that was recorded of it.
Where neither was recorded the event is not exclusive and the fee is not known, and then nothing is traded on it. The one exception is
the wording of rules, see ``rules_of``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.listed_fees import LISTED
from markets.tape.imports.packed import files
from markets.tape.imports.source import Aside, beside, lines
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

DAILY: Final = re.compile(r"^KX(HIGH|LOW)(T)?[A-Z]+$")
ASSUMED_RULES: Final = "rules: the series' recorded sample with the strike of each market and the day put in its place"
CENT_GRID: Final = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
_STRIKE: Final = re.compile(r"(greater than|less than|between) (-?\d+(?:-\d+)?)°")
_NEGATIVE: Final = re.compile(r"(?<=-[BT])-(?=\d+(\.\d+)?$)")
_FILE_DAY: Final = re.compile(r"20\d\d-\d\d-\d\d")
_DAY: Final = re.compile(r"[A-Z][a-z]{2,8} \d{1,2}, 20\d\d")


class Listing:
    """The recorded catalogue below a folder (``catalog/``, as in the first set)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _series(self) -> dict[str, dict[str, Any]]:
        return self._by("ticker", "series_all_*.jsonl")

    @cached_property
    def _exclusive(self) -> dict[str, dict[str, Any]]:
        """series -> the newest recorded event of it."""
        return self._by("series_ticker", "events_all_*.jsonl")

    @cached_property
    def _rules(self) -> dict[str, dict[str, Any]]:
        return self._by("series", "weather_series_meta_*.jsonl")

    def _by(self, name: str, pattern: str) -> dict[str, dict[str, Any]]:
        """The last line of each ``name`` in the catalogue's files; the newest file is the last by name."""
        found, aside = {}, Aside()
        for path in files(self._root, f"catalog/{pattern}"):
            of_name = _FILE_DAY.search(path.name)
            day = "" if of_name is None else of_name[0]
            for line in beside(path, lines(path, aside), aside):
                with aside.unreadable():
                    found[str(line[name])] = line | {LISTED: day}
        aside.warn(f"catalogue {pattern}")
        return found

    @cached_property
    def _games(self) -> dict[str, tuple[int, list[dict[str, Any]]]]:
        """event -> (when it was captured, its markets as the exchange gave them)."""
        found: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        aside = Aside()
        for path in files(self._root, "catalog/sports_markets_raw_*.jsonl"):
            for line in beside(path, lines(path, aside), aside):
                with aside.unreadable():
                    moment = datetime.strptime(line["capture_id"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                    found.setdefault(line["event_ticker"], (int(moment.timestamp()) * 10**9, line["markets"]))
        aside.warn("captured games")
        return found

    def as_captured(self, event: str, markets: list[dict[str, Any]], at_ns: int) -> list[dict[str, Any]]:
        """``markets`` with rules, price steps and times where the whole event was captured by ``at_ns``; else as they are.

        What moves with the market (prices, volume, status) stays out: it is another moment's.
        """
        captured_ns, known = self._games.get(event, (at_ns + 1, []))
        rows = {row["ticker"]: row for row in known}
        if captured_ns > at_ns or rows.keys() != {market["ticker"] for market in markets}:
            return markets
        return [
            market | {name: rows[market["ticker"]][name] for name in _CAPTURED if name in rows[market["ticker"]]}
            for market in markets
        ]

    def series(self, ticker: str) -> dict[str, Any] | None:
        """The series as the exchange lists it, or None where it was not recorded."""
        found = self._series.get(ticker)
        if found is None:
            meta = self._rules.get(ticker)
            return None if meta is None else {"ticker": ticker, **{k: meta[k] for k in _META}, "category": ""}
        return {name: value for name, value in found.items() if name in _SERIES}

    def records(self, tickers: Iterable[str], received_ns: int) -> Iterator[Record]:
        """SERIES records of these series."""
        for ticker in sorted(set(tickers)):
            found = self.series(ticker)
            if found is not None:
                yield json_record(received_ns, Kind.SERIES, ticker, found | {"fee_multiplier": float(_fee(found))})

    def event(
        self, ticker: str, markets: list[dict[str, Any]], *, title: str = "", exclusive: bool | None = None
    ) -> dict[str, Any]:
        """An event in the exchange's form around ``markets``. A title that was not recorded stays empty: that of another day is none."""
        series = series_of(ticker)
        known = self._exclusive.get(series, {})
        is_exclusive = bool(known.get("mutually_exclusive")) if exclusive is None else exclusive
        return {
            "event_ticker": ticker,
            "series_ticker": series,
            "title": title,
            "sub_title": "",
            "category": known.get("category", "") or self._series.get(series, {}).get("category", ""),
            "mutually_exclusive": is_exclusive,
            "collateral_return_type": "MECNET" if is_exclusive else "",
            "strike_period": "",
            "markets": markets,
        }

    def rules_of(self, market: dict[str, Any], day: str) -> dict[str, str]:
        """Rules of one market of a daily temperature, from the series' recorded sample; empty where the sample cannot be read.

        ``day``: as the rules write it ("July 16, 2026").
        """
        sample = self._rules.get(series_of(market["event_ticker"]))
        strike = _strike_words(market)
        if sample is None or strike is None or not _STRIKE.search(sample["rules_primary"]):
            return {}
        primary = _STRIKE.sub(strike, sample["rules_primary"], count=1)
        return {"rules_primary": _DAY.sub(day, primary), "rules_secondary": sample["rules_secondary"]}


_SERIES: Final = frozenset(
    {"ticker", "title", "category", "fee_type", "fee_multiplier", "frequency", "settlement_sources", "tags", LISTED}
)
_CAPTURED: Final = (
    "can_close_early",
    "close_time",
    "custom_strike",
    "early_close_condition",
    "expected_expiration_time",
    "expiration_time",
    "latest_expiration_time",
    "no_sub_title",
    "open_time",
    "price_level_structure",
    "price_ranges",
    "rules_primary",
    "rules_secondary",
    "strike_type",
    "yes_sub_title",
)
_META: Final = ("title", "fee_type", "fee_multiplier", "frequency", "settlement_sources", LISTED)


def _fee(series: dict[str, Any]) -> Any:
    return series.get("fee_multiplier", -1)


def _strike_words(market: dict[str, Any]) -> str | None:
    low, high = market.get("floor_strike"), market.get("cap_strike")
    match market.get("strike_type"):
        case "greater":
            return f"greater than {low}°"
        case "less":
            return f"less than {high}°"
        case "between":
            return f"between {low}-{high}°"
    return None


def series_of(ticker: str) -> str:
    """The series of an event or market ticker."""
    return ticker.split("-", 1)[0]


def event_of(market: str) -> str:
    """The event of a market ticker: all but its last part, which of a temperature below zero holds a minus sign.

    >>> event_of("KXHIGHCHI-26JAN15-B-3.5"), event_of("KXNBAGAME-26MAR19CLECHI-CHI")
    ('KXHIGHCHI-26JAN15', 'KXNBAGAME-26MAR19CLECHI')
    """
    return _NEGATIVE.sub("", market).rsplit("-", 1)[0]


def market(
    ticker: str, *, name: str = "", strikes: dict[str, Any] | None = None, times: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A market in the exchange's form, with one-cent steps. Volume and open interest were not recorded: zero."""
    found = {
        "ticker": ticker,
        "event_ticker": event_of(ticker),
        "market_type": "binary",
        "status": "active",
        "result": "",
        "notional_value_dollars": "1.0000",
        "price_level_structure": "linear_cent",
        "price_ranges": CENT_GRID,
        "yes_sub_title": name,
    }
    found |= {key: value for key, value in {**(strikes or {}), **(times or {})}.items() if value not in (None, "")}
    return found
