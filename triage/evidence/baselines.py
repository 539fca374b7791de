"""Forecasts that cost nothing, the least that a source has to beat: persistence and climatology. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import mean
from typing import Final

from triage.evidence.cases import Forecast, Values
from triage.weather.errors import published_spread
from triage.weather.mapping import stations

CLIMATE_DAYS: Final = 30
LEAST_DAYS: Final = 10
CLIMATE_SPREAD: Final = 7.0
"""Degrees Fahrenheit, a round number: a month's highs about their mean."""


def baselines(station: str, day: date, at_ms: int, lead_hours: float, known: Values) -> dict[str, Forecast]:
    """``persistence`` (the last day that was over) and ``climatology`` (the mean of the month before), where there are days for them."""
    over = stations()[station].day_of(at_ms) - timedelta(days=1)
    found = {}
    if (station, over) in known:
        found["persistence"] = Forecast(known[(station, over)], published_spread("persistence", "high", lead_hours))
    past = [known[(station, d)] for n in range(CLIMATE_DAYS) if (station, d := over - timedelta(days=n)) in known]
    if len(past) >= LEAST_DAYS:
        found["climatology"] = Forecast(mean(past), CLIMATE_SPREAD)
    return found
