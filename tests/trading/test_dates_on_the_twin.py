"""A ladder of dates as the simulated exchange lists it, from the scan to a basket of two dates that was bought and settled there."""

from __future__ import annotations

from typing import Any

import pytest

from kalbot.common import clock
from kalbot.local import seeding
from markets.catalogue.scan import scan
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.models import ContractTerms
from markets.terms.registry import changes
from simulator.clock import ManualClock
from simulator.exchange import Exchange
from simulator.flow import family_edges
from simulator.listing import date_ladders
from strategies.cycle import cycle, event_cache
from strategies.models import Decision, Verdict
from strategies.profiles import seeds
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
    found.documents_at = "http://127.0.0.1:9"
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


def test_a_mispriced_date_is_found_by_the_demo_s_profiles_bought_and_settled_by_one_day(exchange: Exchange) -> None:
    ladder = next(event for event in exchange.events.values() if date_ladders.is_one(event))
    ladder.life_ms = 1_000  # its prices do not show the outcome yet
    edge = family_edges.plant(exchange, ladder, 60_000, exchange.streams.stream("edges"))
    assert edge is not None
    later, earlier = edge.prices
    scan(connection.client())
    seeds.seed()
    seeding.trade_live_on_the_simulator()
    screening.screen()
    family = f"FAMILY-{ladder.ticker}"
    judged = Verdict.objects.filter(event=family, profile__name__in=["careful", "live"])
    assert set(judged.values_list("profile__name", "status")) == {("careful", "candidate"), ("live", "candidate")}
    publish(exchange, ladder.markets, ladder.ticker)
    cycle.run(cycle.NUDGE, [ladder.ticker])
    taken = Decision.objects.filter(event=family, quote={})
    assert {"careful", "live"} <= set(taken.values_list("profile__name", flat=True)), judged.values("live_constraint")
    decision = taken.get(profile__name="live")
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
