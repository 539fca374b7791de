"""How much of a quote trades would fill."""

from __future__ import annotations

import pytest

from strategies.quoting import expectation
from strategies.quoting.expectation import Bid


@pytest.mark.parametrize(
    ("bids", "all_legs", "any_leg"),
    [
        ([], 0.0, 0.0),
        ([Bid(100, 0, 10.0)], 1.0, 1.0),
        ([Bid(100, 100, 10.0), Bid(100, 300, 10.0)], 0.25, 0.625),
        ([Bid(100, 100, 10.0), Bid(100, 0, 0.0)], 0.0, 0.5),
    ],
)
def test_the_slowest_leg_counts_where_all_must_fill_and_any_where_the_others_are_taken(
    bids: list[Bid], all_legs: float, any_leg: float
) -> None:
    assert expectation.share(bids, 10.0, all_must_fill=True) == all_legs
    assert expectation.share(bids, 10.0, all_must_fill=False) == any_leg
    assert expectation.share(bids, -1.0, all_must_fill=False) == 0.0


def test_without_measured_fills_the_usual_rate_counts_as_far_as_there_is_trading() -> None:
    assert expectation.expected(1_000_000, None, 0) == expectation.USUAL_FILL_PPM
    assert expectation.expected(1_000_000, None, 0, 0.5) == expectation.USUAL_FILL_PPM // 2


@pytest.mark.parametrize(
    ("spreads", "hours", "band", "words"),
    [
        ([200, 200], 6, "2c 6h", "spread to 2 cents, 6 h or less"),
        ([200, 201], 6.01, "5c 24h", "spread to 5 cents, 24 h or less"),
        ([500, 500], 24, "5c 24h", "spread to 5 cents, 24 h or less"),
        ([100, 10_000], 24.1, "wide days", "spread above 5 cents, more than 24 h to the end"),
    ],
)
def test_spread_and_time_are_a_band(spreads: list[int], hours: float, band: str, words: str) -> None:
    assert expectation.band_of(spreads, hours * 3_600) == band
    assert expectation.words_of(band) == words
    assert len(band) <= 12
