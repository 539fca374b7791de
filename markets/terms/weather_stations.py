"""Which station and which extreme a daily temperature series settles on, and the places that mean the station in rules texts.

As the exchange's series named them in July 2026. A series that is here and whose rules name something else has changed: nothing is
known of it then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import parse_qsl

from markets.terms.reading.text import address_of

Extreme = Literal["high", "low"]
_HOSTS: Final = frozenset({"weather.gov", "www.weather.gov", "forecast.weather.gov"})

PLACES: Final[dict[str, frozenset[str]]] = {
    "AUS": frozenset({"Austin", "Austin Bergstrom"}),
    "MDW": frozenset({"Chicago", "Chicago Midway", "Chicago Midway, IL"}),
    "DEN": frozenset({"Denver", "Denver, CO"}),
    "LAX": frozenset({"Los Angeles", "Los Angeles Airport", "Los Angeles Airport, CA"}),
    "MIA": frozenset({"Miami", "Miami, FL", "Miami International Airport"}),
    "NYC": frozenset({"Central Park, New York", "Central Park, NY", "New York City"}),
    "PHL": frozenset({"Philadelphia", "Philadelphia International Airport"}),
    "ATL": frozenset({"Atlanta"}),
    "BOS": frozenset({"Boston"}),
    "DFW": frozenset({"Dallas"}),
    "DCA": frozenset({"Washington DC"}),
    "HOU": frozenset({"Houston"}),
    "LAS": frozenset({"Las Vegas"}),
    "MSP": frozenset({"Minneapolis"}),
    "MSY": frozenset({"New Orleans"}),
    "OKC": frozenset({"Oklahoma City"}),
    "PHX": frozenset({"Phoenix"}),
    "SAT": frozenset({"San Antonio"}),
    "SEA": frozenset({"Seattle"}),
    "SFO": frozenset({"San Francisco"}),
}
"""Station of the daily climate report (CLI) -> its names."""

LOCATIONS: Final[dict[str, frozenset[str]]] = {
    "AUS": frozenset({"Austin Bergstrom"}),
    "MDW": frozenset({"Chicago - Midway, IL"}),
    "DEN": frozenset({"Denver, CO"}),
    "LAX": frozenset({"Los Angeles Airport, CA"}),
    "MIA": frozenset({"Miami, FL"}),
    "NYC": frozenset({"Central Park NY"}),
    "PHL": frozenset({"Philadelphia, PA"}),
    "ATL": frozenset({"Atlanta, GA"}),
    "BOS": frozenset({"Boston (Logan Airport), MA"}),
    "DFW": frozenset({"Dallas/Fort Worth, TX"}),
    "DCA": frozenset({"Washington-National"}),
    "HOU": frozenset({"Houston-Hobby, TX"}),
    "LAS": frozenset({"Las Vegas, NV"}),
    "MSP": frozenset({"Minneapolis/St Paul, MN"}),
    "MSY": frozenset({"New Orleans, LA"}),
    "OKC": frozenset({"Oklahoma City Will Rogers Airport"}),
    "PHX": frozenset({"Phoenix, AZ"}),
    "SAT": frozenset({"San Antonio"}),
    "SEA": frozenset({"Seattle-Tacoma, WA"}),
    "SFO": frozenset({"San Francisco Airport"}),
}
"""Station -> what the weather service's page calls it, where rules say which location to choose there."""

OFFICES: Final = {
    "AUS": "EWX",
    "MDW": "LOT",
    "DEN": "BOU",
    "LAX": "LOX",
    "MIA": "MFL",
    "NYC": "OKX",
    "PHL": "PHI",
    "ATL": "FFC",
    "BOS": "BOX",
    "DFW": "FWD",
    "DCA": "LWX",
    "HOU": "HGX",
    "LAS": "VEF",
    "MSP": "MPX",
    "MSY": "LIX",
    "OKC": "OUN",
    "PHX": "PSR",
    "SAT": "EWX",
    "SEA": "SEW",
    "SFO": "MTR",
}
"""Station -> the weather service's office that issues its report."""

