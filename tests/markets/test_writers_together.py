"""Scan and lifecycle write the same rows at the same time: nothing deadlocks, nothing is lost, whichever comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from kalbot.common import counters
from markets.catalogue import lifecycle
from markets.catalogue.scan import scan
from markets.kalshi.rest.client import KalshiClient
from markets.models import ExchangeMessage, Market, Scan
from markets.streaming.output.inbox import store
from markets.streaming.output.messages import to_message
from tests.markets.exchange import SmallExchange, temperature
from tests.markets.test_inbox import frame

EVENTS = 12
SCANS = 6


@pytest.mark.django_db(transaction=True)
def test_scans_and_lifecycle_messages_at_once_end_without_a_deadlock(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(EVENTS)))
    scan(client)
    counters.flush()
    before = counters.read().get("lost_races", [])
    tickers = sorted(Market.objects.values_list("ticker", flat=True))
    for number in range(240):
        # from the end to the beginning, while a scan goes from the beginning to the end
        ticker, kind = tickers[-1 - number % len(tickers)], ("deactivated", "activated")[number // len(tickers) % 2]
        body = {"market_ticker": ticker, "event_type": kind, "is_deactivated": kind == "deactivated"}
        store([to_message(frame(body), f"epoch-{number}", 5)])
    errors: list[BaseException] = []

    def scans() -> None:
        for number in range(SCANS):
            for event in exchange.listed.values():
                event["markets"][0]["yes_bid_dollars"] = f"0.4{number}00"
            scan(client)

    def applied() -> None:
        while ExchangeMessage.objects.filter(applied_at=None).exists():
            lifecycle.apply_waiting()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (scans, applied, applied)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)
    assert set(Scan.objects.values_list("status", flat=True)) == {Scan.Status.DONE}
    assert ExchangeMessage.objects.exclude(error="").count() == 0
    counters.flush()
    assert counters.read().get("lost_races", []) == before
