"""V2 order entry: create, cancel, amend, decrease. docs/kalshi-protocol.md 9.3 to 9.6, every row of 9.4."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.accounts import collateral
from simulator.accounts.records import CANCELED, RESTING, Fill, Order
from simulator.core import ExchangeCore
from simulator.errors import ApiError, invalid, not_found
from simulator.listing.model import Market
from simulator.listing.status import check_open
from simulator.units import ONE

from . import groups
from .book import BID
from .engine import execute
from .order_requests import NewOrder
from .resting import cancel_order, decrease_order

CANCEL_ALL_MS = 60_000


@dataclass(slots=True)
class Placed:
    """What came of a create or an amend: the order and the fills it made at once."""

    order: Order
    fills: list[Fill]
    ts_ms: int


def find_market(exchange: ExchangeCore, ticker: str, shard: int | None) -> Market:
    """The market of an order; 404 if it is unknown, or not on the shard that was named."""
    market = exchange.markets.get(ticker)
    if market is None or (shard is not None and market.shard != shard):
        raise ApiError(404, "market_not_found", "market not found")
    return market


def place(exchange: ExchangeCore, new: NewOrder, delay_ms: int = 0) -> Placed:
    """Create an order. ApiError with the exchange's code if it is refused.

    With ``delay_ms`` it is accepted now and executed so much later; until then reads show it cancelled and unfilled.
    """
    now, config, ledger = exchange.now(), exchange.config, exchange.ledger
    market = find_market(exchange, new.ticker, new.shard)
    if new.subaccount not in ledger.subaccounts():
        raise invalid("invalid parameters", "subaccount does not exist")
    if not market.valid_price(new.price):
        raise ApiError(400, "invalid_price", "invalid price", "price is not on the market's grid")
    if new.expiration_s and new.expiration_s * 1000 <= now:
        raise ApiError(400, "invalid_order", "invalid order", "expiration_time has passed")
    exchange.state.check_trade(market, now, config.market_inactive_status)
    if new.group_id:
        groups.check(exchange, new.group_id, market.shard)
    if new.client_order_id and new.client_order_id in ledger.spent_ids:
        raise ApiError(409, "order_already_exists", "order already exists")
    book = exchange.books[market.ticker]
    count = new.count
    if new.reduce_only:
        held = ledger.position(new.subaccount, market.ticker)
        count = min(count, max(0, -held) if new.side == "bid" else max(0, held))
    if new.post_only and book.crosses(new.side, new.price):
        raise ApiError(400, "invalid_order", "invalid order", "post only cross")
    check_funds(exchange, market, new, count)
    order = Order(
        exchange.streams.new_id("order"),
        new.client_order_id,
        market.ticker,
        market.event_ticker,
        market.shard,
        new.subaccount,
        new.side,
        new.price,
        new.count,
        count,
        new.time_in_force,
        new.stp,
        now,
        now,
        cancel_on_pause=new.cancel_on_pause,
        post_only=new.post_only,
        reduce_only=new.reduce_only,
        expiration_s=new.expiration_s,
        group_id=new.group_id,
    )
    if not order.client_order_id and not new.by_hand:
        order.client_order_id = order.order_id
    if order.client_order_id:
        ledger.spend_id(order.client_order_id)
    if new.time_in_force == "fill_or_kill" and book.available(new.side, new.price) < count:
        raise ApiError(
            409, "fill_or_kill_insufficient_resting_volume", "fill or kill order could not be filled in full"
        )
    if new.reduce_only:
        order.reason = "ReduceOnlyCancel" if count < new.count else ""
    ledger.add_order(order)
    if delay_ms:
        _execute_later(exchange, market, new, order, delay_ms)
        return Placed(order, [], now)
    fills = execute(exchange, market, order, rest=new.time_in_force == "good_till_canceled")
    if order.status == RESTING:
        _linger(exchange, order, now)
    return Placed(order, fills, now)


def _execute_later(exchange: ExchangeCore, market: Market, new: NewOrder, order: Order, delay_ms: int) -> None:
    """Execute an accepted order when its time comes, if the market is open and the cash is there by then."""
    count = order.remaining

    def run() -> None:
        try:
            exchange.state.check_trade(market, exchange.now(), exchange.config.market_inactive_status)
            check_funds(exchange, market, new, count)
        except ApiError:
            return
        if new.time_in_force == "fill_or_kill" and exchange.books[market.ticker].available(new.side, new.price) < count:
            return
        if order.expiration_s and order.expiration_s * 1000 <= exchange.now():
            return
        order.remaining, order.status = count, RESTING
        execute(exchange, market, order, rest=new.time_in_force == "good_till_canceled")
        if order.status == RESTING:
            _linger(exchange, order, exchange.now())

    order.status, order.remaining = CANCELED, 0
    exchange.ledger.changed_order(order)
    exchange.timers.at(exchange.now() + delay_ms, run)


def _linger(exchange: ExchangeCore, order: Order, now: int) -> None:
    """A cancel-all takes what is placed within the next minute too; an expiry gets its timer."""
    until = max(exchange.cancel_all_until.get(None, 0), exchange.cancel_all_until.get(order.subaccount, 0))
    if exchange.config.cancel_all_lingers and now < until:
        cancel_order(exchange, order, "")
    elif order.expiration_s:
        schedule_expiry(exchange, order)


def schedule_expiry(exchange: ExchangeCore, order: Order) -> None:
    """Cancel the order when its time is over, if it still rests with that expiry."""
    due = order.expiration_s

    def expire() -> None:
        if order.status == RESTING and order.expiration_s == due:
            cancel_order(exchange, order, "ExpiryCancel")

    exchange.timers.at(due * 1000, expire)


def check_funds(exchange: ExchangeCore, market: Market, new: NewOrder, count: int, old: Order | None = None) -> None:
    """Cash on the market's own shard must carry what the order opens (docs/kalshi-protocol.md 6); ``old`` is the order it replaces."""
    ledger, config = exchange.ledger, exchange.config
    pool = ledger.closable(new.subaccount, market.ticker, new.side, old)
    freed = 0
    if old is not None:
        opening = old.remaining - min(old.remaining, pool)
        freed = ledger.needs(
            old.book_side,
            old.price,
            opening,
            exchange.terms(market),
            False,
            config.fee_grid,
            config.reserve_fee_for_resting,
        )
    closing = min(count, pool)
    taker = exchange.books[market.ticker].crosses(new.side, new.price)
    need = ledger.needs(
        new.side,
        new.price,
        count - closing,
        exchange.terms(market),
        taker,
        config.fee_grid,
        taker or config.reserve_fee_for_resting,
    )
    need -= _collateral(exchange, market, new, count, closing, taker)
    if need > 0 and need > ledger.available((new.subaccount, market.shard)) + freed:
        raise ApiError(400, config.insufficient_balance_code, "insufficient balance")


