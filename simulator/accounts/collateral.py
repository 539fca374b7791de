"""Collateral return: what the exchange gives back while NO positions of one exclusive group are held (docs/kalshi-protocol.md 13).

Whoever holds NO on several markets of which at most one resolves Yes cannot lose all of them. What they pay at least is credited at once
and taken back as positions go. It is on per subaccount and counts for positions bought since; undocumented details are
switches of the configuration. What is credited is kept as an option of the ledger, so that it is journalled with the cash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simulator.core import ExchangeCore
from simulator.listing.model import FINALIZED, Event, Market
from simulator.units import CENT, ONE

EXCLUSIVE = "MECNET"


def is_on(exchange: ExchangeCore, subaccount: int) -> bool:
    """Whether the subaccount has it switched on."""
    default = "1" if exchange.config.netting_default else "0"
    return exchange.ledger.options.get(f"netting:{subaccount}", default) == "1"


def moved(exchange: ExchangeCore, subaccount: int, market: Market, before: int, after: int) -> int:
    """A position went from ``before`` to ``after`` (signed): count what is netted of it, and credit or take back. Returns the change."""
    key = f"netted:{subaccount}:{market.ticker}"
    counted = int(exchange.ledger.options.get(key, "0"))
    for side in (1, -1):
        held, was = max(0, side * after), max(0, side * before)
        if side == -1 or exchange.config.netting_yes_counts:
            more = max(0, held - was) if is_on(exchange, subaccount) else 0
            if side * counted > 0 or more:
                counted = side * min(held, abs(counted) + more)
    if str(counted) != exchange.ledger.options.get(key, "0"):
        exchange.ledger.set_option(key, str(counted))
    return refresh(exchange, subaccount, market)


def refresh(exchange: ExchangeCore, subaccount: int, market: Market) -> int:
    """Credit (or take back) what has changed in the market's group. Returns the change, micro-dollars."""
    event = exchange.events[market.event_ticker]
    key = f"returned:{subaccount}:{event.ticker}"
    before = int(exchange.ledger.options.get(key, "0"))
    after = returned(exchange, event, _netted(exchange, subaccount, event))
    if after != before:
        exchange.ledger.set_option(key, str(after))
        exchange.ledger.credit((subaccount, market.shard), after - before)
        exchange.market_maker_cash -= after - before
    return after - before


def effect(exchange: ExchangeCore, subaccount: int, market: Market, change: int) -> int:
    """What a change of the position by ``change`` (signed) would credit (below zero: take back), micro-dollars."""
    event = exchange.events[market.event_ticker]
    held = dict(_netted(exchange, subaccount, event))
    position, counted = exchange.ledger.position(subaccount, market.ticker), held.get(market.ticker, 0)
    before = returned(exchange, event, held.items())
    if change < 0:
        opens = -change - max(0, min(position, -change))
        counted -= opens if is_on(exchange, subaccount) else 0
    else:
        counted = -min(-counted, max(0, -position - change)) if counted < 0 else counted
    held[market.ticker] = counted
    return returned(exchange, event, held.items()) - before


def returned(exchange: ExchangeCore, event: Event, netted: Iterable[tuple[str, int]]) -> int:
    """The least that the netted contracts pay over every outcome that is still possible: nobody, or one of the markets not settled."""
    held = {ticker: count for ticker, count in netted if count}
    if event.collateral_return_type != EXCLUSIVE or not held:
        return 0
    markets = [exchange.markets[ticker] for ticker in event.markets]
    settled = [market for market in markets if market.status == FINALIZED]
    if any(market.result not in ("yes", "no") for market in settled):
        return 0
    unsettled = {market.ticker for market in markets} - {market.ticker for market in settled}
    winners: list[str] = ["", *sorted(unsettled)]
    if any(market.result == "yes" for market in settled):
        winners = [""]
    least = min(
        sum(
            (-count if ticker != winner else 0) if count < 0 else (count if ticker == winner else 0)
            for ticker, count in held.items()
            if ticker in unsettled
        )
        for winner in winners
    )
    money = least * ONE
    return money // CENT * CENT if exchange.config.netting_whole_cents else money


def _netted(exchange: ExchangeCore, subaccount: int, event: Event) -> Iterator[tuple[str, int]]:
    for ticker in event.markets:
        counted = int(exchange.ledger.options.get(f"netted:{subaccount}:{ticker}", "0"))
        if counted:
            yield ticker, counted
