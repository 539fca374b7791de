"""Run by ``test_strangers`` in an environment of its own: kalshi-sdk trades and streams on a simulator."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from typing import Any

from kalshi import KalshiClient
from kalshi.auth import KalshiAuth
from kalshi.config import KalshiConfig
from kalshi.models.orders import (
    AmendOrderV2Request,
    BatchCancelOrdersV2Request,
    BatchCancelOrdersV2RequestOrder,
    BatchCreateOrdersV2Request,
    CreateOrderV2Request,
    DecreaseOrderV2Request,
)
from kalshi.ws import KalshiWebSocket
from steps import SERIES, TICKER, number, run

key_id, key_file, rest, ws = sys.argv[1:5]
auth = KalshiAuth.from_key_path(key_id, key_file)
config = KalshiConfig(base_url=rest, ws_base_url=ws)
client = KalshiClient(auth=auth, config=config)
kept: dict[str, str] = {}


def order(price: str, count: str, tif: str = "good_till_canceled") -> CreateOrderV2Request:
    return CreateOrderV2Request(
        ticker=TICKER,
        client_order_id=str(uuid.uuid4()),
        side="bid",
        count=count,
        price=price,
        time_in_force=tif,
        self_trade_prevention_type="taker_at_cross",
    )


def rest_one() -> Any:
    answer = client.orders.create_v2(request=order("0.10", "4"))
    kept["id"] = answer.order_id
    return [number(answer.fill_count), number(answer.remaining_count)]


def amend() -> Any:
    request = AmendOrderV2Request(ticker=TICKER, side="bid", price="0.11", count="4")
    client.orders.amend_v2(kept["id"], request=request)
    return number(client.orders.get(kept["id"]).yes_price)


def batch() -> Any:
    made = client.orders.batch_create_v2(
        request=BatchCreateOrdersV2Request(orders=[order("0.05", "1"), order("0.06", "1")])
    )
    wanted = [BatchCancelOrdersV2RequestOrder(order_id=item.order_id) for item in made.orders]
    gone = client.orders.batch_cancel_v2(request=BatchCancelOrdersV2Request(orders=wanted))
    return [len(made.orders), len(gone.orders)]


def taken() -> Any:
    answer = client.orders.create_v2(request=order("0.42", "5", "immediate_or_cancel"))
    return [number(answer.fill_count), number(answer.remaining_count)]


def decrease() -> Any:
    return number(client.orders.decrease_v2(kept["id"], request=DecreaseOrderV2Request(reduce_by="1")).remaining_count)


def stream() -> Any:
    async def first() -> Any:
        async with KalshiWebSocket(auth=auth, config=config).connect() as session:
            async for book in await session.orderbook(TICKER):
                return [number(book.yes[-1].price), number(book.yes[-1].quantity)]

    return asyncio.run(asyncio.wait_for(first(), 15))


now = int(time.time())
run(
    {
        "events": lambda: len(list(client.events.list_all())),
        "markets": lambda: len(list(client.markets.list_all())),
        "book": lambda: number(client.markets.orderbook(TICKER).yes[-1].price),
        "take": taken,
        "rest": rest_one,
        "amend": amend,
        "decrease": decrease,
        "batch": batch,
        "cancel": lambda: number(client.orders.cancel_v2(kept["id"]).reduced_by),
        "fills": lambda: len(list(client.portfolio.fills_all())),
        "positions": lambda: [number(p.position) for p in client.portfolio.positions().market_positions],
        "candles": lambda: len(
            client.markets.candlesticks(SERIES, TICKER, start_ts=now - 3600, end_ts=now + 3600, period_interval=60)
        ),
        "historical": lambda: len(list(client.historical.markets_all())),
        "stream": stream,
    }
)
