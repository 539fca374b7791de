"""The venue of a backtest: paper's rules, against recorded books whose liquidity is used up, and a queue for what rests.

- an order meets the book after a latency drawn from a stated distribution, by a seed;
- what it takes is gone from the replayed book (``Market.take``), so nothing is bought twice and the strategy sees what is left;
- a resting order joins behind what is displayed at its price and advances by prints and cancels, by one of three models.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from django.db import transaction

from kalbot.common import clock
from kalbot.common.units import complement
from markets.book import Side
from trading.books import live_books
from trading.models import Order, PaperOrder
from trading.venues.paper import PaperVenue, fill
from trading.venues.prints import Print
from trading.venues.protocol import Ack
from trading.venues.queues import Queue, QueueModel


class Market(Protocol):
    """The replayed books as the venue needs them."""

    def take(self, ticker: str, side: Side, price: int, count: int) -> None:
        """``count`` of the bid for ``side`` at ``price`` is gone."""
        ...

    def follow(self, level: tuple[str, Side, int]) -> None:
        """An order rests in this level (market, side of the bid, price)."""
        ...


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from sending an order to its meeting the book: the tenth, fiftieth and ninetieth percentile, straight lines
    between and beyond them down to none."""

    p10: float
    p50: float
    p90: float

    @classmethod
    def parse(cls, text: str) -> Latency:
        """``80`` (always) or ``40:80:250``. Raises ValueError."""
        numbers = [float(part) for part in text.split(":")]
        if len(numbers) == 1:
            numbers *= 3
        if len(numbers) != 3 or not 0 <= numbers[0] <= numbers[1] <= numbers[2] <= LONGEST_MS:
            raise ValueError(f"{text!r} is no latency: milliseconds, or p10:p50:p90")
        return cls(*numbers)

    def draw(self, chance: float) -> float:
        """The latency at this quantile."""
        if chance < 0.5:
            return max(0.0, self.p50 - (self.p50 - self.p10) * (0.5 - chance) / 0.4)
        return self.p50 + (self.p90 - self.p50) * (chance - 0.5) / 0.4


LONGEST_MS: Final = 3_600_000
"""An hour: whatever takes longer is a mistake in the unit."""


BROUGHT_KNOWN: Final = 1_000
"""Of so many trades it is known whom they reached: an account hears of its own within moments."""


