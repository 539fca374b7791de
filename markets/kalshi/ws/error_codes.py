"""WebSocket error codes (docs/kalshi-protocol.md 12.3) and what to do about each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reaction(StrEnum):
    RESUBSCRIBE = "resubscribe"
    """The subscription is dead or unknown: subscribe again, take a snapshot."""
    RECONNECT = "reconnect"
    """The connection is no good."""
    SPLIT = "split"
    """Too many markets for one subscription: use another connection."""
    SLOW_DOWN = "slow_down"
    """Too many commands: wait, then send it again."""
    FIX = "fix"
    """Our command is wrong: a bug or a stale ticker. Sending it again will not help."""


ERROR_REACTIONS: Final[dict[int, Reaction]] = {
    1: Reaction.FIX,
    2: Reaction.FIX,
    3: Reaction.FIX,
    4: Reaction.FIX,
    5: Reaction.FIX,
    7: Reaction.RESUBSCRIBE,
    8: Reaction.FIX,
    9: Reaction.RECONNECT,
    10: Reaction.RESUBSCRIBE,
    11: Reaction.FIX,
    12: Reaction.FIX,
    13: Reaction.FIX,
    14: Reaction.FIX,
    15: Reaction.FIX,
    18: Reaction.SLOW_DOWN,
    19: Reaction.FIX,
    20: Reaction.FIX,
    21: Reaction.FIX,
    22: Reaction.FIX,
    23: Reaction.FIX,
    24: Reaction.FIX,
    25: Reaction.RESUBSCRIBE,
    26: Reaction.SPLIT,
    27: Reaction.SLOW_DOWN,
    28: Reaction.FIX,
}
TERMINAL: Final = frozenset({10, 25})
"""After these the subscription is gone."""


def reaction_to(code: int) -> Reaction:
    """What helps against an error code; one that is not known is met with a new connection."""
    return ERROR_REACTIONS.get(code, Reaction.RECONNECT)
