"""The least return at which capital is worth locking, when more is offered than capital carries.

Over a long time the capital that baskets lock is, on average, what turns up a day times how long each stays (Little's law). Of all that
was offered in a window, those that return most are bought until they would lock all capital all the time; what returns less than the
last of them only takes its place. That return is the price of capital: the dual of the problem with everything else averaged out.
It is zero while capital suffices for everything, so nothing is refused for a hurdle then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kalbot.common.units import Money
from strategies.allocation.choice import HOUR, UNKNOWN_DAYS, Offer

FEWEST: Final = 8
"""Offers below which a window says nothing."""
SHORTEST: Final = 0.25
"""Days below which it says nothing. What is locked before there is a hurdle stays locked, so waiting for a surer one costs more than one
from few offers: docs/evidence.md, ranked against first come."""


def hurdle(offered: Iterable[Offer], capital: Money, window_days: float) -> float:
    """Profit a day and locked dollar below which a basket takes the place of a better one; 0 where none does. ``offered``: every
    basket that paid within the last ``window_days``, each once, bought or not."""
    known = sorted(
        (offer for offer in offered if offer.profit > 0 and offer.locked > 0),
        key=lambda offer: offer.return_a_day,
        reverse=True,
    )
    if len(known) < FEWEST or window_days < SHORTEST or capital <= 0:
        return 0.0
    left = float(capital) * window_days
    for offer in known:
        days = UNKNOWN_DAYS if offer.days is None else max(offer.days, HOUR)
        left -= offer.locked * days
        if left < 0:
            return offer.return_a_day
    return 0.0
