"""The client against the simulated exchange: two programs that share no code and must understand each other."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kalbot.common.units import CONTRACT, Count, Money, Price, complement
from markets.kalshi import errors
from markets.kalshi.clock_skew import now_ms
from markets.kalshi.environment import from_settings
from markets.kalshi.order_entry import AmendOrder, Buy, CreateOrder, Sell
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.resolution import Outcome
from markets.kalshi.schemas import Market
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.signing import Signer
from markets.kalshi.vocabulary import MarketResult, OrderStatus, Side, TimeInForce
from markets.kalshi.ws import frames
from markets.kalshi.ws.error_codes import Reaction
from markets.kalshi.ws.session import Session
from tests.simulator.served import Served

from .bodies import present

pytestmark = pytest.mark.timeout(60)

YES_LEVELS = [["0.4000", "50.00"], ["0.3900", "100.00"]]
NO_LEVELS = [["0.5700", "7.25"], ["0.5500", "30.00"]]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(tmp_path_factory.mktemp("twin"), "--still", "--no-rate-limits", "--seed", "5", "--port", "0")
    yield running
    running.stop()


def signer_of(running: Served) -> Signer:
    folder = Path(running.ready["credentials"])
    return Signer.from_file(running.ready["key_id"], folder / "private_key.pem")


@pytest.fixture
def client(twin: Served) -> Iterator[KalshiClient]:
    environment = from_settings(twin.ready["rest"], twin.ready["ws"])
    with KalshiClient(environment, signer_of(twin), timeout=(1.0, 1.0)) as made:
        yield made


@pytest.fixture(scope="module")
def markets(twin: Served) -> list[Market]:
    """Markets of shard 0 with a book of known levels: no two tests take the same one."""
    with KalshiClient(from_settings(twin.ready["rest"], twin.ready["ws"])) as public:
        found = [m for page in public.catalogue.events() for event in page.events for m in event.markets]
    chosen = [m for m in found if m.exchange_index == 0 and m.price_level_structure == "linear_cent"][:40]
    for market in chosen:
        twin.control("market/book", ticker=market.ticker, yes=YES_LEVELS, no=NO_LEVELS)
    return chosen


@pytest.fixture
def market(markets: list[Market]) -> Market:
    return markets.pop()


@pytest.fixture
def session(twin: Served, client: KalshiClient) -> Iterator[Session]:
    opened = Session(client.environment, signer_of(twin))
    opened.connect()
    yield opened
    assert opened.intake.tally.balances
    assert opened.intake.tally.rejected == 0, list(opened.intake.tally.samples)
    opened.close()


def until(session: Session, enough: Callable[[list[Any]], object], seconds: float = 3.0) -> list[Any]:
    found: list[Any] = []
    end = time.monotonic() + seconds
    while not enough(found) and time.monotonic() < end:
        found += session.receive(0.05)
    assert enough(found), found
    return found


def kinds(frames: list[Any], *wanted: type) -> list[Any]:
    return [frame for frame in frames if isinstance(frame, wanted)]


def order(
    kind: type[CreateOrder], market: Market, side: Side, price: int, count: int = 100, **more: Any
) -> CreateOrder:
    return kind(
        ticker=market.ticker,
        side=side,
        price=Price(price),
        count=Count(count),
        client_order_id=str(uuid.uuid4()),
        exchange_index=market.exchange_index,
        **more,
    )


def position_of(client: KalshiClient, market: Market) -> int:
    return sum(p.position for p in client.portfolio.positions(ticker=market.ticker))


def test_the_whole_catalogue_is_read_and_nothing_refused(client: KalshiClient) -> None:
    pages = list(client.catalogue.events())
    assert sum(len(page.rejected) for page in pages) == 0
    events = [event for page in pages for event in page.events]
    assert len(events) == 322
    assert sum(len(event.markets) for event in events) == 1630
    assert len({event.event_ticker for event in events}) == 322
    assert all(market.price_bands for event in events for market in event.markets)
    listed = [m.ticker for page in client.catalogue.markets("open", limit=500) for m in page.markets]
    assert sorted(listed) == sorted(m.ticker for event in events for m in event.markets)
    series = client.catalogue.series_list()
    assert {event.series_ticker for event in events} <= {s.ticker for s in series}
    assert series.rejected == ()


def test_status_schedule_limits_costs_and_keys(client: KalshiClient) -> None:
    assert client.exchange.status().can_trade(0)
    assert client.exchange.schedule().maintenance
    assert client.learn_limits().usage_tier == "basic"
    key = client.account.api_keys().get(present(client.transport.signer).key_id)
    assert present(key).allows("write::trade")
    assert abs(present(client.clock_skew_ms)) < 1500


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


@pytest.mark.parametrize(("side", "ask", "bid", "sign"), [(Side.YES, 4300, 4000, 1), (Side.NO, 6000, 5700, -1)])
def test_a_bought_side_is_held_and_a_sale_of_it_closes_it(
    client: KalshiClient, market: Market, side: Side, ask: int, bid: int, sign: int
) -> None:
    bought = client.orders.create(order(Buy, market, side, ask, 200))
    assert (bought.fill_count, bought.remaining_count) == (200, 0)
    assert position_of(client, market) == sign * 200
    (fill,) = client.portfolio.fills(order_id=bought.order_id)
    assert (fill.outcome_side, fill.price, fill.count, fill.is_taker) == (side, ask, 200, True)
    sold = client.orders.create(order(Sell, market, side, bid, 200))
    assert sold.fill_count == 200
    assert position_of(client, market) == 0
    (fill,) = client.portfolio.fills(order_id=sold.order_id)
    assert (fill.outcome_side, complement(fill.price)) == (side.other, bid)


def test_a_sale_never_opens_the_other_side(client: KalshiClient, market: Market) -> None:
    client.orders.create(order(Buy, market, Side.YES, 4300, 100))
    sold = client.orders.create(order(Sell, market, Side.YES, 100, 500))
    assert (sold.fill_count, sold.remaining_count) == (100, 0)
    assert position_of(client, market) == 0


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


def test_a_resting_order_is_queued_changed_and_cancelled_once(client: KalshiClient, market: Market) -> None:
    resting = client.orders.create(
        order(Buy, market, Side.NO, 5000, 300, time_in_force=TimeInForce.GTC, post_only=True)
    )
    assert (resting.fill_count, resting.remaining_count, resting.is_resting) == (0, 300, True)
    (queued,) = client.orders.queue_positions(market_tickers=[market.ticker])
    assert (queued.order_id, queued.ahead) == (resting.order_id, 0)
    assert client.orders.get(resting.order_id).price == 5000
    decreased = client.orders.decrease(resting.order_id, market.ticker, 0, reduce_by=Count(100))
    assert decreased.remaining_count == 200
    client.orders.amend(
        AmendOrder(
            order_id=resting.order_id,
            ticker=market.ticker,
            outcome_side=Side.NO,
            price=Price(5100),
            count=Count(150),
            exchange_index=0,
        )
    )
    order_now = client.orders.get(resting.order_id)
    assert (order_now.price, order_now.remaining_count) == (5100, 150)
    with pytest.raises(errors.NotFound):
        client.orders.cancel(resting.order_id, market.ticker, 3)
    assert client.orders.cancel(resting.order_id, market.ticker, 0).reduced_by == 150
    with pytest.raises(errors.NotFound):
        client.orders.cancel(resting.order_id, market.ticker, 0)
    assert client.orders.get(resting.order_id).status is OrderStatus.CANCELED


def test_cancel_all_takes_every_resting_order_and_those_of_the_next_minute(
    client: KalshiClient, twin: Served, markets: list[Market]
) -> None:
    twin.control("settings", cancel_all_lingers=False)
    resting = [
        client.orders.create(order(Buy, m, Side.YES, 3000, time_in_force=TimeInForce.GTC))
        for m in (markets.pop(), markets.pop())
    ]
    client.orders.cancel_all()
    assert {client.orders.get(r.order_id).status for r in resting} == {OrderStatus.CANCELED}
    twin.control("settings", cancel_all_lingers=True)


def test_refusals_have_their_own_kinds(client: KalshiClient, market: Market) -> None:
    with pytest.raises(errors.Rejected, match="invalid_price"):
        client.orders.create(order(Buy, market, Side.YES, 4305))
    with pytest.raises(errors.Killed):
        client.orders.create(order(Buy, market, Side.YES, 4300, 10_000, time_in_force=TimeInForce.FOK))
    with pytest.raises(errors.Rejected, match="post only"):
        client.orders.create(order(Buy, market, Side.YES, 4300, time_in_force=TimeInForce.GTC, post_only=True))
    with pytest.raises(errors.InsufficientBalance):
        client.orders.create(order(Buy, market, Side.YES, 3800, 100_000_000, time_in_force=TimeInForce.GTC))
    met_nothing = client.orders.create(order(Buy, market, Side.YES, 100))
    assert (met_nothing.fill_count, met_nothing.remaining_count) == (0, 0)
    once = order(Buy, market, Side.YES, 4300)
    client.orders.create(once)
    with pytest.raises(errors.AlreadyExists):
        client.orders.create(once)
    with pytest.raises(errors.NotFound):
        client.catalogue.market("KXNOSUCH")
    with pytest.raises(errors.NotFound):
        client.orders.get(str(uuid.uuid4()))


def test_a_batch_is_partly_accepted(client: KalshiClient, markets: list[Market]) -> None:
    first, second, third = markets.pop(), markets.pop(), markets.pop()
    items = client.orders.batch_create(
        [order(Buy, first, Side.YES, 4300), order(Buy, second, Side.YES, 4305), order(Buy, third, Side.NO, 6000)]
    )
    assert [item.error is None for item in items] == [True, False, True]
    assert [position_of(client, m) for m in (first, second, third)] == [100, 0, -100]


def test_a_paused_shard_and_a_closed_market(twin: Served, client: KalshiClient, markets: list[Market]) -> None:
    paused, closed = markets.pop(), markets.pop()
    twin.control("status", trading_paused=True, shard=0)
    assert not client.exchange.status().can_trade(0)
    assert client.exchange.status().can_trade(2)
    with pytest.raises(errors.Paused):
        client.orders.create(order(Buy, paused, Side.YES, 4300))
    twin.control("status", trading_paused=False, shard=0)
    twin.control("market/close", ticker=closed.ticker)
    with pytest.raises(errors.MarketInactive):
        client.orders.create(order(Buy, closed, Side.YES, 4300))


@pytest.mark.parametrize(
    "fault", [{"kind": "timeout"}, {"kind": "error", "status": 503}, {"kind": "error", "status": 500}]
)
def test_an_order_that_was_taken_though_the_answer_was_lost_is_found(
    twin: Served, client: KalshiClient, market: Market, fault: Json
) -> None:
    twin.control("faults", **fault, when="after", method="POST", path="/portfolio/events/orders")
    lost, sent = order(Buy, market, Side.YES, 4300, 300), now_ms()
    with pytest.raises(errors.OutcomeUnknown):
        client.orders.create(lost)
    found = client.resolve_create(lost, sent)
    assert found.outcome is Outcome.FOUND
    assert (present(found.order).client_order_id, present(found.order).fill_count) == (lost.client_order_id, 300)
    assert position_of(client, market) == 300


@pytest.mark.parametrize("fault", [{"kind": "timeout"}, {"kind": "error", "status": 503}])
def test_an_order_that_was_not_taken_is_not_assumed_absent_and_can_be_sent_again_under_its_id(
    twin: Served, client: KalshiClient, market: Market, fault: Json
) -> None:
    twin.control("faults", **fault, when="before", method="POST", path="/portfolio/events/orders")
    lost, sent = order(Buy, market, Side.YES, 4300, 300), now_ms()
    with pytest.raises(errors.OutcomeUnknown):
        client.orders.create(lost)
    assert client.resolve_create(lost, sent).outcome is Outcome.UNKNOWN
    placed = client.resolve_create(lost, sent, resend=True)
    assert (placed.outcome, present(placed.result).fill_count) == (Outcome.PLACED, 300)
    assert client.resolve_create(lost, sent).outcome is Outcome.FOUND
    assert position_of(client, market) == 300


def test_reads_get_through_errors_and_rate_limits(twin: Served, client: KalshiClient) -> None:
    twin.control("faults", kind="error", status=502, method="GET", path="/portfolio/balance", count=2)
    twin.control("faults", kind="rate_limit", method="GET", path="/exchange/schedule", count=2)
    assert client.portfolio.balance().on_shard(0) is not None
    assert client.exchange.schedule().weeks


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


def test_cash_moves_between_shards(client: KalshiClient) -> None:
    before = client.portfolio.balance()
    transfer = client.portfolio.cash.transfer_between_shards(0, 2, Money(1_000_000), str(uuid.uuid4()))
    end = time.monotonic() + 8
    while not client.portfolio.cash.shard_transfer(transfer).is_complete and time.monotonic() < end:
        time.sleep(0.1)
    after = client.portfolio.balance()
    assert present(after.on_shard(2)) - present(before.on_shard(2)) == 1_000_000
    assert present(before.on_shard(0)) - present(after.on_shard(0)) == 1_000_000


def test_a_wrong_clock_and_a_wrong_key_are_refused(twin: Served, client: KalshiClient) -> None:
    late = KalshiClient(client.environment, signer_of(twin), clock=lambda: now_ms() - 60_000)
    with late, pytest.raises(errors.Unauthorised, match="header_timestamp_expired"):
        late.account.limits()
    assert 58_000 < present(late.clock_skew_ms) < 62_000
    unknown = Signer(str(uuid.uuid4()), signer_of(twin)._key)
    with KalshiClient(client.environment, unknown) as stranger, pytest.raises(errors.Unauthorised):
        stranger.account.limits()
    with pytest.raises(errors.Unauthorised):
        Session(client.environment, unknown).connect()


def test_an_ed25519_key_is_understood_too(tmp_path: Path) -> None:
    running = Served(tmp_path, "--still", "--key-type", "ed25519", "--port", "0")
    try:
        environment = from_settings(running.ready["rest"], running.ready["ws"])
        with KalshiClient(environment, signer_of(running)) as client:
            assert client.portfolio.balance().available > 0
        session = Session(environment, signer_of(running))
        session.connect()
        session.close()
    finally:
        running.stop()


def test_without_tokens_in_the_exchanges_bucket_a_write_waits_its_turn(
    twin: Served, client: KalshiClient, markets: list[Market]
) -> None:
    twin.control("settings", rate_limits=True)
    try:
        chosen = markets.pop()
        for _ in range(14):
            client.orders.create(order(Buy, chosen, Side.YES, 100, CONTRACT))
    finally:
        twin.control("settings", rate_limits=False)
