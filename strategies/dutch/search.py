"""The best basket of one event, or the one constraint that stands in the way.

``best_basket`` judges every kind that the profile allows. A basket comes before any refusal, a guaranteed one before the
rest, then the higher profit. If there is none, the refusal of the kind that came furthest is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import accumulate
from math import ceil

from markets.book import Side
from markets.terms.special_settlements import ORDINARY, SettlementTerms
from markets.terms.states import StateList
from strategies.dutch.basket import Basket, Found, Kind, Later, LegMarket, Limits, Outcome, Refused, Shape
from strategies.dutch.coverage_sets import CoverageSearch, Wanted
from strategies.dutch.curve import E14, Curve, touch_of_e14
from strategies.dutch.event import Event, least_margin_ppm
from strategies.dutch.flip import add_flip
from strategies.dutch.no_counts import DOLLAR_E14, best_counts, gains_of
from strategies.dutch.no_program import Coupling, best_coupled
from strategies.dutch.refusal import (
    furthest,
    refuse_asks,
    refuse_capital,
    refuse_coverage,
    refuse_legs,
    refuse_money,
    refuse_price,
    refuse_size,
    refuse_structure,
)
from strategies.dutch.shape import shaped
from strategies.dutch.sizing import Sized, best_size, first_count
from strategies.dutch.subset import EVERY_SET_UP_TO, Chosen, cheap_cover, every_cover, nearest_no_set
from strategies.reasons import Reason

ORDER = (Kind.ALL_YES, Kind.ALL_NO, Kind.COVERAGE)

MOST_PROGRAMMES = 60
"""Lines of a wide coverage search for which a programme is solved; what the others might add is reported as a gap."""


def best_basket(
    legs: Sequence[LegMarket],
    exclusive: bool,
    certified: bool,
    rules: Limits,
    *,
    event_ticker: str = "",
    terms: SettlementTerms = ORDINARY,
    states: StateList | None = None,
    family: Mapping[str, float] | None = None,
) -> Outcome:
    """The best basket of an event with exactly these outcomes, or why there is none.

    ``legs``: every listed outcome of the event, also those without a price. ``exclusive``: at most one wins.
    ``certified``: at least one must. ``states``: every way in which it may settle, by its certificate; without it ``terms``
    names what there is besides one winner, or none. Equal baskets: the kind
    that comes first wins. ``family``: what the quotes of its family say of each outcome; only bets on coverage go by it.
    Missing prices raise nothing: they are refusals. Books are taken as they are: whether they are
    fresh, whole and not crossed is for whoever brings them to say.
    """
    event = Event(event_ticker, tuple(legs), exclusive, certified, terms, rules, states, family=family)
    outcome = judge(event)
    if isinstance(outcome, Found):
        return outcome
    return add_flip(
        _with_nearest(event, outcome), event, lambda legs: isinstance(judge(replace(event, legs=legs)), Found)
    )


def judge(event: Event) -> Outcome:
    """``best_basket`` without the price move that would turn a refusal."""
    broken = refuse_structure(event.legs, event.exclusive, event.rules)
    if broken is not None:
        return broken
    outcomes = [_judge_kind(event, kind) for kind in ORDER if kind in event.rules.kinds]
    found = [outcome.basket for outcome in outcomes if isinstance(outcome, Found)]
    if found:
        return Found(max(found, key=lambda basket: (basket.guaranteed, basket.profit)))
    return furthest([outcome for outcome in outcomes if isinstance(outcome, Refused)])


def _judge_kind(event: Event, kind: Kind) -> Outcome:
    """The best basket of a kind; if only the fee bound refuses it, the best by the most that fees can be."""
    event = _as_seen_by(kind, event)
    outcome = _JUDGES[kind](event)
    if isinstance(outcome, Refused) and outcome.constraint is Reason.FEE_BOUND:
        safe = _JUDGES[kind](replace(event, worst_fees=True))
        return safe if isinstance(safe, Found) else outcome
    return outcome


def _as_seen_by(kind: Kind | None, event: Event) -> Event:
    """The event without what its family says, for every kind but coverage."""
    return event if kind is Kind.COVERAGE or event.family is None else replace(event, family=None)


def _judge_all_yes(event: Event) -> Outcome:
    curves = tuple(event.curve(leg, Side.YES) for leg in event.legs)
    if not all(curve.bids for curve in curves):
        return refuse_asks(Kind.ALL_YES, curves, len(curves))
    most = event.rules.max_legs
    if most is not None and len(curves) > most and touch_of_e14(curves) < DOLLAR_E14:
        return refuse_legs(Kind.ALL_YES, len(curves), most)
    outcome = _judge_sets(event, Kind.ALL_YES, [curves], curves)
    if event.certified or (isinstance(outcome, Refused) and outcome.constraint is Reason.PRICE):
        return outcome
    nearest = outcome.basket if isinstance(outcome, Found) else outcome.nearest
    return Refused(
        Reason.NOT_CERTIFIED,
        "The price would do, but nothing says that one of the listed outcomes must win: YES on all may pay nothing.",
        "flag",
        0,
        1,
        1,
        Kind.ALL_YES,
        nearest,
    )


def _judge_all_no(event: Event) -> Outcome:
    kind, rules = Kind.ALL_NO, event.rules
    curves = [event.curve(leg, Side.NO) for leg in event.legs]
    nearest = nearest_no_set(curves, rules.max_legs)
    if len(nearest) < 2:
        return refuse_asks(kind, curves, 2)
    if touch_of_e14(nearest) >= event.promise_e14(kind, nearest):
        return refuse_price(kind, nearest, touch_of_e14(nearest), event.promise_e14(kind, nearest))
    gains = gains_of(curves, event.bounds(()))
    counted = best_counts(gains, rules.max_legs)
    if counted is None:
        return refuse_size(kind, nearest, event.bounds(nearest))
    basket = event.basket(kind, counted.legs, counted.counts, counted.gap)
    refused = refuse_money(basket, rules)
    fits = rules.max_cost is None or basket.cost_at_limits <= rules.max_cost
    if fits and refused is None:
        return Found(basket)
    if counted.profit > 0:
        coupled = best_coupled(gains, Coupling(rules.max_cost, least_margin_ppm(rules), rules.max_legs))
        if coupled is not None:
            basket = event.basket(kind, coupled.legs, coupled.counts, coupled.gap)
            refused, fits = refuse_money(basket, rules), True
            if refused is None:
                return Found(basket)
    if refused is None or not fits:
        return _without_capital(event, kind) or refuse_size(kind, nearest, event.bounds(nearest))
    return _capital_binds(event, kind, refused) or refused


def _judge_coverage(event: Event) -> Outcome:
    curves = [event.curve(leg, Side.YES) for leg in event.legs]
    threshold, chance = event.rules.coverage_threshold, event.chance
    most = len(curves) - event.certified  # all of them is all_yes
    if event.rules.max_legs is not None:
        most = min(most, event.rules.max_legs)
    priced = sorted((chance[curve.ticker] for curve in curves if curve.bids), reverse=True) if chance else []
    if chance is None or sum(priced) < threshold:
        return refuse_coverage(curves, chance, threshold)
    if sum(priced[:most]) < threshold - 1e-9:
        needed = sum(1 for covered in accumulate(priced) if covered < threshold) + 1
        return refuse_legs(Kind.COVERAGE, needed, most)
    if len(curves) > EVERY_SET_UP_TO:
        return _judge_wide_coverage(event, curves, chance, most)
    sets = every_cover(curves, chance, threshold, most)
    if not sets:
        return refuse_coverage(curves, chance, threshold)
    payers = [chosen for chosen in sets if touch_of_e14(chosen) < DOLLAR_E14]
    return _judge_sets(event, Kind.COVERAGE, payers, min(sets, key=touch_of_e14))


def _judge_wide_coverage(event: Event, curves: Sequence[Curve], chance: Mapping[str, float], most: int) -> Outcome:
    """Too many outcomes to try every set: line by line, until no line left can hold a better basket."""
    rules, kind = event.rules, Kind.COVERAGE
    wanted = Wanted(
        rules.coverage_threshold,
        max(rules.min_profit, 1),
        least_margin_ppm(rules),
        rules.min_expected_margin_ppm,
        most,
    )
    best: tuple[Chosen, Sized] | None = None
    reach, left = 0.0, -1.0  # what the lines tried, and those not tried, cannot exceed
    search = CoverageSearch(curves, chance, event.bounds(()), wanted)
    for tried, line in enumerate(search.lines()):
        hopeless = line.bound < 0 <= rules.min_expected_margin_ppm
        if hopeless or (best is not None and line.bound * E14 <= best[1].profit_e14):
            break
        if tried >= MOST_PROGRAMMES:
            left = line.bound
            break
        chosen, bound = search.best_on(line) or ((), 0.0)
        if not chosen:
            continue
        reach = max(reach, bound)
        sized = best_size(chosen, event.objective_e14(kind, chosen), event.bounds(chosen), event.demands(kind, chosen))
        if sized and sized.holds and (best is None or sized.profit_e14 > best[1].profit_e14):
            best = chosen, sized
    if best is None:
        nearest = cheap_cover(curves, chance, rules.coverage_threshold)
        if len(nearest) > most:
            return refuse_legs(kind, len(nearest), most)
        return _judge_sets(event, kind, [nearest], nearest)
    chosen, sized = best
    gap = max(sized.gap, ceil(max(reach, left) - sized.profit_e14 / E14))
    return _finished(event, kind, chosen, sized, gap)


_JUDGES = {Kind.ALL_YES: _judge_all_yes, Kind.ALL_NO: _judge_all_no, Kind.COVERAGE: _judge_coverage}


def _judge_sets(event: Event, kind: Kind, sets: Sequence[Chosen], nearest: Chosen) -> Outcome:
    """Size the sets, those first that could earn most, keep the best, judge it by the profile."""
    if all(touch_of_e14(chosen) >= event.promise_e14(kind, chosen) for chosen in sets):
        return refuse_price(kind, nearest, touch_of_e14(nearest), event.promise_e14(kind, nearest))
    best: tuple[Chosen, Sized] | None = None
    bounded = [(_most_e14(event, kind, chosen), chosen) for chosen in sets]
    for most, chosen in sorted(bounded, key=lambda entry: -entry[0]):
        hopeless = most < 0 <= event.rules.min_expected_margin_ppm  # no demand can hold at a loss
        if best is not None and most <= best[1].profit_e14 and (best[1].holds or hopeless):
            break
        sized = best_size(chosen, event.objective_e14(kind, chosen), event.bounds(chosen), event.demands(kind, chosen))
        if sized and (best is None or (sized.holds, sized.profit_e14) > (best[1].holds, best[1].profit_e14)):
            best = chosen, sized
    if best is None:
        return refuse_size(kind, nearest, event.bounds(nearest))
    return _finished(event, kind, *best, best[1].gap)


def _finished(event: Event, kind: Kind, chosen: Chosen, sized: Sized, gap: int) -> Outcome:
    """The basket of the best size, judged by the profile, in the profile's shape."""
    basket = event.basket(kind, chosen, [sized.count] * len(chosen), gap)
    refused = refuse_money(basket, event.rules)
    if refused is not None:
        return _capital_binds(event, kind, refused) or refused
    if event.rules.shape is not Shape.EQUAL:
        basket = shaped(event, kind, chosen, basket)
    return Found(basket)


