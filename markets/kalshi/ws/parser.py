"""From one WebSocket message in the wire's shape to a frame in ours.

Raises ValueError for what must not be believed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kalbot.common.units import DOLLAR_PRICE, Count, Price, UnitError, complement, parse_count, parse_money
from markets.kalshi.schemas.orderbook import build_side, checked_book
from markets.kalshi.schemas.orders import both_prices, direction

from ..scalars import COUNTS, PRICES, level_price, positive_count
from ..vocabulary import OrderStatus, Side
from .error_codes import reaction_to
from .frames import (
    Ack,
    BookDelta,
    BookSnapshot,
    ErrorFrame,
    FillFrame,
    Frame,
    MarketPositionFrame,
    OrderGroupFrame,
    TickerFrame,
    TradeFrame,
    UserOrderFrame,
)
from .lifecycle_parser import event_fee, event_lifecycle, lifecycle
from .wire import (
    Delta,
    DeltaMsg,
    Error,
    EventFee,
    EventLifecycle,
    Fill,
    Lifecycle,
    Ok,
    OrderGroup,
    Position,
    Snapshot,
    Subscribed,
    Ticker,
    Trade,
    Unsubscribed,
    UserOrder,
)

_YES, _NO = Side.YES, Side.NO
_NOTHING = Count(0)
_TOP = DOLLAR_PRICE


def ticker(wire: Ticker) -> TickerFrame:
    """Best prices; a side with size has a price strictly inside the dollar, and the two do not cross."""
    m = wire.msg
    bid: Price | None = PRICES[m.yes_bid_dollars]
    ask: Price | None = PRICES[m.yes_ask_dollars]
    bid_size, ask_size = COUNTS[m.yes_bid_size_fp], COUNTS[m.yes_ask_size_fp]
    volume, interest = COUNTS[m.volume_fp], COUNTS[m.open_interest_fp]
    if bid_size <= 0 or ask_size <= 0 or not 0 < bid < ask < _TOP:  # type: ignore[operator]  # table lookups never give None
        bid, bid_size = _one_side(bid, bid_size)
        ask, ask_size = _one_side(ask, ask_size)
        if bid is not None and ask is not None and bid >= ask:
            raise UnitError(f"crossed ticker: bid {m.yes_bid_dollars}, ask {m.yes_ask_dollars}")
    if volume < 0 or interest < 0:
        raise UnitError("negative volume or open interest")
    ts_ms = m.ts_ms
    if ts_ms is None:
        ts_ms = (m.ts or 0) * 1000
    return TickerFrame(
        wire.sid,
        m.market_ticker,
        PRICES[m.price_dollars] or None,
        bid,
        bid_size,
        ask,
        ask_size,
        volume,
        interest,
        ts_ms,
    )


def delta(wire: Delta, no_is_yes_priced: bool) -> BookDelta:
    """A change of one level.

    With ``no_is_yes_priced`` a NO level's price came as the YES price it is an ask at.
    """
    m = wire.msg
    is_yes, price, change = level_change(m, no_is_yes_priced)
    side = _YES if is_yes else _NO
    return BookDelta(wire.sid, wire.seq, m.market_ticker, side, price, change, m.clock, m.ts_ms, m.client_order_id)


def level_change(m: DeltaMsg, no_is_yes_priced: bool) -> tuple[bool, Price, Count]:
    """Whether a change is of a YES level, at which price, and by how much: what ``delta`` has of it, for who needs no more."""
    price = PRICES[m.price_dollars]
    if not 0 < price < _TOP:
        raise UnitError(f"no level can have the price {m.price_dollars!r}")
    if m.side == "no":
        return False, complement(price) if no_is_yes_priced else price, COUNTS[m.delta_fp]
    return True, price, COUNTS[m.delta_fp]


def snapshot(wire: Snapshot, no_is_yes_priced: bool) -> BookSnapshot:
    """A whole book. A crossed one has its NO prices misread or is corrupt, and is refused."""
    m = wire.msg
    no = build_side(m.no_dollars_fp)
    if no_is_yes_priced:
        no = tuple((complement(price), count) for price, count in reversed(no))
    book = checked_book(build_side(m.yes_dollars_fp), no)
    return BookSnapshot(wire.sid, wire.seq, m.market_ticker, book.yes, book.no, m.clock, wire.id)


def trade(wire: Trade) -> TradeFrame:
    """A public trade whose two prices are a dollar together."""
    m = wire.msg
    return TradeFrame(
        wire.sid,
        wire.seq,
        m.market_ticker,
        m.trade_id,
        both_prices(m.yes_price_dollars, m.no_price_dollars),
        positive_count(m.count_fp),
        Side(m.taker_outcome_side or m.taker_side or ""),
        m.is_block_trade,
        (m.ts or 0) * 1000 if m.ts_ms is None else m.ts_ms,
    )


def fill(wire: Fill) -> FillFrame:
    """An own execution; contradicting directions and an empty fill are refused."""
    m = wire.msg
    outcome_side, book_side = direction(m.outcome_side, m.book_side)
    count = positive_count(m.count_fp)
    if count == 0:
        raise UnitError(f"fill {m.trade_id} of nothing")
    return FillFrame(
        wire.sid,
        m.trade_id,
        m.order_id,
        m.client_order_id or None,
        m.market_ticker,
        m.exchange_index,
        outcome_side,
        book_side,
        level_price(m.yes_price_dollars),
        count,
        parse_money(m.fee_cost),
        m.is_taker,
        parse_count(m.post_position_fp),
        m.ts_ms,
        m.subaccount,
    )


def user_order(wire: UserOrder) -> UserOrderFrame:
    """An own order; an unknown status or side is refused."""
    m = wire.msg
    outcome_side, book_side = direction(m.outcome_side, m.book_side)
    return UserOrderFrame(
        wire.sid,
        m.order_id,
        m.client_order_id or "",
        m.ticker,
        m.exchange_index,
        OrderStatus(m.status),
        outcome_side,
        book_side,
        level_price(m.yes_price_dollars),
        positive_count(m.initial_count_fp),
        positive_count(m.fill_count_fp),
        positive_count(m.remaining_count_fp),
        parse_money(m.taker_fill_cost_dollars),
        parse_money(m.maker_fill_cost_dollars),
        parse_money(m.taker_fees_dollars),
        parse_money(m.maker_fees_dollars),
        m.order_group_id or None,
        m.created_ts_ms,
        m.last_updated_ts_ms,
        m.last_update_reason or "",
        m.subaccount_number,
    )


def position(wire: Position) -> MarketPositionFrame:
    """An own position."""
    m = wire.msg
    return MarketPositionFrame(
        wire.sid,
        m.market_ticker,
        parse_count(m.position_fp),
        parse_money(m.position_cost_dollars),
        parse_money(m.realized_pnl_dollars),
        parse_money(m.fees_paid_dollars),
        parse_money(m.position_fee_cost_dollars),
        positive_count(m.volume_fp),
        m.subaccount,
    )


def order_group(wire: OrderGroup) -> OrderGroupFrame:
    """An order group's change."""
    m = wire.msg
    limit = positive_count(m.contracts_limit_fp) if m.contracts_limit_fp else None
    return OrderGroupFrame(wire.sid, wire.seq, m.event_type, m.order_group_id, limit, m.ts_ms)


