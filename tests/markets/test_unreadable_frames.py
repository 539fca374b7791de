"""One market's unreadable frames are that market's trouble; numbers that cannot be believed cost one subscription."""

from __future__ import annotations

import logging

import pytest

from kalbot.common import clock
from markets.streaming.connection import UNREADABLE
from markets.streaming.subscriptions import REPAIR_AGAIN_MS
from tests.markets.live_exchange import wait_for
from tests.markets.test_stream import Running, exchange, running

__all__ = ["exchange", "running"]


def usable(running: Running, ticker: str) -> str | None:
    return running.event().usable([ticker], 60_000, clock.now_ms())


def test_an_unreadable_delta_makes_one_book_suspect_and_no_other(running: Running) -> None:
    running.exchange.unreadable.add("EVENT-A")
    running.exchange.set_level("EVENT-A", "yes", 3900, 100)
    wait_for(lambda: usable(running, "EVENT-A") == "suspect")
    assert usable(running, "EVENT-B") is None
    assert running.stream.metrics.gaps == 0
    running.exchange.unreadable.clear()
    wait_for(running.agrees, REPAIR_AGAIN_MS / 1000 + 3)
    assert running.stream.metrics.connects == 1


def test_a_market_that_stays_unreadable_is_given_up_by_name(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.exchange.unreadable.add("EVENT-A")
    with caplog.at_level(logging.WARNING, "markets.streaming"):
        for _ in range(UNREADABLE + 3):
            running.exchange.set_level("EVENT-A", "yes", 3900, 100)
        wait_for(lambda: running.stream.metrics.given_up == 1)
    wait_for(lambda: running.exchange.clients[0].markets == {"EVENT-B"})
    assert usable(running, "EVENT-A") == "suspect"
    assert usable(running, "EVENT-B") is None
    texts = [record.getMessage() for record in caplog.records]
    assert len([text for text in texts if "frame rejected: orderbook_delta" in text]) == 1
    assert len([text for text in texts if "EVENT-A given up" in text]) == 1
    assert running.stream.metrics.rejected >= UNREADABLE


@pytest.mark.parametrize("by", [10**6, 2**62])
def test_a_number_far_ahead_makes_a_new_subscription(running: Running, by: int) -> None:
    running.exchange.jump(by)
    running.exchange.set_level("EVENT-A", "yes", 3900, 100)
    wait_for(lambda: any(command["cmd"] == "unsubscribe" for command in running.exchange.commands))
    running.exchange.set_level("EVENT-B", "yes", 3800, 100)
    wait_for(running.agrees)
    assert running.stream.metrics.connects == 1


def test_a_number_far_ahead_on_another_channel_makes_a_new_connection(running: Running) -> None:
    running.exchange.fill("t1")
    running.exchange.lifecycle({"market_ticker": "EVENT-B", "event_type": "created"})
    running.exchange.jump(2**62, "market_lifecycle_v2")
    running.exchange.lifecycle({"market_ticker": "EVENT-A", "event_type": "deactivated", "is_deactivated": True})
    wait_for(lambda: running.stream.metrics.connects == 2, 8)
    wait_for(running.agrees, 8)
