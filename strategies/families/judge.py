"""The best basket of a family by a profile's limits, or the one constraint in its way: what ``dutch.search`` is for one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kalbot.common.units import DOLLAR_PRICE, Count
from markets.terms.atoms import Atoms
from markets.terms.special_settlements import ORDINARY
from markets.terms.states import StateList
from strategies.dutch.basket import Basket, Found, Kind, LegMarket, Limits, Outcome, Refused
from strategies.dutch.curve import Curve
from strategies.dutch.event import Event, least_margin_ppm
from strategies.dutch.refusal import furthest, refuse_capital, refuse_legs, refuse_money
from strategies.families import graphs
from strategies.families.basket import Family
from strategies.families.limits import Counts, Sizes
from strategies.families.offers import Offers
from strategies.families.screen import Coherent
from strategies.reasons import Reason

KIND: Final = Kind.FAMILY


def best_family(legs: Sequence[LegMarket], atoms: Atoms, rules: Limits, *, ticker: str = "") -> Outcome:
    """The basket across the events of a family that earns most on these books, or why there is none. ``legs``: every market of its
    events; those without an ask on a side are not bought there."""
    family = Family(atoms, graphs.of(ticker, atoms))
    curves = family.curves({leg.ticker: leg for leg in legs})
    sizes = Sizes(rules.count_step, rules.max_cost, rules.max_legs, rules.max_cost_per_leg)
    proposed = family.proposals(curves, sizes)
    if isinstance(proposed, Coherent):
        return _nearest(family, curves, rules, ticker)
    judged = [_judged(counts, curves, atoms, rules, ticker) for counts in proposed]
    found = [one for one in judged if isinstance(one, Found)]
    if found:
        return max(found, key=lambda one: one.basket.profit)
    return furthest([one for one in judged if isinstance(one, Refused)])


def _judged(counts: Counts, curves: Offers, atoms: Atoms, rules: Limits, ticker: str) -> Outcome:
    """The basket of these counts, or the demand of the profile that it does not meet."""
    if not counts:
        return Refused(Reason.UNDECIDED, "The search did not end within its limit of work.", kind=KIND)
    kept = {key: count for key, count in counts.items() if count >= max(rules.min_count, rules.count_step)}
    if len(kept) < 2 or len(kept) < sum(count > 0 for count in counts.values()):
        return _too_few(curves, rules)
    if rules.max_legs is not None and len(kept) > rules.max_legs:
        return refuse_legs(KIND, len(kept), rules.max_legs)
    basket = basket_of(kept, curves, atoms, rules, ticker)
    if basket.pays <= basket.cost:
        return _costs_too_much(basket)
    refused = refuse_money(basket, rules)
    if refused is not None:
        return refused
    over = rules.max_cost is not None and basket.cost_at_limits > rules.max_cost
    costliest = max(leg.limit_price * leg.count for leg in basket.legs)
    if over or (rules.max_cost_per_leg is not None and costliest > rules.max_cost_per_leg):
        return _smaller(basket, counts, curves, atoms, rules, ticker)
    return Found(basket)


def _smaller(basket: Basket, counts: Counts, curves: Offers, atoms: Atoms, rules: Limits, ticker: str) -> Outcome:
    """The same legs in as many whole steps less as the money limits ask for at the limit prices."""
    least = min(counts.values()) // rules.count_step
    for steps in range(least - 1, 0, -1):
        smaller = {key: count * steps // least // rules.count_step * rules.count_step for key, count in counts.items()}
        tried = basket_of(smaller, curves, atoms, rules, ticker) if min(smaller.values()) >= rules.min_count else None
        if tried is None:
            break
        costliest = max(leg.limit_price * leg.count for leg in tried.legs)
        fits = rules.max_cost is None or tried.cost_at_limits <= rules.max_cost
        if fits and (rules.max_cost_per_leg is None or costliest <= rules.max_cost_per_leg):
            return refuse_money(tried, rules) or Found(tried)
    return refuse_capital(basket, rules)


def basket_of(counts: Counts, curves: Offers, atoms: Atoms, rules: Limits, ticker: str) -> Basket:
    """The basket of these counts, with what it pays in every atom that its legs distinguish."""
    chosen: list[Curve] = [curves[key] for key in counts]
    states = StateList.of_atoms(atoms.about({market for market, _ in counts}))
    event = Event(
        ticker, tuple({c.ticker: c.market for c in chosen}.values()), False, False, ORDINARY, rules, states, True
    )
    return event.basket(KIND, chosen, list(counts.values()))


def _nearest(family: Family, curves: Offers, rules: Limits, ticker: str) -> Refused:
    """The best prices agree: the basket that comes nearest, if one does that is near enough to be worth watching."""
    count = Count(max(rules.min_count, rules.count_step))
    counts = family.nearest(curves, rules.near_ppm + least_margin_ppm(rules), count)
    if len(counts) < 2:
        sentence = "The prices of all its markets agree with one probability of each value: no basket can be had."
        return Refused(Reason.PRICE, sentence, kind=KIND)
    return _costs_too_much(basket_of(counts, curves, family.atoms, rules, ticker))


def _costs_too_much(basket: Basket) -> Refused:
    """Price, limit and distance of one contract of the largest leg, in 1/10,000 dollar."""
    value, limit = basket.cost / basket.count, basket.pays / basket.count
    return Refused(
        Reason.PRICE,
        f"{len(basket.legs)} legs cost {value / DOLLAR_PRICE:.4f} a set at the best prices with fees and pay {limit / DOLLAR_PRICE:.4f}.",
        "price",
        value,
        limit,
        value - limit,
        KIND,
        basket,
        tickers=tuple(leg.ticker for leg in basket.legs),
    )


def _too_few(curves: Offers, rules: Limits) -> Refused:
    """Prices that do not agree, in counts that are too small to be bought."""
    least = max(rules.min_count, rules.count_step)
    return Refused(
        Reason.DEPTH,
        "Its legs are offered, or may be paid for, in smaller counts than the least one.",
        "count",
        0,
        least,
        least,
        KIND,
    )
