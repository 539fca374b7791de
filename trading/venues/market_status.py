"""Whether a market has ended or only takes no orders for a while. A status that is not known here is no end."""

from __future__ import annotations

import logging
from typing import Final

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from markets.kalshi.errors import KalshiError
from trading.models import Leg
from trading.venues import connection

OVER: Final = frozenset({"closed", "determined", "disputed", "amended", "finalized", "settled"})
log = logging.getLogger(__name__)


def is_over(status: str) -> bool:
    """Whether a market of this status takes no orders any more."""
    return status in OVER


def has_ended(leg: Leg, *, live: bool) -> bool:
    """Whether the leg's market is over: by our rows, by its close time, or (``live``) by the exchange, by a request. What the
    exchange does not answer is no end: a pause is waited out, and the close time ends that."""
    market = leg.market
    if is_over(market.status) or (market.close_time is not None and market.close_time <= clock.now()):
        return True
    if not live:
        return False
    try:
        theirs = connection.client().catalogue.market(leg.market_id)
    except (KalshiError, KalbotError) as error:
        log.warning("whether %s is over cannot be read: %s", leg.market_id, error)
        return False
    return is_over(theirs.status) or (theirs.close_time is not None and theirs.close_time <= clock.now())
