"""Money: positions, legs, orders, fills, the ledger, and what may stop them. Every row that a profile makes carries its mode."""

from trading.models.account import AccountTransaction, ExchangeAccount, ForeignOrder, ShardCash
from trading.models.exits import ExitRequest
from trading.models.markouts import MarkOut
from trading.models.money import (
    Account,
    CapitalChange,
    Correction,
    LedgerEntry,
    LedgerTransaction,
    ProfileBalance,
    Settlement,
)
from trading.models.orders import OPEN_ORDERS, Fill, Order, OrderError, OrderStatus, PaperOrder
from trading.models.positions import (
    ACTIVE,
    TERMINAL,
    WORKING,
    CloseType,
    Denial,
    Leg,
    LiveEventClaim,
    Position,
    PositionEvent,
    PositionStatus,
)
from trading.models.safety import Discrepancy, Lock, Reconciliation, TradingState

__all__ = [
    "ACTIVE",
    "OPEN_ORDERS",
    "TERMINAL",
    "WORKING",
    "Account",
    "AccountTransaction",
    "CapitalChange",
    "CloseType",
    "Correction",
    "Denial",
    "Discrepancy",
    "ExchangeAccount",
    "ExitRequest",
    "Fill",
    "ForeignOrder",
    "LedgerEntry",
    "LedgerTransaction",
    "Leg",
    "LiveEventClaim",
    "Lock",
    "MarkOut",
    "Order",
    "OrderError",
    "OrderStatus",
    "PaperOrder",
    "Position",
    "PositionEvent",
    "PositionStatus",
    "ProfileBalance",
    "Reconciliation",
    "Settlement",
    "ShardCash",
    "TradingState",
]
