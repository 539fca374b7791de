"""The counts that a programme of a few legs finds against those of a programme of all legs, levels and atoms, and what they cost
against the simulated exchange's fees, fill by fill."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from kalbot.common.units import CONTRACT, Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.kalshi.grid import PriceBand
from markets.terms.atoms import Atoms, Fallback
from markets.terms.reading.strikes import Interval, at_least, at_most, greater, less
from simulator.matching.fees import GRID_DIRECT, FeeTerms, fill_fee
from strategies.dutch import program
from strategies.dutch.basket import Found, Kind, LegMarket, Limits, Refused
from strategies.dutch.curve import WorstCurve
from strategies.families.basket import Family
from strategies.families.counts import best_counts, levels_of, nearest_of_all, whole_counts
from strategies.families.judge import best_family
from strategies.families.limits import Counts, Sizes
from strategies.families.offers import Offers
from strategies.families.screen import Coherent, Graph
from strategies.reasons import Reason
from tests.strategies.families.ladder import ladder, settlements, whole_programme

FREE = FeeSchedule(multiplier_e6=0)


def some_family(draw: random.Random, *, named: bool = False) -> tuple[Atoms, dict[str, LegMarket]]:
    """Members of every shape on a few strikes, with books that somebody drew up without a thought for each other. ``named``: one of some of
    them wins whatever the value in a case of its own."""
    members: dict[str, Interval] = {}
    for n in range(draw.randint(2, 14)):
        strike, make = Decimal(draw.randint(-4, 4)), draw.choice((greater, at_least, less, at_most))
        width = draw.randint(0, 3)
        members[f"M{n}"] = make(strike) if draw.random() < 0.5 else Interval(strike, True, strike + width, True)
    event = frozenset(draw.sample(sorted(members), draw.randint(1, len(members)))) if named else frozenset()
    fallback = Fallback(min(event), event) if named else None
    atoms = Atoms.of(members, nobody=draw.random() < 0.5, any_no=draw.random() < 0.2, fallback=fallback)
    weights = [draw.random() for _ in range(len(atoms))]
    legs = {}
    for ticker, (low, high) in atoms.spans.items():
        chance = sum(weights[low:high]) / sum(weights) + draw.uniform(-0.15, 0.1)
        yes, no = int(chance * 100), int((1 - chance) * 100)
        depth = Depth.of(
            [((yes - k) * 100, draw.randint(1, 3_000)) for k in range(draw.randint(0, 4)) if 0 < yes - k < 100],
            [((no - k) * 100, draw.randint(1, 3_000)) for k in range(draw.randint(0, 4)) if 0 < no - k < 100],
        )
        legs[ticker] = LegMarket(ticker, depth, FeeSchedule(multiplier_e6=draw.choice((0, 1_000_000))))
    return atoms, legs


def some_sizes(draw: random.Random) -> Sizes:
    budget = Money(draw.randint(10_000, 30_000_000)) if draw.random() < 0.5 else None
    each = Money(draw.randint(10_000, 10_000_000)) if draw.random() < 0.3 else None
    return Sizes(step=Count(1), max_cost=budget, max_cost_per_leg=each)


def earned(atoms: Atoms, curves: Offers, counts: Counts) -> float:
    """What these counts earn at the prices of their levels, in dollars."""
    cost = 0.0
    for key, count in counts.items():
        left = count
        for price, size in levels_of(curves[key]):
            cost += min(left, size) / CONTRACT * price
            left -= min(left, size)
        assert left <= 0, "more than there is"
    return atoms.floor([(ticker, side, count) for (ticker, side), count in counts.items()]) / 10**6 - cost


def charged(curve: WorstCurve, count: int, draw: random.Random, most: int) -> int:
    """What one order for ``count`` is charged level by level by the exchange's own fees, its fills in pieces of at most ``most``."""
    terms = FeeTerms(curve.market.fees.fee_type, curve.market.fees.multiplier_e6 // 100)
    total = accumulator = 0
    for price, size in curve.market.depth.asks(curve.side):
        size = min(size, count)
        count -= size
        while size:
            piece = min(size, draw.randint(1, most))
            fee = fill_fee(terms, price, piece, True, -price * piece, accumulator, GRID_DIRECT)
            total, accumulator, size = total + price * piece + fee.net, fee.accumulator, size - piece
    assert not count, "more than there is"
    return total


def check_charged(atoms: Atoms, curves: Offers, counts: Counts, draw: random.Random) -> None:
    """However the orders fill, they cost no more than was said, and no less than that without what pieces may cost; so what they earn where
    they pay least is no less than was promised."""
    held = {key: count for key, count in counts.items() if count}
    for most in (10**9, 40):
        orders = {key: charged(curves[key], count, draw, most) for key, count in held.items()}
        for key, cost in orders.items():
            paid, fees = curves[key].cost(held[key])
            assert paid <= cost <= paid + fees, (key, most)
            if most == 10**9:
                assert sum(curves[key].plain.cost(held[key])) == cost, "filled level by level: exactly the plain cost"
        pays = min(
            sum(
                n
                for (t, side), n in held.items()
                if (t in winners) is (side is Side.YES) and (side is Side.NO or not atoms.any_no)
            )
            for winners in settlements(atoms)
        )
        promised = atoms.floor([(t, s, n) for (t, s), n in held.items()]) - sum(
            sum(curves[k].cost(n)) for k, n in held.items()
        )
        assert pays * 10_000 - sum(orders.values()) >= promised


def check(atoms: Atoms, legs: dict[str, LegMarket], sizes: Sizes, draw: random.Random) -> bool:
    """Whether the best counts are worth anything; fails unless they are the best of all legs, and cost no more than was said."""
    curves = Family(atoms).curves(legs)
    if not curves:
        return False
    counts, proven = best_counts(Graph(atoms), atoms, curves, sizes)
    if atoms.fallback is not None:
        counts, proven = whole_counts(atoms, curves, sizes) or {}, True
    best = whole_programme(atoms, curves, sizes)
    lost = 0.02 * len(counts) + 1e-6  # each count is rounded down to a hundredth
    assert proven
    assert best - lost <= earned(atoms, curves, counts) <= best + 1e-6
    check_charged(atoms, curves, counts, draw)
    return best > lost


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_the_counts_of_a_few_legs_are_those_of_all(first: int) -> None:
    drawn = map(random.Random, range(first, first + 100))
    worth = sum(check(*some_family(draw), some_sizes(draw), draw) for draw in drawn)
    assert worth > 15


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_legs_that_a_named_winner_leaves_without_pay_are_searched_too(first: int) -> None:
    """NO on the market that wins whatever the value, and YES on the others of its event: in no run of atoms, and in the programme."""
    worth = 0
    for draw in map(random.Random, range(first, first + 100)):
        atoms, legs = some_family(draw, named=True)
        found = check(atoms, legs, some_sizes(draw), draw)
        curves = Family(atoms).curves(legs)
        sure = {key: curve for key, curve in curves.items() if atoms.is_sure(*key)}
        worth += found and whole_programme(atoms, sure, Sizes()) < 1e-6
    assert worth > 2, "some that the graph alone calls coherent"


def test_a_basket_with_such_a_leg_is_found_by_quotes_and_by_books() -> None:
    """YES on unchanged and on a hike, and on a level below: one pays at every level, and unchanged where it wins in a case of its own. The
    level below is cheap. YES on a cut would do as well, and nobody offers it."""
    three = Decimal(3)
    event = {"STAYS": Interval(three, True, three, True), "HIKE": greater(three), "CUT": less(three)}
    atoms = Atoms.of(event | {"BELOW": less(three)}, fallback=Fallback("STAYS", frozenset(event)))
    asks = {"STAYS": 5_000, "HIKE": 2_000, "BELOW": 2_500}
    legs = {
        ticker: LegMarket(ticker, Depth.of([], [(10_000 - asks[ticker], 500)] if ticker in asks else []), FREE)
        for ticker in atoms.spans
    }
    curves = Family(atoms).curves(legs)
    assert isinstance(Graph(atoms).solve({key: 0.25 for key in curves if atoms.is_sure(*key)}), Coherent)
    found = best_family(list(legs.values()), atoms, Limits(kinds=frozenset({Kind.FAMILY}), near_ppm=0))
    assert isinstance(found, Found)
    assert {leg.ticker for leg in found.basket.legs} == set(asks)
    assert (found.basket.floor, found.basket.cost) == (5_000_000, 4_750_000)
    prices = {("STAYS", Side.YES): 0.5, ("HIKE", Side.YES): 0.2, ("BELOW", Side.YES): 0.31}
    assert nearest_of_all(atoms, prices, 0) == []
    assert set(nearest_of_all(atoms, prices, 20_000) or []) == prices.keys()


def test_a_programme_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a basket nor a proof: not "too few contracts", and nothing is bought."""
    draw = random.Random(3)
    atoms, legs = some_family(draw, named=True)
    monkeypatch.setattr(program, "MOST_SECONDS", 0.0)
    refused = best_family(list(legs.values()), atoms, Limits(kinds=frozenset({Kind.FAMILY}), near_ppm=0))
    assert isinstance(refused, Refused)
    assert refused.constraint is Reason.UNDECIDED
    assert nearest_of_all(atoms, {("M0", Side.YES): 0.4, ("M1", Side.NO): 0.3}, 0) is None


@pytest.mark.parametrize(
    ("bids_yes", "bids_no"),
    [
        ([], []),
        ([(9_990, 10)], [(10, 10)]),
        ([], [(1, 10)]),
        ([], [(9_999, 1)]),
        ([(price, 7) for price in range(9_990, 0, -10)], [(1, 3)]),
    ],
    ids=["nothing", "0.999", "asks of 0.9999", "a hundredth of a contract at 0.0001", "a thousand levels"],
)
def test_books_at_the_ends_of_the_grid_are_judged_by_name(
    bids_yes: list[tuple[int, int]], bids_no: list[tuple[int, int]]
) -> None:
    """Hundreds of markets with such a book each: no basket that is none, and a reason."""
    atoms, legs = ladder(200, 1, nobody=False)
    depth, bands = Depth.of(bids_yes, bids_no), (PriceBand(Price(0), Price(10_000), Price(1)),)
    for fees in (FeeSchedule(), FREE):
        members = [LegMarket(ticker, depth, fees, bands) for ticker in legs]
        judged = best_family(members, atoms, Limits(kinds=frozenset({Kind.FAMILY})))
        assert isinstance(judged, Refused)
        assert judged.constraint in (Reason.PRICE, Reason.DEPTH)


def test_a_limit_of_legs_leaves_the_best_of_the_cycles_that_fit() -> None:
    """Two baskets of two legs that have nothing in common: where two legs are allowed one of them is bought, where four are both."""
    atoms = Atoms.of({f"T{n}": greater(Decimal(n)) for n in range(4)})
    bids = {"T0": (4_000, 4_000), "T1": (8_000, 1_000), "T2": (500, 8_000), "T3": (4_000, 4_000)}
    legs = {t: LegMarket(t, Depth.of([(yes, 500)], [(no, 500)]), FREE) for t, (yes, no) in bids.items()}
    family = Family(atoms)
    curves = family.curves(legs)
    whole, _ = best_counts(Graph(atoms), atoms, curves, Sizes())
    assert len([count for count in whole.values() if count]) == 4
    some, _ = best_counts(Graph(atoms), atoms, curves, Sizes(max_legs=2))
    assert len([count for count in some.values() if count]) == 2
    assert 0 < earned(atoms, curves, some) < earned(atoms, curves, whole)


def test_a_large_family_with_planted_prices_too() -> None:
    worth = 0
    for seed in range(6):
        draw, (atoms, legs) = random.Random(seed), ladder(30, seed, nobody=seed % 2 == 0)
        for ticker in draw.sample(sorted(legs), 5):
            better = legs[ticker].depth.best_ask(Side.YES) or 5_000
            cheap = [(min(9_900, max(100, better + draw.randrange(2, 8) * 100)), draw.randrange(100, 4_000))]
            legs[ticker] = LegMarket(ticker, Depth.of(cheap, []), FeeSchedule())
        worth += check(atoms, legs, Sizes(step=Count(1)), draw)
        check(atoms, legs, Sizes(step=Count(1), max_cost=Money(5_000_000)), draw)
    assert worth > 3


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 20_000, 1_000))
def test_ten_thousand_families(first: int) -> None:
    for seed in range(first, first + 1_000):
        draw = random.Random(seed)
        check(*some_family(draw), some_sizes(draw), draw)
