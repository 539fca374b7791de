"""Whether an order that the exchange shows is the one of our row.

The exchange's own id says so once the row has it. Before that our client id finds the order, and a person may have placed one under the
same id, copied or never sent by us. So an order that only goes by our client id is ours only where everything that the row knows agrees:
market, direction, subaccount, count, price, and that it came after the row. Nobody cancels, books or ends anything by one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.units import complement
from markets.kalshi.schemas.orders import Order as ListedOrder
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.frames import FillFrame, UserOrderFrame
from trading.denials import DenialCode
from trading.models import Order, OrderError, OrderStatus
from trading.venues.wire import SMALLEST, harmless

SKEW: Final = timedelta(minutes=1)
"""By which the exchange's clock may be behind ours."""
ON_ITS_WAY: Final = timedelta(minutes=3)
"""So long after it was sent last an order may reach the exchange: two lives of a signature, and ``SKEW``."""
NEVER_LEFT: Final = frozenset({OrderError.NOT_SENT, OrderError.NO_CREDENTIALS, *DenialCode})
"""Codes of orders that were refused here."""


@dataclass(frozen=True, slots=True)
class _Described:
    """What the exchange shows of both. ``price``: in the outcome ``towards`` which the account is moved."""

    order_id: str
    client_order_id: str
    ticker: str
    towards: Side
    price: int
    count: int
    created: datetime | None
    subaccount: int


@dataclass(frozen=True, slots=True)
class Shown(_Described):
    """An order: ``price`` is its limit, ``count`` as it was created. ``is_changed``: something happened to it since."""

    is_changed: bool


@dataclass(frozen=True, slots=True)
class Execution(_Described):
    """An execution: ``price`` is what was paid."""


def of_listed(one: ListedOrder) -> Shown:
    """An order of a listing."""
    changed = one.last_update is not None and one.created is not None and one.last_update > one.created
    return Shown(
        one.order_id,
        one.client_order_id,
        one.ticker,
        one.outcome_side,
        one.price,
        one.initial_count,
        one.created,
        one.subaccount or 0,
        changed,
    )


def of_frame(frame: UserOrderFrame | FillFrame) -> Shown | Execution:
    """An order or execution of the stream."""
    price = frame.yes_price if frame.outcome_side is Side.YES else complement(frame.yes_price)
    own, subaccount = frame.client_order_id or "", frame.subaccount or 0
    if isinstance(frame, FillFrame):
        at = clock.from_ms(frame.ts_ms) if frame.ts_ms else None
        return Execution(
            frame.order_id, own, frame.market_ticker, frame.outcome_side, price, frame.count, at, subaccount
        )
    created, changed = frame.created_ts_ms, frame.last_updated_ts_ms
    return Shown(
        frame.order_id,
        own,
        frame.ticker,
        frame.outcome_side,
        price,
        frame.initial_count,
        clock.from_ms(created) if created else None,
        subaccount,
        is_changed=bool(created and changed and changed > created),
    )


def unlike(order: Order, shown: Shown | Execution) -> str:
    """Why what the exchange shows is not of our row; empty where it is. What goes by the exchange's id that the row has is of it (whatever
    else it says may be wrong: ``wire.contradiction``)."""
    if order.exchange_order_id and order.exchange_order_id == shown.order_id:
        return ""
    if shown.client_order_id != str(order.pk):
        return f"its client id is {shown.client_order_id!r}"
    if order.status == OrderStatus.REJECTED and order.error_code in NEVER_LEFT:
        return "an order that was never sent"
    if (shown.ticker, shown.towards.value) != order.moves:
        return f"{shown.towards.value} {shown.ticker}, ours moves {' '.join(reversed(order.moves))}"
    if shown.subaccount != (order.subaccount or 0):
        return f"subaccount {shown.subaccount}, ours is of {order.subaccount or 0}"
    if shown.created is not None and shown.created < order.created_at - SKEW:
        return f"of {shown.created:%Y-%m-%d %H:%M:%S}, ours was made after that"
    if isinstance(shown, Execution):
        if order.status == OrderStatus.REJECTED:
            return "an order that was refused: its listing says whether it exists"
        return _unlike_execution(order, shown)
    if _is_probe(order, shown):
        return ""
    is_capped = order.action == Order.Action.SELL and shown.count < order.count  # by what was held
    if shown.count != order.count and not is_capped:
        return f"{shown.count / 100:g} contracts, ours is of {order.count / 100:g}"
    if shown.price != _limit(order, order.price) and not (shown.is_changed and _may_be_on_its_way(order, shown)):
        return f"at {shown.price / 10_000:.4f}, ours is at {_limit(order, order.price) / 10_000:.4f}"
    return ""


def _is_probe(order: Order, shown: Shown) -> bool:
    """Whether it is the order that only spends the id (``wire.harmless``)."""
    probe = harmless(order) if shown.count == SMALLEST else None
    return probe is not None and shown.price == _limit(order, probe.price)


def _unlike_execution(order: Order, shown: Execution) -> str:
    worst = _limit(order, order.price)
    if shown.price > worst:
        return f"paid {shown.price / 10_000:.4f}, the limit of ours is {worst / 10_000:.4f}"
    return f"{shown.count / 100:g} contracts, ours is of {order.count / 100:g}" if shown.count > order.count else ""


def _limit(order: Order, price: int) -> int:
    """``price`` of the order's own side in the outcome that it moves the account towards, 1/10,000 dollar."""
    return price if order.action == Order.Action.BUY else complement(price)


def _may_be_on_its_way(order: Order, shown: Shown) -> bool:
    """Whether it was created while the order's request may have reached the exchange: somebody may have moved its price since."""
    sent = order.sent_at or order.created_at
    return shown.created is not None and shown.created <= sent + ON_ITS_WAY
