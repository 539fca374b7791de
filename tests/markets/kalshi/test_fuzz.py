"""Damaged frames and bodies: never a crash, and whatever is accepted says exactly what the damaged text says.

The reading to compare with is a plain one of its own: ``json`` and ``Decimal``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from markets.kalshi.errors import SchemaError
from markets.kalshi.rest.orders import ORDER_LISTING
from markets.kalshi.rest.portfolio import FILL_LISTING, POSITION_LISTING, SETTLEMENT_LISTING
from markets.kalshi.schemas import answers, pages
from markets.kalshi.schemas.boundary import parse
from markets.kalshi.ws import frames
from markets.kalshi.ws.intake import Intake

from .bodies import BOOK, CREATED, EVENT, FILL, FRAMES, MARKET, ORDER, POSITION, SETTLEMENT, TRADE, but

DIGITS = b"0123456789.-+eE\"',: {}[]xn\x00\xff"
VALUES: list[Any] = [
    "",
    "0",
    "0.00",
    "1.0000",
    "-1",
    "9" * 30,
    "1e3",
    "0x1",
    " 0.4",
    "0.4 ",
    "0.40001",
    "NaN",
    None,
    True,
    0,
    0.4,
    [],
    {},
]


def damaged_bytes(text: bytes, draw: random.Random) -> bytes:
    """One to three small injuries to the text."""
    data = bytearray(text)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(data) or 1)
        kind = draw.randrange(6)
        if kind == 0 and data:
            data[at] = draw.choice(DIGITS)
        elif kind == 1 and data:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            data.insert(at, draw.choice(DIGITS))
        elif kind == 3:
            del data[at : at + draw.randint(1, 4)]
        elif kind == 4:
            data = data[:at]
        else:
            data[at:at] = data[at : at + draw.randint(1, 40)]
    return bytes(data)


def damaged_value(body: Any, draw: random.Random) -> bytes:
    """One value somewhere replaced, shifted by a digit, or taken away."""
    body = json.loads(json.dumps(body))
    node: Any = body
    while True:
        key = draw.choice(list(node)) if isinstance(node, dict) else draw.randrange(len(node))
        if not isinstance(node[key], dict | list) or not node[key] or draw.random() < 0.1:
            break
        node = node[key]
    value, kind = node[key], draw.randrange(3)
    if kind == 0 and isinstance(node, dict):
        del node[key]
    elif kind == 1 and isinstance(value, str) and value:
        at = draw.randrange(len(value))
        node[key] = value[:at] + draw.choice("0123456789.-x") + value[at + draw.randrange(2) :]
    else:
        node[key] = draw.choice(VALUES)
    return json.dumps(body).encode()


def damaged(body: Any, draw: random.Random) -> bytes:
    return damaged_value(body, draw) if draw.random() < 0.5 else damaged_bytes(json.dumps(body).encode(), draw)


def plain_reading(payload: bytes) -> Any:
    """Broken characters can only stand in fields that nobody reads: the client refuses them everywhere else."""
    return json.loads(payload.decode("utf-8", "replace"), parse_float=Decimal)


def units(text: Any, places: int) -> int:
    """The plain reading of a decimal string; anything but an exact one fails the test."""
    assert isinstance(text, str)
    scaled = Decimal(text).scaleb(places)
    assert scaled == int(scaled), text
    return int(scaled)


def side(levels: Any) -> dict[int, int]:
    return {units(price, 4): units(count, 2) for price, count in levels or []}


def quoted(price: Any, size: Any) -> tuple[int | None, int]:
    count = units(size, 2) if size else 0
    return (units(price, 4), count) if count else (None, 0)


def check_frame(frame: Any, said: Any) -> None:
    """Every price and size of an accepted frame against the plain reading."""
    m = said["msg"]
    match frame:
        case frames.TickerFrame():
            assert (frame.yes_bid, frame.yes_bid_size) == quoted(m["yes_bid_dollars"], m["yes_bid_size_fp"])
            assert (frame.yes_ask, frame.yes_ask_size) == quoted(m["yes_ask_dollars"], m["yes_ask_size_fp"])
            assert (frame.volume, frame.open_interest) == (units(m["volume_fp"], 2), units(m["open_interest_fp"], 2))
            for price in (frame.yes_bid, frame.yes_ask):
                assert price is None or 0 < price < 10_000
        case frames.BookSnapshot():
            assert dict(frame.yes) == side(m.get("yes_dollars_fp"))
            assert dict(frame.no) == side(m.get("no_dollars_fp"))
            assert list(frame.yes) == sorted(frame.yes, reverse=True)
        case frames.BookDelta():
            assert (frame.side, frame.price, frame.delta) == (
                m["side"],
                units(m["price_dollars"], 4),
                units(m["delta_fp"], 2),
            )
            assert 0 < frame.price < 10_000
        case frames.TradeFrame():
            assert (frame.yes_price, frame.count) == (units(m["yes_price_dollars"], 4), units(m["count_fp"], 2))
        case frames.FillFrame():
            assert (frame.yes_price, frame.count) == (units(m["yes_price_dollars"], 4), units(m["count_fp"], 2))
            assert (frame.outcome_side, frame.book_side) in (("yes", "bid"), ("no", "ask"))
            assert (frame.outcome_side, frame.fee) == (m["outcome_side"], units(m["fee_cost"], 6))
            assert frame.post_position == units(m["post_position_fp"], 2)
        case frames.UserOrderFrame():
            assert (frame.status, frame.outcome_side) == (m["status"], m["outcome_side"])
            assert (frame.fill_count, frame.remaining_count) == (
                units(m["fill_count_fp"], 2),
                units(m["remaining_count_fp"], 2),
            )
            assert frame.taker_fees == units(m["taker_fees_dollars"], 6)
        case frames.MarketPositionFrame():
            assert (frame.position, frame.position_cost) == (
                units(m["position_fp"], 2),
                units(m["position_cost_dollars"], 6),
            )
        case frames.LifecycleFrame():
            assert frame.result == (m.get("result") or "")
            value = m.get("settlement_value")
            assert frame.settlement_value == (units(value, 4) if value else None)
        case frames.OrderGroupFrame():
            limit = m.get("contracts_limit_fp")
            assert frame.contracts_limit == (units(limit, 2) if limit else None)


def fuzz_frames(rounds: int, seed: int) -> Counter[str]:
    draw, seen = random.Random(seed), Counter[str]()
    for _ in range(rounds):
        payload = damaged(draw.choice(FRAMES), draw)
        intake = Intake()
        out = intake.feed([payload])
        tally = intake.tally
        assert (tally.received, tally.applied + tally.ignored + tally.rejected) == (1, 1)
        for frame in out:
            if isinstance(frame, frames.GapFrame | frames.RejectedFrame):
                continue
            check_frame(frame, plain_reading(payload))
        seen["applied"] += tally.applied
        seen["ignored"] += tally.ignored
        seen["rejected"] += tally.rejected
    return seen


def check_market(said: Any, m: Any) -> None:
    said = said["market"]
    assert (m.yes_bid, m.yes_bid_size) == quoted(said.get("yes_bid_dollars"), said.get("yes_bid_size_fp"))
    assert (m.yes_ask, m.yes_ask_size) == quoted(said.get("yes_ask_dollars"), said.get("yes_ask_size_fp"))
    assert m.result == (said.get("result") or "")
    strike = said.get("cap_strike")
    assert m.cap_strike == (None if strike is None else Decimal(str(strike)))
    bands = {(units(b["start"], 4), units(b["end"], 4), units(b["step"], 4)) for b in said.get("price_ranges") or []}
    assert {(b.start, b.end, b.step) for b in m.price_bands} == bands


def check_event_page(said: Any, page: Any) -> None:
    assert len(page.events) + len(page.rejected) == len(said["events"])
    for event in page.events:
        (plain,) = [e for e in said["events"] if e.get("event_ticker") == event.event_ticker][:1]
        assert len(event.markets) == len(plain.get("markets") or [])
        assert event.mutually_exclusive is plain["mutually_exclusive"]


def check_book(said: Any, book: Any) -> None:
    assert dict(book.yes) == side(said["orderbook_fp"].get("yes_dollars"))
    assert dict(book.no) == side(said["orderbook_fp"].get("no_dollars"))


def check_orders(said: Any, page: Any) -> None:
    for plain, order in zip(said["orders"], page[0], strict=True):
        assert (order.status, order.outcome_side) == (plain["status"], plain["outcome_side"])
        assert (order.yes_price, order.fill_count) == (
            units(plain["yes_price_dollars"], 4),
            units(plain["fill_count_fp"], 2),
        )
        assert order.remaining_count == units(plain["remaining_count_fp"], 2)


def check_fills(said: Any, page: Any) -> None:
    for plain, fill in zip(said["fills"], page[0], strict=True):
        assert (fill.yes_price, fill.count) == (units(plain["yes_price_dollars"], 4), units(plain["count_fp"], 2))
        assert (fill.outcome_side, fill.fee) == (plain["outcome_side"], units(plain["fee_cost"], 6))
        assert fill.yes_price + units(plain["no_price_dollars"], 4) == 10_000


def check_positions(said: Any, page: Any) -> None:
    for plain, position in zip(said["market_positions"], page[0], strict=True):
        assert (position.ticker, position.position) == (plain["ticker"], units(plain["position_fp"], 2))


def check_settlements(said: Any, page: Any) -> None:
    for plain, settled in zip(said["settlements"], page[0], strict=True):
        assert (settled.revenue, settled.market_result) == (plain["revenue"] * 10_000, plain["market_result"])


def check_create(said: Any, result: Any) -> None:
    assert (result.fill_count, result.remaining_count) == (
        units(said["fill_count"], 2),
        units(said["remaining_count"], 2),
    )


def check_trades(said: Any, page: Any) -> None:
    for plain, trade in zip(said["trades"], page[0], strict=True):
        assert (trade.yes_price, trade.count) == (units(plain["yes_price_dollars"], 4), units(plain["count_fp"], 2))


SECOND = but(MARKET, ticker="KXDEMO-26NOV23-B")
BODIES: list[tuple[Any, Callable[[bytes], Any], Callable[[Any, Any], None]]] = [
    ({"market": MARKET}, pages.parse_market, check_market),
    ({"events": [{**EVENT, "markets": [MARKET, SECOND]}], "cursor": "c"}, pages.parse_event_page, check_event_page),
    ({"orderbook_fp": BOOK}, pages.parse_orderbook, check_book),
    ({"orders": [ORDER], "cursor": ""}, ORDER_LISTING.parse, check_orders),
    ({"fills": [FILL], "cursor": ""}, FILL_LISTING.parse, check_fills),
    ({"market_positions": [POSITION], "cursor": ""}, POSITION_LISTING.parse, check_positions),
    ({"settlements": [SETTLEMENT], "cursor": ""}, SETTLEMENT_LISTING.parse, check_settlements),
    (CREATED, lambda body: parse(answers.CREATE, answers.build_create, body), check_create),
    ({"trades": [TRADE], "cursor": ""}, pages.parse_trade_page, check_trades),
]


def fuzz_bodies(rounds: int, seed: int) -> Counter[str]:
    draw, seen = random.Random(seed), Counter[str]()
    for _ in range(rounds):
        body, read, check = draw.choice(BODIES)
        payload = damaged(body, draw)
        try:
            found = read(payload)
        except SchemaError:
            seen["refused"] += 1
            continue
        seen["read"] += 1
        check(plain_reading(payload), found)
    return seen


def test_damaged_frames_are_refused_or_say_what_they_say() -> None:
    seen = fuzz_frames(3_000, seed=1)
    assert min(seen["applied"], seen["rejected"]) > 300


def test_damaged_bodies_are_refused_or_say_what_they_say() -> None:
    seen = fuzz_bodies(3_000, seed=2)
    assert min(seen["read"], seen["refused"]) > 300


@pytest.mark.slow
def test_a_hundred_thousand_damaged_frames_and_bodies() -> None:
    frames, bodies = fuzz_frames(60_000, seed=20), fuzz_bodies(40_000, seed=21)
    print(frames, bodies)
    assert frames.total() + bodies.total() == 100_000