def _collateral(exchange: ExchangeCore, market: Market, new: NewOrder, count: int, closing: int, taker: bool) -> int:
    """What is returned if the order fills whole, and what closing brings: with collateral return a sale may need funds."""
    if not (taker or exchange.config.netting_resting):
        return 0
    change = collateral.effect(exchange, new.subaccount, market, count if new.side == BID else -count)
    brings = closing * ((ONE - new.price) if new.side == BID else new.price)
    return change + brings if change < 0 else change


def find_order(
    exchange: ExchangeCore, order_id: str, ticker: str | None, shard: int | None, subaccount: int | None
) -> Order:
    """A resting order as a write may name it; 404 if it is terminal, unknown, or on another shard than the request.

    Without a ticker or an index the request goes to shard 0 (docs/kalshi-protocol.md 6).
    """
    order = exchange.ledger.orders.get(order_id)
    if order is None:
        raise not_found()
    if shard is None:
        market = exchange.markets.get(ticker) if ticker else None
        if ticker and market is None:
            raise ApiError(404, "market_not_found", "market not found")
        shard = market.shard if market else 0
    wrong = order.shard != shard and exchange.config.wrong_shard_cancel_404
    if wrong or order.status != RESTING or (subaccount is not None and order.subaccount != subaccount):
        raise not_found()
    if ticker and order.ticker != ticker:
        raise ApiError(400, "order_ticker_mismatch", "order ticker mismatch")
    return order


def cancel(exchange: ExchangeCore, order: Order) -> int:
    """Cancel a resting order; returns the count taken off. Refused in an exchange pause and after the close."""
    market = exchange.markets[order.ticker]
    exchange.state.check_cancel(order.shard)
    check_open(market, exchange.now(), exchange.config.market_inactive_status)
    return cancel_order(exchange, order, "")


def cancel_all(exchange: ExchangeCore, subaccount: int | None) -> None:
    """Cancel every resting order (of a subaccount), and those of the next minute."""
    exchange.cancel_all_until[subaccount] = exchange.now() + CANCEL_ALL_MS
    for order in exchange.ledger.all_open():
        open_market = exchange.now() < exchange.markets[order.ticker].close_ms
        if (
            (subaccount is None or order.subaccount == subaccount)
            and exchange.state.exchange_active(order.shard)
            and open_market
        ):
            cancel_order(exchange, order, "")


def decrease(exchange: ExchangeCore, order: Order, reduce_by: int | None, reduce_to: int | None) -> int:
    """Shrink a resting order; returns what remains. Exactly one of the two is given (docs/kalshi-protocol.md 9.2)."""
    if (reduce_by is None) == (reduce_to is None):
        raise invalid("invalid parameters", "exactly one of reduce_by and reduce_to")
    exchange.state.check_cancel(order.shard)
    check_open(exchange.markets[order.ticker], exchange.now(), exchange.config.market_inactive_status)
    by = order.remaining - reduce_to if reduce_to is not None else reduce_by or 0
    if reduce_to is not None and reduce_to > order.remaining:
        raise ApiError(400, "invalid_order_size", "invalid order size", "reduce_to is above the remaining count")
    if by >= order.remaining:
        cancel_order(exchange, order, "Decrease")
    elif by > 0:
        decrease_order(exchange, order, by, "Decrease")
    return order.remaining
