"""Paper: orders filled against the live book, as an exchange would fill them, and no better.

- an order meets the book that is there after a latency, not the one that was decided on;
- it fills level by level at the levels' own prices, never beyond what they hold, with exact fees;
- what the profile took lately is not there a second time, although the real book still shows it;
- a price off the market's grid is refused, and no more is sold than this leg bought here and still holds;
- a resting order waits behind everything displayed at its price. It fills (as a maker, at its own limit) when somebody offers at that
  price or better; a quote also by public trades, once they and cancels have brought it to the front of its queue
  (``queues``: three models, ``KALBOT_PAPER_QUEUE``).

Its memory (``PaperOrder``) is its own, so that a worker that takes over from one that died between sending and
booking finds out exactly as it would from the real exchange.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Sum

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import CONTRACT, DOLLAR_PRICE, dollars
from markets import exchange_hours
from markets.book import Level, Side
from markets.fees import FeeError, OrderFees
from markets.kalshi.grid import is_on_grid
from markets.selectors import price_bands
from trading.accounting.fill_reports import FillReport
from trading.books import live_books
from trading.denials import DenialCode, Denied
from trading.models import Order, OrderError, PaperOrder
from trading.venues import groups, prints, taken
from trading.venues.prints import Print
from trading.venues.protocol import Ack, Check, Refused, Unresolved, allow
from trading.venues.queues import Queue, QueueModel

log = logging.getLogger(__name__)


class PaperVenue:
    """Every profile in mode sim has this exchange to itself: profiles never see each other's orders."""

    def create(self, order: Order, keep_back: int = 0, check: Check = allow) -> Ack:
        """Fill what the book holds now; the rest is cancelled, or rests for good-till-cancelled orders."""
        self._travel()
        check()
        return self._meet(order)

    def create_many(
        self, orders: Sequence[Order], keep_back: int = 0, check: Check = allow
    ) -> list[Ack | Refused | Unresolved]:
        """One journey, then one order after the other against the books that are there."""
        self._travel()
        try:
            check()
        except Refused as refused:
            return [refused] * len(orders)
        answers: list[Ack | Refused | Unresolved] = []
        for order in orders:
            try:
                answers.append(self._meet(order))
            except Refused as refused:
                answers.append(refused)
        return answers

    def _travel(self) -> None:
        clock.sleep(settings.PAPER_LATENCY_MS / 1000)

    def _meet(self, order: Order) -> Ack:
        yes_price = order.price if order.side == Side.YES else DOLLAR_PRICE - order.price
        if not is_on_grid(yes_price, price_bands(order.leg.market)):
            words = f"{dollars(order.price * CONTRACT)} is not on the grid of {order.leg.market_id}"
            raise Refused(OrderError.INVALID_PRICE, words)
        shut = exchange_hours.obstacle(order.position.event.exchange_index, is_live=False)
        if shut is not None and shut.why is exchange_hours.Closed.PAUSED:
            raise Refused(OrderError.PAUSED, shut.detail)
        levels, fees, ahead = self._levels(order)
        if order.purpose == Order.Purpose.QUOTE and levels:
            raise Refused(OrderError.INVALID_ORDER, "post only cross")
        try:
            with transaction.atomic():
                paper = PaperOrder(
                    order=order,
                    profile=order.profile,
                    market=order.leg.market,
                    side=order.side,
                    action=order.action,
                    remaining_count=_wanted(order),
                    fills=[],
                    at=clock.now(),
                )
                met = taken.left_of(paper, order, levels, self._taken(order))
                for price, count in met:
                    fill(paper, order, fees, price, count, is_taker=True, met=price)
                rests = order.time_in_force == "good_till_canceled" and paper.remaining_count > 0
                paper.is_open = rests
                paper.queue_ahead = paper.queue_level = ahead if rests else 0
                paper.prints_ms = clock.now_ms()
                paper.save(force_insert=True)
        except IntegrityError:
            paper = PaperOrder.objects.get(pk=order.pk)  # the id is spent: this is what became of it
            return _ack(paper)
        for price, count in met:
            self._met(order, price, count)
        if paper.is_open:
            self._joined(order, paper)
        return _ack(paper)

    def _taken(self, order: Order) -> dict[tuple[str, int], int]:
        """What the profile took from each level lately: a real book would not show it any more."""
        return taken.lately(order)

    def _printed(self, order: Order, paper: PaperOrder) -> list[Print]:
        """Trades at which somebody sold what the order bids for, not counted yet."""
        if order.purpose != Order.Purpose.QUOTE or order.action != Order.Action.BUY:
            return []
        placed_ms = int(paper.at.timestamp() * 1000)
        until_ms = clock.now_ms() if order.expires_at is None else int(order.expires_at.timestamp() * 1000)
        found = prints.since(order.leg.market_id, paper.prints_ms)
        return [one for one in found if placed_ms < one.at_ms <= until_ms]

    def _ask_for_prints(self) -> None:
        """Trades of the last moments are read now; where nobody answers the order goes without."""
        try:
            prints.fetch(every=prints.AT_CANCEL)
        except (KalbotError, redis.RedisError) as error:
            log.warning("trades up to a withdrawal are not known: %s", error)

    def _met(self, order: Order, price: int, count: int) -> None:
        """Called for each level that an order traded with; the levels' own price."""

    def _joined(self, order: Order, paper: PaperOrder) -> None:
        """Called when what is left of an order came to rest."""

    def resolve(self, order: Order, wanted: bool, check: Check = allow) -> Ack | None:
        """What the paper exchange remembers. No request arrives late, so absent is absent."""
        found = PaperOrder.objects.filter(pk=order.pk).first()
        return _ack(found) if found is not None else None

    def find(self, order: Order) -> Ack | None:
        """Whatever was taken has its row."""
        paper = PaperOrder.objects.filter(pk=order.pk).first()
        return None if paper is None else _ack(paper)

    def fetch(self, order: Order) -> Ack:
        """The order's state after the present book has had its chance to fill it."""
        paper = PaperOrder.objects.get(pk=order.pk)
        return _ack(self._advance(order, paper) if paper.is_open else paper)

    def cancel(self, order: Order) -> Ack:
        """Take a resting order out, after what was traded until now has had its chance to fill it: whoever knew more sold to it before it
        was gone."""
        if order.purpose == Order.Purpose.QUOTE:
            self._ask_for_prints()
            self.fetch(order)
        PaperOrder.objects.filter(pk=order.pk, is_open=True).update(is_open=False, remaining_count=0)
        return _ack(PaperOrder.objects.get(pk=order.pk))

    def prolong(self, order: Order, until: datetime, keep_back: int = 0, check: Check = allow) -> Ack:
        """The order's row says when it expires; ``until`` is there already."""
        return self.fetch(order)

    def fills(self, order: Order) -> list[FillReport]:
        """Executions of the order so far."""
        found = PaperOrder.objects.filter(pk=order.pk).first()
        return [FillReport(*fill[:6]) for fill in found.fills] if found is not None else []

    def fills_of(self, orders: Sequence[Order]) -> dict[UUID, list[FillReport]]:
        """See Venue."""
        return {order.pk: self.fills(order) for order in orders}

    def by_averages(self, order: Order) -> list[FillReport]:
        """See Venue; executions on paper are always listed."""
        return self.fills(order)

    def _levels(self, order: Order) -> tuple[list[Level], Any, int]:
        """Levels that the order may trade with, the fees, and what is displayed before it at its own price."""
        event = order.position.event
        try:
            live = live_books.read(event)
        except Denied as error:
            raise Refused(error.code, error.detail) from None
        ticker = order.leg.market_id
        reason = live.unusable([ticker], order.profile.max_price_age_ms)
        if reason is DenialCode.PRICE_NOT_ACTIVE:
            raise Refused(OrderError.MARKET_INACTIVE, ticker)
        if reason is not None:
            raise Refused(reason, ticker)
        ahead = dict(live.bids(ticker, order.side)).get(order.price, 0)
        if order.action == Order.Action.BUY:
            levels = [level for level in live.asks(ticker, order.side) if level[0] <= order.price]
        else:
            levels = [level for level in live.bids(ticker, order.side) if level[0] >= order.price]
        return levels, live.fee(ticker), ahead

    def _advance(self, order: Order, paper: PaperOrder) -> PaperOrder:
        expired = order.expires_at is not None and clock.now() >= order.expires_at
        fees: Any = None
        displayed: int | None = None
        try:
            levels, fees, displayed = self._levels(order)
        except Refused:
            levels = []
            with suppress(Denied, FeeError):  # who sold to it while nobody knew the book has sold to it
                fees = live_books.fees_of(order.position.event).of(order.leg.market_id)
        if expired:  # the books of now are later than it
            levels = []
            if order.purpose == Order.Purpose.QUOTE:
                self._ask_for_prints()
        with transaction.atomic():
            paper = PaperOrder.objects.select_for_update().get(pk=order.pk)
            if not paper.is_open:
                return paper
            reached = 0 if fees is None else _queued(paper, order, self._printed(order, paper), displayed)
            if reached:
                fill(paper, order, fees, order.price, reached, is_taker=False)
            met = taken.left_of(paper, order, levels, self._taken(order))
            for price, count in met:
                fill(paper, order, fees, order.price, count, is_taker=False, met=price)
            if expired or paper.remaining_count == 0:
                paper.is_open, paper.remaining_count = False, 0
            paper.save()
            groups.count_paper_fill(order)
        paper.refresh_from_db(fields=["is_open", "remaining_count"])
        for price, count in met:
            self._met(order, price, count)
        return paper


