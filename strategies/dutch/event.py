"""One event as the search takes it, and baskets built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from kalbot.common.units import DOLLAR_PRICE, Count, Money, Price
from markets.book import Side
from markets.terms.special_settlements import SettlementTerms
from markets.terms.states import StateList
from strategies.dutch.basket import YEAR_DAYS, Basket, Kind, Leg, LegMarket, Limits
from strategies.dutch.coverage import by_family, probabilities
from strategies.dutch.curve import E14, Curve, WorstCurve
from strategies.dutch.payoff import conditional_of, expected_of, floor_of, payoff, settlement_states
from strategies.dutch.sizing import Bounds, Demand

LEAST_DAYS = 1 / 24
"""Locked capital is counted as locked for at least an hour."""


@dataclass(frozen=True)
class Event:
    """The legs of one event with what is known about how it settles and what the profile allows."""

    ticker: str
    legs: tuple[LegMarket, ...]
    exclusive: bool
    certified: bool
    terms: SettlementTerms
    rules: Limits
    states: StateList | None = None
    worst_fees: bool = False
    family: Mapping[str, float] | None = None
    """What the quotes of its family say of its outcomes, for coverage alone (``coverage.by_family``)."""

    @cached_property
    def state_list(self) -> StateList:
        """Its settlement states: those of its certificate, else what is known of its terms."""
        if self.states is not None:
            return self.states
        return settlement_states([leg.ticker for leg in self.legs], certified=self.certified, terms=self.terms)

    def curve(self, leg: LegMarket, side: Side) -> Curve:
        """One side of a leg. ``worst_fees``: by the most that its fees can be."""
        return (WorstCurve if self.worst_fees else Curve)(leg, side)

    @cached_property
    def chance(self) -> Mapping[str, float] | None:
        """De-vigged probability of each outcome, by its family where one speaks; None when an outcome has no price, and of a family, whose
        outcomes may win together."""
        if self.states is not None and self.states.atoms is not None:
            return None
        found = probabilities(
            {leg.ticker: leg.depth for leg in self.legs},
            certified=self.certified,
            method=self.rules.devig,
            unlisted_floor=self.rules.unlisted_floor,
            power=self.rules.power,
        )
        if found is None or self.family is None:
            return found
        return by_family(found, self.family)

    def promise_e14(self, kind: Kind, chosen: Sequence[Curve]) -> int:
        """What 1/100 contract of the basket pays for sure (coverage: if a covered outcome wins), x 10**14."""
        return (len(chosen) - 1 if kind is Kind.ALL_NO else 1) * DOLLAR_PRICE * E14

    def objective_e14(self, kind: Kind, chosen: Sequence[Curve]) -> int:
        """What the size is chosen by: the promise, for coverage the expectation (to nine places)."""
        if kind is Kind.COVERAGE and self.chance is not None:
            covered = sum(self.chance[curve.ticker] for curve in chosen)
            return round(covered * 10**9) * (DOLLAR_PRICE * E14 // 10**9)
        return self.promise_e14(kind, chosen)

    def demands(self, kind: Kind, chosen: Sequence[Curve]) -> list[Demand]:
        """The margins that must hold at limit prices."""
        demands = [(self.promise_e14(kind, chosen), least_margin_ppm(self.rules))]
        if kind is Kind.COVERAGE:
            demands.append((self.objective_e14(kind, chosen), self.rules.min_expected_margin_ppm))
        return demands

    def bounds(self, chosen: Sequence[Curve]) -> Bounds:
        """The profile's limits on one size."""
        rules = self.rules
        return Bounds(
            step=rules.count_step,
            least=max([rules.min_count, *(curve.market.min_count for curve in chosen)]),
            max_cost=rules.max_cost,
            max_cost_per_leg=rules.max_cost_per_leg,
            max_count=rules.max_count,
        )

    def basket(self, kind: Kind, chosen: Sequence[Curve], counts: Sequence[int], gap: int = 0) -> Basket:
        """The basket of ``counts[i]`` of ``chosen[i]``, with everything that follows from it."""
        legs, plain = [], [curve.plain for curve in chosen]
        for curve, count in zip(plain, counts, strict=True):
            paid, fees = curve.cost(count)
            limit = Price(curve.worst_price(count))
            legs.append(Leg(curve.ticker, curve.side, Count(count), limit, Money(paid), Money(fees), curve.market.name))
        vector = payoff([(leg.ticker, leg.side, leg.count) for leg in legs], self.state_list)
        covered = [leg.ticker for leg in legs]
        cost = sum(leg.cost for leg in legs)
        chance = self.chance
        return Basket(
            kind=kind,
            event_ticker=self.ticker,
            legs=tuple(legs),
            count=Count(max(counts) if kind in (Kind.ALL_NO, Kind.FAMILY) else min(counts)),
            cost=Money(cost),
            fees=Money(sum(leg.fees for leg in legs)),
            cost_at_limits=Money(sum(c.cost_at_limit(n) for c, n in zip(plain, counts, strict=True))),
            payoff=vector,
            floor=floor_of(vector),
            conditional=conditional_of(vector, covered),
            expected=None if chance is None else expected_of(vector, chance),
            coverage=None if chance is None else sum(chance[ticker] for ticker in covered),
            days_to_settlement=self.rules.days_to_settlement,
            gap=Money(gap),
            fee_bound=Money(sum(c.most_cost(n) for c, n in zip(plain, counts, strict=True)) - cost),
        )


def least_margin_ppm(rules: Limits) -> int:
    """The margin that meets both the plain and the annualised minimum, in ppm."""
    if rules.min_annualised_ppm is None or rules.days_to_settlement is None:
        return rules.min_margin_ppm
    days = max(rules.days_to_settlement, LEAST_DAYS)
    return max(rules.min_margin_ppm, int(rules.min_annualised_ppm * days / YEAR_DAYS) + 1)
