"""A simulated exchange that live profiles trade on, read and compared once: nothing keeps anybody from buying."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from tests.trading.twin import Twin
from trading.safety import live_readiness
from trading.venues import connection

T = TypeVar("T", bound=Twin)

TIGHT: Final = ((2_900, 3_000), (3_100, 3_200), (3_000, 3_100))
"""Three outcomes at 0.30, 0.32 and 0.31 with bids a cent below: what is sold again loses little."""
WIDE: Final = ((2_400, 3_000), (2_800, 3_200), (2_600, 3_100))
"""The same prices with bids 4 to 6 cents below."""


def connect(settings: Any, exchange: T, quotes: Iterable[tuple[int, int]] = TIGHT, depth: int = 2_000) -> T:
    """Let us use ``exchange`` with a market for each (bid, ask) of YES, ``depth`` hundredths of a contract on each side."""
    settings.KALBOT_LIVE = True
    return listed(exchange, quotes, depth)


def listed(exchange: T, quotes: Iterable[tuple[int, int]] = TIGHT, depth: int = 2_000) -> T:
    """The same where the environment allows live orders already."""
    for bid, ask in quotes:
        exchange.add_market([(bid, depth)], [(ask, depth)])
    connection.use(exchange.client())
    live_readiness.require_reconciliation()
    exchange.sync()
    return exchange
