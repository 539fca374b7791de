"""One structured log line for everything that happens to money: the logger ``kalbot.events``, level INFO, after the commit.

The message is the event's name, the fields stand beside it (in JSON as keys), so a collector counts and filters without reading
sentences. ``docs/logging.md`` lists them. A replay logs none.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Any

from django.db import transaction

from kalbot.common import cache

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
    """Log the line once the surrounding transaction commits; nothing when it does not."""
    if cache.is_isolated() or not log.isEnabledFor(logging.INFO):
        return
    plain = {
        name: value if isinstance(value, int) else str(value) for name, value in fields.items() if value is not None
    }
    transaction.on_commit(lambda: log.info(event.value, extra=plain), robust=True)