def _capital_binds(event: Event, kind: Kind, refused: Refused) -> Refused | None:
    """If a basket would do but for the money limits, they are what binds, not the profit of what they leave."""
    return _without_capital(event, kind) if refused.constraint in (Reason.MIN_PROFIT, Reason.MIN_MARGIN) else None


def _without_capital(event: Event, kind: Kind) -> Refused | None:
    """The refusal of a money limit without which a basket would do; None if there is none."""
    rules = event.rules
    if rules.max_cost is None and rules.max_cost_per_leg is None:
        return None
    free = _JUDGES[kind](replace(event, rules=replace(rules, max_cost=None, max_cost_per_leg=None)))
    return refuse_capital(free.basket, rules) if isinstance(free, Found) else None


def _most_e14(event: Event, kind: Kind, chosen: Chosen) -> int:
    """What ``chosen`` cannot earn more than: its best price for all of its depth, or for all of the capital."""
    touch, bounds = touch_of_e14(chosen), event.bounds(chosen)
    earns = event.objective_e14(kind, chosen) - touch
    if earns <= 0:
        return earns * first_count(bounds)
    deepest = min(curve.total for curve in chosen)
    most = earns * (deepest if bounds.max_count is None else min(deepest, bounds.max_count))
    return most if bounds.max_cost is None else min(most, earns * bounds.max_cost * E14 // touch)


def _with_nearest(event: Event, refused: Refused) -> Refused:
    """A refused price with the smallest basket of its legs: what a near miss would buy. None if a leg is not that deep."""
    kind = refused.kind
    if refused.constraint is not Reason.PRICE or kind is None:
        return refused
    return replace(refused, closest=Later(lambda: _smallest(_as_seen_by(kind, event), kind, set(refused.tickers))))


def _smallest(event: Event, kind: Kind, wanted: Set[str]) -> Basket | None:
    side = Side.NO if kind is Kind.ALL_NO else Side.YES
    chosen = [event.curve(leg, side) for leg in event.legs if leg.ticker in wanted]
    least = first_count(event.bounds(chosen))
    if min(curve.total for curve in chosen) < least:
        return None
    return event.basket(kind, chosen, [least] * len(chosen))


__all__ = ["Basket", "Found", "Kind", "LegMarket", "Limits", "Outcome", "Refused", "best_basket", "judge"]
