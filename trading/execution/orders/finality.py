"""When the end of an order is final, so that a second one may take its place.

A live order that ended with less than it wanted may have filled all the same: the answer was early, or wrong. Whoever buys or sells the
rest a second time has it twice. So a second purchase of a leg waits until the first one's end is proven: our own cancel took exactly the
rest out of the book, or, after a while, the order read again and the account's contracts of the market say what was booked. The while is
short for one that the exchange had said to rest and that somebody else ended, the exchange's order group for example: until reads show
what happened after that.
A second sale is smaller by what the first may still sell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from django.conf import settings

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from markets.kalshi.errors import KalshiError
from strategies.models import Mode, Profile
from trading.accounting import accounts
from trading.denials import DenialCode, Refusal
from trading.execution.orders import inflight, record
from trading.models import Leg, Order, OrderStatus, Position
from trading.safety import live_readiness
from trading.venues import connection

READ_AFTER: Final = timedelta(seconds=1)
"""Reads show an end that was heard of so long before the moment that they are said to show: that moment is approximate."""
log = logging.getLogger(__name__)


def unsettled(position: Position, legs: Iterable[Leg], orders: Iterable[Order]) -> Refusal | None:
    """Why none of ``legs`` may be bought again now; None when what is lacking is known to be. Reads orders and contracts again where
    that can decide it, and books what had filled after all."""
    wanted = {leg.pk for leg in legs}
    short = [order for order in orders if order.leg_id in wanted and inflight.is_short(order)]
    if position.mode != Mode.LIVE or not short:
        return None
    young = [order for order in short if _is_young(order)]
    if young and not _reads_show_the_end(young):
        return _waits(young)
    if inflight.reread(short) is not False or not _agrees(position, {order.leg.market_id for order in short}):
        return _waits(short)
    for order in short:
        record.confirm(order)
    return None


def open_sales(position: Position) -> list[Order]:
    """Sales that ended with less than they wanted and may sell the rest all the same. Those that are old enough are read again, and
    what they had sold after all is booked."""
    if position.mode != Mode.LIVE:
        return []
    ended = position.orders.filter(action=Order.Action.SELL, status=OrderStatus.DONE, is_final=False)
    sales = ended.select_related("leg__market", "profile", "position__event")
    short = [order for order in sales if inflight.is_short(order, Order.Action.SELL)]
    old = [order for order in short if not _is_young(order)]
    if old and inflight.reread(old, Order.Action.SELL) is False and _agrees(position, {o.leg.market_id for o in old}):
        for order in old:
            record.confirm(order)
    return [order for order in short if inflight.is_short(order, Order.Action.SELL)]


def left_of(order: Order) -> int:
    """What an order that ended may still trade, 1/100 contract."""
    return order.count - order.filled_count


def most_to_sell(leg: Leg, count: int, open_sales: Iterable[Order]) -> int:
    """How many of the ``count`` contracts that are to be sold may be sold now: less what ``open_sales`` of the leg may still sell. The
    exchange caps a reduce-only order by what is held when it is accepted, not when it fills: two of them may sell more than that."""
    return max(0, count - sum(left_of(order) for order in open_sales if order.leg_id == leg.pk))


def _is_young(order: Order) -> bool:
    """Whether its end is too recent to be believed. One of the future was written before a clock was set back: it counts as new."""
    ended = order.ended_at or order.moved_at or order.created_at
    return clock.now() - ended < timedelta(seconds=settings.KALBOT_FINAL_AFTER_SECONDS)


def _reads_show_the_end(orders: Sequence[Order]) -> bool:
    """Whether all of them had rested, and the exchange's reads are by its own word newer than what was heard of their ends."""
    if any(order.rested_at is None or order.ended_at is None for order in orders):
        return False
    try:
        client = connection.client()
        as_of = client.exchange.user_data_time() - connection.ahead(client)
    except (KalshiError, KalbotError) as error:
        log.warning("how new the exchange's reads are is not known (%s)", error)
        return False
    return all(as_of >= order.ended_at + READ_AFTER for order in orders if order.ended_at is not None)


def _waits(orders: Sequence[Order]) -> Refusal:
    return Refusal(DenialCode.ORDER_UNSETTLED, ", ".join(sorted({order.leg.market_id for order in orders})))


def _profiles(position: Position) -> list[Profile]:
    subaccount = position.profile.subaccount or 0
    return list(Profile.objects.filter(accounts.of_subaccount(subaccount, ""), mode=Mode.LIVE))


def _agrees(position: Position, tickers: set[str]) -> bool:
    """Whether the exchange shows the contracts of these markets that our books have, but for orders that are on their way. Where it
    does not, the next step compares the books first."""
    subaccount = position.profile.subaccount or 0
    try:
        theirs = {ticker: _shown(subaccount, ticker) for ticker in tickers}
    except (KalshiError, KalbotError) as error:
        log.warning("contracts of position %s cannot be read (%s)", position.pk, error)
        return False
    profiles = _profiles(position)
    ours, on_their_way = accounts.holdings(profiles), accounts.in_flight(profiles)
    for ticker in sorted(tickers):
        more = theirs[ticker] - ours.get(ticker, 0) - accounts.foreign(subaccount, ticker)
        least, most = on_their_way.get(ticker, (0, 0))
        if not least <= more <= most:
            log.warning("position %s: the exchange shows %s more contracts of %s than ours", position.pk, more, ticker)
            live_readiness.require_reconciliation()
            return False
    return True


def _shown(subaccount: int, ticker: str) -> int:
    listed = connection.client().portfolio.positions(subaccount or None, ticker=ticker)
    return sum(one.position for one in listed if one.ticker == ticker)
