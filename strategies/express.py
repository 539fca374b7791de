"""Events from ``kalbot.common.express``, evaluated by threads of the workers (``kalbot.common.receivers``).

While none of them gets on, nobody says that the worker waits, and what is due comes through the queue again.
"""

from __future__ import annotations

import time
from typing import Any, Final

from kalbot.common import express, messages
from kalbot.common.receivers import Crew
from strategies.cycle import rehearsal

SAYS_SECONDS: Final = 1.0
LIMIT_SECONDS: Final = 60.0
"""An evaluation takes milliseconds, and a second or two where the database is busy."""


class Events:
    """What one receiver takes: the event that waits longest."""

    def __init__(self) -> None:
        self._said = 0.0

    def take(self) -> list[Any] | None:
        """See ``receivers.Source``."""
        now = time.monotonic()
        if now - self._said >= SAYS_SECONDS:
            express.serve()
            self._said = now
        taken = express.take()
        return None if taken is None else [taken.event, taken.at_us, taken.at_us]

    def leave(self) -> None:
        """Others say again that they wait."""
        express.leave()

    def left(self) -> list[Any] | None:
        """Nothing: what waits is there for all."""


crew: Final = Crew(messages.EVALUATE_EVENT, Events, lambda: rehearsal.run(), LIMIT_SECONDS)
