"""What is read about the account and about positions: the exchange's difference, and what a position holds now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

from kalbot.common.units import DOLLAR, DOLLAR_PRICE, Money, Price
from markets.book import Side
from markets.models import ContractTerms
from markets.terms.grades import Grade, grade_of
from markets.terms.settled import given
from markets.terms.states import Holding, State, StateError, StateList, floor_over, payoffs
from trading import ended_beside
from trading.execution.sizing import baskets
from trading.models import ACTIVE, ExchangeAccount, Leg, Position, Settlement

MONEY_PER_PRICE: Final = DOLLAR // DOLLAR_PRICE
"""Micro-dollars in 1/10,000 dollar."""


def exchange_difference() -> int | None:
    """The exchange's cash less ours over all live accounts, as the last reconciliation that could compare found it.

    Micro-dollars; None when none could. ``reconcile.run("live", ...)`` compares again.
    """
    found = list(ExchangeAccount.objects.values_list("difference", flat=True))
    known = [one for one in found if one is not None]
    return sum(known) if found and len(known) == len(found) else None


@dataclass(frozen=True, slots=True)
class HeldLeg:
    """One leg as it is held. ``count`` and ``naked`` (what no whole basket needs) in 1/100 contract, ``cost`` with fees."""

    leg: Leg
    count: int
    naked: int
    cost: Money


@dataclass(frozen=True, slots=True)
class StatePayoff:
    """What the held legs pay in one state that is still possible (the least, where the state leaves a choice)."""

    state: State
    words: str
    pays: Money


@dataclass(frozen=True, slots=True)
class Held:
    """What a position holds now, by its legs' own counts and the state list stored when it was opened.

    ``floor``: the least that the held legs still pay; ``cost``: what was paid for them. ``grade``: how sure that is; never better
    than the grade at the opening. ``matched``: whole baskets (1/100), settled legs included. ``payoff``: per state; empty for
    legs in several events, whose states combine in any way. ``unknown``: why nothing is known of the payoff; the floor is 0 then.
    """

    legs: tuple[HeldLeg, ...]
    matched: int
    cost: Money
    floor: Money
    grade: Grade
    payoff: tuple[StatePayoff, ...] = ()
    unknown: str = ""

    @property
    def naked(self) -> tuple[HeldLeg, ...]:
        """Legs that hold more than the whole baskets need."""
        return tuple(one for one in self.legs if one.naked)

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held."""
        return not self.legs


def resting_on(terms: ContractTerms) -> list[Position]:
    """The open positions whose certificate rested on this contract terms document, in whatever version of its entry."""
    found = Position.objects.filter(
        decision__certificate__terms__url=terms.url,
        decision__certificate__terms__exchange=terms.exchange,
        status__in=ACTIVE,
    )
    return list(found.select_related("profile").order_by("pk"))


def held_now(position: Position) -> Held:
    """What ``position`` holds at this moment. One reading for screens, exports and decisions; reads its legs afresh."""
    return held_after(position, {})


def held_after(position: Position, sold: Mapping[int, int]) -> Held:
    """What ``position`` would hold if so much more of each leg (by its id, 1/100 contract) had been sold."""
    return held_of(position, less(Leg.objects.filter(position=position).select_related("market"), sold))


def less(legs: Iterable[Leg], sold: Mapping[int, int]) -> list[Leg]:
    """The legs as they would be if so much more of each (by its id, 1/100 contract) had been sold; ``legs`` stay as they are."""
    found = []
    for leg in map(copy, legs):
        count = min(sold.get(leg.pk, 0), leg.held)
        if count:
            leg.open_cost -= leg.open_cost * count // leg.held
            leg.sold_count += count
        found.append(leg)
    return found


def held_of(position: Position, legs: Sequence[Leg]) -> Held:
    """What ``position`` holds by these legs: all of its own, with their markets, and up to date."""
    matched = baskets.matched(legs, position.target_count)
    held = tuple(
        HeldLeg(leg, leg.held, baskets.excess(leg, matched, position.target_count), Money(leg.open_cost))
        for leg in legs
        if leg.held
    )
    cost = Money(sum(one.cost for one in held))
    settled: list[Settlement] = []
    if any(leg.settled_count for leg in legs):
        settled = list(Settlement.objects.filter(leg__position=position, reversed_at=None).select_related("leg"))
    try:
        lists = _possible(position, settled, legs)
        holdings: list[Holding] = [(one.leg.market_id, Side(one.leg.side), one.count) for one in held]
        floor = floor_over(holdings, lists)
        table = payoffs(holdings, lists[0]) if len(lists) == 1 else ()
    except StateError as error:
        return Held(held, matched, cost, Money(0), Grade.CONDITIONAL, unknown=str(error))
    received = sum(one.payout for one in settled)
    spent = cost + sum(one.cost for one in settled)
    grade = grade_of(floor + received, spent, 0, best_grade(position)) if held else Grade.CONDITIONAL
    names = {one.leg.market_id: one.leg.market.yes_sub_title or one.leg.market_id for one in held}
    payoff = tuple(StatePayoff(state, state.words(names), pays) for state, pays in table)
    return Held(held, matched, cost, floor, grade, payoff)


def best_grade(position: Position) -> Grade:
    """The best that the evidence allows of what it holds: as of opening, until a person revokes the certificate."""
    return Grade.CONDITIONAL if position.revoked else Grade(position.grade)


def naked_legs(positions: Iterable[Position]) -> dict[int, tuple[HeldLeg, ...]]:
    """The naked legs of many positions by position id, one query for all; positions without any are absent."""
    targets = {position.pk: position.target_count for position in positions}
    legs: dict[int, list[Leg]] = defaultdict(list)
    for leg in Leg.objects.filter(position__in=targets):
        legs[leg.position_id].append(leg)
    found: dict[int, tuple[HeldLeg, ...]] = {}
    for pk, own in legs.items():
        matched = baskets.matched(own, targets[pk])
        naked = [(leg, baskets.excess(leg, matched, targets[pk])) for leg in own]
        if any(number for _, number in naked):
            found[pk] = tuple(HeldLeg(leg, leg.held, number, Money(leg.open_cost)) for leg, number in naked if number)
    return found


def _possible(position: Position, settled: Sequence[Settlement], legs: Sequence[Leg]) -> list[StateList]:
    """The stored state lists less what has settled, sold legs' markets included. StateError where they cannot be read or contradict what
    settled."""
    if not position.states:
        raise StateError("no settlement states were stored with this position")
    paid = {one.leg.market_id: one.value_e6 for one in settled}
    paid |= ended_beside.paid_by_sold(legs, paid.keys())
    beside = ended_beside.settled_at_a_price(position, legs)
    if fine := next((ticker for ticker, value in (*paid.items(), *beside.items()) if value % MONEY_PER_PRICE), None):
        raise StateError(f"{fine} settled at a value finer than a price")
    lists = [StateList.from_json(stored) for stored in position.states]
    listed = {ticker for one in lists for ticker in one.outcomes}
    if odd := next((ticker for ticker in beside if ticker not in listed), None):
        raise StateError(f"{odd}, beside what is held, settled at a price, in a way that no listed state allows")
    paid |= beside
    known = {ticker: Price(value // MONEY_PER_PRICE) for ticker, value in paid.items()}
    return [left for one in lists if (left := given(one, known)) is not None]
