"""Cards 15 to 26: a definite no. Nothing was bought, and the venue says so in a way that cannot be misread."""

from __future__ import annotations

from typing import Any

import pytest

from markets.kalshi.signing import Signer
from trading.models import Order
from trading.venues.live import LiveVenue
from trading.venues.protocol import Refused, Unresolved

from .deck import card
from .ground import Ground, Scene, look, row, send

WORLD = "nobody outside can pause, close or break a running exchange"
NO_ACCOUNT = "paper keeps no account: our own ledger reserves the money before an order is made"
NO_WIRE = "there is no wire to paper"


def refused(ground: Ground, scene: Scene, order: Order) -> Refused:
    """The refusal of an order that must leave no trace."""
    before = ground.cash()
    with pytest.raises(Refused) as no:
        send(ground, order)
    assert ground.held(scene) == 0
    assert ground.cash() == before
    return no.value


@card(15, "A price off the market's grid")
def off_grid(ground: Ground) -> None:
    for side in ("yes", "no"):
        scene = ground.scene()
        no = refused(ground, scene, row(scene, "buy", side, scene.buys(side)[0][0] + 5, 100))
        assert (no.code, no.retry) == ("invalid_price", False)


@card(16, "More than the cash there is", paper=NO_ACCOUNT)
def too_dear(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.bids[0][0], 100_000_000, time_in_force="good_till_canceled")
    no = refused(ground, scene, order)
    assert no.code in ("insufficient_balance", "available_balance_too_low")


@card(17, "Cash on another shard does not count", paper="paper has no shards", demo="the account's cash is where it is")
def wrong_purse(ground: Any) -> None:
    scene = ground.scene()
    for (subaccount, shard), amount in list(ground.exchange.ledger.cash.items()):
        if shard == 0:
            ground.exchange.ledger.credit((subaccount, shard), -amount)
    assert ground.cash() > 1_000_000_000
    no = refused(ground, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert no.code == "insufficient_balance"


@card(18, "A paused market", demo=WORLD)
def paused_market(ground: Any) -> None:
    scene = ground.scene()
    ground.pause(scene)
    no = refused(ground, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert (no.code, no.retry) in (("trading_is_paused", False), ("market_inactive", False))


@card(19, "A paused shard", paper="markets of a paused shard reach paper as paused ones: card 18", demo=WORLD)
def paused_shard(ground: Any) -> None:
    scene = ground.scene()
    ground.exchange.state.trading_shards.add(0)
    no = refused(ground, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert (no.code, no.retry) == ("trading_is_paused", False)


@card(20, "A closed market", demo=WORLD)
def closed_market(ground: Any) -> None:
    scene = ground.scene()
    ground.close(scene)
    no = refused(ground, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert (no.code, no.retry) == ("market_inactive", False)


@card(21, "The market closes while the order is under way", paper=NO_WIRE, demo=WORLD)
def closes_between(ground: Any) -> None:
    scene = ground.scene()
    ground.exchange.faults.add(kind="close", ticker=scene.ticker, method="POST")
    no = refused(ground, scene, row(scene, "buy", "yes", scene.asks[0][0], 100))
    assert no.code == "market_inactive"


@card(22, "Out of rate tokens", paper=NO_WIRE, demo="it would take the account's tokens away from everybody else")
def rate_limit(ground: Any) -> None:
    scene = ground.scene()
    ground.exchange.faults.add(kind="rate_limit", method="POST", count=0)
    order = row(scene, "buy", "yes", scene.asks[0][0], 100)
    assert refused(ground, scene, order).retry
    ground.exchange.faults.clear()
    assert send(ground, order).fill_count == 100, "the same id is good again"


@card(23, "An order sent to the wrong shard", paper="paper has no shards")
def wrong_shard(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", scene.asks[0][0], 100, exchange_index=3)
    assert not refused(ground, scene, order).retry


@card(24, "A cancel sent to the wrong shard is not taken for a cancel", paper="paper has no shards")
def cancel_on_wrong_shard(ground: Ground) -> None:
    scene = ground.scene()
    order = row(scene, "buy", "yes", 100, 100, time_in_force="good_till_canceled")
    assert send(ground, order).remaining_count == 100
    right, order.exchange_index = order.exchange_index, 3
    ground.catch_up()
    with pytest.raises((Refused, Unresolved)):
        ground.venue.cancel(order)
    order.exchange_index = right
    assert look(ground, order).remaining_count == 100
    assert ground.venue.cancel(order).remaining_count == 0


@card(25, "A key that the exchange does not know", paper=NO_WIRE)
def wrong_key(ground: Any) -> None:
    scene = ground.scene()
    stranger = Signer("00000000-0000-4000-8000-000000000000", ground.signer._key)
    own, ground.venue = ground.venue, LiveVenue(ground.client(stranger))
    try:
        assert not refused(ground, scene, row(scene, "buy", "yes", scene.asks[0][0], 100)).retry
    finally:
        ground.venue = own


@card(
    26,
    "No living book, no fill",
    live="orders meet the exchange's own book; the executor looks at ours before it sends",
    demo="orders meet the exchange's own book; the executor looks at ours before it sends",
)
def no_book(ground: Any) -> None:
    for fault in ({"lease": None}, {"age_ms": 3_600_000}):
        scene = ground.scene()
        ground.publish(scene.ticker, scene.bids, scene.asks, "active", **fault)
        no = refused(ground, scene, row(scene, "buy", "yes", 9_900, 100))
        assert no.code.startswith("price_")
