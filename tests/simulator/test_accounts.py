"""Cash per shard, reservations, and opposite sides that net at $1 a pair."""

from __future__ import annotations

import random
from collections.abc import Callable

from simulator.control.internal_state import internal_state
from simulator.exchange import Exchange
from simulator.matching.resting import enforce_margin

from .world import B805, B825, CLE, MIN, T80, Client, code

DOLLAR = 1_000_000


def test_starting_cash_is_spread_over_the_shards(client: Client) -> None:
    body = client.get("/portfolio/balance")
    assert (body["balance"], body["balance_dollars"]) == (1_000_000, "10000.0000")
    assert [b["balance"] for b in body["balance_breakdown"]] == ["4000.0000", "1000.0000", "2000.0000", "3000.0000"]
    assert client.get("/portfolio/balance", exchange_index=2)["balance_dollars"] == "2000.0000"


def test_a_purchase_takes_price_and_fee_from_its_own_shard(client: Client) -> None:
    client.order(MIN, "bid", "0.4800", "100")
    assert client.cash(0) == 4_000 * DOLLAR
    assert client.cash(3) == 3_000 * DOLLAR - 48 * DOLLAR - 873_600


def test_cash_on_another_shard_does_not_fund_an_order(make: Callable[..., Exchange]) -> None:
    client = Client(make(balance_split={0: 100, 1: 0, 2: 0, 3: 0}))
    assert code(client.order(MIN, "bid", "0.4800", "1")) == (400, "insufficient_balance")
    assert client.order(B825, "bid", "0.4200", "1")[0] == 201


def test_buying_no_while_long_yes_closes_the_pair_for_a_dollar(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "10")
    before = client.cash()
    client.order(B825, "ask", "0.3800", "4")
    assert client.position(B825) == 600
    fee = 65_968  # 0.07 * 4 * 0.38 * 0.62, rounded up to the grid below
    assert client.cash() - before == 4 * 380_000 - -(-fee // 100) * 100
    held = client.get("/portfolio/positions", ticker=B825)["market_positions"][0]
    assert held["position_fp"] == "6.00"
    assert held["market_exposure_dollars"] == "2.520000"
    assert held["realized_pnl_dollars"] == "-0.160000"


def test_a_fill_may_close_and_open_the_other_side(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "10")
    client.order(B825, "ask", "0.3800", "25")
    held = client.exchange.ledger.positions[0, B825]
    assert (held.count, held.cost, held.realised) == (-1_500, 15 * 620_000, -10 * 40_000)


def test_resting_orders_reserve_price_times_count_and_fee(client: Client) -> None:
    client.placed(B825, "bid", "0.1000", "100")
    assert client.free() == 3_990 * DOLLAR
    client.placed(B805, "ask", "0.9000", "100")
    assert client.free() == 3_980 * DOLLAR
    # a series with maker fees sets the maker fee aside: 0.0175 * 0.5 * 100 * 0.1 * 0.9
    client.placed(MIN, "bid", "0.1000", "100")
    assert client.free(3) == 3_000 * DOLLAR - 10 * DOLLAR - 78_800


def test_the_fee_reservation_is_a_switch(make: Callable[..., Exchange]) -> None:
    client = Client(make(reserve_fee_for_resting=False))
    client.placed(MIN, "bid", "0.1000", "100")
    assert client.free(3) == 2_990 * DOLLAR


def test_a_closing_order_reserves_nothing(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "10")
    free = client.free()
    client.placed(B825, "ask", "0.9000", "10")
    assert client.free() == free
    client.placed(B825, "ask", "0.9000", "10")
    assert client.free() == free - 10 * 100_000


def test_an_exit_needs_no_cash(make: Callable[..., Exchange]) -> None:
    client = Client(make())
    client.order(B825, "bid", "0.4200", "10")
    client.exchange.ledger.credit((0, 0), -client.free())
    assert code(client.order(B805, "bid", "0.3500", "1")) == (400, "insufficient_balance")
    assert client.order(B825, "ask", "0.3800", "10")[1]["fill_count"] == "10.00"


def test_orders_that_cash_no_longer_covers_are_cancelled(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "10")
    resting = client.placed(B825, "ask", "0.9000", "10")
    assert client.exchange.ledger.reserved[0, 0] == 0
    client.exchange.ledger.credit((0, 0), 20 * DOLLAR - client.free())
    client.order(B825, "bid", "0.4500", "20")
    client.order(B825, "ask", "0.3800", "30")  # sold again: the resting order now opens NO and the cash is there
    assert client.exchange.ledger.reserved[0, 0] == DOLLAR
    assert client.one(resting)["status"] == "resting"
    client.exchange.ledger.credit((0, 0), DOLLAR // 2 - client.cash())
    enforce_margin(client.exchange, 0, client.exchange.markets[B825])
    assert client.exchange.ledger.reserved[0, 0] == 0
    assert client.exchange.ledger.orders[resting].reason == "MarginCancel"


def test_amend_is_refused_without_the_cash_and_leaves_the_order(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "10")
    body = {"ticker": B825, "side": "bid", "price": "0.1000", "count": "100000"}
    assert code(client.call("POST", f"/portfolio/events/orders/{order}/amend", body)) == (400, "insufficient_balance")
    assert client.one(order)["remaining_count_fp"] == "10.00"


def test_subaccounts_have_their_own_cash_and_positions(make: Callable[..., Exchange]) -> None:
    client = Client(make(tier="advanced"))
    assert client.call("POST", "/portfolio/subaccounts", {}) == (201, {"subaccount_number": 1})
    assert code(client.order(B825, "bid", "0.4200", "1", subaccount=1)) == (400, "insufficient_balance")
    move = {
        "client_transfer_id": "5b7d2b8e-7a0f-4a1c-9a52-77f6b8a1c001",
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 5_000,
    }
    assert client.call("POST", "/portfolio/subaccounts/transfer", move)[0] == 200
    assert code(client.call("POST", "/portfolio/subaccounts/transfer", move)) == (409, "transfer_already_exists")
    client.order(B825, "bid", "0.4200", "1", subaccount=1)
    client.order(B825, "bid", "0.4200", "2")
    assert [p["position_fp"] for p in client.get("/portfolio/positions")["market_positions"]] == ["2.00"]
    assert [p["position_fp"] for p in client.get("/portfolio/positions", subaccount=1)["market_positions"]] == ["1.00"]
    assert len(client.get("/portfolio/fills")["fills"]) == 2
    assert len(client.get("/portfolio/fills", subaccount=1)["fills"]) == 1


def test_subaccounts_need_the_advanced_tier(client: Client) -> None:
    assert client.call("POST", "/portfolio/subaccounts", {})[0] == 403


def test_cash_moves_between_shards_after_a_moment(client: Client) -> None:
    body = {
        "source": "event_contract",
        "destination": "event_contract",
        "amount": 1_000_000,
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "client_transfer_id": "5b7d2b8e-7a0f-4a1c-9a52-77f6b8a1c001",
    }
    status, answer = client.call("POST", "/portfolio/intra_exchange_instance_transfer", body)
    assert status == 200
    assert code(client.call("POST", "/portfolio/intra_exchange_instance_transfer", body)) == (
        409,
        "transfer_already_exists",
    )
    assert (client.cash(0), client.cash(2)) == (3_900 * DOLLAR, 2_000 * DOLLAR)
    path = f"/portfolio/intra_exchange_instance_transfers/{answer['transfer_id']}"
    assert client.get(path)["transfer"]["status"] == "pending"
    client.exchange.advance(client.exchange.now() + 4_000)
    assert client.get(path)["transfer"]["status"] == "complete"
    assert client.cash(2) == 2_100 * DOLLAR


def test_target_allocation_moves_free_cash_every_ten_seconds(client: Client) -> None:
    rows = [{"exchange_index": 0, "percent": 25}, {"exchange_index": 3, "percent": 75}]
    assert client.call("POST", "/portfolio/target_balance_allocation", {"allocations": rows[:1]})[0] == 400
    client.placed(MIN, "bid", "0.1000", "100")
    held = client.cash(3) - client.free(3)
    assert client.call("POST", "/portfolio/target_balance_allocation", {"allocations": rows}) == (200, {})
    client.exchange.advance(client.exchange.now() + 10_000)
    free = 10_000 * DOLLAR - held
    assert [client.free(shard) for shard in range(4)] == [
        free - free * 75 // 100 // 100 * 100,
        0,
        0,
        free * 75 // 100 // 100 * 100,
    ]
    assert internal_state(client.exchange, set())["balanced"]


def test_order_groups_are_limited_to_a_number_a_user(make: Callable[..., Exchange]) -> None:
    client = Client(make(group_maximum=2))
    made = [client.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 10}) for _ in range(3)]
    assert [status for status, _ in made] == [201, 201, 400]
    assert client.call("DELETE", f"/portfolio/order_groups/{made[0][1]['order_group_id']}")[0] == 200
    assert client.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 10})[0] == 201


