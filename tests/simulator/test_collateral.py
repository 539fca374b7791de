"""Collateral return on the twin: what NO positions of one group pay at least is credited at once, and taken back as they go."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import permutations

import pytest

from simulator.control.internal_state import internal_state
from simulator.exchange import Exchange

from .test_lifecycle import control
from .world import B805, B825, GAME, HIGH, MIN, T80, T83, Client, code

DOLLAR = 1_000_000
BIDS = {T80: "0.1400", B805: "0.3000", B825: "0.3800", T83: "0.0900"}
LEGS = (T80, B805, B825, T83)
TEN = 10 * DOLLAR


def switch(client: Client, enabled: bool = True) -> None:
    assert client.call("PUT", "/portfolio/subaccounts/netting", {"subaccount_number": 0, "enabled": enabled})[0] == 200


def spent(client: Client, ticker: str, side: str = "ask", price: str | None = None, count: str = "10") -> int:
    """What an order at the best price took of the cash, its fee aside."""
    before = client.cash()
    assert client.order(ticker, side, price or BIDS[ticker], count)[1]["fill_count"] == f"{count}.00"
    return before - client.cash() - client.exchange.ledger.fills[-1].fee


def test_off_every_leg_costs_its_price(client: Client) -> None:
    assert [spent(client, leg) for leg in LEGS] == [8_600_000, 7_000_000, 6_200_000, 9_100_000]


def test_on_the_basket_takes_its_largest_loss_and_no_more(client: Client) -> None:
    switch(client)
    assert [spent(client, leg) for leg in LEGS] == [8_600_000, 7_000_000 - TEN, 6_200_000 - TEN, 9_100_000 - TEN]
    assert internal_state(client.exchange, set())["balanced"]


def test_only_what_is_bought_since_counts(client: Client) -> None:
    spent(client, T80)
    switch(client)
    assert spent(client, B805) == 7_000_000
    assert spent(client, B825) == 6_200_000 - TEN
    switch(client, False)
    assert spent(client, T83) == 9_100_000
    assert client.exchange.ledger.options[f"returned:0:{HIGH}"] == str(TEN), "what is netted stays netted"


def test_other_groups_return_nothing(client: Client) -> None:
    switch(client)
    before = client.cash(3)
    client.order(MIN, "ask", "0.4700", "10")
    assert before - client.cash(3) == 5_300_000 + client.exchange.ledger.fills[-1].fee
    assert client.exchange.ledger.options.get(f"returned:0:{GAME}") is None


def test_counts_that_differ_return_their_sum_less_the_largest(client: Client) -> None:
    switch(client)
    spent(client, T80, count="20")
    assert spent(client, B805, count="5") == 3_500_000 - 5 * DOLLAR
    assert spent(client, B825, count="10") == 6_200_000 - TEN


def test_a_sale_takes_back_what_was_returned_and_may_need_funds(client: Client) -> None:
    switch(client)
    for leg in LEGS:
        spent(client, leg)
    assert spent(client, B805, "bid", "0.3500") == TEN - 6_500_000  # NO is sold at 0.65
    client.exchange.ledger.credit((0, 0), -client.free() + 4_000_000)
    assert code(client.order(T83, "bid", "0.8800", "10")) == (400, "insufficient_balance")  # takes 10, brings 1.20
    assert client.order(T83, "bid", "0.1200", "3")[1]["fill_count"] == "3.00"


def test_with_little_cash_the_second_leg_can_be_bought_and_a_first_one_cannot(client: Client) -> None:
    switch(client)
    spent(client, T80)
    client.exchange.ledger.credit((0, 0), -client.free())
    assert client.order(B805, "ask", "0.3000", "10")[1]["fill_count"] == "10.00"
    client.exchange.ledger.credit((0, 0), -client.free())
    assert client.order(MIN, "ask", "0.4700", "1")[0] == 201, "another shard has its own cash"
    assert code(client.order(T80, "ask", "0.1400", "10")) == (400, "insufficient_balance"), "above the others' count"


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
@pytest.mark.parametrize("winner", [None, 0, 2])
def test_settlement_in_any_order_pays_what_is_due_less_what_was_returned(
    client: Client, order: tuple[int, ...], winner: int | None
) -> None:
    switch(client)
    before = client.cash()
    cost = sum(spent(client, leg) for leg in LEGS)
    fees = before - client.cash() - cost
    for number in order:
        control(client.exchange, "market/determine", ticker=LEGS[number], result="yes" if number == winner else "no")
        client.exchange.advance(client.exchange.now() + 5_000)
        assert internal_state(client.exchange, set())["balanced"]
    paid = 4 * TEN if winner is None else 3 * TEN
    assert client.cash() == before - fees - (8_600_000 + 7_000_000 + 6_200_000 + 9_100_000) + paid
    assert client.exchange.ledger.options[f"returned:0:{HIGH}"] == "0"


def test_any_trades_leave_cash_and_what_is_returned_in_step(make: Callable[..., Exchange]) -> None:
    """Cash is that of an account without it, and the least that its NO contracts pay."""
    for seed in range(6):
        chance = random.Random(seed)
        plain, netted = Client(make()), Client(make())
        switch(netted)
        for _ in range(30):
            ticker, side = chance.choice(LEGS), chance.choice(("ask", "ask", "bid"))
            price = BIDS[ticker] if side == "ask" else chance.choice(("0.2000", "0.3500", "0.4500"))
            count = str(chance.randint(1, 6))
            for client in (plain, netted):
                client.order(ticker, side, price, count)
        held = {leg: -netted.position(leg) for leg in LEGS if netted.position(leg) < 0}
        assert {leg: plain.position(leg) for leg in LEGS} == {leg: netted.position(leg) for leg in LEGS}
        least = sum(held.values()) - max(held.values(), default=0)
        assert netted.cash() - plain.cash() == least * 10_000


def test_the_settlement_record_may_show_the_rest(make: Callable[..., Exchange]) -> None:
    """An undocumented choice, as a switch: the payout, or what is left of it."""
    for shown, expected in ((False, TEN), (True, 0)):
        client = Client(make(netting_revenue_net=shown))
        switch(client)
        for leg in LEGS:
            spent(client, leg)
        control(client.exchange, "market/determine", ticker=T80, result="no")
        client.exchange.advance(client.exchange.now() + 5_000)
        assert client.exchange.ledger.settlements[-1].revenue == expected
