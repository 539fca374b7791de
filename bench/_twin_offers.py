"""Baskets that the simulated exchange plants, as the product's search finds them in its books: what allocation rules choose from."""

from __future__ import annotations

from typing import Final

from markets.book import Depth
from markets.fees import FeeSchedule
from simulator.core import ExchangeCore
from strategies.allocation.choice import Offer
from strategies.dutch.basket import Found, Kind, LegMarket, Limits
from strategies.dutch.search import best_basket

DAY_MS: Final = 90_000
"""A day of the demo's exchange: its events live about so long at its usual speed."""
SPEED: Final = 1_200
CYCLES: Final = 90
"""Cycles of such a day: one a second."""
HELD: Final = 10
"""Cycles in which a planted basket can be bought: it is offered for ten seconds at least."""
EDGE_EVERY_S: Final = 3.0
"""Between two planted baskets: twice as many as the demo has."""


def drawn(seconds: int, seed: int) -> list[tuple[int, Offer]]:
    """(cycle in which it turned up, basket) of every planted edge of ``seconds`` of the exchange."""
    from simulator.cli import BUNDLED
    from simulator.clock import ManualClock
    from simulator.config import SimulatorConfig
    from simulator.exchange import Exchange
    from simulator.persistence.snapshot import load_snapshot

    begins = 1_785_000_000_000
    config = SimulatorConfig(
        seed=seed, speed=SPEED, edge_every_s=EDGE_EVERY_S, rate_limits=False, maker_events=0, turn_every=0
    )
    exchange = Exchange(config, ManualClock(begins))
    exchange.list_snapshot(load_snapshot(BUNDLED, config, exchange.streams, begins))
    exchange.open_accounts()
    exchange.begin()
    seen: set[tuple[str, int]] = set()
    found: list[tuple[int, Offer]] = []
    for second in range(seconds):
        exchange.advance(exchange.now() + 1_000)
        for edge in list(exchange.edges.values()):
            key = edge.event_ticker, edge.from_ms
            if key in seen or edge.kind not in ("all_no", "all_yes"):
                continue
            seen.add(key)
            offer = _offer(exchange, edge.event_ticker, Kind(edge.kind), f"{edge.event_ticker}@{second}")
            if offer is not None:
                found.append((second, offer))
    return found


def _offer(exchange: ExchangeCore, event: str, kind: Kind, key: str) -> Offer | None:
    markets = [exchange.markets[ticker] for ticker in exchange.events[event].markets]
    books = exchange.books
    legs = [
        LegMarket(m.ticker, Depth.of(books[m.ticker].yes_levels(), books[m.ticker].no_levels()), FeeSchedule())
        for m in markets
    ]
    outcome = best_basket(legs, True, True, Limits(kinds=frozenset({kind}), near_ppm=0))
    if not isinstance(outcome, Found):
        return None
    left = (min(m.close_ms for m in markets) - exchange.now()) / DAY_MS
    basket = outcome.basket
    return Offer(key, basket.cost, basket.profit, max(left, 0.0), len(basket.legs), least=0.05)
