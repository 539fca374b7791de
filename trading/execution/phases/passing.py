"""What says nothing about a basket that is being completed: a halt, a pause, a gap in the feed. It passes, and no try is counted."""

from __future__ import annotations

from typing import Final

from trading.denials import FEED_OUTAGES, DenialCode, Refusal
from trading.execution.phases import selling
from trading.models import Order, OrderError

CODES: Final = FEED_OUTAGES | {
    DenialCode.HALTED,
    DenialCode.LIVE_OFF,
    DenialCode.NOT_RECONCILED,
    DenialCode.PRICE_NOT_ACTIVE,
    DenialCode.NOT_ACTIVE,
    DenialCode.MARKET_PAUSED,
    DenialCode.EXCHANGE_PAUSED,
    DenialCode.RATE_LIMIT,
    DenialCode.NOT_ARRIVED,
    DenialCode.ORDER_UNKNOWN,
    DenialCode.ORDER_UNSETTLED,
    DenialCode.EXPIRED,
}
"""Refusals that say nothing about the basket: they pass, and until then it waits."""
SLOW: Final = (
    DenialCode.MARKET_PAUSED,
    DenialCode.EXCHANGE_PAUSED,
    DenialCode.RATE_LIMIT,
    DenialCode.NOT_ARRIVED,
    DenialCode.ORDER_UNSETTLED,
)
"""What does not pass within a second: the exchange is read or tried less and less often."""
ERRORS: Final = {
    OrderError.PAUSED: DenialCode.MARKET_PAUSED,
    OrderError.RATE_LIMITED: DenialCode.RATE_LIMIT,
    OrderError.UNREACHABLE: DenialCode.NOT_ARRIVED,
    OrderError.NOT_SENT: DenialCode.NOT_ARRIVED,
    OrderError.NEVER_ARRIVED: DenialCode.NOT_ARRIVED,
}
"""Orders that never met the book: no try."""


def of_order(order: Order) -> Refusal | None:
    """Why a rejected order was no try; None when it was one."""
    if order.error_code == OrderError.MARKET_INACTIVE:
        refusal = selling.refusal_of(order)
        return refusal if refusal.code is DenialCode.MARKET_PAUSED else None
    passing = next((code for error, code in ERRORS.items() if error == order.error_code), None)
    if passing is not None:
        return Refusal(passing, order.error_code)
    passing = next((code for code in CODES if code == order.error_code), None)
    return None if passing is None else Refusal(passing)
