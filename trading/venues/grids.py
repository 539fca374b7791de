"""A price that the exchange refused: the market's grid has changed, and no message of it has arrived."""

from __future__ import annotations

import logging

from kalbot.common.errors import KalbotError
from markets.catalogue import grids
from markets.kalshi.errors import KalshiError
from strategies.models import Mode
from trading.models import Order, OrderError
from trading.venues import connection

log = logging.getLogger(__name__)


def refused(order: Order) -> None:
    """Read the grid again if the order was refused for its price: the next order names one that the exchange takes. Where it cannot be
    read it stays as it is."""
    if order.error_code != OrderError.INVALID_PRICE or order.mode != Mode.LIVE:
        return
    market = order.leg.market
    try:
        found = grids.read_again(connection.client(), market.ticker)
    except (KalshiError, KalbotError) as error:
        log.warning("the grid of %s cannot be read again: %s", market.ticker, error)
        return
    if found != market.price_bands:
        log.warning("the grid of %s has changed: %s", market.ticker, found)
        market.price_bands = found
