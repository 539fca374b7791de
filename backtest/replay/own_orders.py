"""What the account that recorded a tape had resting in the books and took from them: a replay must neither trade with the one, nor stand
behind it, nor find a level less by the other and by its own order in its place.

Counts in 1/100 contract, prices 1/10,000 dollar of the bid's own side.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kalbot.common import clock
from kalbot.common.units import complement
from markets.book import Side
from markets.kalshi.vocabulary import BookSide
from markets.kalshi.ws.frames import FillFrame, UserOrderFrame

Bid = tuple[str, Side]
"""Market and side of a bid."""
LevelKey = tuple[str, Side, int]
"""Market, side of the bid, its price."""
_NONE: Final[Mapping[int, int]] = MappingProxyType({})
IN_PLACE_MS: Final = 10_000
"""An order of the replay that meets a level so soon after the account did is there in its place."""


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


class OwnTrades:
    """What the account took is not gone in a replay, which takes it or not. Until the replay has, the level shows what was recorded:
    less than was there, never more."""

    def __init__(self) -> None:
        self._left: dict[LevelKey, tuple[int, int]] = {}
        """Level -> what the account took of it and no order of the replay has, and until when one may (ms)."""

    def took(self, frame: FillFrame, taken: dict[LevelKey, int]) -> None:
        """A fill of the account as a taker. What the replay has ``taken`` of the level, the recorded books are less by already."""
        side = Side.NO if frame.book_side is BookSide.BID else Side.YES
        level = frame.market_ticker, side, frame.yes_price if side is Side.YES else complement(frame.yes_price)
        ours = taken.get(level, 0)
        both = min(ours, frame.count)
        if both == ours:
            taken.pop(level, None)
        else:
            taken[level] = ours - both
        if frame.count > both:
            self._left[level] = self._since(level) + frame.count - both, clock.now_ms() + IN_PLACE_MS

    def less(self, level: LevelKey, count: int) -> int:
        """What of ``count`` that the replay takes the recorded books are not less by yet."""
        left = self._since(level)
        if left:
            self._left[level] = left - min(left, count), self._left[level][1]
        return max(0, count - left)

    def _since(self, level: LevelKey) -> int:
        count, until_ms = self._left.get(level, (0, 0))
        return count if clock.now_ms() < until_ms else 0


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
