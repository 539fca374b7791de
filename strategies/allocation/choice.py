"""The best set of baskets that capital, positions and orders allow, with a bound on what any other set could be worth.

What counts is profit a day: capital that returns sooner can be used again. A basket can be bought in part, at least so much that it is
one at all; its profit is taken in proportion, which is never too much, because a search fills the cheapest levels first. So with
capital alone the order by return is best; with positions or orders too it is a mixed integer programme:

    maximise sum of rate_i * share_i      over  least_i * taken_i <= share_i <= taken_i, taken_i 0 or 1
    subject to  sum of locked_i * share_i <= capital,  sum of taken_i <= positions,  sum of orders_i * taken_i <= orders

What is sure comes first: bets are chosen from what sure baskets leave. Money in 1/1,000,000 dollar; floats are worth only for choosing:
what is bought is priced again in exact integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kalbot.common.units import Money
from strategies.dutch.program import Program

HOUR: Final = 1 / 24
"""Days: nothing is expected back sooner, so that a basket about to settle does not count as infinitely good."""
UNKNOWN_DAYS: Final = 365.0
"""Where no end is known."""
MOST_EXACT: Final = 60
"""Baskets of which the programme picks; of more it sees those that return most, and the bound counts them all."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One basket that could be bought now. ``locked``: what it takes of the capital; ``profit``: in its floor, of a bet the expected
    one; ``days`` until the money is expected back (None: not known); ``orders``: one a leg; ``least``: the smallest share that can
    be bought, above 0 and at most 1."""

    key: str
    locked: Money
    profit: Money
    days: float | None
    orders: int
    least: float = 1.0
    is_sure: bool = True

    @property
    def rate(self) -> float:
        """Profit a day, Money."""
        days = UNKNOWN_DAYS if self.days is None else self.days
        return self.profit / max(days, HOUR)

    @property
    def return_a_day(self) -> float:
        """Profit a day and locked dollar."""
        return self.rate / self.locked if self.locked > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is left: capital (Money), positions, and orders that may be sent now."""

    capital: Money
    positions: int
    orders: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Which baskets to buy, with the share of each, those that return most first. ``worth``: profit a day (Money) of these;
    ``bound``: what no set can exceed."""

    shares: tuple[tuple[str, float], ...]
    worth: float
    bound: float

    @property
    def gap(self) -> float:
        """By how much another set could be better at most, as a share of the bound."""
        return 0.0 if self.bound <= 0 else max(0.0, 1 - self.worth / self.bound)


def choose(offers: Sequence[Offer], limits: Limits) -> Choice:
    """The best set of ``offers``; those that earn nothing are left out."""
    sure = _chosen([offer for offer in offers if offer.is_sure], limits)
    shares = dict(sure.shares)
    bets = _chosen([offer for offer in offers if not offer.is_sure], _left(offers, shares, limits))
    return Choice((*sure.shares, *bets.shares), sure.worth + bets.worth, sure.bound + bets.bound)


def ranked(offers: Sequence[Offer]) -> list[Offer]:
    """Those that return most on what they lock first; equal ones by key, so that the order is always the same."""
    return sorted(offers, key=lambda offer: (-offer.return_a_day, offer.key))


def _left(offers: Sequence[Offer], shares: dict[str, float], limits: Limits) -> Limits:
    taken = [offer for offer in offers if offer.key in shares]
    locked = sum(int(offer.locked * shares[offer.key]) for offer in taken)
    orders = sum(offer.orders for offer in taken)
    return Limits(Money(limits.capital - locked), limits.positions - len(taken), limits.orders - orders)


def _chosen(offers: Sequence[Offer], limits: Limits) -> Choice:
    order = ranked([offer for offer in offers if offer.profit > 0])
    first = _in_order(order, limits)
    worth = _worth(order, first)
    if len(first) == len(order) and all(share == 1.0 for share in first.values()):
        return Choice(tuple(first.items()), worth, worth)
    bound = min(_most(order, limits.capital, "locked"), _most(order, limits.orders, "orders"), _largest(order, limits))
    if worth >= bound * (1 - 1e-9):
        return Choice(tuple(first.items()), worth, bound)
    best, exact = _programme(order[:MOST_EXACT], limits)
    if len(order) <= MOST_EXACT and exact is not None:
        bound = min(bound, exact)
    if best is not None and _worth(order, best) > worth:
        first, worth = best, _worth(order, best)
    return Choice(tuple(first.items()), worth, max(bound, worth))


def _in_order(order: Sequence[Offer], limits: Limits) -> dict[str, float]:
    """One after another while they fit, the last in part."""
    capital, positions, orders = int(limits.capital), limits.positions, limits.orders
    shares: dict[str, float] = {}
    for offer in order:
        share = 1.0 if offer.locked <= 0 else min(1.0, capital / offer.locked)
        if positions < 1 or orders < offer.orders or share < offer.least:
            continue
        shares[offer.key] = share
        capital -= int(offer.locked * share)
        positions -= 1
        orders -= offer.orders
    return shares


def _worth(order: Sequence[Offer], shares: dict[str, float]) -> float:
    return sum(offer.rate * shares.get(offer.key, 0.0) for offer in order)


def _most(order: Sequence[Offer], limit: int, takes: str) -> float:
    """The most that baskets taken in part can be worth where only this limit counts."""
    left, total = float(max(0, limit)), 0.0
    for offer in sorted(order, key=lambda one: one.rate / max(1, getattr(one, takes)), reverse=True):
        need = max(0, getattr(offer, takes))
        share = min(1.0, left / need) if need else 1.0
        total += offer.rate * share
        left -= need * share
    return total


def _largest(order: Sequence[Offer], limits: Limits) -> float:
    return sum(sorted((offer.rate for offer in order), reverse=True)[: max(0, limits.positions)])


def _programme(order: Sequence[Offer], limits: Limits) -> tuple[dict[str, float] | None, float | None]:
    """The solver's shares and its bound; None where it finds nothing."""
    if not order or limits.positions < 1 or limits.capital <= 0:
        return None, None
    unit = max(offer.rate for offer in order)
    money = max(1, *(int(offer.locked) for offer in order))
    program = Program()
    shares = [program.column(offer.rate / unit, 1.0) for offer in order]
    taken = [program.column(0.0, 1.0, whole=True) for _ in order]
    for offer, share, is_taken in zip(order, shares, taken, strict=True):
        program.at_most([(share, 1.0), (is_taken, -1.0)], 0.0)
        program.at_least([(share, 1.0), (is_taken, -offer.least)], 0.0)
    program.at_most(
        [(share, offer.locked / money) for offer, share in zip(order, shares, strict=True)], limits.capital / money
    )
    program.at_most([(is_taken, 1.0) for is_taken in taken], float(limits.positions))
    program.at_most(
        [(is_taken, float(offer.orders)) for offer, is_taken in zip(order, taken, strict=True)], float(limits.orders)
    )
    found = program.solve()
    if found is None:
        return None, None
    picked = [offer for offer, is_taken in zip(order, taken, strict=True) if found.values[is_taken] > 0.5]
    return _shared(picked, limits), found.bound * unit


def _shared(picked: Sequence[Offer], limits: Limits) -> dict[str, float] | None:
    """The shares of a given set: each its least, then those that return most up to the whole. Exact, whatever the solver rounded."""
    shares = {offer.key: offer.least for offer in picked}
    left = limits.capital - sum(offer.locked * offer.least for offer in picked)
    orders = sum(offer.orders for offer in picked)
    if left < -1e-6 * max(1, limits.capital) or len(picked) > limits.positions or orders > limits.orders:
        return None
    for offer in picked:
        more = min(1.0 - offer.least, max(0.0, left) / offer.locked) if offer.locked > 0 else 1.0 - offer.least
        shares[offer.key] += more
        left -= more * offer.locked
    return shares
