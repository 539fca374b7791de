"""The floor over atoms, over the states made of them, and over the atoms of the legs alone, against every value by brute force."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from kalbot.common.units import DOLLAR_PRICE, Price
from markets.book import Side
from markets.terms.atoms import AtomError, Atoms, Fallback
from markets.terms.reading.strikes import Interval, at_least, at_most, greater, less
from markets.terms.settled import given
from markets.terms.states import Holding, StateError, StateList, floor, payoffs
from triage.assessment.valuation import still_possible

GRID = [Decimal(n) / 2 for n in range(-9, 13)]
"""Strikes are whole numbers from -3 to 5: values half a unit apart meet every strike and lie between any two."""


def some_family(numbers: random.Random) -> dict[str, Interval]:
    found = {}
    for n in range(numbers.randint(1, 6)):
        low = Decimal(numbers.randint(-3, 3))
        kinds = (greater(low), at_least(low), less(low), at_most(low))
        between = Interval(low, True, low + numbers.randint(0, 2), bool(numbers.random() < 0.7))
        if between.low == between.high:
            between = Interval(low, True, low, True)
        found[f"M{n}"] = numbers.choice([*kinds, between])
    return found


def taken(family: dict[str, Interval]) -> Any:
    """Values by members: whether the market takes the value."""
    rows = [
        [
            (one.low is None or value > one.low or (value == one.low and one.low_in))
            and (one.high is None or value < one.high or (value == one.high and one.high_in))
            for one in family.values()
        ]
        for value in GRID
    ]
    return np.array(rows, dtype=bool)


def worst(yes: Any, tickers: list[str], held: list[Holding], any_no: bool) -> Any:
    """What the holdings pay at each value, market by market: at its result, or at No where any market may resolve No and that is less."""
    total = np.zeros(len(yes), dtype=np.int64)
    for number, ticker in enumerate(tickers):
        if_yes, if_no = (
            sum(n for t, s, n in held if t == ticker and s is side) * DOLLAR_PRICE for side in (Side.YES, Side.NO)
        )
        total += np.where(yes[:, number], min(if_yes, if_no) if any_no else if_yes, if_no)
    return total


def some_atoms(numbers: random.Random, family: dict[str, Interval], any_no: float) -> Atoms:
    """Of the family with the states that terms may add; ``any_no``: how often each market may be No by itself."""
    tickers = list(family)
    event = numbers.sample(tickers, numbers.randint(1, len(tickers))) if numbers.random() < 0.4 else []
    return Atoms.of(
        family,
        nobody=numbers.random() < 0.5,
        any_no=numbers.random() < any_no,
        fallback=Fallback(event[0], frozenset(event)) if event else None,
    )


def check(seed: int) -> None:
    numbers = random.Random(seed)
    family = some_family(numbers)
    tickers, atoms = list(family), some_atoms(numbers, family, 0.3)
    held: list[Holding] = [
        (numbers.choice(tickers), numbers.choice(list(Side)), numbers.randint(1, 500))
        for _ in range(numbers.randint(1, 5))
    ]
    yes = taken(family)
    if atoms.nobody:
        yes = np.vstack([yes, np.zeros(len(tickers), dtype=bool)])
    if (given := atoms.fallback) is not None:
        named, event = yes.copy(), sorted(given.event)
        named[:, [tickers.index(t) for t in event]] = [t == given.named for t in event]
        yes = np.vstack([yes, named])
    least = int(worst(yes, tickers, held, atoms.any_no).min())
    states = StateList.of_atoms(atoms)
    hedged = atoms.any_no and len({t for t, _, _ in held}) < len({(t, side) for t, side, _ in held})
    assert (atoms.floor(held) <= least) if hedged else (atoms.floor(held) == least)
    assert floor(held, states) == least
    about = states.about({ticker for ticker, _, _ in held})
    assert floor(held, about) == least
    assert StateList.from_json(about.to_json()) == about
    assert len(about.states) <= len(states.states)


@pytest.mark.parametrize("part", range(3))
def test_the_floor_is_that_of_the_worst_value(part: int) -> None:
    for seed in range(part * 400, part * 400 + 400):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_the_floor_of_a_hundred_thousand_families(part: int) -> None:
    for seed in range(10_000 * (part + 1), 10_000 * (part + 2)):
        check(seed)


def settlements(atoms: Atoms, yes: Any, tickers: list[str]) -> list[set[str]]:
    """Every way in which the members may resolve, as the set of those that resolve Yes: one by one, subsets of a value's winners too."""
    rows = [{t for t, won in zip(tickers, row, strict=True) if won} for row in yes]
    rows += [set()] if atoms.nobody else []
    if atoms.fallback is not None:
        rows += [row - atoms.fallback.event | {atoms.fallback.named} for row in rows]
    if atoms.any_no:
        rows = [set(some) for row in rows for n in range(len(row) + 1) for some in combinations(sorted(row), n)]
    return [set(row) for row in {frozenset(row) for row in rows}]


