"""From an event and its books to the arguments of the search, and from its result to a verdict.

The one place that knows both the profile's columns and the search's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from kalbot.common.units import PPM, Count, Money
from markets.book import Depth
from markets.fees import FeeSchedule
from markets.selectors import fee_grid
from markets.terms.grades import Grade, grade_of
from strategies.catalogue.universe import EventView
from strategies.cycle import holdings
from strategies.dutch.basket import Basket, Found, Kind, Later, LegMarket, Limits, Refused, Shape
from strategies.dutch.search import best_basket
from strategies.families.judge import best_family
from strategies.models import Profile
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Prices, Status, Summary, Verdict, is_near, missed, near_or_rejected

EMPTY: Final = Depth()


def limits_of(profile: Profile, event: EventView, now_ms: int, capital_left: int | None = None) -> Limits:
    """What ``profile`` allows on ``event``. ``capital_left``: micro-dollars (None: all of it)."""
    return Limits(
        kinds=frozenset(Kind(kind) for kind in profile.kinds),
        min_profit=Money(profile.min_profit),
        min_margin_ppm=profile.min_margin_ppm,
        max_cost=most_cost(profile, profile.working if capital_left is None else capital_left),
        max_cost_per_leg=Money(profile.max_per_leg),
        max_legs=holdings.current().most_legs(),
        count_step=Count(profile.count_step),
        min_count=Count(max(profile.count_step, profile.min_depth)),
        coverage_threshold=profile.coverage_threshold_ppm / PPM,
        min_expected_margin_ppm=profile.min_expected_margin_ppm,
        days_to_settlement=event.settles_in_days(now_ms),
        min_annualised_ppm=profile.min_annualised_ppm or None,
        shape=Shape(profile.shape),
        near_ppm=profile.near_miss_ppm,
        least_grade=Grade(profile.least_grade),
        power=event.power,
    )


def most_cost(profile: Profile, capital_left: int) -> Money:
    """What one basket may cost: all that a profile's money means to a verdict."""
    return Money(min(max(0, capital_left), profile.max_per_position, profile.max_per_event))


def legs_of(event: EventView, depths: Mapping[str, Depth], grid: Money | None = None) -> list[LegMarket]:
    """Every listed outcome with its book; one without a book has an empty one, never a missing leg. FeeError if the fee is
    not known."""
    grid = fee_grid() if grid is None else grid
    same = None if event.fees else FeeSchedule(*event.fee_of(""), grid)
    return [
        LegMarket(
            ticker=outcome.ticker,
            depth=depths.get(outcome.ticker, EMPTY),
            fees=same or FeeSchedule(*event.fee_of(outcome.ticker), grid),
            price_bands=outcome.price_bands,
            name=outcome.name,
        )
        for outcome in event.outcomes
    ]


def evaluate(
    event: EventView, depths: Mapping[str, Depth], limits: Limits, grid: Money | None = None
) -> Found | Refused:
    """The best basket of ``event`` on these books, or the one constraint in its way. NO on several outcomes needs a certificate that
    they exclude each other."""
    if event.members:
        return _sure_enough(event, _family(event, depths, limits, grid), limits.least_grade)
    kinds = limits.kinds - ({Kind.FAMILY} if event.states_known else {Kind.FAMILY, Kind.ALL_NO})
    if not kinds and not event.states_known:
        return Refused(
            Reason.CERTIFICATE, "No certificate says that at most one outcome wins: NO on several may pay nothing."
        )
    if kinds != limits.kinds:
        limits = replace(limits, kinds=kinds)
    found = best_basket(
        legs_of(event, depths, grid),
        event.exclusive,
        event.certified,
        limits,
        event_ticker=event.ticker,
        terms=event.terms,
        states=event.states,
        family=None if event.estimate is None else event.estimate.chances,
    )
    return _sure_enough(event, found, limits.least_grade)


def _family(event: EventView, depths: Mapping[str, Depth], limits: Limits, grid: Money | None) -> Found | Refused:
    """The same across the events of a family."""
    if event.atoms is None or Kind.FAMILY not in limits.kinds:
        return Refused(Reason.NO_KINDS, "The profile buys no baskets across events.")
    return best_family(legs_of(event, depths, grid), event.atoms, limits, ticker=event.ticker)


