"""Which station and which extreme a daily temperature series settles on, and the places that mean the station in rules texts.

As the exchange's series named them in July 2026. A series that is here and whose rules name something else has changed: nothing is
known of it then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

Extreme = Literal["high", "low"]
_HOSTS: Final = frozenset({"weather.gov", "www.weather.gov", "forecast.weather.gov"})

PLACES: Final[dict[str, frozenset[str]]] = {
    "AUS": frozenset({"Austin", "Austin Bergstrom"}),
    "MDW": frozenset({"Chicago", "Chicago Midway", "Chicago Midway, IL"}),
    "DEN": frozenset({"Denver", "Denver, CO"}),
    "LAX": frozenset({"Los Angeles", "Los Angeles Airport", "Los Angeles Airport, CA"}),
    "MIA": frozenset({"Miami", "Miami, FL", "Miami International Airport"}),
    "NYC": frozenset({"Central Park, New York", "New York City"}),
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


_SHORT: Final[dict[str, tuple[str, ...]]] = {
    "NYC": ("NYC", "NY"),
    "LAX": ("LA",),
    "DCA": ("DC", "Washington"),
    "PHL": ("Philly",),
    "SFO": ("SF",),
    "LAS": ("Vegas",),
}
_EXTREME_WORDS: Final[dict[Extreme, tuple[str, ...]]] = {
    "high": ("highest", "high", "maximum", "max"),
    "low": ("lowest", "low", "minimum", "min"),
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
        at = urlsplit(address)
        issued = parse_qs(at.query).get("issuedby", [])
        here = at.hostname in _HOSTS and all(code == SERIES[series][0] for code in issued)
        if not here and not name.startswith("the national weather service for area"):
            return source
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
    if place not in PLACES[expected]:
        return f"{place} is not known to mean {expected}, the station of {series}"
    for station in stations:
        if station != expected:
            return f"the rules point to CLI{station}, {series} settles on CLI{expected}"
    for location in locations:
        if location not in LOCATIONS[expected] | PLACES[expected]:
            return f"{location} is not known to mean {expected}"
    return ""
