"""One recorded forecast moment of one event, as the walk-forward takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from triage.weather.mapping import Bounds

LEAST_DAYS: Final = 20
LEAST_SHARE: Final = 0.95
"""A station's values count only if so many days were compared with the exchange's and so many of them agreed."""

Values = dict[tuple[str, date], float]
"""(station, day) -> degrees Fahrenheit."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``value`` in degrees Fahrenheit; ``published_spread``: one standard deviation before anything is learned."""

    value: float
    published_spread: float


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """What was known at ``at_ms`` and what came. ``forecasts``: by source, each issued by then. ``market``: de-vigged, None where no
    prices were recorded. ``value``: what the event settled on, known from ``known_ms`` on."""

    group: str
    station: str
    day: date
    at_ms: int
    lead_hours: float
    bounds: Mapping[str, Bounds]
    forecasts: Mapping[str, Forecast]
    value: float
    known_ms: int
    market: Mapping[str, float] | None = None

    @property
    def winner(self) -> str:
        """The outcome that the value lies in; empty if in none."""
        whole = round(self.value)
        return next((ticker for ticker, bounds in self.bounds.items() if bounds.has(whole)), "")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a station's own daily values agree with what the exchange settled on: a station counts only after this test."""

    station: str
    days: int
    agreed: int

    @property
    def counts(self) -> bool:
        """Enough common days, and nearly all of them equal."""
        return self.days >= LEAST_DAYS and self.agreed >= LEAST_SHARE * self.days


@dataclass(slots=True)
class Recorded:
    """Everything read from the recordings. ``left_out``: why something was not used -> how often."""

    cases: list[RecordedCase] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, number: int = 1) -> None:
        """Count something that was not used."""
        self.left_out[reason] = self.left_out.get(reason, 0) + number


def agreement(station: str, own: Values, settled: Values) -> Agreement:
    """A station's daily values beside the exchange's, on the days that both have."""
    both = [key for key in settled if key[0] == station and key in own]
    return Agreement(station, len(both), sum(own[key] == settled[key] for key in both))