def _sure_enough(event: EventView, found: Found | Refused, least: Grade) -> Found | Refused:
    """``found``, refused if its payoff is less sure than ``least``. Coverage is a bet and has no grade."""
    if isinstance(found, Refused) or found.basket.kind is Kind.COVERAGE:
        return found
    grade = basket_grade(event, found.basket)
    if grade.meets(least):
        return found
    sentence = f"It would be {grade.label}; the profile asks for {least.label}."
    return Refused(Reason.GRADE, sentence, kind=found.basket.kind, closest=found.basket)


def basket_grade(event: EventView, basket: Basket) -> Grade:
    """How sure the payoff of ``basket`` is under the event's certificate: floor - cost - fee bound, and what the terms allow."""
    return grade_of(basket.floor, basket.cost, basket.fee_bound, event.grade)


def verdict_of(outcome: Found | Refused, profile: Profile) -> Verdict:
    """The verdict on books: a candidate is a basket that could be bought now."""
    if isinstance(outcome, Found):
        basket = outcome.basket
        summary = basket_summary(basket)
        return Verdict(Status.CANDIDATE, Prices.BOOKS, kind=basket.kind.value, summary=summary, basket=basket)
    miss, closest = miss_of(outcome), outcome.closest
    return missed(
        near_or_rejected(is_near(miss.distance_ppm, profile)),
        miss,
        Prices.BOOKS,
        kind="" if outcome.kind is None else outcome.kind.value,
        summary=Summary(partial(_summary_of, outcome)) if closest is not None else None,
        basket=None if isinstance(closest, Later) else closest,
    )


def _summary_of(refused: Refused) -> dict[str, Any]:
    nearest = refused.nearest
    return {} if nearest is None else basket_summary(nearest)


def miss_of(refused: Refused) -> Miss:
    """A refusal with its measurements as text, its distance in millionths: of the payout for prices and profits, of the limit
    for the rest; None where there is no half way."""
    value, limit, unit = refused.value, refused.limit, refused.unit
    return Miss(refused.constraint, _shown(value, unit), _shown(limit, unit), distance_ppm(refused), flip_of(refused))


def distance_ppm(refused: Refused) -> int | None:
    """How far from passing, millionths; see ``miss_of``."""
    if refused.unit == "flag":
        return None
    if refused.unit == "ppm":
        return round(refused.distance)
    whole: float = refused.limit
    if refused.constraint is Reason.MIN_PROFIT and refused.nearest is not None:
        whole = refused.nearest.pays
    return round(refused.distance * PPM / whole) if whole > 0 else None


def flip_of(refused: Refused) -> str:
    """What would have to move for the refusal to turn, in one sentence."""
    flip = refused.flip
    if flip is not None and flip.ticker is not None and flip.price is not None and flip.to is not None:
        side = "" if flip.side is None else f"{flip.side.value.upper()} "
        return f"the {side}ask of {flip.ticker} from ${flip.price / 10_000:.4f} to ${flip.to / 10_000:.4f}"
    if flip is not None or refused.unit == "price":
        amount = refused.distance if flip is None else flip.amount
        return f"the asks of its legs must fall by ${amount / 10_000:.4f} a set in all"
    return refused.sentence[:300]


def _shown(value: float, unit: str) -> str:
    return {
        "price": f"${value / 10_000:.4f} a set",
        "money": f"${value / PPM:,.4f}",
        "ppm": f"{value / 10_000:.3f} %",
        "count": f"{value / 100:,.2f} contracts",
        "legs": f"{value:g} legs",
        "probability": f"{value:.2%}",
        "flag": "yes" if value else "no",
    }.get(unit, f"{value:g} {unit}")


def basket_summary(basket: Basket) -> dict[str, Any]:
    """The arithmetic of a basket for a JSON column: legs, cost, what it pays."""
    return {
        "source": Prices.BOOKS.value,
        "kind": basket.kind.value,
        "count": basket.count,
        "cost": basket.cost,
        "pays": basket.pays,
        "floor": basket.floor,
        "coverage": basket.coverage,
        "days": basket.days_to_settlement,
        "annualised_ppm": basket.annualised_ppm,
        "legs": [
            {
                "ticker": leg.ticker,
                "side": leg.side.value,
                "count": leg.count,
                "price": leg.limit_price,
                "cost": leg.cost,
            }
            for leg in basket.legs
        ],
    }