_BOTH: Final = {
    "TATL": "ATL",
    "TBOS": "BOS",
    "TDAL": "DFW",
    "TDC": "DCA",
    "THOU": "HOU",
    "TLV": "LAS",
    "TMIN": "MSP",
    "TNOLA": "MSY",
    "TOKC": "OKC",
    "TPHX": "PHX",
    "TSATX": "SAT",
    "TSEA": "SEA",
    "TSFO": "SFO",
}
_HIGH: Final = _BOTH | {
    "AUS": "AUS",
    "CHI": "MDW",
    "DEN": "DEN",
    "LAX": "LAX",
    "MIA": "MIA",
    "NY": "NYC",
    "PHIL": "PHL",
}
_LOW: Final = _BOTH | {
    "TAUS": "AUS",
    "TCHI": "MDW",
    "TDEN": "DEN",
    "TLAX": "LAX",
    "TMIA": "MIA",
    "TNYC": "NYC",
    "TPHIL": "PHL",
}
SERIES: Final[dict[str, tuple[str, Extreme]]] = {
    **{f"KXHIGH{name}": (station, "high") for name, station in _HIGH.items()},
    **{f"KXLOW{name}": (station, "low") for name, station in _LOW.items()},
}
"""Series -> (station, extreme)."""


_PAGE: Final = frozenset(
    {("site", "NWS"), ("format", "CI"), ("format", "TXT"), ("version", "1"), ("glossary", "0"), ("glossary", "1")}
)
"""How an address may ask for the page of a report; version 1 is the latest."""
_UNSPECIFIC: Final = frozenset(
    {
        "the national weather service for area (e.g. Australian Bureau of Meteorology, the Met Office, etc.) https://kalshi.com",
    }
)
"""Sources ("name address") that series list without a station; their rules name it."""
_REPORT_WORDS: Final = ("the", "NWS", "National Weather Service", "Climatological Report", "Daily Climate Report", "FW")
_SHORT: Final[dict[str, tuple[str, ...]]] = {
    "NYC": ("NYC", "NY"),
    "LAX": ("LA",),
    "DCA": ("DC", "Washington"),
    "PHL": ("Philly",),
    "SFO": ("SF",),
    "LAS": ("Vegas",),
}
_EXTREME_WORDS: Final[dict[Extreme, tuple[str, ...]]] = {
    "high": ("highest", "high", "maximum", "max", "hot", "hottest"),
    "low": ("lowest", "low", "minimum", "min", "cold", "coldest"),
}


def label_words(series: str) -> tuple[str, ...]:
    """Other words that titles have for what a series measures, and where."""
    if series not in SERIES:
        return ()
    station, extreme = SERIES[series]
    return (
        *PLACES[station],
        *LOCATIONS[station],
        *_SHORT.get(station, ()),
        *_EXTREME_WORDS[extreme],
        "temp",
        "temperature",
        "daily",
    )


def foreign_source(series: str, sources: Iterable[str]) -> str:
    """The first listed settlement source ("name address") that is not the weather service's report of the series' station; ""."""
    for source in sources:
        name, _, address = source.rpartition(" ")
        if source in _UNSPECIFIC:
            continue
        if not _is_report_name(name, series) or foreign_address(series, [address]):
            return source
    return ""


def _is_report_name(name: str, series: str) -> bool:
    """Whether a source's name is the report's, with or without a name of the station of the series."""
    known = {word.lower() for text in (*_REPORT_WORDS, *label_words(series)) for word in re.findall(r"\w+", text)}
    return {word.lower() for word in re.findall(r"\w+", name)} <= known


def foreign_address(series: str, addresses: Iterable[str]) -> str:
    """The first address that leads neither to the daily climate report of the series' station, nor to the climate page of its office,
    nor to the weather service as a whole; ""."""
    station = SERIES[series][0]
    for address in addresses:
        at = address_of(address.rstrip(",."))
        query = {(key.lower(), value.upper()) for key, value in parse_qsl(at.query)}
        report = {("product", "CLI"), ("issuedby", station)}
        report_page = at.path == "/product.php" and report <= query <= report | _PAGE | {("site", OFFICES[station])}
        page = at.path.lower() == "/wrh/climate" and query == {("wfo", OFFICES[station])}
        whole = at.path in ("", "/") and not at.query
        if at.netloc not in _HOSTS or not (whole or page or report_page):
            return address
    return ""


def disagreement(
    series: str, extreme: Extreme, place: str, stations: Iterable[str] = (), locations: Iterable[str] = ()
) -> str:
    """Why rules that name this extreme, place and (where they do) stations and locations are not those of the series; "" if they
    may be.

    A series that is not listed has no source that is known.
    """
    if series not in SERIES:
        return f"{series} is not among the series whose station is known"
    expected, kind = SERIES[series]
    if extreme != kind:
        return f"{series} is about the {kind} temperature, its rules about the {extreme}"
    if place not in PLACES[expected] | LOCATIONS[expected]:
        return f"{place} is not known to mean {expected}, the station of {series}"
    for station in stations:
        if station != expected:
            return f"the rules point to CLI{station}, {series} settles on CLI{expected}"
    for location in locations:
        if location not in LOCATIONS[expected] | PLACES[expected]:
            return f"{location} is not known to mean {expected}"
    return ""
