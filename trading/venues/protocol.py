"""What the executor needs of a place where orders go. ``live`` and ``paper`` implement it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from markets.kalshi.rest.transport import Check, allow
from trading.accounting.fill_reports import FillReport
from trading.models import Order

__all__ = ["Ack", "Check", "Refused", "Unresolved", "Venue", "allow"]


@dataclass(frozen=True, slots=True)
class Ack:
    """An order as the venue has it. Counts in 1/100 contract; ``remaining_count`` above zero means it rests.

    ``spent``: price and fees of the fills as far as the answer has them, micro-dollars, rounded; exact ones come from fills.
    ``withdrawn``: contracts that our cancel took out of the book, where the venue says how many. ``price``: the limit as the venue has it,
    of a purchase's own side; None where the answer does not say.
    """

    exchange_order_id: str
    fill_count: int
    remaining_count: int
    spent: int | None = None
    withdrawn: int = 0
    price: int | None = None


class Refused(Exception):
    """A definite refusal: nothing happened. ``retry``: the same order, same id, may be sent again later (rate limit)."""

    def __init__(self, code: str, detail: str = "", *, retry: bool = False) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry = retry


class Unresolved(Exception):
    """The venue gave no conclusive answer. Try again later; never act as if it were a refusal."""


class Venue(Protocol):
    """Every method may take the time of a network call, so none may run inside a database transaction."""

    def create(self, order: Order, keep_back: int = 0, check: Check = allow) -> Ack:
        """Send the order under its own id, leaving ``keep_back`` rate tokens for an unwind.

        ``check`` is called at the last moment before each request and may raise Refused. Refused: nothing happened.
        Unresolved: it may exist.
        """
        ...

    def create_many(
        self, orders: Sequence[Order], keep_back: int = 0, check: Check = allow
    ) -> list[Ack | Refused | Unresolved]:
        """Send several orders at once, each with an outcome of its own: the answers in the order of ``orders``. Never
        raises for what the venue answers."""
        ...

    def resolve(self, order: Order, wanted: bool, check: Check = allow) -> Ack | None:
        """What became of an order whose request may or may not have arrived. ``wanted``: it may still be placed now. ``check`` may
        raise Refused for whatever would be sent to find out.

        None: it does not exist and never will. Unresolved: not known yet.
        """
        ...

    def find(self, order: Order) -> Ack | None:
        """The order by its own id, whatever its row says became of it. None: it does not exist, by reads that are newer than its
        row. Unresolved: they are not."""
        ...

    def fetch(self, order: Order) -> Ack:
        """The order's present state. Unresolved when the venue does not show it."""
        ...

    def cancel(self, order: Order) -> Ack:
        """Cancel a resting order and return its final state; one that is terminal already is no error.

        Refused while that is not possible (market closed), Unresolved when the final state is not known yet.
        """
        ...

    def prolong(self, order: Order, until: datetime, keep_back: int = 0, check: Check = allow) -> Ack:
        """Let a resting order expire at ``until`` instead, leaving ``keep_back`` rate tokens, in its place of the queue and with what
        somebody else may have left of it. Where it has another price by now it is only read. ``check``: as in ``create``. Refused or
        Unresolved: it may expire at either time."""
        ...

    def fills(self, order: Order) -> list[FillReport]:
        """Executions of the order so far; may lag behind what ``create`` reported. Unresolved when unreadable."""
        ...

    def fills_of(self, orders: Sequence[Order]) -> dict[UUID, list[FillReport]]:
        """The same of several orders of one position, by the row's id. Unresolved when any is unreadable."""
        ...

    def by_averages(self, order: Order) -> list[FillReport]:
        """What the order filled beyond its booked fills, by its own totals: for executions that are never listed. Unresolved when
        those are unreadable or contradict the order."""
        ...
