"""A market's life: opens and closes by the clock, is determined, may be disputed, is finalised and paid (docs/kalshi-protocol.md 13)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from simulator.accounts import collateral
from simulator.accounts.records import Order, Position
from simulator.core import ExchangeCore
from simulator.matching.resting import cancel_order
from simulator.units import CENT, ONE

from . import thresholds
from .model import ACTIVE, AMENDED, CLOSED, DETERMINED, DISPUTED, FINALIZED, INACTIVE, INITIALIZED, Event, Market

CLOSE_CANCEL_MS = 250
"""The exchange cancels resting orders this long after the close."""


def draw_outcome(exchange: ExchangeCore, event: Event) -> None:
    """Who will win, from the de-vigged prices and the seed alone. Only the simulator knows."""
    rng = exchange.streams.fixed(f"outcome:{event.ticker}")
    event.ladder_draw = rng.random()
    odd = rng.random() < exchange.config.scalar_rate
    markets = [exchange.markets[ticker] for ticker in event.markets]
    if odd:
        event.outcome = "void"
    elif not event.mutually_exclusive or len(markets) == 1:
        event.outcome = "ladder"
    else:
        draw = event.ladder_draw * sum(m.anchor for m in markets)
        event.outcome = markets[-1].ticker
        for market in markets:
            draw -= market.anchor
            if draw <= 0:
                event.outcome = market.ticker
                break


def schedule(exchange: ExchangeCore, event: Event) -> None:
    """Set the timers that an event's present state calls for (also after a restart)."""
    for ticker in event.markets:
        market = exchange.markets[ticker]
        if market.status == INITIALIZED:
            exchange.timers.at(market.open_ms, partial(open_market, exchange, market))
        if market.status in (INITIALIZED, ACTIVE, INACTIVE):
            schedule_close(exchange, market)
        elif market.status == CLOSED:
            schedule_determination(exchange, event)
        elif market.status in (DETERMINED, AMENDED):
            schedule_finality(exchange, market)
    if _all(exchange, event, FINALIZED) and not event.rolled:
        exchange.timers.at(exchange.now() + 1, lambda: after_settlement(exchange, event))


def schedule_close(exchange: ExchangeCore, market: Market) -> None:
    due = market.close_ms

    def close() -> None:
        if market.close_ms == due and market.status in (INITIALIZED, ACTIVE, INACTIVE):
            close_market(exchange, market)

    exchange.timers.at(due, close)


def open_market(exchange: ExchangeCore, market: Market) -> None:
    """Trading starts; there is no message for it (docs/kalshi-protocol.md 12.5)."""
    if market.status == INITIALIZED and exchange.now() >= market.open_ms:
        _move(exchange, market, ACTIVE)


def close_market(exchange: ExchangeCore, market: Market) -> None:
    """Trading ends; resting orders are cancelled shortly after."""
    _move(exchange, market, CLOSED)
    exchange.timers.at(
        exchange.now() + CLOSE_CANCEL_MS, lambda: _cancel_resting(exchange, market, "CloseCancel", CLOSED)
    )
    event = exchange.events[market.event_ticker]
    schedule_determination(exchange, event)


def schedule_determination(exchange: ExchangeCore, event: Event) -> None:
    exchange.timers.at(
        exchange.now() + exchange.config.determination_delay_ms, lambda: determine_event(exchange, event)
    )


def determine_event(exchange: ExchangeCore, event: Event) -> None:
    """Determine all markets of an event once the last of them has closed."""
    markets = [exchange.markets[ticker] for ticker in event.markets]
    if any(m.status in (INITIALIZED, ACTIVE, INACTIVE) for m in markets):
        return
    for market in markets:
        if market.status == CLOSED and not market.on_hold:
            determine(exchange, market, *outcome_of(exchange, event, market))
            market.expiration_value = _reading(exchange, event) or market.expiration_value