def _queued(paper: PaperOrder, order: Order, printed: Sequence[Print], displayed: int | None) -> int:
    """Bring the order forward in its queue (not saved) by trades and by what is displayed at its price now (None: nobody knows); the
    contracts that reach it."""
    model, falls = QueueModel(settings.KALBOT_PAPER_QUEUE), [list(fall) for fall in paper.queue_falls]
    queue = Queue(model, paper.queue_ahead, paper.queue_level, paper.queue_printed, falls)
    reached = 0
    for one in printed:
        price = one.sold(Side(order.side))
        if price is not None and price <= order.price:
            reached += one.count if price < order.price else queue.on_print(one.count, one.at_ms)
        paper.prints_ms = max(paper.prints_ms, one.seen_ms)
    if displayed is not None:
        queue.on_level(displayed, clock.now_ms())
    paper.queue_ahead, paper.queue_level = queue.ahead, queue.level
    paper.queue_printed, paper.queue_falls = queue.printed, queue.falls
    return min(reached, paper.remaining_count)


def _wanted(order: Order) -> int:
    """The count of a purchase; of a sale at most what the leg holds, as a reduce-only order of the exchange."""
    if order.action == Order.Action.BUY:
        return order.count
    done: dict[str, int] = dict(
        PaperOrder.objects.filter(order__leg=order.leg).values_list("action").annotate(Sum("filled_count")).order_by()
    )
    return max(0, min(order.count, done.get(Order.Action.BUY, 0) - done.get(Order.Action.SELL, 0)))


def fill(
    paper: PaperOrder, order: Order, fees: Any, price: int, count: int, *, is_taker: bool, met: int | None = None
) -> None:
    """Write one execution into the paper exchange's memory of the order (not saved), with its exact fee. ``met``: the price of the
    displayed level that it took from, if any."""
    charged = OrderFees(fees)
    charged.carried = paper.fee_carried
    fee = charged.add(price, count, buys=order.action == Order.Action.BUY, is_taker=is_taker)
    paper.fee_carried = charged.carried
    paper.filled_count += count
    paper.remaining_count -= count
    number, now_ms = len(paper.fills) + 1, clock.now_ms()
    paper.fills = [*paper.fills, [f"{order.pk}-{number}", price, count, fee, is_taker, now_ms, met]]


def _ack(paper: PaperOrder) -> Ack:
    spent = sum(price * count + fee for _, price, count, fee, *_rest in paper.fills)
    return Ack(f"paper-{paper.pk}", paper.filled_count, paper.remaining_count if paper.is_open else 0, spent)
