"""Tick tables, expiry, pauses and order-group limits, read independently out of docs/kalshi-protocol.md 4, 9 and 14."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from simulator.exchange import Exchange
from simulator.listing.model import STRUCTURES
from simulator.units import dollars4

from .test_troubles import act
from .world import B825, MIN, Client, code

TICKS: dict[str, list[tuple[str, str, str]]] = {
    # structure: (from, to, step) in dollars, as the page has them
    "linear_cent": [("0", "1", "0.01")],
    "deci_cent": [("0", "1", "0.001")],
    "tapered_deci_cent": [("0", "0.10", "0.001"), ("0.10", "0.90", "0.01"), ("0.90", "1", "0.001")],
    "center_half_edge_deci_cent": [("0", "0.10", "0.001"), ("0.10", "0.90", "0.005"), ("0.90", "1", "0.001")],
    "center_deci_edge_centi_cent": [("0", "0.01", "0.0001"), ("0.01", "0.99", "0.001"), ("0.99", "1", "0.0001")],
}


def on_grid(structure: str, price: Decimal) -> bool:
    """In decimals, so that nothing of the simulator's arithmetic is used."""
    return 0 < price < 1 and any(
        Decimal(low) <= price <= Decimal(high) and (price - Decimal(low)) % Decimal(step) == 0
        for low, high, step in TICKS[structure]
    )


@pytest.mark.parametrize("structure", sorted(TICKS))
def test_every_price_of_every_structure(exchange: Exchange, structure: str) -> None:
    act(exchange, "market/structure", ticker=B825, structure=structure)
    market = exchange.markets[B825]
    for units in range(-1, 10_002):
        assert market.valid_price(units) == on_grid(structure, Decimal(units) / 10_000), units


@pytest.mark.parametrize("structure", sorted(TICKS))
def test_the_listing_shows_the_structure_that_orders_are_held_to(client: Client, structure: str) -> None:
    act(client.exchange, "market/structure", ticker=B825, structure=structure)
    shown = client.get(f"/markets/{B825}")["market"]
    assert shown["price_level_structure"] == structure
    bands = [tuple(Decimal(band[name]) for name in ("start", "end", "step")) for band in shown["price_ranges"]]
    assert bands == [tuple(map(Decimal, band)) for band in TICKS[structure]]
    for units in (1, 10, 15, 50, 100, 105, 1_005, 1_050, 4_999, 5_000, 8_995, 9_000, 9_005, 9_990, 9_999):
        status, answer = client.order(B825, "bid", dollars4(units), "0.01")
        expected = on_grid(structure, Decimal(units) / 10_000)
        assert (status == 201) == expected, (units, answer)


def test_whole_cents_are_valid_in_every_structure() -> None:
    assert set(STRUCTURES) == set(TICKS)
    for structure in TICKS:
        assert all(on_grid(structure, Decimal(cents) / 100) for cents in range(1, 100))


# ---- expiry (9.3, 9.4)


def test_an_expiry_ends_the_order_at_its_second_and_says_why(client: Client) -> None:
    exchange = client.exchange
    due = exchange.now() // 1000 + 10
    order_id = client.placed(MIN, "bid", "0.1000", "5.00", expiration_time=due)
    exchange.advance(due * 1000 - 1)
    assert client.one(order_id)["status"] == "resting"
    exchange.advance(due * 1000)
    assert client.one(order_id)["status"] == "canceled"
    assert exchange.ledger.orders[order_id].reason == "ExpiryCancel"


@pytest.mark.parametrize(
    ("tif", "ahead_s", "accepted"),
    [
        ("good_till_canceled", 5, True),
        ("good_till_canceled", 0, False),
        ("good_till_canceled", -5, False),
        ("immediate_or_cancel", 5, False),
        ("fill_or_kill", 5, False),
    ],
)
def test_an_expiry_goes_with_a_resting_order_and_lies_ahead(
    client: Client, tif: str, ahead_s: int, accepted: bool
) -> None:
    due = client.exchange.now() // 1000 + ahead_s
    status, _ = client.order(MIN, "bid", "0.1000", "5.00", tif, expiration_time=due)
    assert status == (201 if accepted else 400)


def test_an_amend_keeps_moves_or_clears_the_expiry(client: Client) -> None:
    exchange = client.exchange
    due = exchange.now() // 1000 + 10
    order_id = client.placed(MIN, "bid", "0.1000", "5.00", expiration_time=due)
    body: dict[str, Any] = {"ticker": MIN, "side": "bid", "price": "0.1000", "count": "5.00"}
    path = f"/portfolio/events/orders/{order_id}/amend"
    for change, expected in (({}, due), ({"expiration_time": due + 20}, due + 20), ({"expiration_time": 0}, 0)):
        assert client.call("POST", path, body | change)[0] == 200
        assert exchange.ledger.orders[order_id].expiration_s == expected
    exchange.advance((due + 60) * 1000)
    assert client.one(order_id)["status"] == "resting"


