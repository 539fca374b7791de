"""The REST client: one object, one group of methods per family of endpoints."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import requests

from markets.kalshi.schemas.account import ApiLimits

from ..clock_skew import Clock, now_ms
from ..environment import Environment
from ..order_entry import CreateOrder
from ..signing import Signer
from ..token_buckets import Costs, Limiter
from .account import Account
from .catalogue import Catalogue
from .exchange import Exchange
from .history import History
from .orders import Orders
from .portfolio import Portfolio
from .resolution import Resolution, resolve_create
from .transport import Check, Transport, allow


class KalshiClient:
    """Talks to one environment, with a key or (public reads only) without. One client per thread.

    ``timeout`` is (connect, read) in seconds, ``clock`` gives Unix milliseconds. See ``transport`` for what
    is retried.
    """

    def __init__(
        self,
        environment: Environment,
        signer: Signer | None = None,
        limiter: Limiter | None = None,
        session: requests.Session | None = None,
        timeout: tuple[float, float] = (3.05, 5.0),
        clock: Clock = now_ms,
    ) -> None:
        self._clock = clock
        self.transport = Transport(environment, signer, limiter, session, timeout, clock)
        self.exchange = Exchange(self.transport)
        self.catalogue = Catalogue(self.transport)
        self.history = History(self.transport)
        self.orders = Orders(self.transport)
        self.portfolio = Portfolio(self.transport)
        self.account = Account(self.transport)

    @property
    def environment(self) -> Environment:
        return self.transport.environment

    @property
    def clock_skew_ms(self) -> int | None:
        """Exchange clock minus ours in ms, from ``Date`` headers; None before the first answer."""
        return self.transport.skew.skew_ms

    def learn_limits(self) -> ApiLimits:
        """Read the account's limits and the endpoint costs and go by them from now on."""
        limits = self.account.limits()
        self.transport.costs = Costs.from_account(self.account.endpoint_costs())
        self.transport.limiter.update(limits)
        return limits

    def resolve_create(
        self, order: CreateOrder, sent_ms: int, *, resend: bool = False, check: Check = allow
    ) -> Resolution:
        """What became of a create that ended in OutcomeUnknown; see ``resolution.resolve_create``."""
        return resolve_create(self.orders, self.exchange, self._clock, order, sent_ms, resend=resend, check=check)

    def close(self) -> None:
        """Close the kept connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
