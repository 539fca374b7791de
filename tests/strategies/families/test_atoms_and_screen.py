"""Atoms against brute force over values, the screen against a linear programme, and baskets against every atom."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Money
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.atoms import AtomError, Atoms, Fallback
from markets.terms.reading.strikes import Interval, at_least, at_most, greater, less
from strategies.dutch.basket import LegMarket
from strategies.families.basket import Family, FamilyBasket, NoBasket
from strategies.families.limits import Sizes
from strategies.families.screen import Ask, Coherent, Cycle, Graph, screen
from tests.strategies.families.ladder import by_programme, ladder

STRIKES = st.integers(-3, 3).map(Decimal)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    match draw(st.integers(0, 4)):
        case 0:
            return greater(draw(STRIKES))
        case 1:
            return at_least(draw(STRIKES))
        case 2:
            return less(draw(STRIKES))
        case 3:
            return at_most(draw(STRIKES))
    low = draw(STRIKES)
    return Interval(low, True, low + draw(st.integers(0, 2)), True)


@st.composite
def members(draw: st.DrawFn) -> dict[str, Interval]:
    return {f"M{n}": draw(intervals()) for n in range(draw(st.integers(1, 6)))}


def takes(interval: Interval, value: Decimal) -> bool:
    above = interval.low is None or value > interval.low or (value == interval.low and interval.low_in)
    below = interval.high is None or value < interval.high or (value == interval.high and interval.high_in)
    return above and below


def brute_floor(family: dict[str, Interval], holdings: list[tuple[str, Side, int]], nobody: bool, any_no: bool) -> int:
    """The least over values half a unit apart, beyond all strikes included, and the further states."""
    values = [Decimal(n) / 2 for n in range(-16, 17)]
    outcomes = [{ticker: takes(interval, value) for ticker, interval in family.items()} for value in values]
    if nobody:
        outcomes.append(dict.fromkeys(family, False))
    least = None
    for yes in outcomes:
        pays = 0
        for ticker, side, count in holdings:
            wins = yes[ticker] is (side is Side.YES)
            if any_no and side is Side.YES:
                wins = False
            pays += count * DOLLAR_PRICE if wins else 0
        least = pays if least is None else min(least, pays)
    assert least is not None
    return least


@settings(max_examples=100, deadline=None)  # thousands more, drawn faster: test_floor.py
@given(members(), st.booleans(), st.booleans(), st.data())
def test_the_floor_is_that_of_every_value(
    family: dict[str, Interval], nobody: bool, any_no: bool, data: st.DataObject
) -> None:
    held = data.draw(st.lists(st.tuples(st.sampled_from(sorted(family)), st.sampled_from(Side), st.integers(0, 500))))
    atoms = Atoms.of(family, nobody=nobody, any_no=any_no)
    assert atoms.floor(held) == brute_floor(family, held, nobody, any_no)


def test_a_strike_that_only_one_market_includes_is_an_atom() -> None:
    atoms = Atoms.of({"A": greater(Decimal(5)), "B": at_most(Decimal("4.99")), "C": at_least(Decimal(5))})
    assert [atoms.words(n) for n in range(len(atoms))] == ["x <= 4.99", "4.99 < x < 5", "x = 5", "5 < x"]
    with pytest.raises(AtomError, match="takes no value"):
        Atoms.of({"A": Interval(Decimal(5), False, Decimal(5), False)})


@settings(max_examples=300, deadline=None)
@given(members(), st.booleans(), st.booleans(), st.data())
def test_the_screen_finds_a_basket_exactly_where_one_exists(
    family: dict[str, Interval], nobody: bool, any_no: bool, data: st.DataObject
) -> None:
    event = data.draw(st.sets(st.sampled_from(sorted(family))))
    fallback = Fallback(min(event), frozenset(event)) if event else None
    atoms = Atoms.of(family, nobody=nobody, any_no=any_no, fallback=fallback)
    asks = [
        Ask(ticker, side, data.draw(st.integers(1, 99)) / 100)
        for ticker in family
        for side in Side
        if data.draw(st.booleans())
    ]
    sure = [ask for ask in asks if atoms.is_sure(ask.ticker, ask.side)]
    found, best = screen(atoms, asks), by_programme(atoms, sure)
    assert isinstance(found, Cycle) is (best > 1e-7), (found, best)
    if isinstance(found, Cycle):
        floor = atoms.floor([(leg.ticker, leg.side, CONTRACT) for leg in found.legs])
        assert floor / 1e6 - sum(leg.price for leg in found.legs) >= found.profit - 1e-7 > 0
    else:
        agrees(atoms, sure, found)


def agrees(atoms: Atoms, asks: list[Ask], found: Coherent) -> None:
    """The measure is one, and no ask is below what it gives."""
    whole = sum(found.measure)
    assert whole <= 1 + 1e-6
    assert atoms.nobody or whole >= 1 - 1e-6
    for ask in asks:
        low, high = atoms.spans[ask.ticker]
        yes = sum(found.measure[low:high])
        if ask.side is Side.NO:
            assert 1 - yes <= ask.price + 1e-6
        elif not atoms.any_no:
            assert yes <= ask.price + 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_coherent_prices_give_no_basket_and_a_planted_one_is_found(seed: int) -> None:
    atoms, legs = ladder(20, seed, nobody=seed % 2 == 0)
    family = Family(atoms)
    none = family.best(legs, Sizes())
    assert isinstance(none, NoBasket)
    assert none.coherent is not None
    # NO on the highest threshold of the middle becomes cheap: YES on the one below it and that NO pay a dollar whatever comes
    better = legs["T10"].depth.best_bid(Side.YES) or 0
    ask = legs["T9"].depth.best_ask(Side.YES)
    if ask is None or ask + 600 >= DOLLAR_PRICE or better >= ask + 600:
        return
    planted = {**legs, "T10": LegMarket("T10", Depth.of([(ask + 600, 1_000)], []), FeeSchedule())}
    found = family.best(planted, Sizes(max_cost=Money(20_000_000)))
    assert isinstance(found, FamilyBasket)
    assert found.profit > 0
    assert found.cost <= 20_000_000
    holdings = [(leg.ticker, leg.side, int(leg.count)) for leg in found.legs]
    assert found.floor == min(_pays(atoms, holdings, atom) for atom in range(len(atoms)))
    assert all(leg.count % CONTRACT == 0 for leg in found.legs)
    assert isinstance(family.best(planted, Sizes(max_cost=Money(100_000))), NoBasket)


def _pays(atoms: Atoms, holdings: list[tuple[str, Side, int]], atom: int) -> int:
    total = 0
    for ticker, side, count in holdings:
        low, high = atoms.spans[ticker]
        total += count * DOLLAR_PRICE if (low <= atom < high) is (side is Side.YES) else 0
    return total


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_basket_is_of_two_markets_at_least(seed: int) -> None:
    """Both sides of one market cost little more than a dollar, pay one, and are never bought together."""
    atoms, legs = ladder(12, seed, nobody=True)
    prices = {(t, s): p / 10_000 for t, leg in legs.items() for s in Side if (p := leg.depth.best_ask(s)) is not None}
    found = Graph(atoms).nearest(prices, 200_000)
    assert found is not None
    assert len({ask.ticker for ask in found.legs}) == len(found.legs) > 1
    holdings = [(ask.ticker, ask.side, CONTRACT) for ask in found.legs]
    assert atoms.floor(holdings) >= 1_000_000
    assert abs(1 - found.profit - sum(ask.price for ask in found.legs)) < 1e-9 or len(found.legs) > 2
    assert Graph(atoms).nearest(prices, 1) is None


def test_both_sides_of_one_market_are_no_basket_whatever_its_book_says() -> None:
    atoms = Atoms.of({"A": greater(Decimal(1)), "B": greater(Decimal(2))})
    crossed = LegMarket("A", Depth.of([(6_000, 5_000)], [(6_000, 5_000)]), FeeSchedule())
    assert not isinstance(Family(atoms).best({"A": crossed}, Sizes()), FamilyBasket)


@pytest.mark.slow
def test_no_false_alarm_in_ten_thousand_coherent_families() -> None:
    for seed in range(10_000):
        atoms, legs = ladder(random.Random(seed).randrange(2, 40), seed, nobody=seed % 2 == 0)
        assert isinstance(Family(atoms).best(legs, Sizes()), NoBasket), seed
