"""Frames that could be read in two ways are rejected; what the exchange may leave out one day may be absent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.schemas.pages import parse_market, parse_series
from markets.kalshi.ws import frames

from .bodies import (
    DELTA,
    DETERMINED,
    EVENT_FEE,
    FILL_FRAME,
    MARKET,
    SERIES,
    SNAPSHOT,
    TICKER,
    TRADE_FRAME,
    USER_ORDER,
    but,
)
from .test_intake import feed, one


@pytest.mark.parametrize(
    ("message", "key", "value"),
    [
        (DELTA, "price_dollars", "0.5600"),
        (DELTA, "delta_fp", "1.00"),
        (DELTA, "side", "yes"),
        (DELTA, "market_ticker", "B"),
        (TICKER, "yes_bid_dollars", "0.3900"),
        (TICKER, "yes_ask_size_fp", "1.00"),
        (SNAPSHOT, "yes_dollars_fp", []),
        (SNAPSHOT, "clock", 1),
        (FILL_FRAME, "count_fp", "1.00"),
        (USER_ORDER, "status", "resting"),
        (DETERMINED, "result", "no"),
        (EVENT_FEE, "fee_multiplier_override", 1),
    ],
)
@pytest.mark.parametrize("spelling", ["plain", "spaced", "escaped"])
def test_a_key_that_comes_twice_is_rejected(message: Json, key: str, value: object, spelling: str) -> None:
    payload = json.dumps(but(message, seq=1) if "seq" in message else message)
    spelt = {"plain": f'"{key}":', "spaced": f' "{key}" : ', "escaped": f'"\\u{ord(key[0]):04x}{key[1:]}":'}[spelling]
    again = payload.replace('"msg": {', f'"msg": {{{spelt}{json.dumps(value)}, ')
    rejected = feed(again.encode())[0]
    assert isinstance(rejected, frames.RejectedFrame)
    assert "comes twice" in rejected.reason


def test_a_value_that_reads_like_a_key_is_no_key_that_comes_twice() -> None:
    assert one(but(DELTA, seq=1, msg__client_order_id="side")).client_order_id == "side"


@pytest.mark.parametrize("names", [("yes", "no"), ("yes_dollars", "no_dollars"), ("bids", "no_dollars_fp")])
def test_a_book_under_other_names_is_not_an_empty_one(names: tuple[str, str]) -> None:
    yes, no = names
    levels = {yes: SNAPSHOT["msg"]["yes_dollars_fp"], no: SNAPSHOT["msg"]["no_dollars_fp"]}
    renamed = but(SNAPSHOT, msg__yes_dollars_fp=..., msg__no_dollars_fp=...)
    rejected = feed(renamed | {"msg": renamed["msg"] | levels})[0]
    assert isinstance(rejected, frames.RejectedFrame)
    assert "unknown name" in rejected.reason


def test_an_absent_side_is_empty() -> None:
    assert one(but(SNAPSHOT, msg__no_dollars_fp=...)).no == ()
    assert one(but(SNAPSHOT, msg__no_dollars_fp=..., msg__yes_dollars_fp=..., msg__new="x")).yes == ()


@pytest.mark.parametrize("multiplier", [-5, 1e300, 101, 0.00000001, -0.5])
def test_a_fee_multiplier_that_cannot_be_one_is_rejected(multiplier: float) -> None:
    assert isinstance(feed(but(EVENT_FEE, seq=1, msg__fee_multiplier_override=multiplier))[0], frames.RejectedFrame)


NO_DECIMALS = [
    "1_0",
    "\u0661",
    "\uff11",
    " 1",
    "1 ",
    "+1",
    "01",
    "1.",
    ".5",
    "1e0",
    "NaN",
    "Infinity",
    "-",
    "",
    "0" * 41,
    "1,5",
    "0x1",
]


@pytest.mark.parametrize("text", NO_DECIMALS)
def test_a_decimal_as_text_is_a_plain_one_or_none(text: str) -> None:
    fee = but(EVENT_FEE, seq=1, msg__fee_multiplier_override=text)
    assert isinstance(feed(fee)[0], frames.RejectedFrame)
    with pytest.raises(SchemaError):
        parse_series(json.dumps({"series": SERIES | {"fee_multiplier": text}}).encode())
    with pytest.raises(SchemaError):
        parse_market(json.dumps({"market": MARKET | {"floor_strike": text}}).encode())


@pytest.mark.parametrize(("sent", "read"), [("0.5", "0.5"), (0.5, "0.5"), (1, "1"), ("10", "10"), (None, None)])
def test_decimals_are_exact_as_numbers_and_as_text(sent: object, read: str | None) -> None:
    assert one(but(EVENT_FEE, seq=1, msg__fee_multiplier_override=sent)).fee_multiplier_override == (
        None if read is None else Decimal(read)
    )
    listed = parse_market(json.dumps({"market": MARKET | {"cap_strike": sent}}).encode())
    assert str(listed.cap_strike) == str(read)


@pytest.mark.parametrize("message", [TICKER, TRADE_FRAME])
def test_deprecated_times_may_be_absent(message: Json) -> None:
    assert one(but(message, msg__ts=...)).ts_ms == message["msg"]["ts_ms"]
    assert one(but(message, msg__ts=..., msg__ts_ms=..., msg__time=...)).ts_ms == 0


@pytest.mark.parametrize("client_order_id", [None, "", ...])
def test_an_own_order_placed_by_hand_has_no_client_id(client_order_id: object) -> None:
    assert one(but(USER_ORDER, msg__client_order_id=client_order_id)).client_order_id == ""
