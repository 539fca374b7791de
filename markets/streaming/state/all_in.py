"""What a watched event's ``all_yes`` and ``all_no`` baskets cost right now, fees included: reason enough to wake the strategy, or not.

A yes or no within a microsecond, for one contract a leg at the best prices; depth, exact rounding and everything else is the
strategy's to judge on fresh prices. It errs towards waking: fees are rounded down, and what misses by little is worth evaluating.
Units: 1/10,000 dollar for each contract.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from kalbot.common.units import DOLLAR_PRICE
from markets.streaming.state.market_state import MarketState

SLACK: Final = 20
"""A basket that misses by 0.2 cents a set is still evaluated."""
NEVER: Final = 10**9


@lru_cache(maxsize=64)
def fee_table(multiplier_e6: int) -> array[int]:
    """The taker's model fee of one contract at each price, rounded down: 0.07 x multiplier x P x (1 - P)."""
    top = DOLLAR_PRICE
    return array("i", (7 * multiplier_e6 * p * (top - p) // 10**12 for p in range(top + 1)))


@lru_cache(maxsize=64)
def _tables(multiplier_e6: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What YES costs by the best NO bid, and what NO of a market adds by its best YES bid, fees included."""
    fees, top = fee_table(multiplier_e6), DOLLAR_PRICE
    return tuple(top - bid + fees[bid] for bid in range(top + 1)), tuple(bid - fees[bid] for bid in range(top + 1))


def distance(markets: Iterable[MarketState], multiplier_e6: int) -> int:
    """How far the cheaper of the two baskets is from paying for itself: cost - payout of one set, <= 0 when it pays.

    ``all_yes`` buys YES of every market and pays one dollar; a market without a price makes it impossible. ``all_no`` buys NO of k
    markets and pays k - 1 dollars: each adds its YES bid less the fee, so every market that adds something is in the best choice.
    """
    costs, adds = _tables(multiplier_e6)
    yes_cost, gain, legs = -DOLLAR_PRICE, 0, 0
    for market in markets:
        if market.suspect or not market.has_book or market.status != "active":
            yes_cost = NEVER
            continue
        book = market.book
        bid = book.best_no
        yes_cost = yes_cost + costs[bid] if bid else NEVER
        added = adds[book.best_yes]
        if added > 0:
            gain += added
            legs += 1
    return min(yes_cost, DOLLAR_PRICE - gain if legs > 1 else NEVER)


def is_worth_evaluating(markets: Iterable[MarketState], multiplier_e6: int) -> bool:
    """Whether the strategy should evaluate the event at once."""
    return distance(markets, multiplier_e6) <= SLACK
