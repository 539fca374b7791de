"""The price grid against a plain enumeration of every price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common.units import DOLLAR_PRICE, Price
from markets.kalshi.grid import PriceBand, is_on_grid, next_tick_down, next_tick_up, round_down, round_up


def bands(*triples: tuple[int, int, int]) -> tuple[PriceBand, ...]:
    return tuple(PriceBand(Price(a), Price(b), Price(c)) for a, b, c in triples)


LINEAR = bands((0, 10_000, 100))
TAPERED = bands((0, 1000, 10), (1000, 9000, 100), (9000, 10_000, 10))
HALF_EDGE = bands((0, 1000, 10), (1000, 9000, 50), (9000, 10_000, 10))
COMBO = bands((0, 100, 1), (100, 9900, 10), (9900, 10_000, 1))
STRUCTURES = [LINEAR, TAPERED, HALF_EDGE, COMBO]


def listed(grid: tuple[PriceBand, ...]) -> list[int]:
    prices: set[int] = set()
    for band in grid:
        prices.update(range(band.start, band.end + 1, band.step))
    return sorted(prices - {0, DOLLAR_PRICE})


@pytest.mark.parametrize("grid", STRUCTURES)
def test_a_price_is_on_the_grid_iff_some_band_lists_it(grid: tuple[PriceBand, ...]) -> None:
    expected = set(listed(grid))
    assert {p for p in range(-5, DOLLAR_PRICE + 6) if is_on_grid(p, grid)} == expected


@pytest.mark.parametrize("grid", STRUCTURES)
def test_whole_cents_are_valid_in_every_structure(grid: tuple[PriceBand, ...]) -> None:
    assert all(is_on_grid(cent * 100, grid) for cent in range(1, 100))


@given(st.sampled_from(STRUCTURES), st.integers(-50, DOLLAR_PRICE + 50))
def test_rounding_finds_the_nearest_listed_price_on_its_side(grid: tuple[PriceBand, ...], price: int) -> None:
    prices = listed(grid)
    assert round_down(price, grid) == max((p for p in prices if p <= price), default=None)
    assert round_up(price, grid) == min((p for p in prices if p >= price), default=None)
    assert next_tick_up(price, grid) == min((p for p in prices if p > price), default=None)
    assert next_tick_down(price, grid) == max((p for p in prices if p < price), default=None)


def test_bands_may_be_any_that_the_exchange_invents() -> None:
    odd = bands((0, 250, 25), (250, 9775, 75), (9775, 10_000, 25))
    prices, below = listed(odd), None
    for price in range(DOLLAR_PRICE + 1):
        below = price if price in prices else below
        assert is_on_grid(price, odd) == (price in prices)
        assert round_down(price, odd) == below


def test_without_bands_no_price_is_valid() -> None:
    assert not is_on_grid(5000, ())
    assert round_down(5000, ()) is None
    assert round_up(5000, ()) is None


@pytest.mark.parametrize("triple", [(0, 0, 10), (500, 100, 10), (0, 10_000, 0), (-10, 100, 10), (0, 10_001, 1)])
def test_an_impossible_band_is_refused(triple: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="price band"):
        bands(triple)
