"""What is remembered of decimals that come again."""

from __future__ import annotations

import pytest

from markets.kalshi import scalars


def test_remembered_counts_are_bounded_and_those_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Volumes, which never come again, filled the memory of every process that scans, by the hour, and kept later sizes out of it."""
    monkeypatch.setattr(scalars, "_MEMO_LIMIT", 3)
    memo = scalars.CountMemo()
    for number in range(10):
        assert memo[f"{number}.00"] == number * 100
        assert len(memo) <= 3
        assert f"{number}.00" in memo, "what came last is remembered"


def test_other_spellings_of_prices_push_out_none_of_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalars, "_MEMO_LIMIT", 10_003)
    prices = scalars.PriceTable()
    for number in range(10):
        assert prices[f"0.{number}0"] == number * 1_000
    assert len(prices) <= 10_003
    assert prices["0.1234"] == 1_234
