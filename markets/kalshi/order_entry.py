"""Orders before they leave. A sell is a type of its own, so that it can never be encoded as a buy.

The exchange knows one book per market, quoted in YES: a bid buys YES, an ask sells YES which is buying NO
(docs/kalshi-protocol.md 9.3).

====================  ==========  =============
intent                book side   YES price
====================  ==========  =============
buy YES at q          bid         q
buy NO at q           ask         1 - q
sell held YES at q    ask         q
sell held NO at q     bid         1 - q
====================  ==========  =============
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kalbot.common.units import DOLLAR_PRICE, Count, Price, complement, format_count, format_price

from .vocabulary import BookSide, SelfTradePrevention, Side, TimeInForce

_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOrder(ABC):
    """What Buy and Sell share; make one of those.

    ``side`` is the outcome that is bought or that is held and sold, ``price`` (Price) is **that outcome's**
    price: the most to pay or the least to take. ``count`` is Count. ``client_order_id`` is unique for ever:
    store it before sending. ``exchange_index`` comes from the market: cash and rate tokens are per shard.
    ``expiration_ts`` is Unix seconds. Raises ValueError for what the exchange would refuse or misread.
    """

    action: ClassVar[str] = ""

    ticker: str
    side: Side
    price: Price
    count: Count
    client_order_id: str
    exchange_index: int
    time_in_force: TimeInForce = TimeInForce.IOC
    post_only: bool = False
    reduce_only: bool = False
    expiration_ts: int | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.TAKER_AT_CROSS
    cancel_on_pause: bool = False
    subaccount: int | None = None
    order_group_id: str | None = None

    def __post_init__(self) -> None:
        if not self.ticker:
            raise ValueError("an order without a ticker")
        if type(self.price) is not int or not 0 < self.price < DOLLAR_PRICE:
            raise ValueError(f"price {self.price!r} is not between 0 and a dollar (1/10,000 dollar)")
        if type(self.count) is not int or self.count <= 0:
            raise ValueError(f"count {self.count!r} is not a positive number (1/100 contract)")
        if not _CLIENT_ID.match(self.client_order_id):
            raise ValueError(f"client order id {self.client_order_id!r}: letters, digits, - and _ only, at most 64")
        if self.exchange_index < 0:
            raise ValueError("exchange_index must be the market's own shard; automatic routing bills every shard")
        object.__setattr__(self, "side", Side(self.side))
        object.__setattr__(self, "time_in_force", TimeInForce(self.time_in_force))
        rests = self.time_in_force is TimeInForce.GTC
        if not rests and (self.post_only or self.expiration_ts is not None):
            raise ValueError("post_only and an expiration need good_till_canceled")
        if self.reduce_only and self.time_in_force is not TimeInForce.IOC:
            raise ValueError("reduce_only needs immediate_or_cancel")

    @property
    @abstractmethod
    def book_side(self) -> BookSide:
        """Direction in the YES book."""

    @property
    def yes_price(self) -> Price:
        """The price as the YES book quotes it."""
        return self.price if self.side is Side.YES else complement(self.price)

    def to_wire(self) -> dict[str, Any]:
        """The body of POST /portfolio/events/orders."""
        wire: dict[str, Any] = {
            "ticker": self.ticker,
            "client_order_id": self.client_order_id,
            "side": self.book_side.value,
            "count": format_count(self.count),
            "price": format_price(self.yes_price),
            "time_in_force": self.time_in_force.value,
            "self_trade_prevention_type": self.self_trade_prevention.value,
            "exchange_index": self.exchange_index,
        }
        optional = {
            "post_only": self.post_only or None,
            "reduce_only": self.reduce_only or None,
            "cancel_order_on_pause": self.cancel_on_pause or None,
            "expiration_time": self.expiration_ts,
            "subaccount": self.subaccount,
            "order_group_id": self.order_group_id,
        }
        wire.update((key, value) for key, value in optional.items() if value is not None)
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy(CreateOrder):
    """Buy ``side`` at ``price`` or less. On a market where the other side is held this closes that first."""

    action: ClassVar[str] = "buy"

    def __post_init__(self) -> None:
        CreateOrder.__post_init__(self)
        if self.reduce_only:
            raise ValueError("a Buy that may only reduce is a Sell of the other side: use Sell")

    @property
    def book_side(self) -> BookSide:
        return BookSide.BID if self.side is Side.YES else BookSide.ASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Sell(CreateOrder):
    """Sell held contracts of ``side`` at ``price`` or more.

    Reduce-only and immediate-or-cancel by default, so that it can never open the opposite
    position.
    """

    action: ClassVar[str] = "sell"

    reduce_only: bool = True

    @property
    def book_side(self) -> BookSide:
        return BookSide.ASK if self.side is Side.YES else BookSide.BID


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """One order to cancel.

    Ticker and shard are needed: by id alone the cancel goes to shard 0 (docs/kalshi-protocol.md 6).
    """

    order_id: str
    market_ticker: str
    exchange_index: int
    subaccount: int | None = None

    def to_wire(self) -> dict[str, Any]:
        """One item of DELETE /portfolio/events/orders/batched."""
        wire: dict[str, Any] = {
            "order_id": self.order_id,
            "market_ticker": self.market_ticker,
            "exchange_index": self.exchange_index,
        }
        if self.subaccount is not None:
            wire["subaccount"] = self.subaccount
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendOrder:
    """A change of a resting order. Only a later expiry or a smaller size keeps its place in the queue.

    ``outcome_side`` and ``price`` as the Order shows them; ``count`` is what has filled plus what shall
    remain. ``expiration_ts``: None keeps, 0 clears, else Unix seconds.
    """

    order_id: str
    ticker: str
    outcome_side: Side
    price: Price
    count: Count
    exchange_index: int
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_ts: int | None = None
    subaccount: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.price < DOLLAR_PRICE or self.count <= 0:
            raise ValueError(f"an amend to {self.count} (1/100 contract) at {self.price} (1/10,000 dollar)")

    def to_wire(self) -> dict[str, Any]:
        """The body of POST /portfolio/events/orders/{order_id}/amend."""
        is_yes = Side(self.outcome_side) is Side.YES
        wire: dict[str, Any] = {
            "ticker": self.ticker,
            "side": (BookSide.BID if is_yes else BookSide.ASK).value,
            "price": format_price(self.price if is_yes else complement(self.price)),
            "count": format_count(self.count),
            "exchange_index": self.exchange_index,
        }
        optional = {
            "client_order_id": self.client_order_id,
            "updated_client_order_id": self.updated_client_order_id,
            "expiration_time": self.expiration_ts,
        }
        wire.update((key, value) for key, value in optional.items() if value is not None)
        return wire
