"""What an exit would bring by the books of this moment, and what it would leave. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markets.book import Level
from markets.fees import Fees
from trading import selectors
from trading.books import live_books, rest_books
from trading.books.live_books import LiveBooks
from trading.closing import exit_counts, exit_prices
from trading.closing.exit_counts import Counts
from trading.closing.exit_prices import LeastPrices, LegKey, Quoted
from trading.denials import DenialCode, Denied
from trading.execution.sizing import walk
from trading.models import Leg, Order, OrderStatus, Position, PositionStatus
from trading.selectors import Held


def guaranteed_floor(position: Position, legs: list[Leg]) -> int:
    """What ``legs`` are sure to pay, micro-dollars; 0 where nothing is guaranteed."""
    return floor_given_up(position, legs, {exit_counts.key(leg): leg.held for leg in legs})


def floor_given_up(position: Position, legs: list[Leg], counts: Counts) -> int:
    """What ``legs`` are sure to pay less what is left of that once ``counts`` are sold, micro-dollars; 0 where nothing is guaranteed. Legs
    without the rest of their basket count too: any two of NO in an exclusive event pay for one of them."""
    if not position.guaranteed:
        return 0
    left = selectors.less(legs, {leg.pk: counts.get(exit_counts.key(leg), 0) for leg in legs})
    return selectors.held_of(position, legs).floor - selectors.held_of(position, left).floor


def floor_beside(position: Position, legs: list[Leg]) -> int:
    """What the contracts beyond the whole baskets are sure to pay, micro-dollars; 0 where nothing is guaranteed."""
    return floor_given_up(position, legs, exit_counts.beside(legs, position.target_count))


@dataclass(frozen=True, slots=True)
class LegPreview:
    """What selling ``count`` of one leg now would bring, by the books of this moment. Money in micro-dollars."""

    leg: Leg
    count: int
    bids: tuple[Level, ...]
    expected_proceeds: int
    fees: int
    unsellable: int
    worst_price: int


@dataclass(frozen=True, slots=True)
class ExitPreview:
    """What an exit would bring. ``proceeds`` after fees; ``loss`` = cost - proceeds of what can be sold and of what cannot.

    ``cost``: of what is to be sold. ``floor``: what it is sure to pay if held, 0 where nothing is guaranteed.
    ``unpriced``: why the numbers cannot be trusted now (no live book), None when they can. ``schedule``: the fees, None where they are
    not known. ``left``: what stays; None for an exit of everything. ``naked``: the legs that would be left without their basket.
    """

    legs: tuple[LegPreview, ...]
    proceeds: int
    fees: int
    cost: int
    unsellable: int
    unpriced: DenialCode | None
    floor: int = 0
    schedule: Fees | None = None
    left: Held | None = None
    naked: tuple[Leg, ...] = ()

    @property
    def profit(self) -> int:
        """Proceeds less cost; negative for a loss."""
        return self.proceeds - self.cost

    @property
    def loss(self) -> int:
        """Cost less proceeds; negative for a gain."""
        return self.cost - self.proceeds

    def quoted(self) -> list[Quoted]:
        """The legs with the last price that selling them would touch; a leg without bids at what it cost."""
        return [
            Quoted(
                (one.leg.market_id, one.leg.side),
                one.count,
                one.worst_price or min(exit_prices.HIGHEST, max(1, one.leg.open_cost // one.leg.held)),
            )
            for one in self.legs
        ]


def preview(position: Position, counts: Counts | None = None, *, by_rest: bool = False) -> ExitPreview:
    """What an exit at the bids of now would bring, each level one fill. Reads only. ``counts``: of each leg, where not everything is
    sold. ``by_rest``: by the books of the REST interface, for a person who has no live ones."""
    legs = list(position.legs.select_related("market"))
    wanted = {exit_counts.key(leg): leg.held for leg in legs} if counts is None else counts
    parts = [(leg, count) for leg in legs if (count := wanted.get(exit_counts.key(leg), 0))]
    floor = floor_given_up(position, legs, wanted)
    cost = sum(leg.open_cost * count // leg.held for leg, count in parts)
    left = None if counts is None else selectors.held_after(position, {leg.pk: count for leg, count in parts})
    naked = () if counts is None else tuple(exit_counts.leaves_naked(legs, position.target_count, wanted))
    try:
        if by_rest:
            live = live_books.beside_own(position, rest_books.read(position.event, [leg.market_id for leg, _ in parts]))
        else:
            live = live_books.read_beside(position)
        found = [_of_leg(leg, count, live) for leg, count in parts]
    except Denied as error:
        unknown = tuple(LegPreview(leg, count, (), 0, 0, count, 0) for leg, count in parts)
        unsellable = sum(count for _, count in parts)
        return ExitPreview(unknown, 0, 0, cost, unsellable, error.code, floor, left=left, naked=naked)
    return ExitPreview(
        legs=tuple(found),
        proceeds=sum(one.expected_proceeds for one in found),
        fees=sum(one.fees for one in found),
        cost=cost,
        unsellable=sum(one.unsellable for one in found),
        unpriced=live.unusable([leg.market_id for leg, _ in parts], position.profile.max_price_age_ms),
        floor=floor,
        schedule=live.fees,
        left=left,
        naked=naked,
    )


def of_later_fills(position: Position) -> dict[LegKey, int]:
    """Least prices of the legs that hold nothing while their basket is quoted, should they fill before that is over: what they may cost,
    less the usual tolerance."""
    if position.status != PositionStatus.QUOTING:
        return {}
    resting = position.orders.filter(purpose=Order.Purpose.QUOTE, status=OrderStatus.RESTING)
    bids = dict(resting.values_list("leg_id", "price"))
    empty = [leg for leg in position.legs.all() if not leg.held]
    return exit_prices.within_tolerance(
        Quoted(exit_counts.key(leg), 0, bids.get(leg.pk, leg.limit_price)) for leg in empty
    )


def of_fills_since(legs: Iterable[Leg], accepted: LeastPrices) -> dict[LegKey, int]:
    """Least prices of the legs that hold something and are not among the accepted ones, because they held nothing when the exit was
    requested: what a contract cost, less the usual tolerance."""
    return exit_prices.within_tolerance(
        Quoted(exit_counts.key(leg), leg.held, leg.open_cost // leg.held)
        for leg in legs
        if leg.held and exit_counts.key(leg) not in accepted
    )


def _of_leg(leg: Leg, count: int, live: LiveBooks) -> LegPreview:
    bids = live.bids(leg.market_id, leg.side)
    sold = walk.sell(bids, count, 1, live.fee(leg.market_id))
    return LegPreview(leg, count, bids, sold.proceeds, sold.fees, count - sold.count, sold.worst_price)
