"""The best basket of one event, or the one constraint that stands in the way.

``best_basket`` judges every kind the profile allows. Kinds that pay come before any refusal, guaranteed ones before the
rest, then the higher profit. If none pays, the refusal of the kind that came furthest is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kalbot.common.units import DOLLAR_PRICE, Count, Money, Price
from markets.book import Side
from markets.fees import split_slack
from markets.terms import ORDINARY, SettlementTerms
from strategies.dutch.basket import (
    PPM,
    YEAR_DAYS,
    Basket,
    Found,
    Kind,
    Leg,
    LegMarket,
    Limits,
    Outcome,
    Refused,
)
from strategies.dutch.coverage import probabilities
from strategies.dutch.curve import E14, Curve
from strategies.dutch.payoff import conditional_of, expected_of, floor_of, payoff, settlement_states
from strategies.dutch.refusal import (
    furthest,
    refuse_money,
    refuse_price,
    refuse_room,
    refuse_structure,
)
from strategies.dutch.sizing import Bounds, Sized, best_size
from strategies.dutch.subset import Chosen, coverage_sets, nearest_no_set, no_sets, touch

ORDER = (Kind.ALL_YES, Kind.ALL_NO, Kind.COVERAGE)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the search sees it. ``chance``: de-vigged probabilities, None when an outcome has no price."""

    ticker: str
    legs: tuple[LegMarket, ...]
    exclusive: bool
    certified: bool
    terms: SettlementTerms
    rules: Limits
    chance: Mapping[str, float] | None


def best_basket(
    legs: Sequence[LegMarket],
    exclusive: bool,
    certified: bool,
    rules: Limits,
    *,
    event_ticker: str = "",
    terms: SettlementTerms = ORDINARY,
) -> Outcome:
    """The best basket of an event with exactly these outcomes, or why there is none.

    ``legs``: every listed outcome of the event, also those without a price. ``exclusive``: at most one wins.
    ``certified``: at least one must. ``terms``: other settlements that the event's rules name. Ties between equal
    baskets go to the kind that comes first and to the leg order given. Raises nothing for bad prices: they are refusals.
    """
    chance = probabilities(
        {leg.ticker: leg.depth for leg in legs},
        certified=certified,
        method=rules.devig,
        unlisted_floor=rules.unlisted_floor,
    )
    event = Event(event_ticker, tuple(legs), exclusive, certified, terms, rules, chance)
    broken = refuse_structure(event.legs, exclusive, rules)
    if broken is not None:
        return broken
    outcomes = [_JUDGES[kind](event) for kind in ORDER if kind in rules.kinds]
    found = [outcome.basket for outcome in outcomes if isinstance(outcome, Found)]
    if found:
        return Found(max(found, key=lambda basket: (basket.guaranteed, basket.profit)))
    return furthest([outcome for outcome in outcomes if isinstance(outcome, Refused)])


def _judge_all_yes(event: Event) -> Outcome:
    curves = tuple(Curve(leg, Side.YES) for leg in event.legs)
    missing = tuple(curve.ticker for curve in curves if not curve.levels)
    if missing:
        return Refused(
            "no_ask",
            f"YES on every outcome needs an ask for each; {len(missing)} of {len(curves)} have none.",
            "legs", len(curves) - len(missing), len(curves), len(missing), Kind.ALL_YES, tickers=missing,
        )  # fmt: skip
    outcome = _judge_sets(event, Kind.ALL_YES, [curves], curves)
    if event.certified or (isinstance(outcome, Refused) and outcome.constraint == "price"):
        return outcome
    nearest = outcome.basket if isinstance(outcome, Found) else outcome.nearest
    return Refused(
        "not_certified",
        "The price would do, but nothing says that one of the listed outcomes must win: YES on all of them may pay nothing.",
        "flag", 0, 1, 1, Kind.ALL_YES, nearest,
    )  # fmt: skip


def _judge_all_no(event: Event) -> Outcome:
    curves = [Curve(leg, Side.NO) for leg in event.legs]
    nearest = nearest_no_set(curves, event.rules.max_legs)
    if not nearest:
        priced = sum(1 for curve in curves if curve.levels)
        return Refused(
            "no_ask", f"NO needs two outcomes with an ask; {priced} has one.",
            "legs", priced, 2, 2 - priced, Kind.ALL_NO,
            tickers=tuple(curve.ticker for curve in curves if not curve.levels),
        )  # fmt: skip
    if sum(map(touch, nearest[0])) >= _pays_e14(event, Kind.ALL_NO, nearest[0]):
        return _judge_sets(event, Kind.ALL_NO, nearest, nearest[0])
    rules = event.rules
    coupled = bool(rules.max_cost or rules.max_cost_per_leg or _margin_ppm(rules))
    sets = no_sets(curves, every=coupled, max_legs=rules.max_legs)
    return _judge_sets(event, Kind.ALL_NO, sets, nearest[0])


