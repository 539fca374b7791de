"""Nothing is ever booked below the floor, and fees are never under-estimated: random baskets against plain settlement."""

import random
from fractions import Fraction

import dutch_oracle
import pytest

from markets.book import Side
from markets.fees import CENT_GRID, DIRECT_GRID, FeeSchedule, OrderFees, split_slack, taker_cost
from markets.terms.special_settlements import SettlementTerms
from strategies.dutch.payoff import StateKind, conditional_of, floor_of, payoff, settlement_states

TICKERS = tuple(f"E-{i}" for i in range(8))


def settle(rng: random.Random, tickers: tuple[str, ...], certified: bool, terms: SettlementTerms) -> dict[str, int]:
    """YES value of each market (1/10,000 dollar) in one way the event may end; drawn without the product's states."""
    ways = ["one"] * 4 + ([] if certified else ["none"]) + ["split"] * terms.split + ["void"] * terms.void
    way = rng.choice(ways)
    values = dict.fromkeys(tickers, 0)
    if way == "one":
        values[rng.choice(tickers)] = 10_000
    elif way == "split":
        for ticker in rng.sample(tickers, 2):
            values[ticker] = 5_000
    elif way == "void":
        values = {ticker: rng.choice((0, rng.randint(0, 10_000), 10_000)) for ticker in tickers}
    return values


def check_floor(seed: int) -> None:
    rng = random.Random(seed)
    tickers = TICKERS[: rng.randint(2, 8)]
    certified = rng.random() < 0.5
    terms = SettlementTerms(split=rng.random() < 0.3, void=rng.random() < 0.2)
    held = [
        (ticker, rng.choice((Side.YES, Side.NO)), rng.choice((0, 100, rng.randint(1, 5_000))))
        for ticker in rng.choices(tickers, k=rng.randint(1, 8))
    ]
    vector = payoff(held, settlement_states(tickers, certified=certified, terms=terms))
    floor = floor_of(vector)
    values = settle(rng, tickers, certified, terms)
    booked = sum(count * (values[t] if side is Side.YES else 10_000 - values[t]) for t, side, count in held)
    assert booked >= floor, f"seed {seed}: booked {booked} below the floor {floor}"
    winners = [t for t in tickers if values[t] == 10_000]
    if len(winners) == 1 and sum(values.values()) == 10_000:
        assert booked >= conditional_of(vector, winners)
        exact = next(pays for state, pays in vector if state.kind is StateKind.WINS and state.tickers == tuple(winners))
        assert booked == exact or terms.void


def pieces(rng: random.Random, level: tuple[int, int], crumbs: bool) -> list[tuple[int, int]]:
    """One level filled by several resting orders."""
    price, left = level
    found = []
    while left:
        size = rng.randint(1, left) if crumbs else min(left, 100 * rng.randint(1, max(1, left // 100)))
        found.append((price, size))
        left -= size
    return found


def check_fees(seed: int) -> None:
    rng = random.Random(seed)
    grid = rng.choice((DIRECT_GRID, CENT_GRID))
    multiplier = rng.choice((0, 500_000, 1_000_000))
    schedule = FeeSchedule("quadratic", multiplier, grid, rng.random() < 0.5)
    price = rng.randrange(100, 9_900, 100)
    crumbs = grid == DIRECT_GRID and rng.random() < 0.5
    levels = [
        (min(9_900, price + 100 * i), rng.randint(1, 900) if crumbs else 100 * rng.randint(1, 9)) for i in range(3)
    ]
    paid, fees = taker_cost(schedule, levels)
    order = OrderFees(schedule)
    for level in levels:
        for piece in pieces(rng, level, crumbs):
            order.add(*piece)
    assert order.paid == paid
    model = sum(
        Fraction(7, 100) * Fraction(multiplier, 10**6) * Fraction(c, 100) * Fraction(p * (10_000 - p), 10**8)
        for p, c in levels
    )
    assert fees >= model * 10**6, f"seed {seed}: estimated below the model fee"
    slack = split_slack(schedule, max(p for p, _ in levels), sum(c for _, c in levels))
    assert order.total <= fees + slack, f"seed {seed}: charged {order.total}, estimated {fees} + {slack}"
    assert order.total >= model * 10**6
    if schedule.rebate_at_step:
        oracle = dutch_oracle.Order(grid, Fraction(multiplier, 10**6))
        for level in levels:
            oracle.fill(*level)
        assert (oracle.paid, oracle.fees) == (paid, fees)


def test_nothing_is_booked_below_the_floor() -> None:
    for seed in range(15_000):
        check_floor(seed)


def test_fees_are_never_under_estimated() -> None:
    for seed in range(4_000):
        check_fees(seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_is_booked_below_the_floor_in_a_million_settlements() -> None:
    for seed in range(15_000, 1_015_000):
        check_floor(seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fees_are_never_under_estimated_in_a_hundred_thousand_orders() -> None:
    for seed in range(4_000, 104_000):
        check_fees(seed)
