"""The exchange's words. Closed ones touch money and refuse what they do not know; open ones carry it on.

Kalshi adds enum values weekly (docs/kalshi-protocol.md 14). An open word's unknown value is kept as itself, with
``is_known`` false, so that a screen can show it and a filter can refuse it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

__all__ = [
    "COMBO_PREFIX",
    "OPEN_STATUSES",
    "BookSide",
    "LifecycleEvent",
    "MarketResult",
    "MarketStatus",
    "MarketType",
    "OpenEnum",
    "OrderStatus",
    "SelfTradePrevention",
    "SettlementBounds",
    "Side",
    "StrikeType",
    "TimeInForce",
]


COMBO_PREFIX: Final = "KXMVE"
"""Tickers of multi-leg combos, their series, events and markets, begin like this."""


class OpenEnum(StrEnum):
    """An enumeration that lets unknown text through as a member named UNKNOWN whose value is that text."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = "UNKNOWN"
        member._value_ = value
        return member

    @classmethod
    def of(cls, text: str) -> Self:
        """The member of ``text``, quicker than a call of the class."""
        return cls._value2member_map_.get(text) or cls(text)  # type: ignore[return-value]  # the map's values are Enum for typeshed

    @property
    def is_known(self) -> bool:
        """Whether this client was written for the value."""
        return self._name_ != "UNKNOWN"


class Side(StrEnum):
    """Which outcome a contract pays on."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> Side:
        return Side.NO if self is Side.YES else Side.YES


class BookSide(StrEnum):
    """Direction in the YES book: a bid buys YES, an ask sells YES, which is buying NO."""

    BID = "bid"
    ASK = "ask"


class TimeInForce(StrEnum):
    GTC = "good_till_canceled"
    IOC = "immediate_or_cancel"
    FOK = "fill_or_kill"


class SelfTradePrevention(StrEnum):
    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


class OrderStatus(StrEnum):
    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"

    @property
    def is_terminal(self) -> bool:
        return self is not OrderStatus.RESTING


class MarketResult(StrEnum):
    """How a market resolved; NONE until it has."""

    NONE = ""
    YES = "yes"
    NO = "no"
    SCALAR = "scalar"


class MarketStatus(OpenEnum):
    """Field words; the filters of GET /markets use others (docs/kalshi-protocol.md 13, Lifecycle). Only ACTIVE can be
    traded."""

    INITIALIZED = "initialized"
    INACTIVE = "inactive"
    ACTIVE = "active"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"


OPEN_STATUSES: Final = (MarketStatus.INITIALIZED.value, MarketStatus.INACTIVE.value, MarketStatus.ACTIVE.value)
"""Markets that trade or may trade later: what the exchange lists as open."""


class MarketType(OpenEnum):
    BINARY = "binary"
    SCALAR = "scalar"


class SettlementBounds(OpenEnum):
    DEFAULT = "default"
    FLOOR = "floor"


class StrikeType(OpenEnum):
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"
    BETWEEN = "between"
    FUNCTIONAL = "functional"
    CUSTOM = "custom"
    STRUCTURED = "structured"


class LifecycleEvent(OpenEnum):
    """What a lifecycle message is about."""

    CREATED = "created"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    CLOSE_DATE_UPDATED = "close_date_updated"
    DETERMINED = "determined"
    SETTLED = "settled"
    PRICE_LEVEL_STRUCTURE_UPDATED = "price_level_structure_updated"
    METADATA_UPDATED = "metadata_updated"
