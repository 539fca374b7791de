"""Rules texts by series, for recordings that carry none: one sample market a series, from which the text of every other follows.

A file holds JSON lines, plain or gzip: ``{"series", "rules_primary", "rules_secondary"}`` of any one market of the series, as the
exchange gave them (other keys are ignored). The sample's strike is replaced by each market's own, its dates by the event's. A sample
in no form that is read (``markets.terms.reading.primary``) gives no text.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from kalbot.common.errors import KalbotError
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.reading.primary import read_condition
from markets.terms.reading.text import DATE, plain

PUBLIC: Final = Path(__file__).parent / "data" / "rules_public.jsonl"
"""Texts of range series in the exchange's public wording; written from it, not recorded."""

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TICKER_DAY: Final = re.compile(r"-(\d{2})([A-Z]{3})(\d{2})(\d{2})?(?:-|\Z)")
_TIME: Final = re.compile(r"\d{1,2}(?::\d{2})? ?[AP]M(?= E[DS]T)")


class RulesFileError(KalbotError):
    """The file is not one of rules texts; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The texts of one market. ``rest``: its primary rule without the strike, ``unit``: what follows a number in it."""

    rest: str
    unit: str
    secondary: str


def read_rules(paths: Iterable[Path]) -> dict[str, Sample]:
    """Series -> sample, of all files; the first text of a series counts. Raises RulesFileError."""
    found: dict[str, Sample] = {}
    for path in paths:
        for number, line in enumerate(_lines(path), start=1):
            try:
                row = json.loads(line)
                series, primary, secondary = row["series"], row["rules_primary"], row["rules_secondary"]
            except (ValueError, KeyError, TypeError):
                raise RulesFileError(
                    f"{path}, line {number} has no series with rules_primary and rules_secondary."
                ) from None
            condition = read_condition(plain(str(primary)))
            if condition is not None:
                found.setdefault(series, Sample(condition.rest, "°" if "°" in primary else "", str(secondary)))
    return found


def read_shipped(names: Iterable[str]) -> dict[str, Sample]:
    """As ``read_rules``, of file names; "public" is the file that comes with the program. Raises RulesFileError."""
    return read_rules(PUBLIC if name == "public" else Path(name) for name in names)


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RulesFileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def with_rules(event: EventFacts, samples: Mapping[str, Sample]) -> EventFacts:
    """The event with the texts of its series in every market that has none. Unchanged where there is no sample."""
    sample = samples.get(event.series_ticker)
    if sample is None or any(m.rules_primary or m.rules_secondary for m in event.markets):
        return event
    rest = dated(sample.rest, event.event_ticker)
    secondary = dated(sample.secondary, event.event_ticker)
    filled = []
    for market in event.markets:
        phrase = strike_words(market, sample.unit)
        if phrase is None:
            return event
        filled.append(replace(market, rules_primary=rest.replace("{}", phrase), rules_secondary=secondary))
    return replace(event, markets=tuple(filled))


def dated(text: str, event_ticker: str) -> str:
    """The text with the event's day, and hour (Eastern) where its ticker has one, in place of the sample's."""
    found = _TICKER_DAY.search(event_ticker)
    if found is None or found[2] not in _MONTHS:
        return text
    day = date(2000 + int(found[1]), _MONTHS.index(found[2]) + 1, int(found[3]))
    text = re.sub(DATE, f"{day:%b} {day.day}, {day.year}", text)
    if found[4]:
        hour = int(found[4])
        text = _TIME.sub(f"{(hour - 1) % 12 + 1} {'AM' if hour % 24 < 12 else 'PM'}", text)
    return text


def strike_words(market: MarketFacts, unit: str) -> str | None:
    """The strike phrase that says what the market's strikes say; None for a strike type without one."""
    low, high = (None if bound is None else _number(bound) + unit for bound in (market.floor_strike, market.cap_strike))
    match market.strike_type, low, high:
        case "greater", str(), None:
            return f"greater than {low}"
        case "greater_or_equal", str(), None:
            return f"at least {low}"
        case "less", None, str():
            return f"less than {high}"
        case "less_or_equal", None, str():
            return f"at most {high}"
        case "between", str(), str():
            return f"between {low.removesuffix(unit) if unit else low}-{high}"
    return None


def _number(bound: Decimal) -> str:
    return format(bound.normalize(), "f")
