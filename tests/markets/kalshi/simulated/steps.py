"""What these tests do with a client, again and again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kalbot.common.units import Count, Price
from markets.kalshi.order_entry import CreateOrder
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Market
from markets.kalshi.signing import Signer
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.session import Session
from tests.simulator.served import Served


def signer_of(running: Served) -> Signer:
    folder = Path(running.ready["credentials"])
    return Signer.from_file(running.ready["key_id"], folder / "private_key.pem")


def until(session: Session, enough: Callable[[list[Any]], object], seconds: float = 30.0) -> list[Any]:
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
