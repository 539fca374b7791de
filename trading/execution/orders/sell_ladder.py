"""Selling what is held, by a capped ladder: an unwind of a half-filled basket and an exit go the same way.

Each rung allows prices a little further below the best bid and takes what is there at once; between rungs there is a pause and a
fresh book. Nothing is ever sold below the least price of its leg: for an exit the one that was accepted, for an unwind the one at
which what is left of the leg-risk budget is spent. What the bids cannot take stays in the position with its reason, and is
tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kalbot.common.units import CONTRACT, complement
from markets.book import Level, Side
from markets.fees import FeeSchedule
from markets.kalshi.grid import Bands, is_on_grid, round_down, round_up
from markets.selectors import price_bands
from trading.accounting import booking
from trading.closing import exit_prices
from trading.denials import FEED_OUTAGES, DenialCode, Refusal
from trading.models import Leg, OrderError

NO_CASH: Final = "insufficient_balance"
"""The exchange's word: a sale can only lack cash where it takes back collateral that was returned."""
RUNGS: Final = (100, 300, 1_000, 10_000)
"""How far below the best bid each try may sell, in 1/10,000 dollar."""


@dataclass(frozen=True, slots=True)
class Sale:
    """At most ``count`` of one leg, at ``least`` (1/10,000 dollar) or better."""

    leg: Leg
    count: int
    least: int


def rung_limit(bids: Sequence[Level], attempt: int, least: int) -> int | None:
    """The lowest price of this try, None when there is no bid at or above ``least``."""
    if not bids or bids[0][0] < least:
        return None
    return max(least, bids[0][0] - RUNGS[min(attempt, len(RUNGS) - 1)])


def named(bids: Sequence[Level], leg: Leg) -> tuple[Level, ...]:
    """The bids at the prices at which a sale of the leg may meet them: a level that rests beside the market's grid, because that has become
    coarser, at the next price below. One below which there is none is left out. While no grid is known they are as they are shown."""
    bands = price_bands(leg.market)
    if not bands or all(is_on_grid(_yes(price, leg), bands) for price, _ in bids):
        return tuple(bids)
    found: dict[int, int] = {}
    for price, size in bids:
        below = _below(price, leg, bands)
        if below is not None:
            found[below] = found.get(below, 0) + size
    return tuple(found.items())


def _yes(price: int, leg: Leg) -> int:
    return price if leg.side == Side.YES else complement(price)


def _below(price: int, leg: Leg, bands: Bands) -> int | None:
    """The highest price of the leg's own side at or below this one that the exchange takes."""
    if leg.side == Side.YES:
        return round_down(price, bands)
    found = round_up(complement(price), bands)
    return None if found is None else complement(found)


def sellable(bids: Sequence[Level], count: int, limit: int) -> tuple[int, int]:
    """(count, worst price) that the bids take now at ``limit`` or better. The worst price is a level's own: with ``named`` it lies on
    the market's grid."""
    left, worst = count, 0
    for price, size in bids:
        if price < limit or left <= 0:
            break
        left, worst = left - min(left, size), price
    return count - left, worst


def loss_bound(leg: Leg, count: int, price: int, fees: FeeSchedule) -> int:
    """The most that selling ``count`` of the leg at ``price`` or better can lose, wherever the bids are when the order arrives;
    negative for a sure gain. Micro-dollars."""
    cost, _ = booking.cost_share(leg, count)
    return cost - exit_prices.proceeds_at(price, count, fees)


def within_budget(bids: Sequence[Level], leg: Leg, count: int, allowed: int, fees: FeeSchedule) -> Sale | None:
    """The sale of most contracts whose loss cannot exceed ``allowed`` (micro-dollars): the whole where that is possible, else the
    part that is. None when not even the smallest part is."""
    best: Sale | None = None
    reached = 0
    for price, size in bids:
        reached = min(count, reached + size)
        fits = _most_within(leg, reached, price, allowed, fees)
        if fits and (best is None or fits > best.count):
            best = Sale(leg, fits, price)
        if reached == count:
            break
    return best


def _most_within(leg: Leg, count: int, price: int, allowed: int, fees: FeeSchedule) -> int:
    """The most of ``count`` that may be sold at ``price``; whole contracts where whole ones are held."""
    if loss_bound(leg, count, price, fees) <= allowed:
        return count
    step = CONTRACT if leg.held % CONTRACT == 0 else 1
    low, high = 0, count // step
    while low < high:
        middle = (low + high + 1) // 2
        if loss_bound(leg, middle * step, price, fees) <= allowed:
            low = middle
        else:
            high = middle - 1
    return low * step


def refused_sales(error_code: str) -> Refusal:
    """Why every sale was refused, from the venue's code of the last one."""
    if error_code == OrderError.MARKET_INACTIVE:
        return Refusal(DenialCode.MARKET_CLOSED, "the venue refused every sale")
    if error_code == OrderError.PAUSED:
        return Refusal(DenialCode.MARKET_PAUSED, "the venue refused every sale")
    if error_code == NO_CASH:
        return Refusal(DenialCode.SALE_NEEDS_FUNDS, "the exchange has not enough cash for it")
    known = next((code for code in (*FEED_OUTAGES, *_OURS) if code == error_code), None)
    if known is not None:
        return Refusal(known, "the venue refused every sale")
    return Refusal(DenialCode.ORDER_REFUSED, f"the venue refused every sale ({error_code})")


_OURS: Final = (DenialCode.HALTED, DenialCode.LIVE_OFF, DenialCode.EXPIRED, DenialCode.REQUEST_WITHDRAWN)
