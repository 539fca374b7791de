"""The price move that would turn a refusal: one leg offered cheaper, everything else as it is.

The move is estimated from the missing amount and then *proven* by running the whole search on the moved book, a tick at
a time, so what is reported really turns the verdict. A price may not fall to or below the best bid of its own side: such
a book does not live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kalbot.common.units import DOLLAR_PRICE, PPM
from markets.book import Depth, Side
from markets.kalshi.grid import round_down
from strategies.dutch.basket import Flip, Kind, LegMarket, Refused
from strategies.dutch.event import Event, least_margin_ppm
from strategies.reasons import Reason

LEGS_TRIED = 3
TICKS_TRIED = 6

Passes = Callable[[tuple[LegMarket, ...]], bool]


def add_flip(refused: Refused, event: Event, passes: Passes) -> Refused:
    """``refused`` with its flip, if prices are what is in the way and it is near (``Limits.near_ppm``)."""
    missing = _missing_per_set(refused, event)
    if missing is None or missing > event.rules.near_ppm * DOLLAR_PRICE // PPM:
        return refused
    side = Side.NO if refused.kind is Kind.ALL_NO else Side.YES
    wanted = set(refused.tickers)
    if not wanted and refused.nearest is not None:
        wanted = {leg.ticker for leg in refused.nearest.legs}
    movable = [leg for leg in event.legs if leg.ticker in wanted and _target(leg, side, missing) is not None]
    # The deepest offers first: a cheap price for a crumb turns little.
    for leg in sorted(movable, key=lambda leg: -leg.depth.bids(side.other)[0][1])[:LEGS_TRIED]:
        flip = _flip_of_leg(leg, side, missing, event, passes)
        if flip is not None:
            return replace(refused, flip=flip)
    return replace(refused, flip=Flip(missing))


def _missing_per_set(refused: Refused, event: Event) -> int | None:
    """By how much the prices of a set must fall at least, 1/10,000 dollar, rounded up."""
    if refused.constraint is Reason.PRICE:
        return int(refused.distance) + 1
    nearest = refused.nearest
    if nearest is None or refused.constraint not in (Reason.MIN_PROFIT, Reason.MIN_MARGIN, Reason.MIN_ANNUALISED):
        return None
    if refused.constraint is Reason.MIN_PROFIT:
        missing = refused.distance
    else:
        wanted = least_margin_ppm(event.rules)
        missing = nearest.cost_at_limits - nearest.pays * PPM / (PPM + wanted)
    return max(1, int(missing / nearest.count) + 1)


def _target(leg: LegMarket, side: Side, missing: int) -> int | None:
    """The valid price at least ``missing`` below the leg's best ask, if the book can hold it."""
    price = leg.depth.best_ask(side)
    to = None if price is None else round_down(price - missing, leg.price_bands)
    return to if to is not None and to > (leg.depth.best_bid(side) or 0) else None


def _flip_of_leg(leg: LegMarket, side: Side, missing: int, event: Event, passes: Passes) -> Flip | None:
    to = _target(leg, side, missing)
    for _ in range(TICKS_TRIED):
        if to is None or to <= (leg.depth.best_bid(side) or 0):
            return None
        moved = replace(leg, depth=_offered_at(leg.depth, side, to))
        if passes(tuple(moved if other is leg else other for other in event.legs)):
            return Flip(missing, leg.ticker, side, leg.depth.best_ask(side), to)
        to = round_down(to - 1, leg.price_bands)
    return None


def _offered_at(depth: Depth, side: Side, price: int) -> Depth:
    """The book with the best offer of ``side`` moved to ``price``."""
    bids = depth.bids(side.other)
    moved = ((DOLLAR_PRICE - price, bids[0][1]), *bids[1:])
    return Depth(depth.yes_bids, moved) if side is Side.YES else Depth(moved, depth.no_bids)
