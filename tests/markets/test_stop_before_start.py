"""A stream that still waits for an exchange ends on SIGTERM and Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from bench.streaming.stage import write_key
from markets.kalshi.rest import exchange

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(60)]
PATIENCE = 3_600.0


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers that the command puts in place end with the test."""
    names = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(name) for name in names]
    yield
    for name, handler in zip(names, before, strict=True):
        signal.signal(name, handler)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_waiting_for_an_exchange_ends_with_a_signal(
    how: signal.Signals, settings: Any, redis_db: Any, handlers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key(tmp_path / "key.pem")
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_PATH = "a-key", str(tmp_path / "key.pem")
    settings.KALSHI_REST_URL = "http://127.0.0.1:1/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:1/trade-api/ws/v2"
    status = exchange.Exchange.status

    def stopped_meanwhile(self: Any) -> Any:
        signal.raise_signal(how)
        return status(self)

    monkeypatch.setattr(exchange.Exchange, "status", stopped_meanwhile)
    call_command("stream", patience=PATIENCE)
