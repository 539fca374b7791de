"""The WebSocket session against the simulated exchange: subscriptions, gaps, repairs, the end of a market."""

from __future__ import annotations

import pytest

from markets.kalshi import errors
from markets.kalshi.order_entry import Buy
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Market
from markets.kalshi.vocabulary import MarketResult, OrderStatus, Side
from markets.kalshi.ws import frames
from markets.kalshi.ws.error_codes import Reaction
from markets.kalshi.ws.session import Session
from tests.simulator.served import Served

from ..bodies import present
from .steps import kinds, order, position_of, signer_of, until

pytestmark = pytest.mark.timeout(60)


def test_a_book_is_the_same_over_rest_and_over_the_socket_in_both_orientations(
    twin: Served, client: KalshiClient, session: Session, market: Market
) -> None:
    book = client.catalogue.orderbook(market.ticker)
    assert book.yes == ((4000, 5000), (3900, 10_000))
    assert book.no == ((5700, 725), (5500, 3000))
    assert client.catalogue.orderbooks([market.ticker]) == {market.ticker: book}
    session.subscribe(["orderbook_delta"], [market.ticker], use_yes_price=False)
    (plain,) = kinds(until(session, lambda x: kinds(x, frames.BookSnapshot)), frames.BookSnapshot)
    other = Session(client.environment, signer_of(twin))
    other.connect()
    other.subscribe(["orderbook_delta"], [market.ticker], use_yes_price=True)
    (turned,) = kinds(until(other, lambda x: kinds(x, frames.BookSnapshot)), frames.BookSnapshot)
    assert (plain.yes, plain.no) == (turned.yes, turned.no) == (book.yes, book.no)
    client.orders.create(order(Buy, market, Side.YES, 4300, 100))
    deltas = [kinds(until(s, lambda x: kinds(x, frames.BookDelta)), frames.BookDelta)[0] for s in (session, other)]
    assert [(d.side, d.price, d.delta) for d in deltas] == [(Side.NO, 5700, -100)] * 2
    other.close()


def test_fills_over_the_socket_are_those_over_rest(client: KalshiClient, session: Session, market: Market) -> None:
    session.subscribe(["fill", "user_orders", "market_positions"])
    until(session, lambda x: len(kinds(x, frames.Ack)) == 3)
    wanted = order(Buy, market, Side.NO, 6100, 700)
    result = client.orders.create(wanted)
    found = until(
        session,
        lambda x: (
            kinds(x, frames.FillFrame) and kinds(x, frames.UserOrderFrame) and kinds(x, frames.MarketPositionFrame)
        ),
    )
    listed = list(client.portfolio.fills(order_id=result.order_id))
    over_socket = kinds(found, frames.FillFrame)
    assert {x.trade_id for x in over_socket} == {x.fill_id for x in listed}
    assert sum(x.fee for x in over_socket) == sum(x.fee for x in listed)
    assert {x.client_order_id for x in over_socket} == {wanted.client_order_id}
    assert {x.outcome_side for x in over_socket} == {Side.NO}
    assert over_socket[-1].post_position == position_of(client, market) == -700
    (own,) = [x for x in kinds(found, frames.UserOrderFrame) if x.status is OrderStatus.EXECUTED]
    assert (own.order_id, own.fill_count) == (result.order_id, 700)
    assert kinds(found, frames.MarketPositionFrame)[-1].position == -700


def test_lost_frames_are_noticed_and_repaired_by_a_snapshot(
    twin: Served, client: KalshiClient, session: Session, market: Market
) -> None:
    session.subscribe(["orderbook_delta"], [market.ticker])
    until(session, lambda x: kinds(x, frames.BookSnapshot))
    twin.control("faults", kind="drop", channel="orderbook_delta", ticker=market.ticker)
    client.orders.create(order(Buy, market, Side.YES, 4300, 100))
    client.orders.create(order(Buy, market, Side.YES, 4300, 100))
    found = until(session, lambda x: kinds(x, frames.BookDelta))
    assert [type(frame) for frame in found] == [frames.GapFrame, frames.BookDelta]
    sid = present(session.sid_of("orderbook_delta"))
    assert found[0].sid == sid
    command = session.get_snapshot(sid, [market.ticker])
    (snapshot,) = kinds(until(session, lambda x: kinds(x, frames.BookSnapshot)), frames.BookSnapshot)
    assert (snapshot.id, snapshot.no) == (command, client.catalogue.orderbook(market.ticker).no)
    assert session.pending == {}


def test_repeated_frames_are_dropped(twin: Served, client: KalshiClient, session: Session, market: Market) -> None:
    session.subscribe(["orderbook_delta"], [market.ticker])
    until(session, lambda x: kinds(x, frames.BookSnapshot))
    twin.control("faults", kind="duplicate", channel="orderbook_delta", ticker=market.ticker)
    client.orders.create(order(Buy, market, Side.YES, 4300, 100))
    until(session, lambda x: session.intake.tally.duplicates == 1)
    assert session.intake.sequence.gaps == 0


