"""Public trades."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kalbot.common.units import Count, Price

from ..scalars import moment, positive_count
from ..sizes import Identifier, MarketTicker
from ..vocabulary import Side
from .boundary import decoder_of
from .orders import both_prices


class TradeWire(msgspec.Struct, kw_only=True):
    trade_id: Identifier
    ticker: MarketTicker
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str
    taker_outcome_side: str
    created_time: str
    is_block_trade: bool = False


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A public trade. ``taker_side`` is the outcome that the taker bought."""

    trade_id: str
    ticker: str
    count: Count
    yes_price: Price
    taker_side: Side
    created: datetime | None
    is_block_trade: bool


def build_trade(w: TradeWire) -> Trade:
    """Wire to ours; refuses a trade whose two prices are not one dollar together."""
    return Trade(
        trade_id=w.trade_id,
        ticker=w.ticker,
        count=positive_count(w.count_fp),
        yes_price=both_prices(w.yes_price_dollars, w.no_price_dollars),
        taker_side=Side(w.taker_outcome_side),
        created=moment(w.created_time),
        is_block_trade=w.is_block_trade,
    )


TRADE = decoder_of(TradeWire)
