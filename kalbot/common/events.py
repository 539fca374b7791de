"""One structured log line for everything that happens to money: the logger ``kalbot.events``, level INFO, after the commit.

The message is the event's name, the fields stand beside it (in JSON as keys), so a collector counts and filters without reading
sentences. ``docs/logging.md`` lists them. A replay logs none.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Any, Final

from django.db import transaction

from kalbot.common import cache, counters

COUNTED_BY: Final = ("mode", "status", "code", "action")
"""The fields with few values, by which the counters of ``/metrics`` are divided."""
log = logging.getLogger("kalbot.events")


class Event(StrEnum):
    """What happened."""

    DECISION = "decision"
    DENIAL = "denial"
    ORDER = "order"
    FILL = "fill"
    POSITION = "position"
    EXIT = "exit"
    DISCREPANCY = "discrepancy"
    TRADING_STATE = "trading_state"


def emit(event: Event, **fields: Any) -> None:
    """Log the line, and count it, once the surrounding transaction commits; nothing when it does not."""
    if cache.is_isolated():
        return
    plain = {
        name: value if isinstance(value, int) else str(value) for name, value in fields.items() if value is not None
    }
    labels = {"event": event.value, **{str(name): str(plain[name]) for name in COUNTED_BY if name in plain}}

    def written() -> None:
        log.info(event.value, extra=plain)
        counters.count("events", labels)

    transaction.on_commit(written, robust=True)
