"""Errors of the exchange client, separated by what they mean for money.

``Rejected`` and its subclasses are definite: the exchange refused and nothing happened. ``OutcomeUnknown`` is not
a failure: until it is resolved with the exchange, the order may exist. ``Unreachable`` means that nothing was sent,
or that a read failed.
"""

from __future__ import annotations


class KalshiError(Exception):
    """Everything that this package raises on purpose."""


class CredentialError(KalshiError, ValueError):
    """The key is missing or unusable; the text is one sentence for a person."""


class SchemaError(KalshiError, ValueError):
    """The parse boundary refused a body or a frame: a value that touches money was absent, unknown or
    inexact."""


class PaginationError(KalshiError):
    """A listing did not end properly (repeated cursor, too many pages), so what was read is not the whole
    truth."""


class Unreachable(KalshiError):
    """Nothing was sent, or a read failed in every try.

    ``status`` is the last HTTP status, if there was one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class OutcomeUnknown(KalshiError):
    """A write may or may not have happened.

    Resolve it by id (docs/kalshi-protocol.md 9.6); never send it again under a new one.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class Disconnected(KalshiError):
    """The WebSocket is gone. Every price of this connection is dead."""


class Rejected(KalshiError):
    """A definite refusal: the exchange answered and did nothing."""

    def __init__(self, status: int, code: str = "", message: str = "", details: str = "") -> None:
        text = " ".join(part for part in (str(status), code, message, f"({details})" if details else "") if part)
        super().__init__(text)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class RateLimited(Rejected):
    """Out of tokens: refused by the exchange (429), or by our own limiter before anything was sent (``local``)."""

    local: bool = False


class LocallyRateLimited(RateLimited):
    """Our own limiter had no tokens in time; nothing was sent."""

    local = True

    def __init__(self, reason: str) -> None:
        super().__init__(429, "local_rate_limit", reason)


class Unauthorised(Rejected):
    """401: key id, signature or timestamp refused. Sign again with a correct clock, or stop."""


class Forbidden(Rejected):
    """403: the key lacks the scope or is locked to another subaccount. Stop."""


class NotFound(Rejected):
    """404. For a cancel: already terminal, or sent to the wrong shard; reconcile fills."""


class AlreadyExists(Rejected):
    """409 ``order_already_exists``: the client id is spent, so an order with it was accepted once."""


class Killed(Rejected):
    """409: a fill-or-kill could not be filled in full. Nothing done, the client id is spent."""


class Paused(Rejected):
    """409: trading or the exchange is paused. Wait minutes."""


class InsufficientBalance(Rejected):
    """Not enough cash on the order's shard (other shards do not count)."""


class MarketInactive(Rejected):
    """The market is closed or paused; after close this also meets cancels."""
