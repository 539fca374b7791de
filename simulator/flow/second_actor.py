"""A person on the same account, beside the bot: buys, sells, cancels, shrinks orders, deposits and withdraws."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from simulator.accounts.records import Order, Transfer
from simulator.core import ExchangeCore
from simulator.errors import ApiError
from simulator.matching import orders
from simulator.matching.book import ASK, BID
from simulator.matching.order_requests import NewOrder
from simulator.units import CONTRACT, DOLLAR

Terms = dict[str, Any]
Did = dict[str, Any] | None
"""What was done, or None if nothing suited."""


def act(exchange: ExchangeCore, what: str, terms: Terms, rng: Random) -> dict[str, Any]:
    """Do one thing (``any`` draws one) in the markets ``terms["tickers"]``; what the exchange refuses is done by nobody.

    Other terms, each drawn if absent: ``side``, ``price``, ``count`` (units), ``rest``, ``order_id``, ``amount``, ``shard``,
    ``subaccount`` (0).
    """
    names = sorted(ACTS)
    chosen = names[rng.randrange(len(names))] if what == "any" else what
    try:
        did = ACTS[chosen](exchange, terms, rng)
    except ApiError as error:
        did = {"refused": error.code}
    return {"did": chosen if did is not None else "nothing"} | (did or {})


def fund(exchange: ExchangeCore, kind: str, account: tuple[int, int], amount: int) -> Transfer:
    """A deposit or a withdrawal that has taken effect, with its record. ``amount`` in micro-dollars, above zero."""
    signed = amount if kind == "deposit" else -amount
    exchange.ledger.credit(account, signed)
    exchange.deposits += signed
    now = exchange.now()
    record = Transfer(exchange.streams.new_id("transfer"), "", kind, amount, account, account, now, now)
    exchange.ledger.add_transfer(record)
    return record


def _subaccount(terms: Terms) -> int:
    return int(terms.get("subaccount", 0))


def _place(exchange: ExchangeCore, terms: Terms, ticker: str, side: str, price: int, count: int, rest: bool) -> Did:
    new = NewOrder(
        ticker=ticker,
        side=side,
        price=price,
        count=count,
        time_in_force="good_till_canceled" if rest else "immediate_or_cancel",
        stp="taker_at_cross",
        client_order_id=str(terms.get("client_order_id", "")),
        expiration_s=0,
        post_only=False,
        reduce_only=False,
        cancel_on_pause=False,
        subaccount=_subaccount(terms),
        group_id="",
        shard=None,
        by_hand=True,
    )
    placed = orders.place(exchange, new)
    filled = sum(fill.count for fill in placed.fills)
    return {"order_id": placed.order.order_id, "ticker": ticker, "side": side, "price": price, "filled": filled}


def _buy(exchange: ExchangeCore, terms: Terms, rng: Random) -> Did:
    """Buy YES or NO: at the touch, or resting at the best price of the own side."""
    tickers = terms["tickers"]
    ticker = tickers[rng.randrange(len(tickers))]
    side = str(terms.get("side") or rng.choice((BID, ASK)))
    rest = bool(terms.get("rest", rng.random() < 0.3))
    count = int(terms.get("count") or rng.choice((1, 50, 1, 5, 20)) * CONTRACT)
    book = exchange.books[ticker]
    touch = book.best(side) if rest else book.best(ASK if side == BID else BID)
    price = terms.get("price", touch)
    return None if price is None else _place(exchange, terms, ticker, side, int(price), count, rest)


def _sell(exchange: ExchangeCore, terms: Terms, rng: Random) -> Did:
    """Sell some or all of a position at the touch."""
    held = [
        p
        for ticker in terms["tickers"]
        if (p := exchange.ledger.positions.get((_subaccount(terms), ticker))) is not None and p.count
    ]
    if not held:
        return None
    position = held[rng.randrange(len(held))]
    side = ASK if position.count > 0 else BID
    price = terms.get("price", exchange.books[position.ticker].best(BID if side == ASK else ASK))
    count = int(terms.get("count") or rng.randint(1, abs(position.count)))
    if price is None:
        return None
    return _place(exchange, terms, position.ticker, side, int(price), min(count, abs(position.count)), False)


def _resting(exchange: ExchangeCore, terms: Terms, rng: Random) -> Order | None:
    named = terms.get("order_id")
    found = [
        order
        for order in exchange.ledger.all_open()
        if order.ticker in terms["tickers"] and (named is None or order.order_id == named)
    ]
    return found[rng.randrange(len(found))] if found else None


def _cancel(exchange: ExchangeCore, terms: Terms, rng: Random) -> Did:
    order = _resting(exchange, terms, rng)
    return None if order is None else {"order_id": order.order_id, "reduced_by": orders.cancel(exchange, order)}


def _shrink(exchange: ExchangeCore, terms: Terms, rng: Random) -> Did:
    order = _resting(exchange, terms, rng)
    if order is None or order.remaining < 2:
        return None
    remaining = orders.decrease(exchange, order, rng.randint(1, order.remaining - 1), None)
    return {"order_id": order.order_id, "remaining": remaining}


def _deposit(exchange: ExchangeCore, terms: Terms, rng: Random) -> Did:
    account = (_subaccount(terms), int(terms.get("shard", 0)))
    amount = int(terms.get("amount") or rng.randint(1, 500) * DOLLAR)
    return {"amount": fund(exchange, "deposit", account, amount).amount}


def _withdraw(exchange: ExchangeCore, terms: Terms, rng: Random) -> Did:
    """Never more than is free, as on the exchange."""
    account = (_subaccount(terms), int(terms.get("shard", 0)))
    free = exchange.ledger.available(account)
    amount = min(int(terms.get("amount") or rng.randint(1, 500) * DOLLAR), free // 10_000 * 10_000)
    return {"amount": fund(exchange, "withdrawal", account, amount).amount} if amount > 0 else None


ACTS: dict[str, Callable[[ExchangeCore, Terms, Random], Did]] = {
    "buy": _buy,
    "sell": _sell,
    "cancel": _cancel,
    "shrink": _shrink,
    "deposit": _deposit,
    "withdraw": _withdraw,
}
