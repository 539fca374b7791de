"""Collateral return against brute force: every outcome spelled out, every order and part of the fills tried."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Money
from markets.book import Side
from strategies.collateral.funds import Funds, Purchase, exit_order, needed
from strategies.collateral.groups import Alone, Choices, Exclusive, GroupError, Ladder, returned
from strategies.collateral.learning import Difference, Observed, agreeing
from strategies.collateral.words import locked

PLAIN = Choices()
Held = dict[tuple[str, Side], int]


def test_the_exchanges_own_example() -> None:
    """NO at 0.60 and NO at 0.70 cost 1.30; one of them must win, so 0.30 is taken; settlement brings 1.00 or nothing."""
    group = Exclusive(("A", "B", "C"))
    funds = Funds(group, PLAIN, plain=10_000_000)
    assert funds.bought("A", Side.NO, CONTRACT, 600_000) == -600_000
    assert funds.bought("B", Side.NO, CONTRACT, 700_000) == 300_000
    assert funds.available == 10_000_000 - 300_000
    both = Funds(group, PLAIN, funds.plain, dict(funds.held))
    assert sum(both.settled(ticker, False) for ticker in ("A", "B", "C")) == 1_000_000
    one = Funds(group, PLAIN, funds.plain, dict(funds.held))
    assert sum(one.settled(ticker, ticker == "A") for ticker in ("A", "B", "C")) == 0


def test_six_legs_lock_their_largest_loss_and_need_their_most_expensive_leg() -> None:
    names = ("A", "B", "C", "D", "E", "F")
    group, prices = Exclusive(names), (810_000, 840_000, 850_000, 820_000, 830_000, 830_000)
    orders = [Purchase(n, Side.NO, CONTRACT, Money(p)) for n, p in zip(names, prices, strict=True)]
    assert sum(prices) == 4_980_000
    assert needed([], orders, group, PLAIN) == 850_000
    assert needed([], orders, Alone(names), PLAIN) == 4_980_000
    funds = Funds(group, PLAIN)
    for order in orders:
        funds.bought(order.ticker, order.side, order.count, order.cost)
    assert funds.available == 20_000  # 4.98 bought what pays 5.00: two cents more than before
    steps, missing = exit_order(funds, {(n, Side.NO): p - 20_000 for n, p in zip(names, prices, strict=True)})
    assert steps[-1].ticker == "A"
    assert missing == 5_000_000 - (sum(prices) - 6 * 20_000 - 790_000)
    assert (
        exit_order(funds, {(n, Side.NO): p - 20_000 for n, p in zip(names, prices, strict=True)}, slices=10)[1]
        < missing / 3
    )


def test_what_cannot_be_is_refused() -> None:
    funds = Funds(Exclusive(("A", "B")), PLAIN)
    with pytest.raises(GroupError, match="0 held"):
        funds.sold("A", Side.NO, 1, 1)
    with pytest.raises(GroupError, match="not of the group"):
        funds.bought("X", Side.NO, 1, 1)
    funds.settled("A", True)
    with pytest.raises(GroupError, match="settled already"):
        funds.settled("A", True)
    with pytest.raises(GroupError, match="settled already"):
        funds.bought("A", Side.NO, 1, 1)
    with pytest.raises(GroupError, match="each once"):
        Exclusive(("A", "A"))


# -- brute force ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """Any list of outcomes, as another rule of the exchange might allow them."""

    markets: tuple[str, ...]
    allowed: tuple[frozenset[str], ...]

    def outcomes(self) -> Iterable[frozenset[str]]:
        return self.allowed


AnyGroup = Exclusive | Ladder | Listed


@lru_cache(10_000)
def worlds(group: AnyGroup) -> list[dict[str, bool]]:
    """Every assignment of Yes and No that the group allows, found by trying all of them."""
    found = []
    for values in product((False, True), repeat=len(group.markets)):
        world = dict(zip(group.markets, values, strict=True))
        if isinstance(group, Listed):
            allowed = frozenset(ticker for ticker, yes in world.items() if yes) in group.allowed
        elif isinstance(group, Exclusive):
            allowed = sum(values) <= 1
        else:
            allowed = all(not later or earlier for earlier, later in pairwise(values))
        if allowed:
            found.append(world)
    return found


def brute(held: Held, group: AnyGroup, choices: Choices, known: dict[str, bool]) -> int:
    """The least that what counts pays over every world that agrees with what is known."""
    least = []
    for world in worlds(group):
        if any(world[ticker] is not yes for ticker, yes in known.items()):
            continue
        pays = 0
        for (ticker, side), count in held.items():
            if ticker in known or (side is Side.YES and not choices.yes_counts):
                continue
            if world[ticker] is (side is Side.YES):
                pays += count * DOLLAR_PRICE
        least.append(pays)
    money = min(least, default=0)
    return money // 10_000 * 10_000 if choices.whole_cents else money


def some_group(numbers: random.Random, most: int) -> AnyGroup:
    names = tuple(f"M{n}" for n in range(numbers.randint(1, most)))
    if numbers.random() < 0.15:
        subsets = [frozenset(name for name in names if numbers.random() < 0.4) for _ in range(numbers.randint(1, 9))]
        return Listed(names, tuple(dict.fromkeys(subsets)))
    return Exclusive(names) if numbers.random() < 0.6 else Ladder(names)


def some_choices(numbers: random.Random) -> Choices:
    return Choices(numbers.random() < 0.5, numbers.random() < 0.3)


def portfolio(seed: int) -> None:
    """Fills, sales and settlements in any order: at every step plain cash and what the brute force returns are what is available."""
    numbers = random.Random(seed)
    group, choices = some_group(numbers, 8), some_choices(numbers)
    funds = Funds(group, choices, plain=numbers.randrange(10**7))
    plain = funds.plain
    held: Held = {}
    known: dict[str, bool] = {}
    world = numbers.choice(worlds(group))
    before = funds.available
    for _ in range(numbers.randint(1, 12)):
        open_markets = [ticker for ticker in group.markets if ticker not in known]
        if not open_markets:
            break
        key = (numbers.choice(open_markets), numbers.choice(list(Side)))
        act = numbers.random()
        if act < 0.65:
            count, cost = numbers.randint(1, 500), numbers.randrange(5_000_000)
            change = funds.bought(*key, count, cost)
            plain, held[key] = plain - cost, held.get(key, 0) + count
        elif act < 0.85 and held.get(key):
            count, proceeds = numbers.randint(1, held[key]), numbers.randrange(3_000_000)
            change = funds.sold(*key, count, proceeds)
            plain, held[key] = plain + proceeds, held[key] - count
        else:
            ticker = key[0]
            change = funds.settled(ticker, world[ticker])
            known[ticker] = world[ticker]
            for side in Side:
                if world[ticker] is (side is Side.YES):
                    plain += held.get((ticker, side), 0) * DOLLAR_PRICE
                held.pop((ticker, side), None)
        assert funds.available == plain + brute(held, group, choices, known), seed
        assert change == funds.available - before, seed
        before = funds.available
    for ticker in group.markets:
        if ticker not in known:
            funds.settled(ticker, world[ticker])
    assert funds.returned == 0
    assert funds.available == funds.plain, seed


def prefixes(seed: int) -> None:
    """``needed`` against every order of whole and half fills: no prefix takes more, and one takes as much."""
    numbers = random.Random(seed)
    group, choices = some_group(numbers, 4), some_choices(numbers)
    held: Held = {}
    for ticker in group.markets:
        if numbers.random() < 0.4:
            held[ticker, numbers.choice(list(Side))] = numbers.randint(1, 300)
    holdings = [(ticker, side, count) for (ticker, side), count in held.items()]
    orders = [
        Purchase(ticker, side, 2 * numbers.randint(1, 100), Money(2 * numbers.randrange(900_000)))
        for ticker in group.markets
        for side in Side
        if numbers.random() < 0.5
    ]
    start = brute(held, group, choices, {})
    worst = 0
    for parts in product((0, 1, 2), repeat=len(orders)):
        after = dict(held)
        cost = 0
        for order, part in zip(orders, parts, strict=True):
            if part:
                key = (order.ticker, order.side)
                after[key] = after.get(key, 0) + order.count * part // 2
                cost += order.cost * part // 2
        worst = max(worst, cost - brute(after, group, choices, {}) + start)
    bound = needed(holdings, orders, group, choices)
    assert worst <= bound <= worst + (20_000 if choices.whole_cents else 0), seed


@pytest.mark.parametrize("block", range(8))
def test_funds_tie_at_every_step(block: int) -> None:
    for seed in range(block * 150, block * 150 + 150):
        portfolio(seed)


def test_no_part_of_the_fills_needs_more_than_is_needed() -> None:
    for seed in range(300):
        prefixes(seed)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("part", range(10))
def test_a_million_portfolios(part: int) -> None:
    for seed in range(part * 100_000, (part + 1) * 100_000):
        portfolio(seed)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=2, max_size=8))
def test_unequal_counts_are_returned_less_the_largest(counts: list[int]) -> None:
    names = tuple(f"M{n}" for n in range(len(counts)))
    holdings = [(name, Side.NO, count) for name, count in zip(names, counts, strict=True)]
    assert returned(holdings, Exclusive(names), PLAIN) == (sum(counts) - max(counts)) * DOLLAR_PRICE
    assert returned(holdings, Alone(names), PLAIN) == 0


def observed(truth: Choices, steps: list[tuple[str, Side, int, int]]) -> list[Observed]:
    funds, found = Funds(Exclusive(("A", "B")), truth, plain=5_000_000), []
    for ticker, side, count, cost in steps:
        funds.bought(ticker, side, count, cost)
        found.append(Observed(ticker, side, count, Money(cost), funds.available))
    return found


@pytest.mark.parametrize("truth", [Choices(y, c) for y in (False, True) for c in (False, True)])
def test_learning_finds_the_choice(truth: Choices) -> None:
    group = Exclusive(("A", "B"))
    # 1.33 and 0.77 NO return 0.77, which both roundings agree on; YES beside them shows whether it counts
    steps = [("A", Side.NO, 133, 800_000), ("B", Side.NO, 77, 400_001), ("A", Side.YES, 100, 300_000)]
    found = agreeing(group, Money(5_000_000), observed(truth, steps))
    assert not isinstance(found, Difference)
    assert truth in found
    assert {choices.yes_counts for choices in found} == {truth.yes_counts}


def test_a_balance_that_no_choice_predicts_is_named_with_both_figures() -> None:
    steps = observed(PLAIN, [("A", Side.NO, 133, 800_000), ("B", Side.NO, 77, 400_001)])
    right = steps[1].available
    wrong = [steps[0], Observed("B", Side.NO, 77, Money(400_001), Money(right - 7))]
    assert agreeing(Exclusive(("A", "B")), Money(5_000_000), wrong) == Difference(1, right, Money(right - 7))


def test_what_a_basket_locks_is_said_in_money() -> None:
    buys = [Purchase(name, Side.NO, CONTRACT, Money(830_000)) for name in ("A", "B", "C", "D", "E", "F")]
    said = locked(buys)
    assert said.startswith("Locks $4.98 until settlement.")
    assert "need $0.83 at its worst moment and then lock nothing ($0.02 come free)" in said
    assert "would need up to $0.85." in said
    with pytest.raises(ValueError, match="NO baskets"):
        locked([Purchase("A", Side.YES, CONTRACT, Money(1))])
