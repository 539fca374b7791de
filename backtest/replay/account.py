"""The cash of the account on which profiles of a replay trade together, as a comparison with the exchange would find it.

Money in micro-dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backtest.options import WHOLE
from kalbot.common import clock
from strategies.models import Profile
from trading.accounting import accounts
from trading.models import ExchangeAccount

REFRESH_SECONDS: Final = 60
"""How often a new installation compares its books with the exchange's."""


class Cash:
    """Keeps the rows of the accounts up to date. ``opening``: subaccount -> shard -> cash before the first trade."""

    def __init__(self, opening: Mapping[int, Mapping[str, int]]) -> None:
        self._opening = {number: dict(cash) for number, cash in opening.items()}
        self._next_ms = 0
        for number, cash in self._opening.items():
            shards = {shard: amount for shard, amount in cash.items() if shard != WHOLE}
            ExchangeAccount.objects.create(
                subaccount=number,
                opening=sum(cash.values()),
                opening_shards=shards,
                balance=sum(cash.values()),
                shards=shards,
                foreign={},
                seen_at=clock.now(),
            )

    def refresh(self) -> None:
        """Read what trading has made of it, as often as the product does."""
        now_ms = clock.now_ms()
        if not self._opening or now_ms < self._next_ms:
            return
        self._next_ms = now_ms + REFRESH_SECONDS * 1000
        for number, cash in self._opening.items():
            members = list(Profile.objects.filter(accounts.of_subaccount(number, "")))
            traded = accounts.traded_by_shard(members)
            shards = {
                shard: cash.get(shard, 0) + traded.get(shard, 0) for shard in {*cash, *traded} if WHOLE not in cash
            }
            ExchangeAccount.objects.filter(subaccount=number).update(
                balance=sum(cash.values()) + sum(traded.values()), shards=shards, seen_at=clock.now()
            )