def check_settled(seed: int) -> bool:
    """Some members settle one after the other, to a listed state or to none; after each the floor of what is left is that of all
    settlements that agree. Whether some settled in a way that none does."""
    numbers = random.Random(seed)
    family = some_family(numbers)
    tickers, atoms = list(family), some_atoms(numbers, family, 0.4)
    states, ways = StateList.of_atoms(atoms), settlements(atoms, taken(family), tickers)
    held: list[Holding] = [(t, numbers.choice(list(Side)), numbers.randint(1, 500)) for t in tickers]
    winners = numbers.choice(ways)
    if numbers.random() < 0.2:
        winners = winners ^ {numbers.choice(tickers)}
    known: dict[str, Price] = {}
    for ticker in numbers.sample(tickers, len(tickers) - 1):
        known[ticker] = DOLLAR_PRICE if ticker in winners else Price(0)
        agreeing = [way for way in ways if all((t in way) is (value > 0) for t, value in known.items())]
        if not agreeing:
            with pytest.raises(StateError):
                given(states, known)
            return True
        rest = [one for one in held if one[0] not in known]
        paid = [sum(n * DOLLAR_PRICE for t, side, n in rest if (t in way) is (side is Side.YES)) for way in agreeing]
        left = given(states, known)
        assert left is not None
        assert floor(rest, left) == min(paid), (seed, known)
        results = {t: "yes" if value else "no" for t, value in known.items()}
        assert {state.quote for state in still_possible(states, results).states} == {s.quote for s in left.states}
    return False


def test_what_has_settled_leaves_the_settlements_that_agree_with_it() -> None:
    assert 5 < sum(check_settled(seed) for seed in range(400)) < 200


@pytest.mark.slow
def test_what_has_settled_leaves_what_agrees_in_twenty_thousand_families() -> None:
    for seed in range(1_000, 21_000):
        check_settled(seed)


def test_a_stored_form_that_is_not_whole_is_refused() -> None:
    atoms = Atoms.of({"A": greater(Decimal(1)), "B": less(Decimal(3))})
    whole = atoms.to_json()
    assert Atoms.from_json(whole) == atoms
    broken: list[dict[str, Any]] = [
        {**whole, "cuts": whole["cuts"][1:]},
        {**whole, "cuts": whole["cuts"][::-1]},
        {**whole, "cuts": [*whole["cuts"][:1], [0, "NaN", 0], *whole["cuts"][1:]]},
        {**whole, "cuts": [*whole["cuts"][:1], [0, 1.5, 0], *whole["cuts"][1:]]},
        {**whole, "spans": {"A": [2, 1]}},
        {**whole, "spans": {"A": [0, 9]}},
        {**whole, "spans": {"A": [0.0, 1]}},
        {**whole, "spans": {}},
        {**whole, "nobody": 0},
        {name: value for name, value in whole.items() if name != "any_no"},
        {**whole, "fallback": ["A"]},
        {**whole, "fallback": ["A", "C"]},
        {**whole, "fallback": ["A", "B", "B"]},
        {**whole, "fallback": [1, "A"]},
        {**whole, "fallback": None},
    ]
    for stored in broken:
        with pytest.raises(AtomError):
            Atoms.from_json(stored)
        with pytest.raises(StateError):
            StateList.from_json({"format": 1, "atoms": stored})
    with pytest.raises(AtomError, match="not a member"):
        atoms.about({"C"})


def test_what_has_settled_leaves_who_may_win_whatever_the_value() -> None:
    """A decision of no change wins where no meeting takes place, and the level may be any."""
    unchanged, raised = (Interval(level, True, level, True) for level in map(Decimal, (3, 4)))
    atoms = Atoms.of(
        {"H0": unchanged, "H1": raised, "T": greater(Decimal(3))}, fallback=Fallback("H0", frozenset({"H0", "H1"}))
    )
    states = StateList.of_atoms(atoms)
    assert [(s.kind, s.among) for s in states.states if s.kind == "fallback"] == [
        ("fallback", ("H0",)),
        ("fallback", ("H0", "T")),
    ]
    assert atoms.floor([("T", Side.NO, 100), ("H1", Side.YES, 100)]) == 0  # raised by no meeting
    assert atoms.floor([("T", Side.YES, 100), ("H1", Side.NO, 100)]) == 1_000_000
    left = given(states, {"H0": DOLLAR_PRICE})
    assert left is not None
    assert floor([("T", Side.YES, 100)], left) == floor([("T", Side.NO, 100)], left) == 0
    both = {state.quote for state in still_possible(states, {"H0": "yes", "T": "yes"}).states}
    assert both == {"H0 wins whatever the value; 3 < x < 4"}


def test_each_atom_is_a_row_that_a_person_can_read() -> None:
    states = StateList.of_atoms(Atoms.of({"A": greater(Decimal(1)), "B": less(Decimal(3))}, nobody=True))
    rows = [(state.words(), pays) for state, pays in payoffs([("A", Side.YES, 100), ("B", Side.YES, 100)], states)]
    assert rows == [
        ("x <= 1", 1_000_000),
        ("1 < x < 3", 2_000_000),
        ("3 <= x", 1_000_000),
        ("no listed outcome wins", 0),
    ]
