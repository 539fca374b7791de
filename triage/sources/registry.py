"""Which sources there are, and what they say about the events of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triage.sources.protocol import Report, Source

if TYPE_CHECKING:
    from triage.gather import Gathered


def sources() -> tuple[Source, ...]:
    """All configured sources."""
    return ()


def reports_for(gathered: Sequence[Gathered], now_ms: int) -> dict[str, list[Report]]:
    """Event ticker -> what each source says about it, from the caches only."""
    return {}
