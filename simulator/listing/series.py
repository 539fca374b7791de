"""Series that a snapshot does not carry: category, tags, fees, shard, sources and rules text, derived from the ticker.

Fee types and multipliers are those of docs/kalshi-protocol.md 11.1, shards those of section 6; titles, stations and
sources those of the recorded series of July 2026. The rules sentences are generated and end with what the recorded rules said
about ties, cancellation and the official source.
"""

from __future__ import annotations

import re
from typing import Any

from .model import Series

_CITIES = {
    "AUS": ("Austin", "Austin Bergstrom", "EWX", "AUS"),
    "CHI": ("Chicago", "Chicago Midway, IL", "LOT", "MDW"),
    "DEN": ("Denver", "Denver, CO", "BOU", "DEN"),
    "LAX": ("Los Angeles", "Los Angeles Airport, CA", "LOX", "LAX"),
    "MIA": ("Miami", "Miami International Airport", "MFL", "MIA"),
    "NY": ("NYC", "Central Park, New York", "OKX", "NYC"),
    "NYC": ("NYC", "Central Park, New York", "OKX", "NYC"),
    "PHIL": ("Philadelphia", "Philadelphia International Airport", "PHI", "PHL"),
    "ATL": ("Atlanta", "Atlanta", "FFC", "ATL"),
    "BOS": ("Boston", "Boston", "BOX", "BOS"),
    "DAL": ("Dallas", "Dallas", "FWD", "DFW"),
    "DC": ("Washington DC", "Washington DC", "LWX", "DCA"),
    "HOU": ("Houston", "Houston", "HGX", "HOU"),
    "LV": ("Las Vegas", "Las Vegas", "VEF", "LAS"),
    "MIN": ("Minneapolis", "Minneapolis", "MPX", "MSP"),
    "NOLA": ("New Orleans", "New Orleans", "LIX", "MSY"),
    "OKC": ("Oklahoma City", "Oklahoma City", "OUN", "OKC"),
    "PHX": ("Phoenix", "Phoenix", "PSR", "PHX"),
    "SATX": ("San Antonio", "San Antonio", "EWX", "SAT"),
    "SEA": ("Seattle", "Seattle", "SEW", "SEA"),
    "SFO": ("San Francisco", "San Francisco", "MTR", "SFO"),
}
_SPORTS = {
    "KXMLBGAME": ("Professional Baseball Game", "Baseball", "MLB", "https://www.mlb.com/"),
    "KXNPBGAME": ("Nippon Professional Baseball Game", "Baseball", "NPB", "https://npb.jp/"),
    "KXKBOGAME": ("KBO Game", "Baseball", "KBO", "https://eng.koreabaseball.com/"),
    "KXWNBAGAME": ("Professional Women's Basketball Game", "Basketball", "WNBA", "https://www.wnba.com/"),
    "KXNBAGAME": ("Professional Basketball Game", "Basketball", "NBA", "https://www.nba.com/"),
    "KXBIG3GAME": ("BIG3 Game", "Basketball", "BIG3", "https://big3.com/"),
    "KXNFLGAME": ("Professional Football Game", "Football", "NFL", "https://www.nfl.com/"),
    "KXAFLGAME": ("AFL Game", "Aussie Rules", "AFL", "https://www.afl.com.au/"),
    "KXPLLGAME": ("Premier Lacrosse Game", "Lacrosse", "PLL", "https://premierlacrosseleague.com/"),
}
_WITH_MAKER = {"KXFED", "KXFEDDECISION", "KXNFLGAME", "KXNBAGAME", "KXCPI", "KXWNBAGAME", "KXUCLGAME", "KXPAYROLLS"}
_FREE = {"KXBTCY", "KXETHY", "KXGREENLAND"}
_SHARD_TAGS = {"Tennis", "Baseball", "Basketball"}
_INDICES = {
    "KXBTC": "Bitcoin Real-Time Index (BRTI)",
    "KXBTCD": "Bitcoin Real-Time Index (BRTI)",
    "KXETH": "Ethereum Real-Time Index (ERTI)",
}
_COIN_NOTE = (
    "Not all cryptocurrency price data is the same. At the last minute before expiration, 60 RTI prices are collected. "
    "The official and final value is the average of these prices."
)
_WEATHER_NOTE = (
    "The official and final value is the one in the linked NWS Climatological Report (Daily); other weather services "
    "may differ. Preliminary reports are subject to rounding and conversion."
)


def _fees(ticker: str) -> tuple[str, int]:
    if ticker == "KXMLBGAME":
        return "quadratic_with_maker_fees", 5_000
    if ticker in _WITH_MAKER:
        return "quadratic_with_maker_fees", 10_000
    return "quadratic", 0 if ticker in _FREE else 10_000


def weather_city(ticker: str) -> tuple[str, str, str, str] | None:
    """(city, station, NWS office, report) of a daily temperature series, or None."""
    for prefix in ("KXHIGHT", "KXLOWT", "KXHIGH", "KXLOW"):
        if ticker.startswith(prefix) and ticker[len(prefix) :] in _CITIES:
            return _CITIES[ticker[len(prefix) :]]
    return None


