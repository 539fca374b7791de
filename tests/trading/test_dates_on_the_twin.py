"""A ladder of dates as the simulated exchange lists it, from the scan to a basket of two dates that was bought and settled there."""

from __future__ import annotations

from typing import Any

import pytest

from kalbot.common import clock
from markets.catalogue.scan import scan
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.models import ContractTerms
from markets.terms.registry import changes
from simulator.clock import ManualClock
from simulator.exchange import Exchange
from simulator.flow import family_edges
from simulator.listing import date_ladders, terms
from strategies.cycle import cycle, event_cache
from strategies.models import Decision, Verdict
from strategies.screening import screening
from tests.simulator.test_thresholds import listed
from tests.trading import world
from tests.trading.twin import NoLimit, TwinSession, Unsigned
from trading.closing import settlement
from trading.execution import executor
from trading.models import Denial
from trading.safety import live_readiness
from trading.venues import connection

BASE = "http://127.0.0.1:9/trade-api/v2"


class RunningClock(ManualClock):
    """Goes with the machine's until it is moved ahead of that."""

    def now_ms(self) -> int:
        self.move_to(clock.now_ms())
        return super().now_ms()


@pytest.fixture
def exchange(settings: Any) -> Exchange:
    settings.KALBOT_LIVE = True
    settings.KALSHI_REST_URL, settings.KALSHI_WS_URL = BASE, "ws://127.0.0.1:9/trade-api/ws/v2"
    found = listed(RunningClock(clock.now_ms()))
    terms.publish(found, "http://127.0.0.1:9")
    connection.use(connection_to(found))
    live_readiness.require_reconciliation()
    event_cache.forget()
    changes.ensure_proposals()
    columns: dict[str, Any] = {"status": ContractTerms.Status.APPROVED, "approved_sha256": "a" * 64}
    ContractTerms.objects.filter(url="/terms/LAUNCH.txt").update(**columns)
    return found


def connection_to(exchange: Exchange) -> KalshiClient:
    return KalshiClient(
        from_settings(BASE, "ws://127.0.0.1:9/trade-api/ws/v2"),
        Unsigned(),  # type: ignore[arg-type]  # the twin has no keys
        NoLimit(),
        TwinSession(exchange),
        clock=clock.now_ms,
    )


def publish(exchange: Exchange, tickers: list[str], event: str) -> None:
    books = {t: exchange.books[t] for t in tickers}
    world.publish(
        event, {t: (tuple(reversed(b.yes_levels())), tuple(reversed(b.no_levels()))) for t, b in books.items()}
    )


def test_a_mispriced_date_is_found_bought_and_settled_by_one_day(exchange: Exchange) -> None:
    ladder = next(event for event in exchange.events.values() if date_ladders.is_one(event))
    ladder.life_ms = 1_000  # its prices do not show the outcome yet
    edge = family_edges.plant(exchange, ladder, 60_000, exchange.streams.stream("edges"))
    assert edge is not None
    later, earlier = edge.prices
    scan(connection.client())
    world.add_profile("dates", mode="live", kinds=["family"], min_seconds_to_close=0, max_days_to_close=4_000)
    screening.screen()
    family = f"FAMILY-{ladder.ticker}"
    assert Verdict.objects.get(event=family).status == "candidate"
    publish(exchange, ladder.markets, ladder.ticker)
    assert cycle.run(cycle.NUDGE, [ladder.ticker]).decisions == 1, Verdict.objects.get(event=family).live_constraint
    decision = Decision.objects.get()
    assert {(later, "yes"), (earlier, "no")} <= {(leg["ticker"], leg["side"]) for leg in decision.legs}
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert (position.status, position.kind, position.guaranteed) == ("open", "family", True)
    assert position.floor > position.cost
    exchange.advance(exchange.markets[ladder.markets[-1]].close_ms + 60_000)
    scan(connection.client())
    settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.realised > 0
