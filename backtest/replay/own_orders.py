"""What the account that recorded a tape had resting in the books: a replay must neither trade with it nor stand behind it.

Counts in 1/100 contract, prices 1/10,000 dollar of the bid's own side.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kalbot.common.units import complement
from markets.book import Side
from markets.kalshi.vocabulary import BookSide
from markets.kalshi.ws.frames import UserOrderFrame

Bid = tuple[str, Side]
"""Market and side of a bid."""
_NONE: Final[Mapping[int, int]] = MappingProxyType({})


class OwnOrders:
    """Followed by the account's own messages of its orders."""

    def __init__(self) -> None:
        self._orders: dict[str, tuple[Bid, int, int]] = {}
        self._levels: dict[Bid, dict[int, int]] = {}

    def seen(self, frame: UserOrderFrame) -> None:
        """An order as the exchange has it now."""
        before = self._orders.pop(frame.order_id, None)
        if before is not None:
            self._add(*before[:2], -before[2])
        if frame.status.value == "resting" and frame.remaining_count > 0:
            side = Side.YES if frame.book_side is BookSide.BID else Side.NO
            price = frame.yes_price if side is Side.YES else complement(frame.yes_price)
            self._orders[frame.order_id] = (frame.ticker, side), price, frame.remaining_count
            self._add((frame.ticker, side), price, frame.remaining_count)

    def resting(self, ticker: str, side: Side) -> Mapping[int, int]:
        """Price -> what of the bids for ``side`` is the account's."""
        return self._levels.get((ticker, side), _NONE)

    def _add(self, bid: Bid, price: int, count: int) -> None:
        levels = self._levels.setdefault(bid, {})
        levels[price] = levels.get(price, 0) + count
        if levels[price] <= 0:
            del levels[price]


class Latest:
    """Names, of which the latest ``most`` are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """The newest."""
        self._names[name] = None
        if len(self._names) > self._most:
            del self._names[next(iter(self._names))]

    def __contains__(self, name: str) -> bool:
        return name in self._names
