"""Primary rules that are read: the form of the sentence says what is measured, where, when, by whom; one slot is the strike.

A form has no slot for free text. What an outcome's sentence leaves when its strike is taken out must be the same in all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from markets.terms.reading.strikes import PHRASE, Interval, read_phrase
from markets.terms.reading.text import DATE, PLACE, THEN_YES, TIME
from markets.terms.sources import CF_BENCHMARKS, NWS_CLI, Source
from markets.terms.weather_stations import Extreme

_REPORT: Final = (
    r"(?:as (?:reported|published) (?:by|in)|according to) (?:the )?(?:National Weather Service|NWS)(?:'s)? "
    r"(?:Climatological Report \(Daily\)|Daily Climate Report)"
)
_SCALE: Final = r"(?: \(in (?:degrees )?[Ff]ahrenheit\))?"
_STRIKE: Final = rf"(?P<strike>{PHRASE})"
_YES: Final = re.escape(THEN_YES)

_WEATHER: Final = re.compile(
    rf"If the (?:daily )?(?P<extreme>highest|maximum|lowest|minimum) temperature{_SCALE} recorded (?:in|at) (?P<place>{PLACE}) "
    rf"(?:for|on) (?P<date>{DATE})(?P<before>,? {_REPORT})?,? is {_STRIKE}(?: [Ff]ahrenheit)?(?P<after>,? {_REPORT})?{_YES}",
    re.ASCII,
)
_BITCOIN: Final = r"(?:Bitcoin Real-Time Index \(BRTI\)|BRTI)"
_ETHER: Final = r"(?:(?:Ethereum|Ether) Real-Time Index \((?:ERTI|ETHUSD_RTI|ETHUSD RTI)\)|ERTI|ETHUSD_RTI)"
_CRYPTO: Final = re.compile(
    r"If the simple average of the (?:sixty|60) seconds of (?:the )?CF Benchmarks(?:'s?)? "
    rf"(?:(?P<BTC>{_BITCOIN})|(?P<ETH>{_ETHER})) before (?P<time>{TIME}) "
    rf"is {_STRIKE} at (?P=time) on (?P<date>{DATE}){_YES}",
    re.ASCII,
)
_DOLLARS: Final = re.compile(r"[$%]")
_DEGREES: Final = re.compile(r"[°%]| degree")


@dataclass(frozen=True, slots=True)
class Condition:
    """One outcome's rule, read. ``rest``: what it says but for its strike, in one wording. ``place`` and
    ``extreme``: of a temperature; ``coin``: of a price, "BTC" or "ETH"."""

    interval: Interval
    rest: str
    source: Source
    place: str = ""
    extreme: Extreme | None = None
    coin: str = ""


@lru_cache(maxsize=16384)
def read_condition(sentence: str) -> Condition | None:
    """The condition that a primary rule (one plain sentence) sets, or None: not a form that is read."""
    if found := _WEATHER.fullmatch(sentence):
        if not (found["before"] or found["after"]):
            return None
        extreme: Extreme = "high" if found["extreme"] in ("highest", "maximum") else "low"
        rest = (
            f"If the {extreme}est temperature recorded in {found['place']} for {found['date']} as reported by the National Weather "
            f"Service's Climatological Report (Daily), is {{}}{THEN_YES}"
        )
        return None if _DOLLARS.search(found["strike"]) else _condition(found, NWS_CLI, rest, found["place"], extreme)
    if found := _CRYPTO.fullmatch(sentence):
        start, end = found.span("strike")
        rest = f"{sentence[:start]}{{}}{sentence[end:]}"
        coin = "BTC" if found["BTC"] else "ETH"
        return None if _DEGREES.search(found["strike"]) else _condition(found, CF_BENCHMARKS, rest, coin=coin)
    return None


def _condition(
    found: re.Match[str], source: Source, rest: str, place: str = "", extreme: Extreme | None = None, coin: str = ""
) -> Condition | None:
    interval = read_phrase(found["strike"])
    return None if interval is None else Condition(interval, rest, source, place, extreme, coin)