def subscribed(wire: Subscribed) -> Ack:
    """A subscription's number."""
    return Ack(kind="subscribed", id=wire.id, sid=wire.msg.sid, channel=wire.msg.channel)


def unsubscribed(wire: Unsubscribed) -> Ack:
    """The end of a subscription."""
    return Ack(kind="unsubscribed", id=wire.id, sid=wire.sid, seq=wire.seq)


def ok(wire: Ok) -> Ack:
    """An update carried out, or the list of subscriptions."""
    if isinstance(wire.msg, list):
        listed = tuple((item.channel, item.sid) for item in wire.msg)
        return Ack(kind="list", id=wire.id, sid=wire.sid, seq=wire.seq, subscriptions=listed)
    tickers = wire.msg.market_tickers if wire.msg is not None else None
    return Ack(kind="ok", id=wire.id, sid=wire.sid, seq=wire.seq, market_tickers=tickers)


def error(wire: Error) -> ErrorFrame:
    """A complaint with what helps against it."""
    m = wire.msg
    single = (m.market_ticker,) if m.market_ticker else ()
    return ErrorFrame(
        code=m.code,
        message=m.msg,
        reaction=reaction_to(m.code),
        id=wire.id or None,
        sid=wire.sid,
        seq=wire.seq,
        market_tickers=m.market_tickers or single,
    )


BUILDERS: Final[dict[type, Callable[[Any], Frame]]] = {
    Trade: trade,
    Fill: fill,
    UserOrder: user_order,
    Position: position,
    Lifecycle: lifecycle,
    EventLifecycle: event_lifecycle,
    EventFee: event_fee,
    OrderGroup: order_group,
    Subscribed: subscribed,
    Unsubscribed: unsubscribed,
    Ok: ok,
    Error: error,
}
"""Everything but tickers, deltas and snapshots, which have a way of their own in ``intake``."""


def _one_side(price: Price | None, size: Count) -> tuple[Price | None, Count]:
    if size < 0:
        raise UnitError(f"negative size {size}")
    if size == 0:
        return None, _NOTHING
    if price is None or not 0 < price < _TOP:
        raise UnitError(f"a size of {size} (1/100 contract) at an impossible price {price}")
    return price, size
