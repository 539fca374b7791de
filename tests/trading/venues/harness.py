"""Where a case is run: one venue, a market with a book, and orders as rows of ours.

``LiveHarness`` (the simulated exchange behind the real client) and ``PaperHarness`` make the book that a case wants.
``AccountHarness`` (``account_harness``) takes what a running exchange has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets.fees import FeeSchedule
from tests.trading import world
from trading.accounting.fill_reports import FillReport
from trading.models import Leg, Order, Position
from trading.venues.protocol import Ack, Venue

Levels = tuple[tuple[int, int], ...]
BIDS: Levels = ((4_000, 5_000), (3_900, 10_000))
ASKS: Levels = ((4_300, 725), (4_500, 3_000), (4_600, 10_000))
CRUMBS: Levels = ((4_300, 133), (4_500, 77), (4_700, 10_000))
"""Sizes whose fees do not fall on the balance grid, so that an order's accumulator has work."""
CENT = 100


@dataclass(frozen=True, slots=True)
class Scene:
    """A market of linear cents with its position and legs. Levels are YES prices, best first."""

    ticker: str
    position: Position
    bids: Levels
    asks: Levels
    fees: FeeSchedule

    def buys(self, side: str) -> Levels:
        """(price, count) at which ``side`` can be bought, cheapest first."""
        return self.asks if side == "yes" else tuple((DOLLAR_PRICE - p, c) for p, c in self.bids)

    def sells(self, side: str) -> Levels:
        """(price, count) at which ``side`` can be sold, best first."""
        return self.bids if side == "yes" else tuple((DOLLAR_PRICE - p, c) for p, c in self.asks)


class Harness(Protocol):
    """What every case may use. The rest is for harnesses that make their own world."""

    name: str

    @property
    def venue(self) -> Venue:
        """The venue under test."""
        ...

    def scene(self, bids: Levels = BIDS, asks: Levels = ASKS) -> Scene:
        """A market that no other case touches."""
        ...

    def held(self, scene: Scene) -> int:
        """Net contracts by the venue's own word, YES positive."""
        ...

    def cash(self) -> int | None:
        """All cash in Money, None where the venue keeps none."""
        ...

    def elapse(self, seconds: float) -> None:
        """Let time go by."""
        ...

    def catch_up(self) -> None:
        """Wait until reads show what was written."""
        ...

    def fills(self, order: Order, count: int) -> list[FillReport]:
        """The order's executions, ``count`` in all, as soon as they can be read."""
        ...


def row(scene: Scene, action: str, side: str, price: int, count: int, **columns: Any) -> Order:
    """An order of ours, stored as sent just now."""
    position = scene.position
    leg, _ = Leg.objects.get_or_create(
        position=position,
        market_id=scene.ticker,
        side=side,
        defaults={"target_count": count, "limit_price": price},
    )
    defaults = {
        "purpose": "entry" if action == "buy" else "exit",
        "status": "sending",
        "sent_at": clock.now(),
        "exchange_index": leg.market.exchange_index,
    }
    return Order.objects.create(
        profile=position.profile,
        mode=position.mode,
        position=position,
        leg=leg,
        action=action,
        side=side,
        price=price,
        count=count,
        **(defaults | columns),
    )


def send(harness: Harness, order: Order) -> Ack:
    """Create the order at the venue and keep what it is called there."""
    return known(order, harness.venue.create(order))


def known(order: Order, ack: Ack) -> Ack:
    """Write the venue's name of the order into its row, as the executor does."""
    order.exchange_order_id = ack.exchange_order_id
    Order.objects.filter(pk=order.pk).update(exchange_order_id=ack.exchange_order_id)
    return ack


def fetch(harness: Harness, order: Order) -> Ack:
    """The order's state, as soon as reads show what was written."""
    harness.catch_up()
    return harness.venue.fetch(order)


def buy(harness: Harness, scene: Scene, side: str, count: int, **columns: Any) -> Order:
    """Buy at the best price, whole, as the precondition of a case."""
    order = row(scene, "buy", side, scene.buys(side)[0][0], count, **columns)
    ack = send(harness, order)
    assert ack.fill_count == count, f"precondition: {ack}"
    return order


def trades(fills: Sequence[FillReport]) -> list[tuple[int, int]]:
    """(price, count) of executions, cheapest first, those at one price summed."""
    found: dict[int, int] = {}
    for fill in fills:
        found[fill.price] = found.get(fill.price, 0) + fill.count
    return sorted(found.items())


def in_time(fills: Sequence[FillReport]) -> list[FillReport]:
    """Oldest first. Listings are newest first."""
    oldest_first = fills[::-1]
    return sorted(oldest_first, key=lambda fill: fill.at_ms)


def position_for(profile: Any, event: Any, ticker: str, kind: str = "coverage") -> Position:
    """A position that the orders of a scene belong to."""
    decision = world.decide(profile, event, {ticker: 5_000}, kind=kind)
    return Position.objects.create(
        profile=profile, mode=profile.mode, decision=decision, event=event, kind=kind, target_count=1_000
    )
