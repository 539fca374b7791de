"""Which of the baskets that pay are bought when capital, positions or orders do not suffice for all, and what each may take.

By return on the locked dollar and day (``strategies.allocation``), above what the capital is expected to earn elsewhere; or first come
first served where the profile says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kalbot.common.units import PPM, Money
from strategies.allocation.choice import Choice, Limits, Offer, choose
from strategies.collateral.baskets import locks
from strategies.collateral.groups import Choices
from strategies.cycle import hurdles
from strategies.cycle.candidates import Candidate, Exposure
from strategies.dutch.basket import Basket, Kind
from strategies.models import Profile
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Turn:
    """One candidate to decide on, with the most capital that it may take (micro-dollars; None: whatever is left)."""

    candidate: Candidate
    capital: int | None = None


@dataclass(slots=True)
class Allocation:
    """``turns``: in the order in which to decide. ``passed_over``: event -> why it is not bought although it pays. ``offers``: what was
    chosen from, to be kept (``hurdles.note``) once it is decided."""

    turns: list[Turn]
    passed_over: dict[str, Miss] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)


def allocate(
    profile: Profile,
    paying: Sequence[Candidate],
    verdicts: Mapping[str, Verdict],
    exposure: Exposure,
    *,
    price_waits: bool = False,
) -> Allocation:
    """What to buy of ``paying``, whose ``verdicts`` have a basket each. ``price_waits``: see ``hurdles.of``."""
    baskets = {
        candidate.event: basket for candidate in paying if (basket := verdicts[candidate.event].basket) is not None
    }
    if profile.allocation == Profile.Allocation.FIRST_COME or not baskets:
        return Allocation([Turn(candidate) for candidate in paying])
    offers = [offer_of(profile, event, basket, exposure.choices) for event, basket in baskets.items()]
    least = hurdles.of(profile, exposure.hurdle, offers, exposure.at_work, price_waits=price_waits)
    worth_it = [offer for offer in offers if offer.return_a_day >= least]
    left = Limits(
        Money(exposure.capital_left),
        profile.max_open_positions - exposure.open_count,
        profile.max_orders_per_minute,
    )
    choice = choose(worth_it, left)
    by_event = {candidate.event: candidate for candidate in paying}
    locked = {offer.key: offer.locked for offer in offers}
    is_short = len(choice.shares) < len(worth_it) or any(share < 1 for _, share in choice.shares)
    turns = [
        Turn(by_event[event], math.ceil(locked[event] * share) if is_short else None) for event, share in choice.shares
    ]
    return Allocation(turns, _outranked(worth_it, choice) | _below(offers, least), offers)


def offer_of(profile: Profile, event: str, basket: Basket, choices: Choices | None) -> Offer:
    """``basket`` as one of several to choose from. Of a bet the profit is the expected one. ``choices``: see ``Exposure``."""
    is_sure = basket.kind is not Kind.COVERAGE
    profit = basket.profit if is_sure else Money(math.floor((basket.expected or 0) - basket.cost))
    step = max(profile.count_step, profile.min_depth, 1)
    least = max(step / basket.count, profile.min_profit / max(1, basket.profit))
    return Offer(
        key=event,
        locked=locks(basket, choices),
        profit=profit,
        days=basket.days_to_settlement,
        orders=len(basket.legs),
        least=min(1.0, least),
        is_sure=is_sure,
    )


def return_words(per_day: float) -> str:
    """Return on the locked dollar and day, as it is shown: 0.0012 a day is 0.12 %."""
    return f"{per_day:.3%} a day"


def _below(offers: Sequence[Offer], least: float) -> dict[str, Miss]:
    return {
        offer.key: Miss(
            Reason.HURDLE,
            return_words(offer.return_a_day),
            f"{return_words(least)}, which its capital is expected to earn elsewhere",
            round((least - offer.return_a_day) * PPM),
            "its cost must fall, or less must be offered: more pays than the capital carries",
        )
        for offer in offers
        if offer.return_a_day < least
    }


def _outranked(offers: Sequence[Offer], choice: Choice) -> dict[str, Miss]:
    taken = dict(choice.shares)
    least = min((offer.return_a_day for offer in offers if offer.key in taken), default=0.0)
    limit = f"{return_words(least)} or more" if taken else "capital, positions or orders left"
    return {
        offer.key: Miss(
            Reason.OUTRANKED,
            return_words(offer.return_a_day),
            limit,
            round(max(0.0, least - offer.return_a_day) * PPM),
            f"${offer.locked / PPM:,.2f} of capital, a position and {offer.orders} orders must come free",
        )
        for offer in offers
        if offer.key not in taken
    }
