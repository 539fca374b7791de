"""Own orders and fills as the exchange lists them (docs/kalshi-protocol.md 9.7, 10)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kalbot.common.units import DOLLAR_PRICE, Count, Money, Price, UnitError, complement, parse_money

from ..scalars import (
    level_price,
    moment,
    moment_from_seconds,
    optional_money,
    positive_count,
)
from ..sizes import ClientId, Identifier, MarketTicker, Seconds, Shard, Subaccount
from ..vocabulary import BookSide, OrderStatus, Side
from .boundary import decoder_of


class OrderWire(msgspec.Struct, kw_only=True):
    order_id: Identifier
    ticker: MarketTicker
    outcome_side: str
    book_side: str
    status: str
    yes_price_dollars: str
    no_price_dollars: str
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str
    client_order_id: ClientId | None = None
    taker_fill_cost_dollars: str | None = None
    maker_fill_cost_dollars: str | None = None
    taker_fees_dollars: str | None = None
    maker_fees_dollars: str | None = None
    expiration_time: str | None = None
    created_time: str | None = None
    last_update_time: str | None = None
    order_group_id: str | None = None
    subaccount_number: Subaccount | None = None
    exchange_index: Shard | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange has it; such reads lag behind acknowledged writes (docs/kalshi-protocol.md 9.7).

    ``outcome_side`` is the side the order moves the account towards: a bid is ``yes``, an ask ``no``, so
    selling a held YES reads ``no``. An order placed by hand has an empty ``client_order_id``. ``initial_count`` is as created,
    before amends. Fees and costs are Money totals.
    """

    order_id: str
    client_order_id: str
    ticker: str
    outcome_side: Side
    book_side: BookSide
    status: OrderStatus
    yes_price: Price
    initial_count: Count
    fill_count: Count
    remaining_count: Count
    taker_fill_cost: Money
    maker_fill_cost: Money
    taker_fees: Money
    maker_fees: Money
    expiration: datetime | None
    created: datetime | None
    last_update: datetime | None
    order_group_id: str | None
    subaccount: int | None
    exchange_index: int | None

    @property
    def price(self) -> Price:
        """Limit price in the order's own outcome."""
        return self.yes_price if self.outcome_side is Side.YES else complement(self.yes_price)

    @property
    def fees(self) -> Money:
        """Fees so far."""
        return Money(self.taker_fees + self.maker_fees)


class FillWire(msgspec.Struct, kw_only=True):
    fill_id: Identifier
    order_id: Identifier
    ticker: MarketTicker
    outcome_side: str
    book_side: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str
    is_taker: bool
    fee_cost: str
    created_time: str | None = None
    subaccount_number: Subaccount | None = None
    ts: Seconds | None = None
    exchange_index: Shard | None = None


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. ``fill_id`` equals the trade id on the WebSocket; join to own orders by ``order_id``.

    ``outcome_side`` is the side the fill moved the account towards (see Order); ``fee`` is the exact net fee.
    """

    fill_id: str
    order_id: str
    ticker: str
    outcome_side: Side
    book_side: BookSide
    count: Count
    yes_price: Price
    is_taker: bool
    fee: Money
    created: datetime | None
    subaccount: int | None
    exchange_index: int | None

    @property
    def price(self) -> Price:
        """Price in the fill's own outcome."""
        return self.yes_price if self.outcome_side is Side.YES else complement(self.yes_price)


def direction(outcome_side: str, book_side: str) -> tuple[Side, BookSide]:
    """Both words for one direction; they must agree, or the direction is not known: ValueError."""
    side, book = Side(outcome_side), BookSide(book_side)
    if (side is Side.YES) != (book is BookSide.BID):
        raise ValueError(f"outcome side {outcome_side!r} contradicts book side {book_side!r}")
    return side, book


def both_prices(yes: str, no: str) -> Price:
    """The YES price of a pair that must be one dollar together."""
    price = level_price(yes)
    if price + level_price(no) != DOLLAR_PRICE:
        raise UnitError(f"YES price {yes!r} and NO price {no!r} are not a dollar together")
    return price


def build_order(w: OrderWire) -> Order:
    """Wire to ours; refuses an unknown status or side, contradicting prices, negative counts."""
    outcome_side, book_side = direction(w.outcome_side, w.book_side)
    return Order(
        order_id=w.order_id,
        client_order_id=w.client_order_id or "",
        ticker=w.ticker,
        outcome_side=outcome_side,
        book_side=book_side,
        status=OrderStatus(w.status),
        yes_price=both_prices(w.yes_price_dollars, w.no_price_dollars),
        initial_count=positive_count(w.initial_count_fp),
        fill_count=positive_count(w.fill_count_fp),
        remaining_count=positive_count(w.remaining_count_fp),
        taker_fill_cost=optional_money(w.taker_fill_cost_dollars),
        maker_fill_cost=optional_money(w.maker_fill_cost_dollars),
        taker_fees=optional_money(w.taker_fees_dollars),
        maker_fees=optional_money(w.maker_fees_dollars),
        expiration=moment(w.expiration_time),
        created=moment(w.created_time),
        last_update=moment(w.last_update_time),
        order_group_id=w.order_group_id or None,
        subaccount=w.subaccount_number,
        exchange_index=w.exchange_index,
    )


def build_fill(w: FillWire) -> Fill:
    """Wire to ours; refuses contradicting sides or prices and an empty fill."""
    outcome_side, book_side = direction(w.outcome_side, w.book_side)
    count = positive_count(w.count_fp)
    if count == 0:
        raise UnitError(f"fill {w.fill_id} of nothing")
    return Fill(
        fill_id=w.fill_id,
        order_id=w.order_id,
        ticker=w.ticker,
        outcome_side=outcome_side,
        book_side=book_side,
        count=count,
        yes_price=both_prices(w.yes_price_dollars, w.no_price_dollars),
        is_taker=w.is_taker,
        fee=parse_money(w.fee_cost),
        created=moment(w.created_time) or moment_from_seconds(w.ts),
        subaccount=w.subaccount_number,
        exchange_index=w.exchange_index,
    )


ORDER = decoder_of(OrderWire)
FILL = decoder_of(FillWire)
