"""The leg of a family that is best left to rest: against every leg searched alone, and priced against every value by brute force."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from kalbot.common.units import CONTRACT, PPM, Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.atoms import Atoms
from markets.terms.reading.strikes import greater
from markets.terms.states import StateList, floor
from strategies.dutch.basket import LegMarket
from strategies.families import quotes
from strategies.families.basket import Family
from strategies.families.screen import Coherent, Graph, has_both_sides
from strategies.families.synthetic import Key, synthetic
from strategies.quoting import across
from strategies.quoting.joining import Held
from strategies.quoting.offer import Offer, QuoteLimits
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.synthetic import Want, bid_cost
from tests.strategies.families.ladder import ladder
from tests.strategies.families.test_counts import some_family


def bids_of(legs: dict[str, LegMarket]) -> dict[Key, float]:
    """At what each leg would join the best bid of its side, dollars with fees."""
    return {
        (ticker, side): bid_cost(market.fees, touch, CONTRACT) / PPM
        for ticker, market in legs.items()
        for side in Side
        if (touch := market.depth.best_bid(side)) is not None
    }


def one_by_one(
    graph: Graph, asks: dict[Key, float], rests: dict[Key, float], most_legs: int | None = None
) -> list[float]:
    """What each leg keeps, each searched alone, the most first."""
    found = []
    for leg, price in rests.items():
        one = synthetic(graph, asks, leg)
        if one is None or not one.others or has_both_sides([leg, *one.others]):
            continue
        if most_legs is None or len(one.others) < most_legs:
            found.append(one.most - price)
    return sorted(found, reverse=True)


def coherent(seed: int) -> tuple[Atoms, dict[str, LegMarket]] | None:
    """A family of any shape whose asks agree with some measure."""
    draw = random.Random(seed)
    atoms, legs = some_family(draw) if seed % 2 else ladder(draw.randint(2, 8), seed, nobody=bool(seed % 4))
    curves = Family(atoms).curves(legs)
    return (atoms, legs) if isinstance(Graph(atoms).solve(curves.prices), Coherent) else None


@pytest.mark.parametrize("part", range(3))
def test_the_search_finds_what_searching_every_leg_finds(part: int) -> None:
    compared = 0
    for seed in range(part * 50, part * 50 + 50):
        family = coherent(seed)
        if family is None:
            continue
        atoms, legs = family
        graph, asks, rests = Graph(atoms), Family(atoms).curves(legs).prices, bids_of(legs)
        most = random.Random(f"legs {seed}").choice((None, None, 2, 3))
        found = quotes.best(graph, asks, rests, most)
        assert found is not None
        every = one_by_one(graph, asks, rests, most)
        assert len(found) <= quotes.MOST_FOUND
        if every and len(rests) <= quotes.MOST_TRIED:
            assert [one.keeps for one in found] == pytest.approx(every[: len(found)], abs=1e-6)
            assert len(found) == min(len(every), quotes.MOST_FOUND)
            compared += 1
        elif found and every:
            assert found[0].keeps == pytest.approx(every[0], abs=1e-6)
            compared += 1
    assert compared > 10


def test_asks_that_are_a_basket_by_themselves_leave_nothing_to_rest() -> None:
    atoms, legs = ladder(3, 1, nobody=False)
    asks = dict.fromkeys(Family(atoms).curves(legs).prices, 0.01)
    assert quotes.best(Graph(atoms), asks, bids_of(legs)) is None


LIMITS = QuoteLimits(Count(1_000), Count(100), 1_000, Money(10**9), Money(10**9), Money(10**9))


@pytest.mark.parametrize("part", range(3))
def test_an_offer_keeps_its_margin_at_every_value_whatever_the_fees_are(part: int) -> None:
    offered = 0
    for seed in range(part * 60, part * 60 + 60):
        family = coherent(seed)
        if family is None:
            continue
        atoms, legs = family
        for resting in quotes.best(Graph(atoms), Family(atoms).curves(legs).prices, bids_of(legs)) or []:
            keys = sorted([resting.leg, *resting.others])
            states = StateList.of_atoms(atoms.about({ticker for ticker, _ in keys}))
            found = across.offer([(legs[t], s) for t, s in keys], states, keys.index(resting.leg), LIMITS)
            if isinstance(found, Refused):
                continue
            offered += 1
            _check(atoms, legs, found, resting.leg)
    assert offered > 2


def _check(atoms: Atoms, legs: dict[str, LegMarket], found: Offer, leg: Key) -> None:
    holdings = [(one.ticker, one.side, one.count) for one in found.legs]
    assert min(atoms.payoffs(holdings)) >= found.pays == floor(holdings, StateList.of_atoms(atoms))
    assert (found.pays - found.cost) * PPM >= LIMITS.margin_ppm * found.cost
    assert found.most_cost >= found.cost
    (price,), depth = found.rests.values(), legs[leg[0]].depth
    touch, ask = depth.best_bid(leg[1]), depth.best_ask(leg[1])
    assert touch is not None
    assert price >= touch
    assert ask is None or price < ask, "a post-only order that would not cross"
    assert found.orphans == bid_cost(legs[leg[0]].fees, price, found.count)


def wants() -> tuple[list[Want], StateList]:
    """YES above 0 at rest beside NO above 1 taken for 50 cents: at every value one of them pays."""
    atoms = Atoms.of({"ABOVE0": greater(Decimal(0)), "ABOVE1": greater(Decimal(1))})
    free = FeeSchedule(multiplier_e6=0)
    low = LegMarket("ABOVE0", Depth.of([(4_000, 1_000)], [(4_000, 1_000)]), free)
    high = LegMarket("ABOVE1", Depth.of([(5_000, 1_000)], [(4_000, 1_000)]), free)
    return [Want(low, Side.YES, Count(100)), Want(high, Side.NO, Count(100))], StateList.of_atoms(atoms)


def test_what_rests_of_one_leg_is_bounded_by_the_budget_for_orphans() -> None:
    legs, states = wants()
    only = legs[0].market.ticker
    free = across.bids(legs, states, only, 10_000, Money(10**9), Held())
    assert not isinstance(free, Refused)
    ((price, count),) = free.bids.values()
    assert set(free.limits) == {legs[0].market.ticker, legs[1].market.ticker}
    for held, budget, code in ((0, free.orphans, None), (0, free.orphans - 1, NoQuote.ORPHANS), (40, 10**9, None)):
        filled = Held()
        if held:
            filled.add(only, held, held * price)
        found = across.bids(legs, states, only, 10_000, Money(budget), filled)
        if code is not None:
            assert isinstance(found, Refused)
            assert found.reason is code
        else:
            assert not isinstance(found, Refused)
            assert found.bids == {only: (price, count - held)}


def test_a_leg_that_nobody_bids_for_does_not_rest() -> None:
    legs, states = wants()
    market = legs[0].market
    bare = LegMarket(market.ticker, type(market.depth).of([], market.depth.no_bids), market.fees)
    found = across.bids(
        [Want(bare, Side.YES, Count(100)), legs[1]], states, market.ticker, 10_000, Money(10**9), Held()
    )
    assert found == Refused(NoQuote.NO_TOUCH, market.ticker)


def test_a_price_that_is_kept_stays_only_while_it_leaves_the_margin() -> None:
    legs, states = wants()
    only, everything = legs[0].market.ticker, Money(10**9)
    found = across.price_of(legs, states, 0, 10_000)
    assert not isinstance(found, Refused)
    synthetic_price, rests = found
    for kept, expected in ((Price(rests - 100), rests - 100), (Price(synthetic_price.most + 100), rests)):
        one = across.bids(legs, states, only, 10_000, everything, Held(), kept)
        assert not isinstance(one, Refused)
        assert one.bids[only][0] == expected
