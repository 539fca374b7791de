"""Probabilities from live prices, with the bookmaker's margin taken out. Floats: nothing here is money.

Method, outcome by outcome: the middle between what buyers bid and sellers ask for YES. A missing bid is a bid of 0
(nobody pays anything: that *is* a bound); a missing ask is bounded by what the other outcomes' bids leave of a dollar.
An outcome with neither has no price, and then nothing can be said about any of them.

The middles add up to more or less than one. They are scaled to one (``PROPORTIONAL``) or raised to a common power
until they add up to one (``POWER``, which takes more of the margin from the tails, where it usually sits). Where no
certificate says that a listed outcome must win, an unlisted remainder takes part: what the middles leave of a
dollar, and at least ``unlisted_floor``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Depth, Side


class Devig(StrEnum):
    """How the margin is taken out."""

    PROPORTIONAL = "proportional"
    POWER = "power"


def middles(books: Mapping[str, Depth]) -> dict[str, float] | None:
    """ticker -> middle of bid and ask for YES as a probability; None if an outcome has neither."""
    bids = {ticker: depth.best_bid(Side.YES) or 0 for ticker, depth in books.items()}
    all_bids = sum(bids.values())
    found: dict[str, float] = {}
    for ticker, depth in books.items():
        ask: int | None = depth.best_ask(Side.YES)
        if ask is None:
            if not bids[ticker]:
                return None
            ask = max(bids[ticker], DOLLAR_PRICE - (all_bids - bids[ticker]))
        found[ticker] = (bids[ticker] + ask) / (2 * DOLLAR_PRICE)
    return found


def probabilities(
    books: Mapping[str, Depth],
    *,
    certified: bool,
    method: Devig = Devig.PROPORTIONAL,
    unlisted_floor: float = 0.02,
) -> dict[str, float] | None:
    """De-vigged probability of each outcome; they add up to 1 if certified, else to 1 minus the remainder.

    None when an outcome has no price at all.
    """
    raw = middles(books)
    if not raw:
        return None
    total = sum(raw.values())
    if total <= 0.0:
        return None
    share = 1.0 if certified else 1.0 - max(unlisted_floor, min(1.0, 1.0 - total))
    if method is Devig.POWER:
        raw = _power(raw)
        total = sum(raw.values())
    return {ticker: share * p / total for ticker, p in raw.items()}


def _power(raw: Mapping[str, float]) -> dict[str, float]:
    """p**k with k >= 1 such that the sum is one (bisection); unchanged where the sum is not above one."""
    if sum(raw.values()) <= 1.0:
        return dict(raw)
    low, high = 1.0, 64.0
    for _ in range(60):
        k = (low + high) / 2
        if sum(p**k for p in raw.values()) > 1.0:
            low = k
        else:
            high = k
    return {ticker: p**high for ticker, p in raw.items()}
