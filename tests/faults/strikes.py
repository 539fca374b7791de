"""What strikes the world in the middle of things: markets, books, trading state, the feed, the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markets.models import Market
from simulator.listing import lifecycle
from tests.trading import world
from trading.safety import halt

if TYPE_CHECKING:
    from tests.faults.harness import Run


def strike(run: Run, fault: str) -> None:
    """Change the world in the middle of things."""
    exchange, rng = run.twin.exchange, run.rng
    twin = rng.choice(run.twins) if run.plan.kind == "family" else run.twin
    ticker = rng.choice(twin.markets)
    market = exchange.markets[ticker]
    run.note(f"strikes: {fault} {ticker}")
    run.disturbed = True
    if fault == "pause" and market.status == "active":
        lifecycle.pause(exchange, market)
    elif fault == "close" and market.status == "active":
        market.close_ms = exchange.now()
        lifecycle.close_market(exchange, market)
        Market.objects.filter(ticker=ticker).update(status="closed")
    elif fault == "tick":
        market.ranges = [[0, 10_000, 500]]
    elif fault == "shard_halt":
        exchange.state.trading_shards.add(run.twin.shard)
    elif fault == "halt":
        halt.set_state(state="halted", actor="schedule", reason="kill switch")
    elif fault == "reduce":
        halt.set_state(state="reducing", actor="schedule", reason="kill switch", profile=run.profile)
    elif fault == "thin":
        for side in ("bid", "ask"):
            _thin(run, ticker, side)
    elif fault == "vanish":
        run.twin.cancel_makers(ticker, rng.choice(("bid", "ask")))
    elif fault == "worse":
        run.twin.cancel_makers(ticker, "ask")
        run.twin.quote(ticker, "ask", 9_500, 1_000)
    elif fault == "crash":
        run.twin.cancel_makers(ticker, "bid")
        run.twin.quote(ticker, "bid", 100, 5_000)
    elif fault == "stale":
        run.shift(20)
    elif fault == "dead_epoch":
        world.publish(twin.event, twin.books(), lease=None)


def _thin(run: Run, ticker: str, side: str) -> None:
    book = run.twin.exchange.books[ticker]
    for order in list(book.orders(side)):
        if order.order_id.startswith("h") and order.remaining > 50:
            book.reduce(order, order.remaining - 50)
