"""Nothing is ever booked below the floor, and fees are never under-estimated: random baskets against plain settlement."""

import random
from fractions import Fraction

import dutch_books
import dutch_oracle
import pytest

from kalbot.common.units import Count
from markets.book import Depth, Side
from markets.fees import CENT_GRID, DIRECT_GRID, FeeSchedule, OrderFees, most_fees, split_slack, taker_cost
from markets.terms.special_settlements import SettlementTerms
from markets.terms.states import StateKind
from strategies.dutch.basket import Found, Kind, LegMarket, Limits, Refused
from strategies.dutch.payoff import conditional_of, floor_of, payoff, settlement_states
from strategies.dutch.search import best_basket
from strategies.reasons import Reason

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
        exact = next(pays for state, pays in vector if state.kind is StateKind.WINNER and state.among == tuple(winners))
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


def check_fee_bound(seed: int) -> None:
    """However its levels are split, hundredths and all, and whichever reading of the rebate is true: no order is charged more."""
    rng = random.Random(seed)
    grid = rng.choice((DIRECT_GRID, DIRECT_GRID, CENT_GRID))
    multiplier = rng.choice((0, 500_000, 1_000_000, 1_000_000))
    tick = rng.choice((100, 100, 10, 1))
    price = rng.randrange(tick, 9_700, tick)
    levels = [(price + tick * i, rng.randint(1, 300)) for i in range(rng.randint(1, 3))]
    order = OrderFees(FeeSchedule("quadratic", multiplier, grid, rebate_at_step=rng.random() < 0.5))
    largest = rng.choice((1, 3, 300))
    for level_price, left in levels:
        while left:
            size = rng.randint(1, min(left, largest))
            order.add(level_price, size)
            left -= size
    schedule = FeeSchedule("quadratic", multiplier, grid)
    most = most_fees(schedule, levels)
    assert order.total <= most, f"seed {seed}: charged {order.total}, at most {most}"
    assert taker_cost(schedule, levels)[1] <= most


def check_guaranteed(seed: int) -> bool:
    """A basket that is called guaranteed earns even if all of its fills are hundredths, by either reading; True if there was one."""
    rng = random.Random(seed)
    kind = rng.choice((Kind.ALL_YES, Kind.ALL_NO))
    offers = dutch_books.event(rng, kind, legs=rng.randint(2, 5), most=rng.choice((2, 120)), tick=rng.choice((100, 10)))
    rules = Limits(kinds=frozenset({kind}), near_ppm=0, count_step=Count(rng.choice((1, 100))))
    outcome = best_basket(dutch_books.markets(offers, kind, FeeSchedule()), True, True, rules)
    if not isinstance(outcome, Found):
        return False
    basket = outcome.basket
    for at_step in (True, False):
        charged = 0
        for leg in basket.legs:
            order, left = OrderFees(FeeSchedule(rebate_at_step=at_step)), int(leg.count)
            for price, size in offers[int(leg.ticker.removeprefix("E-"))]:
                for _ in range(min(size, left)):
                    order.add(price, 1)
                left -= min(size, left)
            charged += order.paid + order.total
        assert basket.floor > charged, f"seed {seed}: {basket.floor} does not return {charged}"
    return True


def test_no_order_is_charged_more_than_its_fee_bound() -> None:
    for seed in range(4_000):
        check_fee_bound(seed)


def test_guaranteed_baskets_earn_when_every_fill_is_a_hundredth() -> None:
    assert sum(check_guaranteed(seed) for seed in range(300)) > 60


def test_the_basket_that_a_swarm_of_crumbs_turned_into_a_loss_is_not_guaranteed() -> None:
    asks = {"A": 4_000, "B": 4_700, "C": 900}
    legs = [LegMarket(t, Depth.of([], [(10_000 - p, 10_000)]), FeeSchedule()) for t, p in asks.items()]
    outcome = best_basket(legs, True, True, Limits(min_count=Count(10_000)))
    assert isinstance(outcome, Refused)
    assert outcome.constraint is Reason.FEE_BOUND
    assert outcome.nearest is not None
    assert 0 < outcome.nearest.profit < outcome.nearest.fee_bound


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
def test_guaranteed_baskets_earn_in_hundredths_in_30000_events() -> None:
    assert sum(check_guaranteed(seed) for seed in range(300, 30_300)) > 5_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fees_are_never_under_estimated_in_a_hundred_thousand_orders() -> None:
    for seed in range(4_000, 104_000):
        check_fees(seed)
