"""Every case of ``docs/venue-conformance.md``, run on every venue that it applies to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.errors import SettingError
from markets import connect
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.signing import Signer
from tests.simulator.served import Served
from tests.trading import world

from . import batches, hostile, refusals, resting, selling, taking, unknown_outcomes  # noqa: F401  (they register the cases)
from .account_harness import AccountHarness, NoMarket, candidates
from .cases import CASES, Case
from .own_harness import LiveHarness, PaperHarness

pytestmark = pytest.mark.alike


def cases(venue: str) -> list[Any]:
    """The cases that apply to a venue."""
    return [pytest.param(c, id=f"{n:02d}-{c.run.__name__}") for n, c in sorted(CASES.items()) if venue not in c.absent]


@pytest.fixture(autouse=True)
def _world(redis_db: object, db: None, monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    settings.PAPER_LATENCY_MS = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()


@pytest.fixture
def traveller() -> Iterator[Any]:
    with time_machine.travel(clock.now(), tick=True) as moved:
        yield moved


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("key")


@pytest.mark.parametrize("case", cases("live"))
def test_live_venue_on_the_simulated_exchange(case: Case, credentials: Path, traveller: Any) -> None:
    case.run(LiveHarness(credentials, traveller))


@pytest.mark.parametrize("case", cases("paper"))
def test_paper_venue(case: Case, traveller: Any) -> None:
    case.run(PaperHarness(traveller))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with Served(tmp_path_factory.mktemp("twin"), "--still", "--no-rate-limits", "--seed", "7") as running:
        where = from_settings(running.ready["rest"], running.ready["ws"])
        signer = Signer.from_file(running.ready["key_id"], Path(running.ready["credentials"]) / "private_key.pem")
        with KalshiClient(where, signer) as client:
            yield client, where, signer, candidates(client)


@pytest.mark.parametrize("case", cases("demo"))
def test_account_over_a_socket_on_markets_that_are_there(case: Case, served: Any) -> None:
    case.run(AccountHarness(*served))


@pytest.fixture(scope="module")
def demo() -> Any:
    """Kalshi's demo with the key of the settings; never any other exchange."""
    where = connect.environment()
    host = urlsplit(where.rest_url).hostname or ""
    if not host.endswith(".kalshi.co"):
        pytest.skip(f"KALSHI_REST_URL names {host}, and these cases trade: they are run on Kalshi's demo only")
    try:
        signer = connect.signer()
    except SettingError as error:
        pytest.skip(f"no key of Kalshi's demo: {error}")
    client = connect.client(for_account=True)
    client.learn_limits()
    return client, where, signer, candidates(client)


@pytest.mark.demo_exchange
@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", cases("demo"))
def test_demo_exchange(case: Case, demo: Any) -> None:
    try:
        case.run(AccountHarness(*demo))
    except NoMarket as nothing:
        pytest.skip(f"demo: {nothing}")
