"""Order endpoints, V2 only (docs/kalshi-protocol.md 9).

Writes are sent once. The outcome of an unclear one is resolved with the exchange (``resolution``), never guessed.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kalbot.common.units import Count, format_count
from markets.kalshi.schemas.answers import (
    AmendResult,
    BatchItem,
    CancelResult,
    CreateResult,
    DecreaseResult,
    QueuePosition,
)
from markets.kalshi.schemas.boundary import Rejection, decode_page, decoder_of, parse, parse_all
from markets.kalshi.schemas.orders import ORDER, Order, OrderWire, build_order

from ..errors import OutcomeUnknown
from ..order_entry import AmendOrder, CancelOrder, CreateOrder
from ..schemas import answers
from ..schemas.listing import Listing
from .order_groups import OrderGroups
from .outcome import after_write, check_echo, check_order, check_same, check_size
from .pagination import own_records
from .transport import Check, Transport, allow

ORDERS = "/portfolio/events/orders"
ORDER_BY_ID = "/portfolio/events/orders/{order_id}"
BATCHED = "/portfolio/events/orders/batched"


class _OrderAnswer(msgspec.Struct):
    order: OrderWire


class _QueueAnswer(msgspec.Struct):
    queue_positions: list[msgspec.Raw] | None = None


ORDER_LISTING: Final = Listing("orders", ORDER, build_order)
"""A page of own orders."""
_ORDER_ANSWER = decoder_of(_OrderAnswer)
_QUEUE = decoder_of(_QueueAnswer)


class Orders:
    """Own orders. ``keep_back`` on a write leaves that many rate tokens for others, such as an unwind."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.groups = OrderGroups(transport)

    def create(self, order: CreateOrder, *, keep_back: int = 0, check: Check = allow) -> CreateResult:
        """Send one Buy or Sell; ``check`` is called just before each signature.

        Raises Rejected (and its kinds) when there is no order, Unreachable when nothing was sent,
        OutcomeUnknown when there may be one: then ``resolve_create``.
        """
        body = self._transport.write(
            "POST", ORDERS, body=order.to_wire(), shard=order.exchange_index, keep_back=keep_back, check=check
        )
        result = after_write(lambda: parse(answers.CREATE, answers.build_create, body))
        check_echo(order, result)
        return result

    def cancel(
        self,
        order_id: str,
        market_ticker: str,
        exchange_index: int,
        subaccount: int | None = None,
        *,
        keep_back: int = 0,
    ) -> CancelResult:
        """Take an order off the book.

        NotFound means that it is already terminal (or the shard is wrong): read its fills.
        """
        params = {"market_ticker": market_ticker, "exchange_index": exchange_index, "subaccount": subaccount}
        path = {"order_id": order_id}
        body = self._transport.write(
            "DELETE", ORDER_BY_ID, path=path, params=params, shard=exchange_index, keep_back=keep_back
        )
        result = after_write(lambda: parse(answers.CANCEL, answers.build_cancel, body))
        check_order(order_id, result.order_id)
        return result

    def cancel_all(self, subaccount: int | None = None) -> None:
        """Cancel every resting order on every shard; also hits orders placed up to a minute later."""
        self._transport.write("DELETE", ORDERS, params={"subaccount": subaccount})

    def batch_create(
        self, orders: Sequence[CreateOrder], *, keep_back: int = 0, check: Check = allow
    ) -> tuple[BatchItem, ...]:
        """Several creates in one request and with one signature, each with its own fate, in request order.

        Not atomic. Raises like ``create``, then for the whole batch.
        """
        wire = {"orders": [order.to_wire() for order in orders]}
        body = self._transport.write("POST", BATCHED, body=wire, items=len(orders), keep_back=keep_back, check=check)
        answered = after_write(lambda: parse(answers.BATCH_CREATE, answers.build_batch_create, body))
        if len(answered) != len(orders):
            raise OutcomeUnknown(f"a batch of {len(orders)} orders was answered with {len(answered)} items")
        for order, item in zip(orders, answered, strict=True):
            if item.client_order_id not in (None, "", order.client_order_id):
                raise OutcomeUnknown(f"batch item {order.client_order_id} was answered as {item.client_order_id}")
            if isinstance(item.result, CreateResult):
                check_echo(order, item.result)
        made = [item.result.order_id for item in answered if isinstance(item.result, CreateResult)]
        if len(set(made)) < len(made):
            raise OutcomeUnknown(f"a batch of {len(orders)} orders was answered with one order twice")
        return answered

    def batch_cancel(self, orders: Sequence[CancelOrder], *, keep_back: int = 0) -> tuple[BatchItem, ...]:
        """Several cancels in one request, each with its own fate, in request order."""
        wire = {"orders": [order.to_wire() for order in orders]}
        body = self._transport.write("DELETE", BATCHED, body=wire, items=len(orders), keep_back=keep_back)
        answered = after_write(lambda: parse(answers.BATCH_CANCEL, answers.build_batch_cancel, body))
        if len(answered) != len(orders):
            raise OutcomeUnknown(f"a batch of {len(orders)} cancels was answered with {len(answered)} items")
        for order, item in zip(orders, answered, strict=True):
            if isinstance(item.result, CancelResult):
                check_order(order.order_id, item.result.order_id)
        return answered

    def amend(self, amend: AmendOrder, *, keep_back: int = 0, check: Check = allow) -> AmendResult:
        """Change price, size or expiry of a resting order; ``check`` is called just before each signature."""
        body = self._transport.write(
            "POST",
            ORDER_BY_ID + "/amend",
            path={"order_id": amend.order_id},
            params={"subaccount": amend.subaccount},
            body=amend.to_wire(),
            shard=amend.exchange_index,
            keep_back=keep_back,
            check=check,
        )
        result = after_write(lambda: parse(answers.AMEND, answers.build_amend, body))
        check_order(amend.order_id, result.order_id)
        check_size(amend.order_id, amend.count, result.fill_count)
        check_size(amend.order_id, amend.count, result.remaining_count)
        return result

    def decrease(
        self,
        order_id: str,
        market_ticker: str,
        exchange_index: int,
        *,
        reduce_by: Count | None = None,
        reduce_to: Count | None = None,
        subaccount: int | None = None,
        keep_back: int = 0,
    ) -> DecreaseResult:
        """Make a resting order smaller: exactly one of ``reduce_by`` and ``reduce_to`` (Count), both of what has not filled yet.

        OutcomeUnknown where the answer has more left than ``reduce_to``; how much filled before is not in it: read the order.
        """
        if (reduce_by is None) == (reduce_to is None):
            raise ValueError("exactly one of reduce_by and reduce_to")
        wire: dict[str, Any] = {"market_ticker": market_ticker, "exchange_index": exchange_index}
        if reduce_by is not None:
            wire["reduce_by"] = format_count(reduce_by)
        if reduce_to is not None:
            wire["reduce_to"] = format_count(reduce_to)
        body = self._transport.write(
            "POST",
            ORDER_BY_ID + "/decrease",
            path={"order_id": order_id},
            params={"subaccount": subaccount},
            body=wire,
            shard=exchange_index,
            keep_back=keep_back,
        )
        result = after_write(lambda: parse(answers.DECREASE, answers.build_decrease, body))
        check_order(order_id, result.order_id)
        if reduce_to is not None:
            check_size(order_id, reduce_to, result.remaining_count)
        return result

    def get(self, order_id: str) -> Order:
        """One order.

        It may show ``resting`` for a moment after an acknowledged cancel (docs/kalshi-protocol.md 9.7).
        """
        body = self._transport.read("/portfolio/orders/{order_id}", path={"order_id": order_id}, private=True)
        order = parse(_ORDER_ANSWER, lambda answer: build_order(answer.order), body)
        check_same("order", order_id, order.order_id)
        return order

    def list(
        self,
        *,
        ticker: str | None = None,
        event_ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        status: str | None = None,
        subaccount: int | None = None,
        exchange_index: int | None = None,
        limit: int = 1000,
        unreadable: builtins.list[Rejection] | None = None,
    ) -> Iterator[Order]:
        """Orders of the last two weeks or so; without ``subaccount`` those of all of them. Unix seconds.

        A record that cannot be read raises SchemaError (an unread order is not an absent one), or is added to ``unreadable``.
        """
        params = {
            "ticker": ticker,
            "event_ticker": event_ticker,
            "min_ts": min_ts,
            "max_ts": max_ts,
            "status": status,
            "subaccount": subaccount,
            "exchange_index": exchange_index,
            "limit": limit,
        }
        return own_records(self._transport, "/portfolio/orders", params, ORDER_LISTING, unreadable)

    def historical(
        self,
        *,
        ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        subaccount: int | None = None,
        limit: int = 1000,
        unreadable: builtins.list[Rejection] | None = None,
    ) -> Iterator[Order]:
        """Orders older than the live listing (exchange.historical_cutoff). See ``own_records``."""
        params = {"ticker": ticker, "min_ts": min_ts, "max_ts": max_ts, "subaccount": subaccount, "limit": limit}
        return own_records(self._transport, "/historical/orders", params, ORDER_LISTING, unreadable)

    def find_by_client_id(
        self, client_order_id: str, ticker: str, min_ts: int, *, subaccount: int | None = None
    ) -> Order | None:
        """The order with this client id among those of ``ticker`` since ``min_ts`` (Unix seconds), if listed.

        None proves nothing: listings lag behind (docs/kalshi-protocol.md 9.7).
        """
        listed = self.list(ticker=ticker, min_ts=min_ts, subaccount=subaccount)
        return next((order for order in listed if order.client_order_id == client_order_id), None)

    def queue_positions(
        self,
        *,
        market_tickers: Sequence[str] | None = None,
        event_ticker: str | None = None,
        subaccount: int | None = None,
    ) -> tuple[QueuePosition, ...]:
        """How many contracts stand before each resting order."""
        params = {
            "market_tickers": ",".join(market_tickers) if market_tickers else None,
            "event_ticker": event_ticker,
            "subaccount": subaccount,
        }
        body = self._transport.read("/portfolio/orders/queue_positions", params=params, private=True)
        _, records = decode_page(_QUEUE, lambda page: page.queue_positions or (), body)
        return parse_all(answers.QUEUE_POSITION, answers.build_queue_position, records)
