"""What may still happen after some markets settled: against every settlement written out."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given as cases
from hypothesis import settings
from hypothesis import strategies as st

from kalbot.common.units import DOLLAR_PRICE, Price
from markets.book import Side
from markets.terms import states
from markets.terms.settled import given
from markets.terms.states import State, StateError, StateKind, StateList, floor

NAMES = ("A", "B", "C", "D")
GRID = (0, 5_000, DOLLAR_PRICE)


def written_out(listed: StateList) -> set[tuple[int, ...]]:
    """Every settlement of the list's states on a coarse grid of values, as values in order of ``NAMES``."""
    found: set[tuple[int, ...]] = set()
    for state in listed.states:
        values = [value for value in GRID if state.low <= value <= state.high]
        for size in range(state.least, state.most + 1):
            for chosen in combinations(state.among or listed.outcomes, size):
                for paid in product(values, repeat=size):
                    of = dict(zip(chosen, paid, strict=True))
                    found.add(tuple(of.get(name, 0) for name in listed.outcomes))
    return found


def _state() -> st.SearchStrategy[State]:
    return st.sampled_from(
        [
            states.winner(),
            states.winner("A", "B"),
            states.none(),
            states.several(3),
            states.split(2),
            states.any_no(2),
            states.scalar(4),
            states.void(4),
            State(StateKind.SPLIT, 1, 2, Price(0), Price(5_000), ("B", "C")),
        ]
    )


@settings(max_examples=400, deadline=None)
@cases(
    chosen=st.lists(_state(), min_size=1, max_size=3),
    known=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(GRID), max_size=3),
    counts=st.lists(st.integers(0, 900), min_size=4, max_size=4),
    sides=st.lists(st.sampled_from([Side.YES, Side.NO]), min_size=4, max_size=4),
)
def test_floor_of_the_rest_is_that_of_the_settlements_that_agree(
    chosen: list[State], known: dict[str, int], counts: list[int], sides: list[Side]
) -> None:
    listed = StateList(NAMES, tuple(chosen))
    agree = [one for one in written_out(listed) if all(one[NAMES.index(t)] == v for t, v in known.items())]
    fixed = {ticker: Price(value) for ticker, value in known.items()}
    if not agree:
        with pytest.raises(StateError):
            given(listed, fixed)
        return
    left = given(listed, fixed)
    assert left is not None
    legs = [(t, s, n) for t, s, n in zip(NAMES, sides, counts, strict=True) if t not in known]
    least = min(
        sum(n * (one[NAMES.index(t)] if s is Side.YES else DOLLAR_PRICE - one[NAMES.index(t)]) for t, s, n in legs)
        for one in agree
    )
    assert floor(legs, left) == least


def test_a_result_that_no_state_allows_leaves_nothing_known() -> None:
    listed = StateList(NAMES, (states.winner(),))
    with pytest.raises(StateError):
        given(listed, {"A": DOLLAR_PRICE, "B": DOLLAR_PRICE})


def test_nothing_is_left_when_all_have_settled() -> None:
    assert given(StateList(("A",), (states.winner(),)), {"A": DOLLAR_PRICE}) is None
