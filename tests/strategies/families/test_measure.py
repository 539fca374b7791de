"""The middle of all probabilities that agree with a family's quotes."""

from __future__ import annotations

import random

import pytest

from bench.families import asks, estimates, plant
from markets.book import Side
from strategies.families.measure import centre
from strategies.families.screen import Graph
from tests.strategies.families.ladder import ladder


@pytest.mark.parametrize("seed", range(12))
def test_it_agrees_with_every_quote_and_sums_to_one(seed: int) -> None:
    atoms, legs = ladder(random.Random(seed).randrange(2, 30), seed, nobody=seed % 2 == 0)
    quoted = {(ask.ticker, ask.side): ask.price for ask in asks(legs)}
    found = centre(Graph(atoms), quoted)
    assert found is not None
    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= 0.0
    for (ticker, side), price in quoted.items():
        low, high = atoms.spans[ticker]
        chance = sum(found[low:high])
        assert (chance if side is Side.YES else 1 - chance) <= price + 1e-6


def test_prices_that_no_probability_meets_have_none() -> None:
    atoms, legs = ladder(20, 3, nobody=False)
    quoted = {(ask.ticker, ask.side): ask.price for ask in asks(plant(legs))}
    assert centre(Graph(atoms), quoted) is None


def test_it_lies_nearer_to_the_truth_than_where_the_screen_stops() -> None:
    errors = estimates(20)
    assert errors["centre"] < 0.7 * errors["where the screen stops"]