def test_subscriptions_grow_and_shrink_without_a_gap(
    client: KalshiClient, session: Session, markets: list[Market]
) -> None:
    some = [markets.pop().ticker for _ in range(3)]
    session.subscribe(["orderbook_delta"], some[:1])
    until(session, lambda x: kinds(x, frames.BookSnapshot))
    sid = present(session.sid_of("orderbook_delta"))
    session.add_markets(sid, some[1:])
    found = until(session, lambda x: len(kinds(x, frames.BookSnapshot)) == 2 and not session.pending)
    assert set(kinds(found, frames.Ack)[0].market_tickers) == set(some)
    session.delete_markets(sid, some[:1])
    until(session, lambda x: not session.pending)
    session.subscribe(["orderbook_delta"], some)
    until(session, lambda x: not session.pending)
    assert session.sid_of("orderbook_delta") == sid
    session.list_subscriptions()
    (listed,) = kinds(until(session, lambda x: not session.pending), frames.Ack)
    assert listed.subscriptions == (("orderbook_delta", sid),)
    session.unsubscribe([sid])
    until(session, lambda x: not session.pending)
    assert session.sid_of("orderbook_delta") is None
    assert session.intake.sequence.gaps == 0


def test_an_overflow_ends_the_subscription_and_a_new_one_starts_clean(
    twin: Served, session: Session, market: Market
) -> None:
    session.subscribe(["orderbook_delta"], [market.ticker])
    until(session, lambda x: kinds(x, frames.BookSnapshot))
    twin.control("overflow")
    (error,) = kinds(until(session, lambda x: kinds(x, frames.ErrorFrame)), frames.ErrorFrame)
    assert (error.code, error.reaction) == (25, Reaction.RESUBSCRIBE)
    assert session.sid_of("orderbook_delta") is None
    session.subscribe(["orderbook_delta"], [market.ticker])
    found = until(session, lambda x: kinds(x, frames.BookSnapshot))
    assert not kinds(found, frames.GapFrame)


def test_wrong_commands_are_reported_by_their_id(session: Session) -> None:
    command = session.subscribe(["nonsense"])
    (error,) = kinds(until(session, lambda x: kinds(x, frames.ErrorFrame)), frames.ErrorFrame)
    assert (error.id, error.code, error.reaction) == (command, 8, Reaction.FIX)
    command = session.unsubscribe([4711])
    (error,) = kinds(until(session, lambda x: kinds(x, frames.ErrorFrame)), frames.ErrorFrame)
    assert (error.id, error.code) == (command, 7)
    assert session.pending == {}


def test_a_dropped_connection_is_reported_and_a_new_session_starts_over(
    twin: Served, client: KalshiClient, session: Session, market: Market
) -> None:
    session.subscribe(["orderbook_delta"], [market.ticker])
    until(session, lambda x: kinds(x, frames.BookSnapshot))
    twin.control("disconnect")
    with pytest.raises(errors.Disconnected):
        until(session, lambda x: False)
    again = Session(client.environment, signer_of(twin))
    again.connect()
    again.subscribe(["orderbook_delta"], [market.ticker])
    (snapshot,) = kinds(until(again, lambda x: kinds(x, frames.BookSnapshot)), frames.BookSnapshot)
    assert snapshot.seq == 1
    again.close()


def test_a_markets_end_is_announced_step_by_step_and_paid(
    twin: Served, client: KalshiClient, session: Session, market: Market
) -> None:
    session.subscribe(["market_lifecycle_v2"])
    until(session, lambda x: kinds(x, frames.Ack))
    client.orders.create(order(Buy, market, Side.YES, 4300, 300))
    twin.control("market/structure", ticker=market.ticker, structure="deci_cent")
    twin.control("market/close", ticker=market.ticker)
    twin.control("market/determine", ticker=market.ticker, result="yes", hold=True)
    twin.control("market/finalize", ticker=market.ticker)
    found = kinds(
        until(session, lambda x: any(y.event_type == "settled" for y in kinds(x, frames.LifecycleFrame))),
        frames.LifecycleFrame,
    )
    mine = [frame for frame in found if frame.market_ticker == market.ticker]
    assert all(frame.event_type.is_known for frame in mine)
    (grid,) = [frame for frame in mine if frame.price_bands]
    assert {band.step for band in grid.price_bands} == {10}
    (determined,) = [frame for frame in mine if frame.event_type == "determined"]
    assert (determined.result, determined.settlement_value) == (MarketResult.YES, 10_000)
    (settled,) = client.portfolio.settlements(ticker=market.ticker)
    assert (settled.market_result, settled.yes_count, settled.revenue) == (MarketResult.YES, 300, 3_000_000)
    assert position_of(client, market) == 0
    assert client.catalogue.market(market.ticker).settlement_value == 10_000
