"""GET /exchange/*: is it open, when is it not, how fresh are reads of own data."""

from __future__ import annotations

from datetime import datetime

import msgspec

from markets.kalshi.schemas.boundary import decode, decoder_of, parse
from markets.kalshi.schemas.exchange import SCHEDULE, STATUS, ExchangeStatus, Schedule, build_schedule, build_status

from ..errors import SchemaError
from ..scalars import moment
from .transport import Transport


class _AsOf(msgspec.Struct):
    as_of_time: str


class _Cutoff(msgspec.Struct, kw_only=True):
    market_settled_ts: str
    trades_created_ts: str
    orders_updated_ts: str
    market_positions_last_updated_ts: str | None = None


class HistoricalCutoff(msgspec.Struct, frozen=True):
    """What is older has moved from the live listings to ``/historical`` (docs/kalshi-protocol.md 5)."""

    market_settled: datetime | None
    trades_created: datetime | None
    orders_updated: datetime | None
    positions_updated: datetime | None


_AS_OF = decoder_of(_AsOf)
_CUTOFF = decoder_of(_Cutoff)


class Exchange:
    """Public state of the exchange."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def status(self) -> ExchangeStatus:
        """Whether trading is on, per shard. Answered with 500, 503 or 504 while the exchange is down."""
        body = self._transport.read("/exchange/status", also_accept=frozenset({500, 503, 504}))
        return parse(STATUS, build_status, body)

    def schedule(self) -> Schedule:
        """Trading hours and maintenance windows."""
        return parse(SCHEDULE, build_schedule, self._transport.read("/exchange/schedule"))

    def user_data_time(self) -> datetime:
        """Reads of own orders, fills and positions show the state of about this moment."""
        found = moment(decode(_AS_OF, self._transport.read("/exchange/user_data_timestamp")).as_of_time)
        if found is None:
            raise SchemaError("user_data_timestamp without a time")
        return found

    def historical_cutoff(self) -> HistoricalCutoff:
        """Where the live listings begin."""
        w = decode(_CUTOFF, self._transport.read("/historical/cutoff"))
        return HistoricalCutoff(
            moment(w.market_settled_ts),
            moment(w.trades_created_ts),
            moment(w.orders_updated_ts),
            moment(w.market_positions_last_updated_ts),
        )
