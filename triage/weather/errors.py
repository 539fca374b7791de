"""How wrong a temperature forecast is: by lead time, extreme, source and station. Degrees Fahrenheit. Pure.

``data/errors.json`` holds a standard error by lead time for each source (a prior, from published verification) and,
where recorded forecasts can be laid beside recorded climate reports, the station's own bias and spread with the number
of days and the months. A station's figures pull on the prior as n days against ``PRIOR_DAYS``: a month of data moves it, a week hardly.
What has settled since is learned (``triage.learning``) and comes before both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from math import hypot, sqrt
from typing import Any, Final

from triage.learning.table import LearnedTable
from triage.weather.mapping import DATA, Extreme

PRIOR_DAYS: Final = 20


@dataclass(frozen=True, slots=True)
class ForecastError:
    """What to add to a forecast (``bias``) and how wide it then is (``spread``, one standard deviation)."""

    bias: float
    spread: float
    days: int = 0
    version: int = 0

    def words(self) -> str:
        """For the screen."""
        basis = f"{self.days} recorded days" if self.days else "published verification"
        if self.version:
            basis = f"version {self.version}, {self.days} settled days"
        return f"{self.bias:+.1f} ± {self.spread:.1f} °F ({basis})"


def published_spread(source: str, extreme: Extreme, lead_hours: float) -> float:
    """The spread of published verification, before anything is known of the source's own record, in degrees Fahrenheit."""
    priors = _table()["spread_by_lead_hours"]
    return _interpolate(priors.get(source, priors["default"])[extreme], lead_hours)


def learned_error(
    table: LearnedTable, source: str, station: str, extreme: Extreme, lead_hours: float, issued_ms: int
) -> ForecastError:
    """The error by what has settled; by the published record where nothing of this source and lead has.

    A station of which nothing has settled yet keeps its published record, if there is one in this season.
    """
    month = datetime.fromtimestamp(issued_ms / 1000, UTC).month
    published = forecast_error(source, station, extreme, lead_hours, month)
    found = table.find(source, f"{extreme}/{station}", lead_hours, issued_ms)
    if found is None or (found.place == "all" and published.days):
        return published
    unit = published_spread(source, extreme, lead_hours)
    return ForecastError(found.bias * unit, found.spread * unit, round(found.days), table.version)


def forecast_error(
    source: str, station: str, extreme: Extreme, lead_hours: float, month: int | None = None
) -> ForecastError:
    """The error of ``source`` at a station, ``lead_hours`` before the extreme is expected (below 0 counts as 0).

    A station's record pulls on the prior in the ``month`` it was made in (None: whatever the season). In another month, and at a
    station without one whose neighbours have them, the bias seen is no reason to shift a forecast but one to trust it less.
    """
    table = _table()
    prior = published_spread(source, extreme, lead_hours)
    known: dict[str, Any] | None = table["stations"].get(f"{source}/{station}/{extreme}")
    if known is None:
        return ForecastError(0.0, hypot(prior, _common_bias(source, extreme)))
    days = int(known["days"])
    weight = days / (days + PRIOR_DAYS)
    bias = _interpolate([(lead, bias) for lead, bias, _ in known["leads"]], lead_hours) * weight
    if month is not None and month not in known["months"]:
        return ForecastError(0.0, hypot(prior, bias))
    lead, _, spread = min(known["leads"], key=lambda record: abs(record[0] - lead_hours))
    ratio = spread / _interpolate(table["spread_by_lead_hours"]["default"][extreme], float(lead))
    return ForecastError(bias, prior * sqrt(1 + weight * (ratio**2 - 1)), days)


def _common_bias(source: str, extreme: Extreme) -> float:
    """Root mean square of the biases that a source's recorded stations have; 0 if none is recorded."""
    records = [
        row["leads"][0][1]
        for name, row in _table()["stations"].items()
        if name.startswith(f"{source}/") and name.endswith(f"/{extreme}")
    ]
    return sqrt(sum(bias**2 for bias in records) / len(records)) if records else 0.0


def _interpolate(points: Sequence[Sequence[float]], lead: float) -> float:
    """Between (lead hours, spread) points; flat beyond the ends."""
    if lead <= points[0][0]:
        return float(points[0][1])
    for (x0, y0), (x1, y1) in pairwise(points):
        if lead <= x1:
            return float(y0 + (y1 - y0) * (lead - x0) / (x1 - x0))
    return float(points[-1][1])


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((DATA / "errors.json").read_text("utf-8"))
    return table
