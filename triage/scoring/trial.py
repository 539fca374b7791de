"""Sources on trial: scored beside the market from the first day, and silent until their own record has beaten it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from triage.scoring.forecasts import evidence_of
from triage.sources import registry
from triage.sources.protocol import Report

NEEDED: Final = 20.0
"""E-value at which a source on trial may speak: one without skill gets there at most once in twenty."""


def silence(reports: Mapping[str, Iterable[Report]]) -> dict[str, list[Report]]:
    """The reports with the opinions of sources on trial taken back."""
    names = registry.on_trial()
    return {event: [_line(line, names) for line in lines] for event, lines in reports.items()}


def _line(line: Report, names: frozenset[str]) -> Report:
    if line.opinion is None or line.source not in names:
        return line
    value = evidence_of(line.source)
    if value >= NEEDED:
        return line
    return Report(line.source, None, f"on trial: evidence {value:.2f}, it speaks from {NEEDED:g} on", line.age_ms)
