from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from markets import connect
from markets.kalshi.rest.client import KalshiClient
from tests.markets.exchange import SmallExchange


@pytest.fixture
def exchange() -> Iterator[SmallExchange]:
    server = SmallExchange()
    yield server
    server.close()


@pytest.fixture
def client(exchange: SmallExchange, settings: Settings, redis_db: object) -> Iterator[KalshiClient]:
    settings.KALSHI_REST_URL = exchange.url
    settings.KALSHI_WS_URL = exchange.url.replace("http", "ws").replace("/trade-api/v2", "/trade-api/ws/v2")
    made = connect.client()
    yield made
    made.close()
