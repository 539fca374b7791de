"""What is quoted now, with the arithmetic of a set by the books of this moment. Reads only.

Prices 1/10,000 dollar, counts 1/100 contract; ``Money`` of one set (a contract of each leg) unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kalbot.common import clock
from kalbot.common.units import CONTRACT, PPM, Count
from markets.book import Side
from strategies.dutch.basket import LegMarket
from strategies.models import Mode
from strategies.quoting import orphans
from strategies.quoting.orphans import Exposure
from strategies.quoting.refusal import Refused
from strategies.quoting.synthetic import bid_cost, takings
from trading.books import live_books, others_books
from trading.denials import Denied
from trading.execution.sizing import baskets, quotes
from trading.models import Leg, Order, OrderStatus, PaperOrder, Position, PositionStatus
from trading.quoted import queue


@dataclass(frozen=True, slots=True)
class QuotedLeg:
    """One leg. ``bid``, ``left``: our resting order, None where none rests. ``others``: the best bid of others; ``ask``: the best offer.
    ``cost``: of one contract, at our bid or, where nothing rests, at the ask, fees at their most (``fees``); None where neither is known.
    ``ahead``: contracts before our order in its queue, None where not read lately."""

    leg: Leg
    held: int
    bid: int | None
    left: int
    others: int | None
    ask: int | None
    cost: int | None
    fees: int
    ahead: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenQuote:
    """One quoted basket. ``pays``, ``cost``: of a set, micro-dollars; ``keeps_ppm``: of its cost; ``wants_ppm``: what a quote must keep,
    None where the series is not quoted. ``orphans``: what is alone now has cost at most; ``most_orphans``: what may be alone while
    this rests."""

    position: Position
    legs: tuple[QuotedLeg, ...]
    pays: int
    cost: int | None
    wants_ppm: int | None
    orphans: int
    most_orphans: int
    complete: int
    until: datetime

    @property
    def keeps(self) -> int | None:
        """Of a set, micro-dollars."""
        return None if self.cost is None else self.pays - self.cost

    @property
    def keeps_ppm(self) -> int | None:
        return None if not self.cost else (self.pays - self.cost) * PPM // self.cost

    @property
    def is_short(self) -> bool:
        """Whether it would keep less by the books of now than a quote must."""
        return self.keeps_ppm is not None and (self.wants_ppm is None or self.keeps_ppm < self.wants_ppm)

    @property
    def expires_at(self) -> datetime | None:
        """When the first of its orders expires, if nobody prolongs it."""
        return min((leg.expires_at for leg in self.legs if leg.expires_at is not None), default=None)


def every() -> list[OpenQuote]:
    """All baskets that are being quoted, live ones first."""
    rows = Position.objects.filter(status=PositionStatus.QUOTING).select_related("profile", "decision", "event__series")
    return [of(position) for position in rows.order_by("mode", "-pk")]


def of(position: Position) -> OpenQuote:
    """One position whose status is quoting."""
    legs = list(position.legs.select_related("market"))
    own = list(position.orders.filter(purpose=Order.Purpose.QUOTE).select_related("leg").order_by("-created_at"))
    resting = {order.leg_id: order for order in own if order.status == OrderStatus.RESTING}
    markets = _markets(position, legs, own)
    ahead = _ahead(position, list(resting.values()))
    found = [_leg(leg, markets.get(leg.market_id), resting.get(leg.pk), ahead) for leg in legs]
    costs = [one.cost for one in found if one.cost is not None]
    exposures = [
        Exposure(baskets.kept(leg.leg), leg.leg.bought_cost, leg.left, _resting_cost(leg, markets)) for leg in found
    ]
    return OpenQuote(
        position=position,
        legs=tuple(found),
        pays=position.decision.floor * CONTRACT // position.decision.count,
        cost=sum(costs) if len(costs) == len(found) else None,
        wants_ppm=quotes.margin_of(position),
        orphans=orphans.now(exposures),
        most_orphans=orphans.worst(exposures),
        complete=baskets.matched(legs, position.target_count),
        until=clock.from_ms(int(position.decision.quote["until_ms"])),
    )


def _markets(position: Position, legs: Sequence[Leg], own: Sequence[Order]) -> dict[str, LegMarket]:
    """The books without our own orders; nothing where fees or prices cannot be read."""
    try:
        markets = others_books.markets_of(position, legs, own, live_books.read(position.event))
    except Denied:
        return {}
    return {one.ticker: one for one in markets}


def _leg(leg: Leg, market: LegMarket | None, order: Order | None, ahead: dict[object, int]) -> QuotedLeg:
    side = Side(leg.side)
    others = None if market is None else market.depth.best_bid(side)
    ask = None if market is None else market.depth.best_ask(side)
    cost, fees = _cost(market, side, order)
    return QuotedLeg(
        leg=leg,
        held=leg.held,
        bid=None if order is None else order.price,
        left=0 if order is None else others_books.left_of(order),
        others=others,
        ask=ask,
        cost=cost,
        fees=fees,
        ahead=None if order is None else ahead.get(order.pk),
        expires_at=None if order is None else order.expires_at,
    )


def _cost(market: LegMarket | None, side: Side, order: Order | None) -> tuple[int | None, int]:
    """(cost, fees in it) of one contract: at our bid, or taken now."""
    if market is None:
        return None, 0
    if order is not None:
        cost = bid_cost(market.fees, order.price, CONTRACT)
        return cost, cost - order.price * CONTRACT
    (taken,) = takings([market], side, Count(CONTRACT))
    return (None, 0) if isinstance(taken, Refused) else (taken.cost, taken.fees)


def _resting_cost(leg: QuotedLeg, markets: dict[str, LegMarket]) -> int:
    market = markets.get(leg.leg.market_id)
    if leg.bid is None:
        return 0
    return leg.bid * leg.left if market is None else bid_cost(market.fees, leg.bid, leg.left)


def _ahead(position: Position, orders: Sequence[Order]) -> dict[object, int]:
    """Contracts before each order, where that is known."""
    if position.mode != Mode.LIVE:
        return dict(PaperOrder.objects.filter(pk__in=[order.pk for order in orders]).values_list("pk", "queue_ahead"))
    now = clock.now()
    return {
        order.pk: order.queue_ahead
        for order in orders
        if order.queue_ahead is not None and order.queue_at is not None and now - order.queue_at < queue.STALE
    }
