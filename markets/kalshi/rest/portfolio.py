"""Balance, positions, fills and settlements (docs/kalshi-protocol.md 10).

The defaults differ: without ``subaccount``, balance and positions cover the primary account only, fills and
settlements cover all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from markets.kalshi.schemas.boundary import Rejection, parse
from markets.kalshi.schemas.listing import Listing
from markets.kalshi.schemas.orders import FILL, Fill, build_fill
from markets.kalshi.schemas.portfolio import (
    BALANCE,
    POSITION,
    SETTLEMENT,
    Balance,
    MarketPosition,
    Settlement,
    build_balance,
    build_position,
    build_settlement,
)

from .cash import Cash
from .pagination import own_records
from .transport import Transport

POSITION_LISTING: Final = Listing("market_positions", POSITION, build_position)
FILL_LISTING: Final = Listing("fills", FILL, build_fill)
SETTLEMENT_LISTING: Final = Listing("settlements", SETTLEMENT, build_settlement)


class Portfolio:
    """What the account holds.

    Listings end only at their true end; a record that cannot be read raises SchemaError.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.cash = Cash(transport)

    def balance(self, subaccount: int | None = None, exchange_index: int | None = None) -> Balance:
        """Available cash, all shards unless one is named.

        Has a bucket of its own (1 a second): do not poll.
        """
        params = {"subaccount": subaccount, "exchange_index": exchange_index}
        body = self._transport.read("/portfolio/balance", params=params, private=True, kind="balance")
        return parse(BALANCE, build_balance, body)

    def positions(
        self,
        subaccount: int | None = None,
        *,
        ticker: str | None = None,
        event_ticker: str | None = None,
        settlement_status: str | None = None,
        count_filter: str | None = None,
        exchange_index: int | None = None,
        limit: int = 1000,
        unreadable: list[Rejection] | None = None,
    ) -> Iterator[MarketPosition]:
        """Signed net positions; ``settlement_status`` unsettled (default), settled or all. See ``own_records``."""
        params = {
            "subaccount": subaccount,
            "ticker": ticker,
            "event_ticker": event_ticker,
            "settlement_status": settlement_status,
            "count_filter": count_filter,
            "exchange_index": exchange_index,
            "limit": limit,
        }
        return own_records(self._transport, "/portfolio/positions", params, POSITION_LISTING, unreadable)

    def historical_positions(
        self,
        subaccount: int | None = None,
        *,
        ticker: str | None = None,
        event_ticker: str | None = None,
        limit: int = 1000,
    ) -> Iterator[MarketPosition]:
        """Positions in markets that have left the live listing."""
        params = {"subaccount": subaccount, "ticker": ticker, "event_ticker": event_ticker, "limit": limit}
        return own_records(self._transport, "/historical/positions", params, POSITION_LISTING)

    def fills(
        self,
        *,
        ticker: str | None = None,
        order_id: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        subaccount: int | None = None,
        exchange_index: int | None = None,
        limit: int = 1000,
        unreadable: list[Rejection] | None = None,
    ) -> Iterator[Fill]:
        """Own executions. ``ticker`` takes up to 100, comma-separated. Unix seconds. See ``own_records``."""
        params = {
            "ticker": ticker,
            "order_id": order_id,
            "min_ts": min_ts,
            "max_ts": max_ts,
            "subaccount": subaccount,
            "exchange_index": exchange_index,
            "limit": limit,
        }
        return own_records(self._transport, "/portfolio/fills", params, FILL_LISTING, unreadable)

    def historical_fills(
        self,
        *,
        ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        subaccount: int | None = None,
        limit: int = 1000,
        unreadable: list[Rejection] | None = None,
    ) -> Iterator[Fill]:
        """Executions that have left the live listing. See ``own_records``."""
        params = {"ticker": ticker, "min_ts": min_ts, "max_ts": max_ts, "subaccount": subaccount, "limit": limit}
        return own_records(self._transport, "/historical/fills", params, FILL_LISTING, unreadable)

    def settlements(
        self,
        *,
        ticker: str | None = None,
        event_ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        subaccount: int | None = None,
        limit: int = 1000,
        unreadable: list[Rejection] | None = None,
    ) -> Iterator[Settlement]:
        """What settled markets paid. Unix seconds. See ``own_records``."""
        params = {
            "ticker": ticker,
            "event_ticker": event_ticker,
            "min_ts": min_ts,
            "max_ts": max_ts,
            "subaccount": subaccount,
            "limit": limit,
        }
        return own_records(self._transport, "/portfolio/settlements", params, SETTLEMENT_LISTING, unreadable)
