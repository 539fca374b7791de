"""First in, first out: which purchases a sale or settlement closes, with exact money. Pure.

Money is micro-dollars, counts 1/100 contract. What a purchase cost is shared over the parts that close it by count, rounded down, and its
last part takes the rest; the proceeds of a sale likewise. So nothing is lost or made: over a leg that is closed the sums are those of the
ledger, whichever way it shares costs while the leg is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Purchase:
    """A fill that bought. ``paid`` without the fee."""

    at: datetime
    count: int
    paid: int
    fee: int


@dataclass(frozen=True, slots=True)
class Closing:
    """A fill that sold, or a settlement. ``received`` before the fee; ``key`` names the row."""

    key: str
    at: datetime
    count: int
    received: int
    fee: int
    is_settlement: bool


@dataclass(frozen=True, slots=True)
class Lot:
    """Contracts bought together and closed together; ``key`` names what closed them."""

    key: str
    count: int
    opened_at: datetime
    closed_at: datetime
    paid: int
    open_fee: int
    received: int
    close_fee: int
    is_settlement: bool

    @property
    def cost(self) -> int:
        """Cost basis, fees included."""
        return self.paid + self.open_fee

    @property
    def proceeds(self) -> int:
        """Received, fees deducted."""
        return self.received - self.close_fee

    @property
    def realised(self) -> int:
        """Profit of this lot."""
        return self.proceeds - self.cost


class MoreClosedThanBought(ValueError):
    """The rows close contracts that no row bought."""


@dataclass(slots=True)
class _Rest:
    count: int
    first: int
    second: int

    def take(self, count: int) -> tuple[int, int]:
        """The share of ``count``; the last contract takes what is left."""
        first, second = self.first * count // self.count, self.second * count // self.count
        self.count -= count
        self.first -= first
        self.second -= second
        return first, second


class OpenLots:
    """The lots of one leg that are open, first in first out."""

    def __init__(self) -> None:
        self._lots: deque[tuple[datetime, _Rest]] = deque()
        self.count = 0
        """Contracts of all of them."""

    def buy(self, one: Purchase) -> None:
        """Add a purchase behind the others."""
        self._lots.append((one.at, _Rest(one.count, one.paid, one.fee)))
        self.count += one.count

    def close(self, closing: Closing) -> list[Lot]:
        """What ``closing`` closes. Raises MoreClosedThanBought, and closes nothing then."""
        if closing.count > self.count:
            lacking = closing.count - self.count
            raise MoreClosedThanBought(f"{lacking} of {closing.count} closed at {closing.at} were never bought")
        self.count -= closing.count
        sale = _Rest(closing.count, closing.received, closing.fee)
        closed: list[Lot] = []
        while sale.count:
            opened_at, rest = self._lots[0]
            count = min(rest.count, sale.count)
            (paid, open_fee), (received, close_fee) = rest.take(count), sale.take(count)
            times = (opened_at, closing.at)
            closed.append(Lot(closing.key, count, *times, paid, open_fee, received, close_fee, closing.is_settlement))
            if not rest.count:
                self._lots.popleft()
        return closed


def lots(purchases: Iterable[Purchase], closings: Iterable[Closing]) -> list[Lot]:
    """The closed lots of one leg, in order of closing; what is closed may have been bought later. Raises MoreClosedThanBought."""
    left = OpenLots()
    for one in sorted(purchases, key=lambda one: one.at):
        left.buy(one)
    return [lot for closing in sorted(closings, key=lambda one: one.at) for lot in left.close(closing)]
