"""Baskets that the simulated exchange plants, as the product's search finds them in its books: what allocation rules choose from."""

from __future__ import annotations

from typing import Final, NamedTuple

from markets.book import Depth
from markets.fees import FeeSchedule
from simulator.core import ExchangeCore
from strategies.allocation.choice import Offer
from strategies.collateral.baskets import locks
from strategies.collateral.groups import Choices
from strategies.dutch.basket import Basket, Found, Kind, LegMarket, Limits
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


class Drawn(NamedTuple):
    """A basket that turned up in ``cycle``, as it is where every leg locks its price and where collateral is returned."""

    cycle: int
    off: Offer
    on: Offer


def drawn(seconds: int, seed: int) -> list[Drawn]:
    """Every planted edge of ``seconds`` of the exchange."""
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
    found: list[Drawn] = []
    for second in range(seconds):
        exchange.advance(exchange.now() + 1_000)
        for edge in list(exchange.edges.values()):
            key = edge.event_ticker, edge.from_ms
            if key in seen or edge.kind not in ("all_no", "all_yes"):
                continue
            seen.add(key)
            basket = _basket(exchange, edge.event_ticker, Kind(edge.kind))
            if basket is not None:
                closes = min(exchange.markets[leg.ticker].close_ms for leg in basket.legs)
                days = max(0.0, (closes - exchange.now()) / DAY_MS)
                found.append(
                    Drawn(
                        second, *(_offer(basket, f"{edge.event_ticker}@{second}", days, c) for c in (None, Choices()))
                    )
                )
    return found


def _offer(basket: Basket, key: str, days: float, choices: Choices | None) -> Offer:
    return Offer(key, locks(basket, choices), basket.profit, days, len(basket.legs), least=0.05)


def _basket(exchange: ExchangeCore, event: str, kind: Kind) -> Basket | None:
    markets = [exchange.markets[ticker] for ticker in exchange.events[event].markets]
    books = exchange.books
    legs = [
        LegMarket(m.ticker, Depth.of(books[m.ticker].yes_levels(), books[m.ticker].no_levels()), FeeSchedule())
        for m in markets
    ]
    outcome = best_basket(legs, True, True, Limits(kinds=frozenset({kind}), near_ppm=0))
    return outcome.basket if isinstance(outcome, Found) else None
