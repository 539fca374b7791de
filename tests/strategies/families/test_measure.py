"""The middle of all probabilities that agree with a family's quotes."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from bench.families import asks, estimates, plant
from markets.book import Side
from markets.terms.atoms import Atoms
from strategies.dutch.coverage import Quote, firm_quote
from strategies.dutch.program import Program
from strategies.families.estimate import shares
from strategies.families.measure import centre
from strategies.families.screen import Graph
from tests.strategies.families.ladder import ladder, settlements


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


def extreme(atoms: Atoms, quotes: Mapping[str, Quote], cut: int, sign: float) -> float | None:
    """The most (``sign`` 1) or least (-1) that may lie below a cut, by a linear programme over every atom; None if nothing agrees."""
    program = Program()
    columns = [program.column(sign if atom < cut else 0.0, 1.0) for atom in range(len(atoms))]
    every = [(column, 1.0) for column in columns]
    program.at_least(every, 1.0)
    program.at_most(every, 1.0)
    for ticker, (bid, ask) in quotes.items():
        inside = [
            (columns[atom], 1.0) for atom, winners in enumerate(settlements(atoms)[: len(atoms)]) if ticker in winners
        ]
        if bid is not None:
            program.at_least(inside, bid / 10_000)
        if ask is not None:
            program.at_most(inside, ask / 10_000)
    solved = program.solve()
    return None if solved is None else sign * solved.objective


@pytest.mark.parametrize("seed", range(25))
def test_shares_are_half_way_between_what_a_programme_over_every_atom_allows(seed: int) -> None:
    numbers = random.Random(seed)
    atoms, legs = ladder(numbers.randrange(2, 7), seed, nobody=seed % 2 == 0)
    quotes = {ticker: firm_quote(leg.depth) for ticker, leg in legs.items()}
    for ticker in numbers.sample(sorted(quotes), 2):  # nobody there; what nothing agrees with
        quotes[ticker] = numbers.choice([(None, None), (quotes[ticker][0], None), quotes[ticker], (9_000, 9_100)])
    own = [ticker for ticker in quotes if ticker.startswith("R")]
    found = shares(Graph(atoms), atoms, quotes, own)
    below = [(extreme(atoms, quotes, cut, 1.0), extreme(atoms, quotes, cut, -1.0)) for cut in range(len(atoms) + 1)]
    if below[0][0] is None:
        assert found is None
        return
    middle = [((most or 0.0) + (least or 0.0)) / 2 for most, least in below]
    expected = {t: middle[high] - middle[low] for t in own for low, high in [atoms.spans[t]]}
    if sum(expected.values()) > 1e-3:
        assert found == pytest.approx(expected, abs=1e-6)
