"""What the errors of the wire mean for an order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kalbot.common.errors import SettingError
from markets.kalshi.errors import (
    AlreadyExists,
    KalshiError,
    MarketInactive,
    OutcomeUnknown,
    Paused,
    RateLimited,
    Rejected,
    Unreachable,
)
from trading.models import OrderError
from trading.venues.protocol import Refused, Unresolved


@contextmanager
def translated() -> Iterator[None]:
    """Raises the wire's errors as what they mean here. A spent id is not a refusal: something happened under it."""
    try:
        yield
    except (KalshiError, SettingError, ValueError) as error:
        raise meaning(error) from error


def meaning(error: Exception) -> Refused | Unresolved:
    """The same as a value."""
    match error:
        case AlreadyExists() | OutcomeUnknown():
            return Unresolved(str(error))
        case RateLimited():
            return Refused(OrderError.RATE_LIMITED, str(error), retry=True)
        case Unreachable():
            return Refused(OrderError.UNREACHABLE, str(error), retry=True)
        case Paused():
            return Refused(OrderError.PAUSED, str(error))
        case MarketInactive():
            return Refused(OrderError.MARKET_INACTIVE, str(error))
        case Rejected():
            return Refused(error.code or f"http_{error.status}", str(error))
        case SettingError():
            return Refused(OrderError.NO_CREDENTIALS, str(error))
        case KalshiError():
            return Unresolved(str(error))
        case _:
            return Refused(OrderError.INVALID_ORDER, str(error))
