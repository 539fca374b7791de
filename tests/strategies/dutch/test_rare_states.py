"""NO baskets under rare states (none wins, several win, shares, void) against brute force over every count and every settlement."""

import random

import dutch_books
import dutch_oracle
import numpy as np
from dutch_settlements import random_state, settlements

from kalbot.common.units import Count
from markets.fees import FeeSchedule
from markets.terms.states import State, StateList, listed_states
from strategies.dutch.basket import Found, Kind, Limits
from strategies.dutch.search import best_basket


def is_mild(state: State) -> bool:
    """Whether YES of all outcomes is worth a dollar at most: NO then pays no less than if one outcome wins, as brute force confirms."""
    return state.most * state.high <= 10_000


def best_by_force(offers: list[dutch_oracle.Asks], states: StateList) -> tuple[int, int]:
    """(the best floor less cost of any counts, the best where one outcome wins) over every count of every leg, Money."""
    tables = [dutch_oracle.every_count(asks, 100, 100, None) for asks in offers]
    grids = np.meshgrid(*(np.arange(len(table)) for table in tables), indexing="ij")
    picks = [grid.ravel() for grid in grids]
    counts = np.stack([table[pick, 0] for table, pick in zip(tables, picks, strict=True)], axis=1)
    cost = sum(table[pick, 1] for table, pick in zip(tables, picks, strict=True))
    rows = np.concatenate([settlements(state, states.outcomes) for state in states.states])
    floor = (counts @ (10_000 - rows).T).min(axis=1)
    won = counts.sum(axis=1) * 10_000 - counts.max(axis=1) * 10_000
    return int((floor - cost).max()), int((won - cost).max())


def check(seed: int) -> tuple[bool, int]:
    """(found, by how much a basket exists where none was found, Money) of one random event with random states."""
    rng, dice = random.Random(seed), np.random.default_rng(seed)
    legs = rng.randint(2, 4)
    offers = dutch_books.event(rng, "all_no", legs=legs, levels=2, most=3)
    tickers = tuple(f"E-{i}" for i in range(legs))
    others = [random_state(dice, tickers) for _ in range(rng.choice((0, 1, 1, 2)))]
    states = listed_states(tickers, certified=rng.random() < 0.5, others=others)
    rules = Limits(kinds=frozenset({Kind.ALL_NO}), near_ppm=0, count_step=Count(100))
    outcome = best_basket(dutch_books.markets(offers, "all_no", FeeSchedule()), True, True, rules, states=states)
    most, won = best_by_force(offers, states)
    if not isinstance(outcome, Found):
        bound = sum(100 + sum(size for _, size in leg) for leg in offers)
        if all(map(is_mild, others)):
            assert most == won, f"seed {seed}: a state taken for a mild one costs {won - most}"
            assert most <= bound, f"seed {seed}: refused ({outcome.constraint}), but {most} exists"
        return False, max(0, most - bound)
    basket = outcome.basket
    held = {leg.ticker: leg.count for leg in basket.legs}
    rows = np.concatenate([settlements(state, tickers) for state in states.states])
    floor = int((np.array([held.get(t, 0) for t in tickers]) @ (10_000 - rows).T).min())
    assert basket.floor == floor, f"seed {seed}"
    assert 0 < basket.floor - basket.cost <= most, f"seed {seed}: {basket.floor - basket.cost} of {most}"
    return True, 0


def test_no_baskets_promise_what_brute_force_finds_in_every_rare_state() -> None:
    found = [check(seed) for seed in range(400)]
    assert sum(one for one, _ in found) > 60
