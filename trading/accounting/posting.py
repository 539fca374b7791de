"""One transaction of the ledger before it is booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Model

from kalbot.common.db import instances
from trading.models import Account, LedgerTransaction, Position

Entry = tuple[str, int]
"""Account and amount, micro-dollars."""


class UnbalancedError(ValueError):
    """The entries of a transaction do not sum to zero. A mistake in this program; nothing was written."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction that is not booked yet. ``source``: the row that it books, by the name of its column. UnbalancedError where the
    entries do not sum to zero."""

    kind: str
    key: str
    entries: tuple[Entry, ...]
    position: Position | None = None
    source: Mapping[str, Model | None] = field(default_factory=dict)
    memo: str = ""

    def __post_init__(self) -> None:
        if sum(amount for _, amount in self.entries):
            raise UnbalancedError(f"{self.key}: {self.entries}")

    @property
    def lines(self) -> list[Entry]:
        """The entries that are written."""
        return [(account, amount) for account, amount in self.entries if amount]

    def sum_of(self, *accounts: str) -> int:
        """What the entries move in these accounts."""
        return sum(amount for account, amount in self.entries if account in accounts)

    def row(self, profile_id: int, mode: str) -> LedgerTransaction:
        """The transaction's row, not stored yet."""
        return instances.new(
            LedgerTransaction,
            profile_id=profile_id,
            mode=mode,
            position=self.position,
            kind=self.kind,
            key=self.key,
            memo=self.memo,
            cash_moved=self.sum_of(Account.CASH, Account.RESERVED),
            realised=self.sum_of(Account.REALISED),
            **self.source,
        )
