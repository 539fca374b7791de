"""Candlesticks, programmes, metadata and funding at the parse boundary."""

from __future__ import annotations

import json
from typing import Any

import pytest

from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas import candles
from markets.kalshi.schemas.boundary import Json, parse
from markets.kalshi.schemas.funding import DEPOSITS, WITHDRAWALS
from markets.kalshi.schemas.pages import parse_programme_page

from .bodies import but

QUOTES: Json = {"open_dollars": "0.4", "low_dollars": "0.3", "high_dollars": "0.6", "close_dollars": "0.5"}
CANDLE: Json = {
    "end_period_ts": 1_795_400_040,
    "yes_bid": QUOTES,
    "yes_ask": QUOTES | {"high_dollars": "1.0000"},
    "price": QUOTES | {"mean_dollars": "0.456789", "previous_dollars": None},
    "volume_fp": "12.50",
    "open_interest_fp": "7.00",
}
PROGRAMME: Json = {
    "id": "p",
    "market_id": "m",
    "market_ticker": "A",
    "incentive_type": "liquidity",
    "incentive_description": "near the touch",
    "start_date": "2026-11-23T00:00:00Z",
    "end_date": "2026-11-24T00:00:00Z",
    "period_reward": 500_000,
    "paid_out": False,
    "target_size_fp": "300.00",
    "max_reward_per_account": 1_000,
}
FUNDING: Json = {
    "id": "d",
    "status": "applied",
    "type": "wire",
    "amount_cents": 2_500,
    "fee_cents": 5,
    "created_ts": 1_795_400_000,
    "finalized_ts": None,
}


def read(*found: Json) -> tuple[candles.Candle, ...]:
    body = json.dumps({"ticker": "A", "candlesticks": list(found)}).encode()
    return parse(candles.CANDLES, candles.build_candles, body)


def test_a_candlestick() -> None:
    (candle,) = read(CANDLE)
    assert candle.yes_ask == candles.Span(4000, 3000, 10_000, 5000)  # type: ignore[arg-type]  # plain numbers, in their units
    assert candle.traded == candles.Span(4000, 3000, 6000, 5000)  # type: ignore[arg-type]  # plain numbers, in their units
    assert (candle.mean, candle.previous, candle.volume, candle.open_interest) == (456_789, None, 1_250, 700)


def test_a_candlestick_without_a_trade() -> None:
    nothing = {f"{name}_dollars": None for name in ("open", "low", "high", "close", "mean")}
    (candle,) = read(CANDLE | {"price": nothing | {"previous_dollars": "0.3500"}})
    assert (candle.traded, candle.mean, candle.previous) == (None, None, 3500)


@pytest.mark.parametrize(
    "changes",
    [
        {"end_period_ts": 0},
        {"end_period_ts": "x"},
        {"yes_bid": QUOTES | {"low_dollars": "0.7"}},
        {"yes_bid": QUOTES | {"close_dollars": "0.2"}},
        {"yes_bid": {"open": "0.4", "low": "0.4", "high": "0.4", "close": "0.4"}},
        {"yes_bid": QUOTES | {"open_dollars": "1.0001", "high_dollars": "1.0001"}},
        {"volume_fp": "-1.00"},
        {"volume_fp": 12},
    ],
)
def test_a_candlestick_that_cannot_be_is_refused(changes: Json) -> None:
    with pytest.raises(SchemaError):
        read(CANDLE | changes)


def test_an_event_has_a_row_of_candlesticks_for_each_market() -> None:
    body = {"market_tickers": ["A", "B"], "market_candlesticks": [[CANDLE], []], "adjusted_end_ts": 1}
    found = parse(candles.EVENT_CANDLES, candles.build_event_candles, json.dumps(body).encode())
    assert [len(found[ticker]) for ticker in ("A", "B")] == [1, 0]
    short = json.dumps(body | {"market_candlesticks": [[]]}).encode()
    with pytest.raises(SchemaError):
        parse(candles.EVENT_CANDLES, candles.build_event_candles, short)


def programmes(**changes: Any) -> Any:
    body = {"incentive_programs": [but(PROGRAMME, **changes)], "next_cursor": "c"}
    return parse_programme_page(json.dumps(body).encode())


def test_a_programme() -> None:
    ((programme,), cursor) = programmes()
    assert (programme.reward, programme.most, programme.target_size, cursor) == (50_000_000, 100_000, 30_000, "c")


@pytest.mark.parametrize(
    "changes", [{"period_reward": -1}, {"end_date": ""}, {"start_date": "soon"}, {"max_reward_per_account": -1}]
)
def test_a_programme_that_cannot_be_is_refused(changes: Json) -> None:
    with pytest.raises(SchemaError):
        programmes(**changes)


@pytest.mark.parametrize("listing, name", [(DEPOSITS, "deposits"), (WITHDRAWALS, "withdrawals")])
def test_deposits_and_withdrawals(listing: Any, name: str) -> None:
    ((found,), _) = listing.parse(json.dumps({name: [FUNDING]}).encode())
    assert (found.amount, found.fee, found.finalised) == (25_000_000, 50_000, None)
    for changes in ({"status": "lost"}, {"amount_cents": -1}, {"amount_cents": 2.5}):
        with pytest.raises(SchemaError):
            listing.parse(json.dumps({name: [FUNDING | changes]}).encode())