def test_order_group_cancels_itself_when_its_window_is_full(client: Client) -> None:
    group = client.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 10})[1]["order_group_id"]
    resting = client.placed(B805, "bid", "0.1000", "5", order_group_id=group)
    assert client.order(B825, "bid", "0.4200", "9", order_group_id=group)[0] == 201
    assert client.one(resting)["status"] == "resting"
    client.order(B825, "bid", "0.4200", "1", order_group_id=group)
    assert client.one(resting)["status"] == "canceled"
    assert code(client.order(B825, "bid", "0.4200", "1", order_group_id=group)) == (400, "invalid_order")
    assert client.call("PUT", f"/portfolio/order_groups/{group}/reset")[0] == 200
    assert client.order(B825, "bid", "0.4200", "1", order_group_id=group)[0] == 201


def test_no_money_appears_or_vanishes_under_random_trading(make: Callable[..., Exchange]) -> None:
    """A thousand random writes with moving books: the sum over everybody stays what was deposited."""
    exchange = make(still=False, speed=600.0, edge_every_s=5.0)
    client, rng = Client(exchange), random.Random(5)
    orders: list[tuple[str, str]] = []
    tickers = [T80, B805, B825, MIN, CLE]
    for step in range(1_000):
        ticker = rng.choice(tickers)
        if orders and rng.random() < 0.25:
            order, where = orders.pop(rng.randrange(len(orders)))
            client.cancel(order, market_ticker=where)
        else:
            tif = rng.choice(["good_till_canceled", "immediate_or_cancel", "fill_or_kill"])
            status, body = client.order(
                ticker,
                rng.choice(["bid", "ask"]),
                f"0.{rng.randrange(1, 100):02d}00",
                f"{rng.randrange(1, 9_000) / 100:.2f}",
                tif,
                self_trade_prevention_type=rng.choice(["maker", "taker_at_cross"]),
            )
            if status == 201 and body["remaining_count"] != "0.00":
                orders.append((body["order_id"], ticker))
        exchange.advance(exchange.now() + 100)
        for book in exchange.books.values():
            bid, ask = book.best_bid(), book.best_ask()
            assert bid is None or ask is None or bid < ask
        if step % 50 == 0:
            found = internal_state(exchange, {"positions"})
            assert found["balanced"]
            assert all(row["cash"] >= row["reserved"] >= 0 for row in found["cash"])
    assert len(exchange.ledger.fills) > 200
    assert internal_state(exchange, {"positions"})["balanced"]
