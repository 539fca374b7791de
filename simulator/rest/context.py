"""What a signed request may see: its key, its subaccount, and the (possibly late) copy of the ledger for reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.accounts.auth import Key
from simulator.accounts.ledger import Ledger
from simulator.errors import ApiError
from simulator.exchange import Exchange
from simulator.faults.schedule import Fault

from .query import Query

Answer = tuple[int, Any]
"""(status, JSON body as Python objects; None for 204)."""


@dataclass(slots=True)
class Request:
    """A routed request. ``body`` is decoded JSON or None."""

    exchange: Exchange
    query: Query
    body: Any
    key: Key | None
    fault: Fault | None = None
    """The fault that strikes this request."""

    @property
    def reads(self) -> Ledger:
        """The ledger as reads see it: up to ``read_delay_ms`` old."""
        return self.exchange.read_ledger()

    def subaccount(self, named: int | None, default: int | None) -> int | None:
        """The subaccount meant: a locked key means its own and refuses every other (403)."""
        locked = self.key.subaccount if self.key else None
        if locked is None:
            return default if named is None else named
        if named is not None and named != locked:
            raise ApiError(403, "forbidden", "the api key is restricted to another subaccount")
        return locked

    def object(self) -> dict[str, Any]:
        """The body as an object; 400 in the flat shape otherwise."""
        if not isinstance(self.body, dict):
            raise ApiError(400, "bad_request", "invalid request body", "a JSON object is required", shape="flat")
        return self.body