def _reading(exchange: ExchangeCore, event: Event) -> str:
    """The value that made the winner win, where strikes say it (a temperature, a price)."""
    winner = exchange.markets.get(event.outcome)
    if winner is None or (winner.floor_strike is None and winner.cap_strike is None):
        return ""
    if winner.strike_type.startswith("less"):
        return f"{(winner.cap_strike or 0) - 1:.2f}"
    return f"{(winner.floor_strike or 0) + (1 if winner.strike_type.startswith('greater') else 0):.2f}"


def outcome_of(exchange: ExchangeCore, event: Event, market: Market) -> tuple[str, int]:
    """(result, settlement value of YES) that the drawn outcome gives a market."""
    if event.outcome == "void":
        return "scalar", min(max(market.last_price, 0), ONE)
    ranges = thresholds.ranges_of(exchange, event)
    if ranges is not None and ranges.outcome == "void":
        return "scalar", min(max(market.last_price, 0), ONE)
    if event.outcome.startswith(thresholds.MARK):
        winner = None if ranges is None else exchange.markets.get(ranges.outcome)
        won = winner is not None and thresholds.is_above(market, winner)
    elif event.outcome == "ladder":
        won = event.ladder_draw < market.anchor
    else:
        won = event.outcome == market.ticker
    return ("yes", ONE) if won else ("no", 0)


def determine(exchange: ExchangeCore, market: Market, result: str, value: int) -> None:
    """A result is proposed; it can be disputed and amended until the settlement timer ends."""
    if market.status in (INITIALIZED, ACTIVE, INACTIVE):
        market.close_ms = min(market.close_ms, exchange.now())
        _move(exchange, market, CLOSED)
        _cancel_resting(exchange, market, "CloseCancel", CLOSED)
    now = exchange.now()
    amended = market.status in (DETERMINED, DISPUTED, AMENDED)
    market.result, market.settlement_value, market.determined_ms = result, value, now
    market.expiration_value = {"yes": "yes", "no": "no"}.get(result, f"{value / ONE:.4f}")
    _move(exchange, market, AMENDED if amended else DETERMINED)
    exchange.feed.lifecycle(market, "determined")
    schedule_finality(exchange, market)


def schedule_finality(exchange: ExchangeCore, market: Market) -> None:
    stamp = market.determined_ms or exchange.now()

    def finish() -> None:
        if market.determined_ms == stamp and market.status in (DETERMINED, AMENDED) and not market.on_hold:
            finalize(exchange, market)

    exchange.timers.at(max(stamp + market.settlement_timer_s * 1000, exchange.now()), finish)


def dispute(exchange: ExchangeCore, market: Market) -> None:
    """Stop the settlement timer; only an amendment or a fresh determination goes on."""
    _move(exchange, market, DISPUTED)


def finalize(exchange: ExchangeCore, market: Market) -> None:
    """Pay every position and publish it. YES pays the settlement value, NO pays the rest (docs/kalshi-protocol.md 13)."""
    now, ledger = exchange.now(), exchange.ledger
    value = market.settlement_value or 0
    for order in [o for sub in ledger.subaccounts() for o in ledger.open_orders(sub, market.ticker)]:
        cancel_order(exchange, order, "CloseCancel")
    market.settled_ms = now
    _move(exchange, market, FINALIZED)
    for position in [p for p in ledger.positions.values() if p.ticker == market.ticker and not p.settled]:
        if position.count or position.volume:
            _pay(exchange, market, position, value)
    for subaccount in ledger.subaccounts():
        collateral.refresh(exchange, subaccount, market)
    exchange.feed.lifecycle(market, "settled")
    event = exchange.events[market.event_ticker]
    if _all(exchange, event, FINALIZED) and not event.rolled:
        exchange.timers.at(now + 1, lambda: after_settlement(exchange, event))


def _pay(exchange: ExchangeCore, market: Market, position: Position, value: int) -> None:
    """Pay one position out and take back what had been returned for it."""
    ledger, before, records = exchange.ledger, position.count, len(exchange.ledger.settlements)
    exchange.market_maker_cash -= ledger.settle(
        position, value, market.result, market.result == "scalar", exchange.now()
    )
    taken = collateral.moved(exchange, position.subaccount, market, before, 0)
    if exchange.config.netting_revenue_net and len(ledger.settlements) > records:
        ledger.settlements[-1].revenue += taken
    exchange.feed.position(position)


