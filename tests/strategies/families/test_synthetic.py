"""The synthetic price of a family's leg: where buying at it stops to lose, by a linear programme over every atom."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from markets.book import Side
from markets.terms.atoms import Atoms
from markets.terms.reading.strikes import greater
from strategies.families.screen import Ask, Coherent, Graph
from strategies.families.synthetic import Key, of_legs, synthetic
from tests.strategies.families.ladder import by_programme, ladder


def asks_of(seed: int) -> tuple[Atoms, dict[Key, float]]:
    atoms, legs = ladder(6, seed, nobody=seed % 2 == 0)
    return atoms, {
        (ticker, side): price / 10_000
        for ticker, leg in legs.items()
        for side in Side
        if (price := leg.depth.best_ask(side)) is not None
    }


@pytest.mark.parametrize("seed", range(8))
def test_below_it_there_is_a_basket_and_above_it_none(seed: int) -> None:
    atoms, prices = asks_of(seed)
    graph, tried = Graph(atoms), 0
    for leg in random.Random(seed).sample(graph.legs, 8):
        found = synthetic(graph, prices, leg)
        if found is None or not 0.001 < found.most < 1.5:
            continue
        for shift in (-0.0005, 0.0005):
            changed = prices | {leg: found.most + shift}
            assert isinstance(graph.solve(changed), Coherent) is (shift > 0), (leg, found)
            earns = by_programme(atoms, [Ask(*key, price) for key, price in changed.items()])
            assert (earns > 1e-6) is (shift < 0), (leg, found)
        needed = {key: prices[key] for key in found.others} | {leg: found.most - 0.0005}
        assert not isinstance(graph.solve(needed), Coherent), "the others named are enough"
        tried += 1
    assert tried > 2


def test_of_an_implication_it_is_what_the_other_leg_leaves_of_a_dollar() -> None:
    graph = Graph(Atoms.of({"A": greater(Decimal(1)), "B": greater(Decimal(2))}))
    prices = {("B", Side.NO): 0.35}
    found = synthetic(graph, prices, ("A", Side.YES))
    assert found is not None
    assert (round(found.most, 9), found.others) == (0.65, (("B", Side.NO),))
    assert of_legs(graph, {}, [("A", Side.YES)]) == {}, "nothing to take with it"
    assert synthetic(graph, prices, ("C", Side.YES)) is None


def test_where_the_others_are_a_basket_by_themselves_no_leg_has_one() -> None:
    graph = Graph(Atoms.of({"A": greater(Decimal(1)), "B": greater(Decimal(2)), "C": greater(Decimal(3))}))
    prices = {("A", Side.YES): 0.30, ("B", Side.NO): 0.30}
    assert synthetic(graph, prices, ("C", Side.NO)) is None
