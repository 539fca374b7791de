"""One part of the system as the status page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

OK: Final = "ok"
WARN: Final = "warn"
BAD: Final = "bad"


@dataclass(frozen=True)
class Part:
    """One part of the system: its state, a sentence, and metrics for machines. ``is_known``: False while what would say how it is does
    not answer. ``is_measured``: False while there is nothing yet that could be good or bad: it has no colour."""

    name: str
    state: str
    sentence: str
    metrics: dict[str, float] = field(default_factory=dict)
    is_known: bool = True
    is_measured: bool = True