def derive_series(ticker: str, category: str, title: str, now_ms: int) -> Series:
    """The series object of a ticker of which only events were recorded."""
    fee_type, multiplier = _fees(ticker)
    tags: list[str] = []
    frequency, name = "custom", title or ticker
    sources = [{"name": "Kalshi", "url": "https://kalshi.com/"}]
    city = weather_city(ticker)
    if city:
        kind = "Highest" if ticker.startswith("KXHIGH") else "Lowest"
        tags, frequency, name = ["Daily temperature"], "daily", f"{kind} temperature in {city[0]}"
        url = f"https://forecast.weather.gov/product.php?site={city[2]}&product=CLI&issuedby={city[3]}"
        sources = [{"name": f"NWS Climatological Report {city[0]}", "url": url}]
    elif ticker.startswith("KXTEMP"):
        tags, frequency, name = ["Hourly temperature"], "hourly", "Hourly directional temperature"
        sources = [{"name": "The Weather Company", "url": "https://weather.com/kalshi"}]
    elif ticker in _INDICES:
        tags, frequency = [ticker[2:5], "Hourly"], "hourly"
        name = {"KXBTC": "Bitcoin range", "KXBTCD": "Bitcoin price"}.get(ticker, "Ethereum range")
        index = "ETHUSD_RTI" if ticker == "KXETH" else "BRTI"
        sources = [{"name": "CF Benchmarks", "url": f"https://www.cfbenchmarks.com/data/indices/{index}"}]
    elif ticker in _SPORTS:
        name, tag, source, url = _SPORTS[ticker]
        tags, sources = [tag], [{"name": source, "url": url}]
    elif category == "Sports":
        tags, name = ["Soccer"], f"{ticker.removeprefix('KX').removesuffix('GAME').title()} Game"
        sources = [
            {"name": "ESPN", "url": "https://www.espn.com/"},
            {"name": "Fox Sports", "url": "https://www.foxsports.com/"},
        ]
    elif category == "Economics":
        tags, frequency = ["Economics"], "monthly"
        sources = [{"name": "BLS", "url": "https://www.bls.gov/"}]
    return Series(
        ticker, name, category, tags, frequency, fee_type, multiplier, sources, shard_of(category, tags), now_ms
    )


def shard_of(category: str, tags: list[str]) -> int:
    """The exchange index on which a series' events live (docs/kalshi-protocol.md 6)."""
    if category == "Exotics":
        return 1
    if category in ("Crypto", "Commodities"):
        return 2
    return 3 if category == "Sports" and _SHARD_TAGS.intersection(tags) else 0


def rules_text(series: Series, event_title: str, day: str, market: dict[str, Any], legs: int) -> tuple[str, str]:
    """Primary and secondary rules of a market, from its strikes (weather, ranges, ladders) or its side (games)."""
    condition = _condition(market)
    city = weather_city(series.ticker)
    if city:
        extreme = "highest" if series.ticker.startswith("KXHIGH") else "lowest"
        return (
            f"If the {extreme} temperature recorded at {city[1]} for {day} as reported by the National Weather Service's "
            f"Climatological Report (Daily), is {condition}, then the market resolves to Yes.",
            _WEATHER_NOTE,
        )
    if series.category == "Sports":
        return _game_rules(event_title, market.get("yes_sub_title", ""), day, legs)
    if series.ticker in _INDICES:
        hour = _hour(market.get("ticker", ""))
        return (
            f"If the simple average of the sixty seconds of CF Benchmarks' {_INDICES[series.ticker]} before {hour} is {condition} "
            f"at {hour} on {day}, then the market resolves to Yes.",
            _COIN_NOTE,
        )
    return (
        f"If the value of {series.title} for {day} is {condition}, then the market resolves to Yes.",
        "The value is the one published by the source agency named for this series.",
    )


def _hour(ticker: str) -> str:
    """The hour, Eastern, in which a range event of this ticker ends: KXBTC-26JUL1917-B54250 at 5 PM."""
    found = re.search(r"-\d{2}[A-Z]{3}\d{2}(\d{2})(?:-|\Z)", ticker)
    hour = int(found[1]) if found else 17
    return f"{(hour - 1) % 12 + 1} {'AM' if hour % 24 < 12 else 'PM'} EDT"


def _condition(market: dict[str, Any]) -> str:
    kind, low, high = market.get("strike_type", ""), market.get("floor_strike"), market.get("cap_strike")
    degree = "°" if "°" in market.get("yes_sub_title", "") else ""
    if kind.startswith("less"):
        return f"less than {high}{degree}"
    if kind.startswith("greater"):
        return f"greater than {low}{degree}"
    if kind == "between":
        return f"between {low}-{high}{degree}"
    return f'"{market.get("yes_sub_title", "")}"'


def _game_rules(title: str, side: str, day: str, legs: int) -> tuple[str, str]:
    game = title.rstrip("?").removesuffix(" winner").removesuffix(" Winner")
    tail = (
        "If the game is cancelled or moved by more than two weeks, the market resolves to a fair price under the rules."
    )
    if legs == 3:
        if side.lower() in ("tie", "draw"):
            primary = f"If {game} originally scheduled for {day} ends in a tie after regulation time, then the market resolves to Yes."
        else:
            primary = f"If {side} wins {game} originally scheduled for {day} in regulation time, then the market resolves to Yes."
        return primary, f"Regulation time includes stoppage time, not extra time or penalties. {tail}"
    return (
        f"If {side} wins {game} originally scheduled for {day}, then the market resolves to Yes.",
        f"If the game ends in a tie, the markets resolve 50/50. {tail}",
    )