# ---- pauses (9.10, 14.1)


@pytest.mark.parametrize(
    ("pause", "place", "cancel"),
    [
        ({}, "", ""),
        ({"trading_paused": True}, "trading_is_paused", ""),
        ({"trading_paused": True, "shard": 3}, "trading_is_paused", ""),
        ({"trading_paused": True, "shard": 1}, "", ""),
        ({"exchange_paused": True}, "exchange_is_paused", "exchange_is_paused"),
        ({"exchange_paused": True, "shard": 3}, "exchange_is_paused", "exchange_is_paused"),
        ({"exchange_paused": True, "shard": 2}, "", ""),
    ],
)
def test_a_pause_refuses_what_the_page_says(client: Client, pause: dict[str, Any], place: str, cancel: str) -> None:
    resting = client.placed(MIN, "bid", "0.1000", "5.00")
    stops = client.placed(MIN, "bid", "0.1100", "5.00", cancel_order_on_pause=True)
    act(client.exchange, "status", **pause)
    answer = client.order(MIN, "bid", "0.1200", "1.00", "good_till_canceled")
    assert (code(answer) == (409, place)) if place else (answer[0] == 201)
    assert client.one(stops)["status"] == ("canceled" if place else "resting")
    answer = client.cancel(resting, exchange_index=3)
    assert (code(answer) == (409, cancel)) if cancel else (answer[0] == 200)
    assert client.one(resting)["status"] == ("resting" if cancel else "canceled")


def test_a_reactivated_market_has_lost_its_resting_orders(client: Client) -> None:
    resting = client.placed(MIN, "bid", "0.1000", "5.00")
    act(client.exchange, "market/pause", ticker=MIN)
    assert client.one(resting)["status"] == "resting"
    assert code(client.order(MIN, "bid", "0.1200", "1.00"))[0] == 409
    act(client.exchange, "market/resume", ticker=MIN)
    assert client.one(resting)["status"] == "canceled"


# ---- order groups (9.8): at most so many contracts in any rolling 15 seconds


def group(client: Client, limit: str) -> str:
    body = {"contracts_limit_fp": limit, "exchange_index": 3}
    status, answer = client.call("POST", "/portfolio/order_groups/create", body)
    assert status == 201, answer
    return str(answer["order_group_id"])


@pytest.mark.parametrize(
    ("limit", "accepted"),
    [("1.00", True), ("1000000.00", True), ("0.99", False), ("1000000.01", False), ("0.00", False), ("-1.00", False)],
)
def test_a_group_limit_is_between_one_and_a_million_contracts(client: Client, limit: str, accepted: bool) -> None:
    status, _ = client.call("POST", "/portfolio/order_groups/create", {"contracts_limit_fp": limit})
    assert status == (201 if accepted else 400)


def test_a_group_that_reaches_its_limit_loses_its_orders_and_takes_none_until_it_is_reset(client: Client) -> None:
    name = group(client, "10.00")
    resting = client.placed(MIN, "bid", "0.1000", "5.00", order_group_id=name)
    client.order(MIN, "bid", "0.4800", "9.99", order_group_id=name)
    assert client.one(resting)["status"] == "resting"
    client.order(MIN, "bid", "0.4800", "0.01", order_group_id=name)
    assert client.one(resting)["status"] == "canceled"
    assert client.order(MIN, "bid", "0.1000", "1.00", order_group_id=name)[0] == 400
    assert client.call("PUT", f"/portfolio/order_groups/{name}/reset")[0] == 200
    assert client.order(MIN, "bid", "0.1000", "1.00", order_group_id=name)[0] == 201


@pytest.mark.parametrize(("apart_ms", "triggered"), [(14_999, True), (15_000, False)])
def test_the_window_of_a_group_rolls(client: Client, apart_ms: int, triggered: bool) -> None:
    name = group(client, "10.00")
    resting = client.placed(MIN, "bid", "0.1000", "5.00", order_group_id=name)
    client.order(MIN, "bid", "0.4800", "6.00", order_group_id=name)
    client.exchange.advance(client.exchange.now() + apart_ms)
    client.order(MIN, "bid", "0.4800", "6.00", order_group_id=name)
    assert client.one(resting)["status"] == ("canceled" if triggered else "resting")


def test_a_limit_below_what_has_just_filled_triggers_the_group(client: Client) -> None:
    name = group(client, "10.00")
    resting = client.placed(MIN, "bid", "0.1000", "5.00", order_group_id=name)
    client.order(MIN, "bid", "0.4800", "6.00", order_group_id=name)
    path = f"/portfolio/order_groups/{name}/limit"
    assert client.call("PUT", path, {"contracts_limit_fp": "5.00"})[0] == 200
    assert client.one(resting)["status"] == "canceled"


def test_a_group_serves_one_shard(client: Client) -> None:
    name = group(client, "10.00")
    assert client.order(B825, "bid", "0.1000", "1.00", order_group_id=name)[0] == 404
