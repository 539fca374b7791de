"""Which venue an order goes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from strategies.models import Mode
from trading.venues import connection
from trading.venues.live import LiveVenue
from trading.venues.paper import PaperVenue
from trading.venues.protocol import Venue

_replay: Venue | None = None


@contextmanager
def use(venue: Venue) -> Iterator[None]:
    """Every order of a sim profile goes to ``venue`` until the block ends, and the exchange is out of reach."""
    global _replay
    before, _replay = _replay, venue
    try:
        with connection.offline():
            yield
    finally:
        _replay = before


def venue_for(mode: str) -> Venue:
    """The venue of a mode. Live is only ever reached through a live row."""
    if mode == Mode.LIVE:
        return LiveVenue()
    return _replay if _replay is not None else PaperVenue()
