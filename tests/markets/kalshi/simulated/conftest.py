"""A simulated exchange in a process of its own, a client, a session, and markets with books of known levels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Market
from markets.kalshi.ws.session import Session
from tests.simulator.served import Served

from .steps import signer_of

YES_LEVELS = [["0.4000", "50.00"], ["0.3900", "100.00"]]
NO_LEVELS = [["0.5700", "7.25"], ["0.5500", "30.00"]]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(tmp_path_factory.mktemp("twin"), "--still", "--no-rate-limits", "--seed", "5", "--port", "0")
    yield running
    running.stop()


@pytest.fixture
def client(twin: Served) -> Iterator[KalshiClient]:
    environment = from_settings(twin.ready["rest"], twin.ready["ws"])
    with KalshiClient(environment, signer_of(twin), timeout=(5.0, 5.0)) as made:
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
