"""WebSocket messages into frames: values, orientation, sequence, and the sum in = applied + ignored + rejected."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from kalbot.common.units import Count, Price
from markets.kalshi.grid import PriceBand
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.vocabulary import MarketResult, OrderStatus, Side
from markets.kalshi.ws import frames
from markets.kalshi.ws.error_codes import ERROR_REACTIONS, Reaction, reaction_to
from markets.kalshi.ws.intake import Intake

from .bodies import (
    DELTA,
    DETERMINED,
    EVENT_CREATED,
    EVENT_FEE,
    FILL_FRAME,
    FRAMES,
    GROUP_FRAME,
    POSITION_FRAME,
    SNAPSHOT,
    TICKER,
    TRADE_FRAME,
    USER_ORDER,
    but,
)


def feed(*messages: Any, intake: Intake | None = None) -> list[Any]:
    intake = intake or Intake()
    return intake.feed([m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages])


def one(message: Any, intake: Intake | None = None) -> Any:
    (frame,) = feed(message, intake=intake)
    return frame


def test_a_ticker() -> None:
    t = one(TICKER)
    assert (t.sid, t.market_ticker, t.last_price) == (2, "KXDEMO-26NOV23-A", 4100)
    assert (t.yes_bid, t.yes_bid_size, t.yes_ask, t.yes_ask_size) == (4000, 12000, 4300, 725)
    assert (t.volume, t.open_interest, t.ts_ms) == (501250, 221000, 1795400000123)


@pytest.mark.parametrize("sentinel", ["0.0000", "1.0000"])
def test_a_side_of_a_ticker_without_size_has_no_price(sentinel: str) -> None:
    t = one(but(TICKER, msg__yes_ask_size_fp="0.00", msg__yes_ask_dollars=sentinel))
    assert (t.yes_bid, t.yes_ask, t.yes_ask_size) == (4000, None, 0)
    t = one(but(TICKER, msg__yes_bid_size_fp="0.00", msg__yes_bid_dollars=sentinel))
    assert (t.yes_bid, t.yes_bid_size, t.yes_ask) == (None, 0, 4300)


def test_a_ticker_before_ts_ms_existed() -> None:
    assert one(but(TICKER, msg__ts_ms=...)).ts_ms == 1795400000000


def test_a_snapshot_is_best_first_with_both_sides_in_their_own_prices() -> None:
    s = one(SNAPSHOT)
    assert s.yes == ((4000, 12000), (3900, 4000))
    assert s.no == ((5700, 725), (5500, 3000))
    assert (s.clock, s.seq) == (9001, 1)
    empty = one(but(SNAPSHOT, msg__yes_dollars_fp=...))
    assert (empty.yes, empty.no[0]) == ((), (5700, 725))


def test_no_levels_are_in_no_prices_whichever_way_they_were_requested() -> None:
    intake = Intake()
    intake.yes_priced.add(1)
    flipped = but(SNAPSHOT, msg__no_dollars_fp=[["0.4300", "7.25"], ["0.4500", "30.00"]])
    snapshot, delta = feed(flipped, but(DELTA, msg__price_dollars="0.4300"), intake=intake)
    plain_snapshot, plain_delta = feed(SNAPSHOT, DELTA)
    assert (snapshot.yes, snapshot.no) == (plain_snapshot.yes, plain_snapshot.no)
    assert (delta.side, delta.price, delta.delta) == (plain_delta.side, plain_delta.price, plain_delta.delta)
    yes = but(DELTA, seq=3, msg__side="yes", msg__price_dollars="0.4100")
    assert one(yes, intake).price == 4100


def test_a_flipped_orientation_is_noticed_because_the_book_would_be_crossed() -> None:
    flipped = but(SNAPSHOT, msg__no_dollars_fp=[["0.6300", "7.25"], ["0.6500", "30.00"]])
    (rejected,) = feed(flipped)
    assert "crossed" in rejected.reason
    assert (rejected.type, rejected.market_ticker) == ("orderbook_snapshot", "KXDEMO-26NOV23-A")


def test_a_delta() -> None:
    d = one(but(DELTA, seq=1, msg__client_order_id="mine"))
    assert (d.side, d.price, d.delta, d.clock, d.ts_ms) == (Side.NO, 5700, -725, 9004, 1795400001456)
    assert d.client_order_id == "mine"


def test_a_trade_and_one_from_before_the_outcome_side_existed() -> None:
    t = one(TRADE_FRAME)
    assert (t.yes_price, t.count, t.taker_side, t.is_block_trade) == (4300, 725, Side.YES, False)
    old = but(TRADE_FRAME, msg__taker_outcome_side=..., msg__ts_ms=..., msg__is_block_trade=...)
    assert one(old) == frames.TradeFrame(
        5, 1, t.market_ticker, t.trade_id, Price(4300), Count(725), Side.YES, False, 1795400001000
    )


def test_own_fills_orders_and_positions() -> None:
    fill = one(FILL_FRAME)
    assert (fill.fee, fill.price, fill.count, fill.post_position) == (124_400, 4300, 725, -725)
    assert one(but(FILL_FRAME, msg__outcome_side="no", msg__book_side="ask")).price == 5700
    order = one(USER_ORDER)
    assert (order.status, order.fill_count, order.taker_fees) == (OrderStatus.EXECUTED, 725, 124_400)
    position = one(POSITION_FRAME)
    assert (position.position, position.position_cost) == (725, 3_117_500)


def test_lifecycle_messages() -> None:
    determined = one(DETERMINED)
    assert (determined.event_type, determined.result, determined.settlement_value) == (
        "determined",
        MarketResult.YES,
        10_000,
    )
    assert determined.determination_time.isoformat() == "2026-11-24T02:13:20+00:00"
    bands = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
    grid = one(
        but(
            DETERMINED, msg={"market_ticker": "A", "event_type": "price_level_structure_updated", "price_ranges": bands}
        )
    )
    assert grid.price_bands == (PriceBand(Price(0), Price(10_000), Price(10)),)
    created = {"market_ticker": "A", "event_type": "created", "close_ts": 1795486400}
    meta = {"name": "n", "title": "t", "event_ticker": "E", "rules_primary": "If", "floor_strike": 79.5}
    found = one(but(DETERMINED, msg={**created, "additional_metadata": meta}))
    assert (found.metadata.event_ticker, found.metadata.floor_strike) == ("E", Decimal("79.5"))
    updated = {"market_ticker": "A", "event_type": "metadata_updated", "yes_sub_title": "new", "cap_strike": 80}
    found = one(but(DETERMINED, msg=updated))
    assert (found.metadata.yes_sub_title, found.metadata.cap_strike) == ("new", 80)


def test_event_messages_and_order_groups() -> None:
    assert one(but(EVENT_CREATED, seq=1)).collateral_return_type == "MECNET"
    fee = one(but(EVENT_FEE, seq=1, msg__fee_type_override="brand_new"))
    assert (fee.fee_type_override, fee.fee_multiplier_override) == ("brand_new", Decimal("0.5"))
    cleared = one(but(EVENT_FEE, seq=1, msg__fee_type_override=None, msg__fee_multiplier_override=None))
    assert cleared.fee_type_override is cleared.fee_multiplier_override is None
    assert one(GROUP_FRAME).contracts_limit == 5000


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (TICKER, {"yes_bid_dollars": "0.0000"}),
        (TICKER, {"yes_ask_dollars": "1.0000"}),
        (TICKER, {"yes_bid_dollars": "0.4300"}),
        (TICKER, {"yes_bid_dollars": "0.40005"}),
        (TICKER, {"yes_bid_dollars": 0.4}),
        (TICKER, {"yes_bid_size_fp": "-120.00"}),
        (TICKER, {"volume_fp": "-1.00"}),
        (TICKER, {"yes_ask_size_fp": ...}),
        (SNAPSHOT, {"yes_dollars_fp": [["0.4000", "1.00"], ["0.4000", "1.00"]]}),
        (SNAPSHOT, {"yes_dollars_fp": [["0.4000", "0.00"]]}),
        (DELTA, {"side": "maybe"}),
        (DELTA, {"side": ...}),
        (DELTA, {"price_dollars": "1.0000"}),
        (DELTA, {"price_dollars": "0.57005"}),
        (DELTA, {"delta_fp": "-7.255"}),
        (DELTA, {"delta_fp": -7}),
        (TRADE_FRAME, {"no_price_dollars": "0.5600"}),
        (TRADE_FRAME, {"taker_outcome_side": "maybe"}),
        (FILL_FRAME, {"book_side": "ask"}),
        (FILL_FRAME, {"count_fp": "0.00"}),
        (FILL_FRAME, {"fee_cost": ...}),
        (FILL_FRAME, {"yes_price_dollars": "0.0000"}),
        (USER_ORDER, {"status": "unknown"}),
        (USER_ORDER, {"outcome_side": "maybe"}),
        (USER_ORDER, {"fill_count_fp": "-1.00"}),
        (POSITION_FRAME, {"position_fp": "seven"}),
        (DETERMINED, {"result": "void"}),
        (DETERMINED, {"settlement_value": "1.5"}),
        (DETERMINED, {"determination_ts": 10**18}),
        (EVENT_FEE, {"fee_multiplier_override": "half"}),
        (EVENT_FEE, {"fee_type_override": ...}),
    ],
)
def test_what_touches_money_and_cannot_be_believed_is_rejected_counted_and_kept(message: Json, changes: Json) -> None:
    intake = Intake()
    broken = but(message, **{f"msg__{name}": value for name, value in changes.items()})
    out = feed(broken, intake=intake)
    (rejected,) = (frame for frame in out if isinstance(frame, frames.RejectedFrame))
    assert (rejected.type, rejected.sid) == (message["type"], message["sid"])
    of_one_market = message in (SNAPSHOT, DELTA) and message.get("seq") == 1
    assert len(out) == (1 if of_one_market or "seq" not in message else 2)
    assert (intake.tally.received, intake.tally.rejected, intake.tally.applied) == (1, 1, 0)
    assert intake.tally.samples[0].sample
    assert intake.tally.balances


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b"\xff", b'{"type":5}', b'"ticker"', b"[" * 100_000])
def test_what_is_no_message_is_rejected(payload: bytes) -> None:
    intake = Intake()
    (rejected,) = feed(payload, intake=intake)
    assert isinstance(rejected, frames.RejectedFrame)
    assert len(rejected.sample) <= 4 * 500
    assert intake.tally.balances


def test_unknown_types_and_fields_are_ignored_but_keep_their_place_in_the_sequence() -> None:
    intake = Intake()
    new = {"type": "brand_new", "sid": 8, "seq": 1, "msg": {"a": 1}}
    out = feed(new, but(EVENT_FEE, seq=2, extra=1, msg__extra=[2]), intake=intake)
    assert [type(frame) for frame in out] == [frames.EventFeeFrame]
    assert intake.tally.ignored_types == {"brand_new": 1}
    assert (intake.tally.ignored, intake.tally.applied, intake.sequence.gaps) == (1, 1, 0)
    for number in range(1000):
        feed({"type": f"t{number}"}, intake=intake)
    assert len(intake.tally.ignored_types) <= 51
    assert intake.tally.balances


def test_a_rejected_book_frame_is_the_trouble_of_its_market_alone() -> None:
    intake = Intake()
    out = feed(SNAPSHOT, but(DELTA, msg__side="maybe"), but(DELTA, seq=3), intake=intake)
    assert [type(frame) for frame in out] == [frames.BookSnapshot, frames.RejectedFrame, frames.BookDelta]
    assert out[1].market_ticker == "KXDEMO-26NOV23-A"


@pytest.mark.parametrize("broken", [but(DELTA, msg__market_ticker=...), but(DETERMINED, sid=1, seq=2, msg__result="x")])
def test_a_rejected_frame_of_no_market_or_no_book_is_a_gap_for_its_subscription(broken: Json) -> None:
    out = feed(SNAPSHOT, broken, but(DELTA, seq=3))
    assert [type(frame) for frame in out] == [
        frames.BookSnapshot,
        frames.RejectedFrame,
        frames.GapFrame,
        frames.BookDelta,
    ]
    assert out[2].reason == "rejected"


def test_replies_of_the_protocol_page() -> None:
    replies = [
        {"type": "subscribed", "id": 3, "msg": {"channel": "fill", "sid": 4}, "sending_ts_ms": 1795400000000},
        {"type": "ok", "id": 6, "msg": [{"channel": "orderbook_delta", "sid": 1}, {"channel": "ticker", "sid": 2}]},
        {"type": "unsubscribed", "id": 7, "sid": 1, "seq": 1},
        {"type": "error", "id": 9, "msg": {"code": 8, "msg": "Unknown channel name"}},
        {"type": "error", "sid": 3, "seq": 1, "msg": {"code": 25, "msg": "Subscription buffer overflow"}},
        {"type": "error", "msg": {"code": 99, "msg": "new", "market_ticker": "A"}},
    ]
    subscribed, listed, unsubscribed, unknown, overflow, new = feed(*replies)
    assert (subscribed.kind, subscribed.id, subscribed.sid, subscribed.channel) == ("subscribed", 3, 4, "fill")
    assert (listed.kind, listed.subscriptions) == ("list", (("orderbook_delta", 1), ("ticker", 2)))
    assert (unsubscribed.kind, unsubscribed.sid) == ("unsubscribed", 1)
    assert (unknown.reaction, unknown.id) == (Reaction.FIX, 9)
    assert (overflow.reaction, overflow.sid) == (Reaction.RESUBSCRIBE, 3)
    assert (new.reaction, new.market_tickers) == (Reaction.RECONNECT, ("A",))


def test_an_acknowledgement_counts_for_what_follows_in_the_same_batch() -> None:
    intake = Intake()
    intake.yes_price_commands.add(7)
    ack = {"type": "subscribed", "id": 7, "msg": {"channel": "orderbook_delta", "sid": 1}}
    flipped = but(SNAPSHOT, msg__no_dollars_fp=[["0.4300", "7.25"]])
    overflow = {"type": "error", "sid": 1, "seq": 2, "msg": {"code": 25, "msg": "overflow"}}
    out = feed(ack, flipped, overflow, {**ack, "id": 8}, SNAPSHOT, intake=intake)
    assert [type(frame) for frame in out] == [
        frames.Ack,
        frames.BookSnapshot,
        frames.ErrorFrame,
        frames.Ack,
        frames.BookSnapshot,
    ]
    assert out[1].no == ((5700, 725),)
    assert out[4].no == ((5700, 725), (5500, 3000))


def test_every_error_code_of_the_protocol_has_a_reaction() -> None:
    listed = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, *range(18, 29)]
    assert sorted(ERROR_REACTIONS) == listed
    assert reaction_to(10) is reaction_to(25) is Reaction.RESUBSCRIBE
    assert reaction_to(26) is Reaction.SPLIT
    assert reaction_to(12345) is Reaction.RECONNECT


def test_a_stream_of_every_kind_adds_up() -> None:
    draw = random.Random(11)
    intake, sent = Intake(), 0
    for _ in range(300):
        batch = [json.dumps(but(draw.choice(FRAMES), seq=draw.randrange(1, 50))).encode() for _ in range(7)]
        batch.append(draw.choice([b"{", b'{"type":"other"}', b"[]"]))
        intake.feed(batch)
        sent += 8
        assert intake.tally.received == sent
        assert intake.tally.balances
    assert min(intake.tally.applied, intake.tally.ignored, intake.tally.rejected) > 0