def _judge_coverage(event: Event) -> Outcome:
    if event.chance is None:
        return Refused("no_price", "An outcome has neither bid nor ask, so no probability is known.", kind=Kind.COVERAGE)
    curves = [Curve(leg, Side.YES) for leg in event.legs]
    threshold = event.rules.coverage_threshold
    sets = coverage_sets(curves, event.chance, threshold, event.rules.max_legs)
    if event.certified:
        sets = [chosen for chosen in sets if len(chosen) < len(curves)]  # all of them is all_yes
    if not sets:
        reach = sum(event.chance[c.ticker] for c in curves if c.levels)
        return Refused(
            "coverage", f"Outcomes with an ask cover {reach:.4f}; the profile asks for {threshold:.4f}.",
            "probability", reach, threshold, max(0.0, threshold - reach), Kind.COVERAGE,
        )  # fmt: skip
    payers = [s for s in sets if sum(map(touch, s)) < DOLLAR_PRICE * E14]
    cheapest = min(sets, key=lambda s: sum(map(touch, s)))
    return _judge_sets(event, Kind.COVERAGE, payers or [cheapest], cheapest)


_JUDGES = {Kind.ALL_YES: _judge_all_yes, Kind.ALL_NO: _judge_all_no, Kind.COVERAGE: _judge_coverage}


def _judge_sets(event: Event, kind: Kind, sets: Sequence[Chosen], nearest: Chosen) -> Outcome:
    """Size each set, keep the best, judge it by the profile."""
    asked, limit = sum(map(touch, nearest)), _promise_e14(kind, len(nearest))
    if all(sum(map(touch, chosen)) >= _promise_e14(kind, len(chosen)) for chosen in sets):
        return refuse_price(kind, nearest, asked, limit, _at_least(event, kind, nearest))
    best: tuple[Chosen, Sized] | None = None
    for chosen in sets:
        sized = best_size(chosen, _pays_e14(event, kind, chosen), _bounds(event.rules, chosen))
        if sized and (best is None or (sized.holds, sized.profit_e14) > (best[1].holds, best[1].profit_e14)):
            best = chosen, sized
    if best is None:
        return refuse_room(kind, nearest, event.rules)
    basket = _build(event, kind, *best)
    return refuse_money(basket, event.rules) or Found(basket)


def _at_least(event: Event, kind: Kind, chosen: Chosen) -> Basket | None:
    """The smallest basket of ``chosen``: what a near miss looks like."""
    bounds = _bounds(event.rules, chosen)
    least = -(-bounds.least // bounds.step) * bounds.step
    if min(curve.total for curve in chosen) < least:
        return None
    small = Bounds(bounds.step, least, max_count=least, margin_ppm=bounds.margin_ppm)
    sized = best_size(chosen, _pays_e14(event, kind, chosen), small)
    return _build(event, kind, chosen, sized) if sized else None


def _promise_e14(kind: Kind, legs: int) -> int:
    """What 1/100 contract of the basket pays for sure (coverage: if a covered outcome wins)."""
    return (legs - 1 if kind is Kind.ALL_NO else 1) * DOLLAR_PRICE * E14


def _pays_e14(event: Event, kind: Kind, chosen: Chosen) -> int:
    """What sizing counts on: the promise, for coverage the expectation."""
    if kind is Kind.COVERAGE and event.chance is not None:
        return int(sum(event.chance[c.ticker] for c in chosen) * 10**9) * (DOLLAR_PRICE * E14 // 10**9)
    return _promise_e14(kind, len(chosen))


def _margin_ppm(rules: Limits) -> int:
    """The margin that covers both the plain and the annualised minimum."""
    if rules.min_annualised_ppm is None or rules.days_to_settlement is None:
        return rules.min_margin_ppm
    days = max(rules.days_to_settlement, 1 / 24)
    return max(rules.min_margin_ppm, int(rules.min_annualised_ppm * days / YEAR_DAYS) + 1)


def _bounds(rules: Limits, chosen: Chosen) -> Bounds:
    coverage_margin = rules.min_expected_margin_ppm if chosen and chosen[0].side is Side.YES else 0
    del coverage_margin
    return Bounds(
        step=rules.count_step,
        least=max([rules.min_count, *(curve.market.min_count for curve in chosen)]),
        max_cost=rules.max_cost,
        max_cost_per_leg=rules.max_cost_per_leg,
        max_count=rules.max_count,
        margin_ppm=_margin_ppm(rules),
    )


def _build(event: Event, kind: Kind, chosen: Chosen, sized: Sized) -> Basket:
    legs, count = [], sized.count
    for curve in chosen:
        paid, fees = curve.cost(count)
        legs.append(
            Leg(curve.ticker, curve.side, Count(count), Price(curve.worst_price(count)), Money(paid), Money(fees),
                curve.market.name)
        )  # fmt: skip
    tickers = [leg.ticker for leg in event.legs]
    states = settlement_states(tickers, certified=event.certified, terms=event.terms)
    vector = payoff([(leg.ticker, leg.side, leg.count) for leg in legs], states)
    covered = [leg.ticker for leg in legs]
    chance = event.chance
    return Basket(
        kind=kind,
        event_ticker=event.ticker,
        legs=tuple(legs),
        count=Count(count),
        cost=Money(sized.cost),
        fees=Money(sum(leg.fees for leg in legs)),
        cost_at_limits=Money(sized.cost_at_limits),
        payoff=vector,
        floor=floor_of(vector),
        conditional=conditional_of(vector, covered),
        expected=None if chance is None else expected_of(vector, chance),
        coverage=None if chance is None else sum(chance[ticker] for ticker in covered),
        days_to_settlement=event.rules.days_to_settlement,
        gap=Money(sized.gap),
        fee_slack=Money(sum(split_slack(curve.market.fees, count) for curve in chosen)),
    )


__all__ = ["PPM", "Basket", "Found", "Kind", "Leg", "LegMarket", "Limits", "Outcome", "Refused", "best_basket"]
