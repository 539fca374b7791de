"""Cases 15 to 26: a definite no. Nothing was bought, and the venue says so in a way that cannot be misread."""

from __future__ import annotations

from typing import Any

import pytest

from markets.kalshi.signing import Signer
from trading.models import Order
from trading.venues.live import LiveVenue
from trading.venues.protocol import Refused, Unresolved

from .cases import case
from .harness import Harness, Scene, fetch, row, send

WORLD = "nobody outside can pause, close or break a running exchange"
NO_ACCOUNT = "paper keeps no account: our own ledger reserves the money before an order is made"
NO_WIRE = "there is no wire to paper"


def refused(harness: Harness, scene: Scene, order: Order) -> Refused:
    """The refusal of an order that must leave no trace."""
    before = harness.cash()
    with pytest.raises(Refused) as no:
        send(harness, order)
    assert harness.held(scene) == 0
    assert harness.cash() == before
    return no.value


@case(15, "A price off the market's grid")
def off_grid(harness: Harness) -> None:
    for side in ("yes", "no"):
        scene = harness.scene()
        no = refused(harness, scene, row(scene, "buy", side, scene.buys(side)[0][0] + 5, 100))
        assert (no.code, no.retry) == ("invalid_price", False)


@case(16, "More than the cash there is", paper=NO_ACCOUNT)
def too_expensive(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.bids[0][0], 100_000_000, time_in_force="good_till_canceled")
    no = refused(harness, scene, order)
    assert no.code in ("insufficient_balance", "available_balance_too_low")


@case(17, "Cash on another shard does not count", paper="paper has no shards", demo="the account's cash is where it is")
def wrong_purse(harness: Any) -> None:
    scene = harness.scene()
    for (subaccount, shard), amount in list(harness.exchange.ledger.cash.items()):
        if shard == 0:
            harness.exchange.ledger.credit((subaccount, shard), -amount)
    assert harness.cash() > 1_000_000_000
    no = refused(harness, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert no.code == "insufficient_balance"


@case(18, "A paused market", demo=WORLD)
def paused_market(harness: Any) -> None:
    scene = harness.scene()
    harness.pause(scene)
    no = refused(harness, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert (no.code, no.retry) in (("trading_is_paused", False), ("market_inactive", False))


@case(19, "A paused shard", paper="markets of a paused shard reach paper as paused ones: case 18", demo=WORLD)
def paused_shard(harness: Any) -> None:
    scene = harness.scene()
    harness.exchange.state.trading_shards.add(0)
    no = refused(harness, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert (no.code, no.retry) == ("trading_is_paused", False)


@case(20, "A closed market", demo=WORLD)
def closed_market(harness: Any) -> None:
    scene = harness.scene()
    harness.close(scene)
    no = refused(harness, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert (no.code, no.retry) == ("market_inactive", False)


@case(21, "The market closes while the order is under way", paper=NO_WIRE, demo=WORLD)
def closes_between(harness: Any) -> None:
    scene = harness.scene()
    harness.exchange.faults.add(kind="close", ticker=scene.ticker, method="POST")
    no = refused(harness, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert no.code == "market_inactive"


@case(22, "Out of rate tokens", paper=NO_WIRE, demo="it would take the account's tokens away from everybody else")
def rate_limit(harness: Any) -> None:
    scene = harness.scene()
    harness.exchange.faults.add(kind="rate_limit", method="POST", count=0)
    order = row(scene, "buy", "yes", scene.asks[0][0], 100)
    assert refused(harness, scene, order).retry
    harness.exchange.faults.clear()
    assert send(harness, order).fill_count == 100, "the same id is good again"


@case(23, "An order sent to the wrong shard", paper="paper has no shards")
def wrong_shard(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 100, exchange_index=3)
    assert not refused(harness, scene, order).retry


@case(24, "A cancel sent to the wrong shard is not taken for a cancel", paper="paper has no shards")
def cancel_on_wrong_shard(harness: Harness) -> None:
    scene = harness.scene()
    order = row(scene, "buy", "yes", 100, 100, time_in_force="good_till_canceled")
    assert send(harness, order).remaining_count == 100
    right, order.exchange_index = order.exchange_index, 3
    harness.catch_up()
    with pytest.raises((Refused, Unresolved)):
        harness.venue.cancel(order)
    order.exchange_index = right
    assert fetch(harness, order).remaining_count == 100
    assert harness.venue.cancel(order).remaining_count == 0


@case(25, "A key that the exchange does not know", paper=NO_WIRE)
def wrong_key(harness: Any) -> None:
    scene = harness.scene()
    stranger = Signer("00000000-0000-4000-8000-000000000000", harness.signer._key)
    own, harness.venue = harness.venue, LiveVenue(harness.client(stranger))
    try:
        assert not refused(harness, scene, row(scene, "buy", "yes", scene.asks[0][0], 100)).retry
    finally:
        harness.venue = own


@case(
    26,
    "No live book, no fill",
    live="orders meet the exchange's own book; the executor checks ours before it sends",
    demo="orders meet the exchange's own book; the executor checks ours before it sends",
)
def no_book(harness: Any) -> None:
    for fault in ({"lease": None}, {"age_ms": 3_600_000}):
        scene = harness.scene()
        harness.publish(scene.ticker, scene.bids, scene.asks, "active", **fault)
        no = refused(harness, scene, row(scene, "buy", "yes", 9_900, 100))
        assert no.code.startswith("price_")
