"""Resting orders in a flow of single orders: queue by time, cancels ahead, and who earns what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.exchange import Exchange
from simulator.flow.order_flow import HALF_SPREAD
from simulator.matching.book import MarketMakerOrder
from simulator.units import ONE, count2, dollars4

from .test_troubles import act
from .world import B825, Client

SIZE = 500
INVENTORY = 5_000


class Quoter:
    """Keeps a bid and an ask of five contracts, renewed every half second, within an inventory limit; marked at the fair value."""

    def __init__(self, exchange: Exchange, ticks_behind: int) -> None:
        self.exchange, self.client, self.behind = exchange, Client(exchange), ticks_behind
        self.start = self._worth()
        self.own: list[str] = []

    def _fair(self) -> int:
        return int(self.exchange.order_flows[B825].fair)

    def _worth(self) -> int:
        held = self.client.position(B825)
        fair = self._fair()
        return self.client.cash(0) + (held * fair if held > 0 else -held * (ONE - fair))

    def run(self, seconds: int) -> int:
        """Profit in micro-dollars."""
        for _ in range(seconds * 2):
            self._renew()
            self.exchange.advance(self.exchange.now() + 500)
        return self._worth() - self.start

    def _renew(self) -> None:
        for order_id in self.own:
            self.client.cancel(order_id)
        self.own = []
        book, held = self.exchange.books[B825], self.client.position(B825)
        bid, ask = book.best_bid(), book.best_ask()
        if bid is None or ask is None:
            return
        away = self.behind * 100
        for side, price, free in (("bid", bid - away, held < INVENTORY), ("ask", ask + away, held > -INVENTORY)):
            if free:
                status, body = self.client.order(
                    B825, side, dollars4(price), count2(SIZE), "good_till_canceled", post_only=True
                )
                if status == 201:
                    self.own.append(body["order_id"])


def profits(make: Callable[..., Exchange], kind: str, behind: int) -> list[int]:
    found = []
    for seed in range(6):
        exchange = make(seed=seed)
        act(exchange, "flow", ticker=B825, kind=kind)
        found.append(Quoter(exchange, behind).run(240))
        assert act(exchange, "deposit", shard=0, amount=0)["deposits"]
    return found


def test_a_naive_quoter_earns_where_nobody_knows_more(make: Callable[..., Exchange]) -> None:
    assert sum(profits(make, "benign", 0)) > 0


def test_a_naive_quoter_loses_to_those_who_know(make: Callable[..., Exchange]) -> None:
    assert sum(profits(make, "informed", 0)) < 0


def test_a_careful_quoter_does_not_lose_to_them(make: Callable[..., Exchange]) -> None:
    """It stands as far from the touch as the value jumps, and lives off takers who go through several levels."""
    found = profits(make, "informed", 5)
    assert sum(found) > 0
    assert any(found)


def test_the_queue_ahead_shrinks_by_cancels_and_never_grows(client: Client) -> None:
    exchange = client.exchange
    act(exchange, "flow", ticker=B825, kind="benign")
    exchange.advance(exchange.now() + 2_000)
    price = dollars4((exchange.books[B825].best_bid() or 0) - 100)
    order_id = client.placed(B825, "bid", price, "5.00")
    ahead: list[float] = []
    for _ in range(60):
        row = client.get("/portfolio/orders/queue_positions", market_tickers=B825)["queue_positions"]
        if not row:
            break
        ahead.append(float(row[0]["queue_position_fp"]))
        exchange.advance(exchange.now() + 500)
    trades = sum(float(t["count_fp"]) for t in client.get("/markets/trades", ticker=B825, limit=1000)["trades"])
    assert ahead == sorted(ahead, reverse=True)
    assert ahead[0] > ahead[-1]
    assert client.one(order_id)["status"] in ("resting", "executed")
    assert trades > 0


@pytest.mark.parametrize("kind", ["benign", "informed", "thin"])
def test_a_flow_is_repeatable_and_the_book_uncrossed(make: Callable[..., Exchange], kind: str) -> None:
    def play() -> list[Any]:
        exchange = make(seed=3)
        act(exchange, "flow", ticker=B825, kind=kind)
        seen = []
        for _ in range(50):
            exchange.advance(exchange.now() + 1_000)
            book = exchange.books[B825]
            bid, ask = book.best_bid(), book.best_ask()
            assert bid is None or ask is None or bid < ask
            seen.append((book.yes_levels(), book.no_levels(), exchange.order_flows[B825].fair))
        return seen

    first = play()
    assert first == play()
    assert first[0] != first[-1]


def test_makers_never_stand_within_the_half_spread_of_the_fair_value(exchange: Exchange) -> None:
    act(exchange, "flow", ticker=B825, kind="informed")
    for _ in range(100):
        exchange.advance(exchange.now() + 500)
        fair = exchange.order_flows[B825].fair
        for side, sign in (("bid", 1), ("ask", -1)):
            orders = [o for o in exchange.books[B825].orders(side) if isinstance(o, MarketMakerOrder)]
            assert all(sign * (fair - o.price) > 0 for o in orders)
    assert HALF_SPREAD > 0


def test_a_flow_that_is_stopped_leaves_the_book_alone(exchange: Exchange) -> None:
    act(exchange, "flow", ticker=B825, kind="benign")
    act(exchange, "flow", ticker=B825, kind="none")
    book = exchange.books[B825]
    before = (book.yes_levels(), book.no_levels())
    exchange.advance(exchange.now() + 10_000)
    assert (book.yes_levels(), book.no_levels()) == before
