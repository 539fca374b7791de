"""Resolves a create whose outcome is unknown (docs/kalshi-protocol.md 9.6).

The exchange is queried; nothing is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from markets.kalshi.schemas.answers import CreateResult
from markets.kalshi.schemas.orders import Order

from ..clock_skew import Clock
from ..errors import AlreadyExists, KalshiError, OutcomeUnknown, Rejected
from ..order_entry import CreateOrder
from .exchange import Exchange
from .orders import Orders
from .transport import Check, allow

SIGNATURE_LIFE_MS = 35_000
"""A request signed longer ago than this is refused on arrival, so it can no longer land. The exchange's limit is
30 s (docs/kalshi-protocol.md 2)."""
CLOCK_MARGIN_S = 60


class Outcome(StrEnum):
    FOUND = "found"
    """The order exists: ``order`` is what the exchange lists."""
    PLACED = "placed"
    """Sent again under the same id just now and accepted: ``result``."""
    ABSENT = "absent"
    """There is no such order and none can arrive any more."""
    UNKNOWN = "unknown"
    """Not known yet: query again later."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """``order`` with FOUND, ``result`` with PLACED, ``refused`` when sending again was refused."""

    outcome: Outcome
    order: Order | None = None
    result: CreateResult | None = None
    refused: Rejected | None = None


def resolve_create(
    orders: Orders,
    exchange: Exchange,
    clock: Clock,
    order: CreateOrder,
    sent_ms: int,
    *,
    resend: bool = False,
    check: Check = allow,
) -> Resolution:
    """Find out what became of ``order``, first sent at ``sent_ms`` (Unix ms). Never raises what the exchange raises.

    Without ``resend``: FOUND when it is listed; ABSENT only when it is not listed, its signature has expired, the exchange's
    reads are as fresh as that, and the history that old orders move to does not have it; else UNKNOWN. With ``resend`` the
    *same* id is sent once more, after ``check``, which is decisive: accepted means PLACED, a spent id means that the first one
    landed (FOUND once a listing shows it). Only for an order that is still wanted at its price.
    """
    try:
        found = _listed(orders, order, sent_ms)
        if found is not None:
            return Resolution(Outcome.FOUND, order=found)
        if resend:
            return _send_again(orders, exchange, order, sent_ms, check)
        expired_ms = sent_ms + SIGNATURE_LIFE_MS
        if clock() < expired_ms:
            return Resolution(Outcome.UNKNOWN)
        if exchange.user_data_time().timestamp() * 1000 < expired_ms:
            return Resolution(Outcome.UNKNOWN)
        found = _listed(orders, order, sent_ms) or _in_history(orders, exchange, order, sent_ms)
        return Resolution(Outcome.FOUND, order=found) if found is not None else Resolution(Outcome.ABSENT)
    except KalshiError:
        return Resolution(Outcome.UNKNOWN)


def _send_again(orders: Orders, exchange: Exchange, order: CreateOrder, sent_ms: int, check: Check) -> Resolution:
    try:
        return Resolution(Outcome.PLACED, result=orders.create(order, check=check))
    except AlreadyExists:
        found = _listed(orders, order, sent_ms) or _in_history(orders, exchange, order, sent_ms)
        return Resolution(Outcome.FOUND if found is not None else Outcome.UNKNOWN, order=found)
    except Rejected as refused:
        # Refused for another reason, the first try may still have landed before the reason arose.
        return Resolution(Outcome.UNKNOWN, refused=refused)
    except OutcomeUnknown:
        return Resolution(Outcome.UNKNOWN)


def _listed(orders: Orders, order: CreateOrder, sent_ms: int) -> Order | None:
    since = sent_ms // 1000 - CLOCK_MARGIN_S
    return orders.find_by_client_id(order.client_order_id, order.ticker, since, subaccount=order.subaccount)


def _in_history(orders: Orders, exchange: Exchange, order: CreateOrder, sent_ms: int) -> Order | None:
    """The order among those that have left the live listing, if it is so old that it may have."""
    cutoff = exchange.historical_cutoff().orders_updated
    if cutoff is None or cutoff.timestamp() * 1000 < sent_ms:
        return None
    since = sent_ms // 1000 - CLOCK_MARGIN_S
    listed = orders.historical(ticker=order.ticker, min_ts=since, subaccount=order.subaccount)
    return next((found for found in listed if found.client_order_id == order.client_order_id), None)
