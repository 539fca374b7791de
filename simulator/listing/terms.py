"""Contract terms of the simulator's own: short documents at its own address, for the series whose settlement they control."""

from __future__ import annotations

from typing import Final

from simulator.core import ExchangeCore

from . import date_ladders
from .model import Series
from .series import weather_city

_COIN: Final = """Simulated contract terms: ranges and thresholds of the {coin} price.
The value is the simple average of the {index} over the sixty seconds before the hour. "Between" includes both ends.
One value at one instant determines all markets of all events of an hour. Values have two decimals.
If no value is available, all markets resolve to No.
These are terms of the simulator and of no other exchange.
"""
DOCUMENTS: Final = {
    "/terms/BTC.txt": _COIN.format(coin="Bitcoin", index="Bitcoin Real-Time Index"),
    "/terms/ETH.txt": _COIN.format(coin="Ethereum", index="Ethereum Real-Time Index"),
    "/terms/LAUNCH.txt": """Simulated contract terms: the day of a launch.
The value is the day on which the first launch of the simulated rocket takes place. A market is Yes if that day is earlier than its date.
One day determines all markets of all events. If there is no launch, all markets resolve to No.
These are terms of the simulator and of no other exchange.
""",
    "/terms/TEMPERATURE.txt": """Simulated contract terms: daily temperature.
The value is the highest or lowest temperature in the National Weather Service's daily climate report, in whole degrees Fahrenheit.
"Between" includes both ends. One report determines all markets of an event.
If no report is published, the last value that was published counts.
These are terms of the simulator and of no other exchange.
""",
}
"""Path -> document."""


def path_of(series: str) -> str:
    """The path of the document that controls a series, "" without one."""
    if series in ("KXBTC", "KXBTCD", "KXETH"):
        return f"/terms/{series[2:5]}.txt"
    if series == date_ladders.SERIES:
        return "/terms/LAUNCH.txt"
    return "/terms/TEMPERATURE.txt" if weather_city(series) else ""


def url_of(exchange: ExchangeCore, series: Series) -> str:
    """Where the contract terms of a series are: the document that it was given, the exchange's own where it serves one."""
    path, given = path_of(series.ticker), series.contract_terms_url
    if path and exchange.documents_at and (not given or given.endswith(path)):
        return exchange.documents_at + path
    return given or f"https://kalshi-public-docs.s3.amazonaws.com/contract_terms/{series.ticker}.pdf"
