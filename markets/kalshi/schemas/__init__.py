"""Typed bodies of the REST API in integer units. Each module holds the wire's shape and ours side by side."""

from ..grid import PriceBand
from .account import ApiKey, ApiKeys, ApiLimits, BucketLimit, EndpointCost, EndpointCosts, Grant
from .answers import (
    AmendResult,
    BatchItem,
    CancelResult,
    CreateResult,
    DecreaseResult,
    OrderGroup,
    QueuePosition,
)
from .boundary import Rejection
from .catalogue import Event, EventPage, MarketPage
from .exchange import ExchangeStatus, IndexStatus, MaintenanceWindow, Schedule
from .market import Market
from .orderbook import Book, Level
from .orders import Fill, Order
from .portfolio import (
    Allocation,
    Balance,
    MarketPosition,
    NettingConfig,
    Settlement,
    ShardBalance,
    ShardTransfer,
    SubaccountBalance,
)
from .series import FeeChange, Series, SeriesPage, SettlementSource
from .trades import Trade

__all__ = [
    "Allocation",
    "AmendResult",
    "ApiKey",
    "ApiKeys",
    "ApiLimits",
    "Balance",
    "BatchItem",
    "Book",
    "BucketLimit",
    "CancelResult",
    "CreateResult",
    "DecreaseResult",
    "EndpointCost",
    "EndpointCosts",
    "Event",
    "EventPage",
    "ExchangeStatus",
    "FeeChange",
    "Fill",
    "Grant",
    "IndexStatus",
    "Level",
    "MaintenanceWindow",
    "Market",
    "MarketPage",
    "MarketPosition",
    "NettingConfig",
    "Order",
    "OrderGroup",
    "PriceBand",
    "QueuePosition",
    "Rejection",
    "Schedule",
    "Series",
    "SeriesPage",
    "Settlement",
    "SettlementSource",
    "ShardBalance",
    "ShardTransfer",
    "SubaccountBalance",
    "Trade",
]