class ReplayVenue(PaperVenue):
    """See the module. One run has one; ``on_print`` and ``on_level`` are called by the replay."""

    def __init__(self, market: Market, latency: Latency, seed: int, model: QueueModel = QueueModel.REALISTIC) -> None:
        self._market, self._latency, self._model = market, latency, model
        self._random = random.Random(seed)
        self._queues: dict[tuple[str, Side, int], dict[Any, Queue]] = {}
        self._joined_ms: dict[Any, int] = {}
        self._wanted: dict[Any, int] = {}
        """Order -> what trades may still bring to it."""
        self._reached: dict[Any, list[tuple[int, int]]] = {}
        """Order -> (time of a trade, contracts of it that reached the order) since it was read last."""
        self._brought: dict[str, list[tuple[Any, tuple[int, int]]]] = {}
        """Trade that reached orders lately -> order and what of it reached the order."""
        self.rested = 0
        self.on_end: Callable[[], None] = lambda: None
        """Called before an order ends: report the trades (``on_print``) that were made by now and nobody has heard of yet."""

    def _travel(self) -> None:
        clock.sleep(self._latency.draw(self._random.random()) / 1000)

    def _meet(self, order: Order) -> Ack:
        """See PaperVenue. What was announced while the order travelled holds when it arrives; who sent it has the rows of before."""
        rows = Order.objects.select_related("leg__market", "position__event__series", "profile")
        return super()._meet(rows.get(pk=order.pk))

    def _taken(self, order: Order) -> dict[tuple[str, int], int]:
        return {}  # the replayed book shows only what is left

    def _printed(self, order: Order, paper: PaperOrder) -> list[Print]:
        return []  # the replay reports prints itself

    def _ask_for_prints(self) -> None:
        """Nothing to ask: see ``_printed``."""

    def _met(self, order: Order, price: int, count: int) -> None:
        selling = order.action == Order.Action.SELL
        side = Side(order.side) if selling else Side(order.side).other
        self._market.take(order.leg.market_id, side, price if selling else complement(price), count)

    def _joined(self, order: Order, paper: PaperOrder) -> None:
        self.rested += 1
        level = self._level_of(order)
        self._market.follow(level)
        self._queues.setdefault(level, {})[order.pk] = Queue(self._model, paper.queue_ahead, paper.queue_ahead)
        self._joined_ms[order.pk] = clock.now_ms()
        self._wanted[order.pk] = paper.remaining_count

    def _advance(self, order: Order, paper: PaperOrder) -> PaperOrder:
        """What prints brought to the order since the last call, then the rules of paper."""
        ends = order.expires_at
        if ends is not None and clock.now() >= ends and order.pk in self._joined_ms:
            self.on_end()
        trades = self._reached.pop(order.pk, ())
        brought = sum(count for at_ms, count in trades if ends is None or at_ms <= ends.timestamp() * 1000)
        reached = min(brought, paper.remaining_count)
        if reached:
            with transaction.atomic():
                paper = PaperOrder.objects.select_for_update().get(pk=order.pk)
                if paper.is_open:
                    fees = live_books.fees_of(order.position.event).of(order.leg.market_id)
                    fill(paper, order, fees, order.price, reached, is_taker=False)
                    paper.save()
        paper = super()._advance(order, paper)
        if not paper.is_open:
            self._left(order)
        return paper

    def cancel(self, order: Order) -> Any:
        """See Venue. The request travels, and what is traded until it arrives still reaches the order, heard of or not."""
        self._travel()
        self.on_end()
        self.fetch(order)
        self._left(order)
        return super().cancel(order)

    def _left(self, order: Order) -> None:
        level = self._level_of(order)
        queues = self._queues.get(level, {})
        queues.pop(order.pk, None)
        if not queues:  # each print goes through every level that is left
            self._queues.pop(level, None)
        self._joined_ms.pop(order.pk, None)
        self._wanted.pop(order.pk, None)
        self._reached.pop(order.pk, None)

    def _level_of(self, order: Order) -> tuple[str, Side, int]:
        """The level of the book that the order is part of: a purchase is a bid, a sale a bid for the other side."""
        if order.action == Order.Action.BUY:
            return order.leg.market_id, Side(order.side), order.price
        return order.leg.market_id, Side(order.side).other, complement(order.price)

    def on_print(self, ticker: str, side: Side, price: int, count: int, at_ms: int, trade: str = "") -> None:
        """Somebody bought ``side`` at ``price`` at the time ``at_ms``: he met bids for the other side at the rest of a dollar. A trade may
        be heard of late; what came to rest after it had no part in it. Where several orders of ours rest, the best bid is met first and at
        one price the first that came, and what one took is not there for the next."""
        met = complement(price)
        bids = [key for key in self._queues if key[0] == ticker and key[1] is side.other and key[2] >= met]
        for key in sorted(bids, key=lambda each: -each[2]):
            for pk, queue in self._queues[key].items():
                if at_ms <= self._joined_ms.get(pk, at_ms):
                    continue
                reached = count if key[2] > met else queue.on_print(count, at_ms)
                reached = min(reached, self._wanted[pk])
                if reached:
                    self._reached.setdefault(pk, []).append((at_ms, reached))
                    self._wanted[pk] -= reached
                    count -= reached
                    self._brought.setdefault(trade, []).append((pk, (at_ms, reached)))
                    if len(self._brought) > BROUGHT_KNOWN:
                        del self._brought[next(iter(self._brought))]

    def on_own_print(self, trade: str) -> None:
        """A trade, it turns out, was made by the account that recorded the tape: it reached no order that was not read since."""
        for pk, reached in self._brought.pop(trade, ()):
            known = self._reached.get(pk, [])
            if reached in known:
                known.remove(reached)
                self._wanted[pk] += reached[1]

    def on_level(self, level: tuple[str, Side, int], displayed: int, at_ms: int) -> None:
        """The recorded size of a level changed; it was this at ``at_ms``, by the clock of whoever said so."""
        for queue in self._queues.get(level, {}).values():
            queue.on_level(displayed, at_ms)
