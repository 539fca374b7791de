"""The best set of baskets, against every set there is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import Money
from strategies.allocation.choice import Choice, Limits, Offer, choose, ranked

DOLLAR = 1_000_000


def best_of_all(offers: Sequence[Offer], limits: Limits) -> float:
    """The most that any subset, taken in any shares, is worth: each subset at its least shares, then filled by return."""
    best = 0.0
    for number in range(min(len(offers), limits.positions) + 1):
        for subset in combinations(offers, number):
            if sum(offer.orders for offer in subset) > limits.orders:
                continue
            left = limits.capital - sum(offer.locked * offer.least for offer in subset)
            if left < 0:
                continue
            worth = sum(offer.rate * offer.least for offer in subset)
            for offer in sorted(subset, key=lambda one: one.rate / one.locked, reverse=True):
                more = min((1 - offer.least) * offer.locked, left)
                worth += offer.rate * more / offer.locked
                left -= more
            best = max(best, worth)
    return best


def spent(choice: Choice, offers: Sequence[Offer]) -> tuple[float, int, int]:
    by_key = {offer.key: offer for offer in offers}
    shares = dict(choice.shares)
    return (
        sum(by_key[key].locked * share for key, share in shares.items()),
        len(shares),
        sum(by_key[key].orders for key in shares),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Offer], Limits]:
    offers = [
        Offer(
            key=f"E{number}",
            locked=Money(draw(st.integers(1, 200)) * DOLLAR),
            profit=Money(draw(st.integers(1, 5_000)) * 10_000),
            days=draw(st.sampled_from([None, 0.01, 0.5, 1.0, 3.0, 30.0])),
            orders=draw(st.integers(2, 12)),
            least=draw(st.sampled_from([0.01, 0.2, 0.7, 1.0])),
        )
        for number in range(draw(st.integers(1, 8)))
    ]
    limits = Limits(
        Money(draw(st.integers(0, 600)) * DOLLAR), draw(st.integers(0, 6)), draw(st.sampled_from([0, 6, 20, 200]))
    )
    return offers, limits


@given(worlds())
@settings(max_examples=250, deadline=None)
def test_no_set_is_worth_more_and_none_takes_more_than_there_is(world: tuple[list[Offer], Limits]) -> None:
    offers, limits = world
    choice = choose(offers, limits)
    best = best_of_all(offers, limits)
    assert choice.worth == pytest.approx(best, rel=1e-6, abs=1.0)
    assert choice.bound >= best * (1 - 1e-6)
    money, positions, orders = spent(choice, offers)
    assert money <= limits.capital + 1
    assert positions <= limits.positions
    assert orders <= limits.orders
    by_key = {offer.key: offer for offer in offers}
    assert all(by_key[key].least - 1e-9 <= share <= 1 + 1e-9 for key, share in choice.shares)


def offer(key: str, locked: float, profit: float, days: float | None = 1.0, **more: object) -> Offer:
    return Offer(key, Money(int(locked * DOLLAR)), Money(int(profit * DOLLAR)), days, 2, **more)  # type: ignore[arg-type]  # a test's shorthand


def test_money_that_returns_sooner_goes_first() -> None:
    """A hundred dollars for a month earn $2; the same for a day earn $0.50: fifteen dollars a month."""
    month, day = offer("MONTH", 100, 2.0, 30), offer("DAY", 100, 0.5, 1)
    assert choose([month, day], Limits(Money(100 * DOLLAR), 9, 99)).shares == (("DAY", 1.0),)
    assert ranked([month, day])[0] is day


def test_with_one_position_left_the_larger_profit_counts() -> None:
    small, large = offer("SMALL", 1, 0.1, least=0.5), offer("LARGE", 100, 5, least=0.5)
    assert choose([small, large], Limits(Money(100 * DOLLAR), 1, 99)).shares == (("LARGE", 1.0),)


def test_a_bet_waits_for_what_sure_baskets_leave() -> None:
    sure, bet = offer("SURE", 100, 1, least=0.1), offer("BET", 100, 50, is_sure=False, least=0.1)
    assert choose([bet, sure], Limits(Money(100 * DOLLAR), 9, 99)).shares == (("SURE", 1.0),)
    assert dict(choose([bet, sure], Limits(Money(150 * DOLLAR), 9, 99)).shares) == {"SURE": 1.0, "BET": 0.5}


def test_what_earns_nothing_is_left_out() -> None:
    assert choose([offer("NIL", 10, 0), offer("LOSS", 10, -1)], Limits(Money(100 * DOLLAR), 9, 99)).shares == ()


def test_what_takes_nothing_of_what_is_short_is_bought_and_within_the_bound() -> None:
    free = Offer("FREE", Money(0), Money(DOLLAR), 1.0, 0)
    choice = choose([free, offer("COSTLY", 100, 5)], Limits(Money(0), 2, 0))
    assert choice.shares == (("FREE", 1.0),)
    assert choice.worth <= choice.bound


def test_of_many_the_bound_is_still_true() -> None:
    """Of 300 the programme sees the 60 that return most; what it says of the rest must not be too little."""
    offers = [offer(f"E{n:03}", 5 + n % 7, 0.05 + (n * 37 % 100) / 100, 1 + n % 5, least=0.1) for n in range(300)]
    choice = choose(offers, Limits(Money(200 * DOLLAR), 12, 40))
    assert choice.worth <= choice.bound
    assert choice.gap < 0.35
    money, positions, orders = spent(choice, offers)
    assert money <= 200 * DOLLAR + 1
    assert positions <= 12
    assert orders <= 40
