"""Contract terms are on the tape: a replay has the certificates that the recorded registry gave, from the moment at which it did."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pytest_django import Settings

from backtest.replay import session
from markets.catalogue.scan import scan
from markets.kalshi.rest.client import KalshiClient
from markets.models import Certificate, ContractTerms
from markets.tape.reader import Tape
from markets.tape.recorder import recorder
from markets.tape.records import Kind
from markets.terms.grades import Grade
from markets.terms.registry import changes
from tests.backtest.tapes import options
from tests.markets.exchange import SmallExchange, temperature
from tests.markets.live_exchange import wait_for
from tests.markets.terms.test_registry import PATH, Documents, approved


@pytest.mark.django_db
def test_a_replay_certifies_by_the_terms_that_were_registered_then(
    exchange: SmallExchange, client: KalshiClient, settings: Settings, tmp_path: Path
) -> None:
    settings.KALBOT_TAPE_DIR = str(tmp_path)
    exchange.add(temperature("KXHIGHMIA-1", "KXHIGHMIA"))
    exchange.series["KXHIGHMIA"]["contract_terms_url"] = exchange.url.removesuffix("/trade-api/v2") + PATH
    changes.ensure_proposals()
    scan(client)
    wait_for(lambda: bool(list(tmp_path.glob("*.tape"))))  # the day's first scan records all of it
    before_ns = time.time_ns()
    document = Documents()
    approved(ContractTerms.objects.get(exchange="simulator", url=PATH), document)
    document.server.shutdown()
    document.server.server_close()
    scan(client)
    scan(client)
    tape = recorder("scan")
    assert tape is not None
    tape.close()
    settings.KALBOT_TAPE_DIR = ""
    settings.KALSHI_REST_URL = (
        "https://external-api.kalshi.com/trade-api/v2"  # where we are now is not where it was recorded
    )
    assert _grade(tmp_path, before_ns) == Grade.IF_DETERMINED
    assert _grade(tmp_path, 2**63) == Grade.GUARANTEED
    kinds = [record.kind for record in Tape.open(tmp_path).records()]
    assert kinds.count(Kind.SCAN) == 3
    assert [r.key for r in Tape.open(tmp_path).records(before_ns, kinds=[Kind.TERMS])] == [f"simulator {PATH} 1"]


def _grade(tape: Path, end_ns: int) -> str:
    wanted = options(tape, end_ns=end_ns)
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        return Certificate.objects.get(event_id="KXHIGHMIA-1", status="granted").grade