def correct(exchange: ExchangeCore, market: Market, result: str, value: int) -> None:
    """Another result after everybody was paid: what was paid is taken back and the right sum paid, and the records say so."""
    market.result, market.settlement_value, market.updated_ms = result, value, exchange.now()
    for record in [one for one in exchange.ledger.settlements if one.ticker == market.ticker]:
        paid = record.yes_count * value + record.no_count * (ONE - value)
        if result == "scalar":
            paid = paid // CENT * CENT
        before = record.yes_count * record.value + record.no_count * (ONE - record.value)
        if record.result == "scalar":
            before = before // CENT * CENT
        exchange.ledger.credit((record.subaccount, record.shard), paid - before)
        exchange.market_maker_cash -= paid - before
        record.result, record.value, record.revenue = result, value, record.revenue + paid - before
    for subaccount in exchange.ledger.subaccounts():
        collateral.refresh(exchange, subaccount, market)
    exchange.feed.lifecycle(market, "settled")


def after_settlement(exchange: ExchangeCore, event: Event) -> None:
    """When the whole event is settled, the next one of its series is listed."""
    if not event.rolled:
        event.rolled = True
        exchange.relisted.add(event.ticker)
        if exchange.config.roll and not exchange.config.still:
            for list_next in exchange.on_event_settled:
                list_next(event)


def pause(exchange: ExchangeCore, market: Market) -> None:
    """A market goes inactive; orders stay unless they have ``cancel_on_pause``."""
    if market.status == ACTIVE:
        _move(exchange, market, INACTIVE)
        cancel_on_pause(exchange, lambda order: order.ticker == market.ticker)
        exchange.feed.lifecycle(market, "deactivated")


def resume(exchange: ExchangeCore, market: Market) -> None:
    """Reactivation cancels all resting orders (docs/kalshi-protocol.md 13)."""
    if market.status == INACTIVE:
        _cancel_resting(exchange, market, "HaltCancel", INACTIVE)
        _move(exchange, market, ACTIVE)
        exchange.feed.lifecycle(market, "activated")


def reopen(exchange: ExchangeCore, market: Market, close_ms: int) -> None:
    """A closed or determined market trades again until a new close."""
    market.result, market.settlement_value, market.determined_ms, market.on_hold = "", None, None, False
    _move(exchange, market, ACTIVE)
    exchange.feed.lifecycle(market, "activated")
    set_close(exchange, market, close_ms)


def set_close(exchange: ExchangeCore, market: Market, close_ms: int) -> None:
    """The close moves, earlier or later."""
    market.close_ms, market.updated_ms = close_ms, exchange.now()
    exchange.relisted.add(market.ticker)
    exchange.feed.lifecycle(market, "close_date_updated")
    schedule_close(exchange, market)


def cancel_on_pause(exchange: ExchangeCore, chosen: Callable[[Order], bool]) -> None:
    """Cancel the chosen resting orders that have ``cancel_on_pause``: trading stops."""
    for order in exchange.ledger.all_open():
        if order.cancel_on_pause and chosen(order):
            cancel_order(exchange, order, "HaltCancel")


def _cancel_resting(exchange: ExchangeCore, market: Market, reason: str, status: str) -> None:
    """Clear the book of a market that still has this status, market makers included."""
    if market.status != status:
        return
    book = exchange.books[market.ticker]
    for sub in exchange.ledger.subaccounts():
        for order in exchange.ledger.open_orders(sub, market.ticker):
            cancel_order(exchange, order, reason)
    for side in ("bid", "ask"):
        for resting in list(book.orders(side)):
            book.remove(resting)


def _move(exchange: ExchangeCore, market: Market, status: str) -> None:
    market.status, market.updated_ms = status, exchange.now()
    exchange.events[market.event_ticker].updated_ms = exchange.now()
    exchange.relisted.update((market.ticker, market.event_ticker))
    exchange.moved.add(market.ticker)


def _all(exchange: ExchangeCore, event: Event, status: str) -> bool:
    return all(exchange.markets[ticker].status == status for ticker in event.markets)
