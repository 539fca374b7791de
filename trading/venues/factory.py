"""Which venue an order goes to."""

from __future__ import annotations

from strategies.models import Mode
from trading.venues.live import LiveVenue
from trading.venues.paper import PaperVenue
from trading.venues.protocol import Venue


def venue_for(mode: str) -> Venue:
    """The venue of a mode. Live is only ever reached through a live row."""
    return LiveVenue() if mode == Mode.LIVE else PaperVenue()
