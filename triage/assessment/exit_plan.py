"""How to leave, leg by leg: the least price that the advice was computed for, and what buying would do instead of selling. Pure.

Prices 1/10,000 dollar, counts 1/100 contract, money micro-dollars.

- Buying the **opposite** side of a leg nets with it at one dollar a contract. Its asks are our bids seen from the other side, so only
  the fees can differ.
- Buying the **missing** outcomes turns a covered position into a whole set. What that is worth is its floor over every settlement
  state less what it costs, so it counts only where the certificate leaves no state in which nothing pays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Money
from markets.book import Depth, Side
from markets.fees import Fees, FeeSchedule, OrderFees
from markets.terms.states import StateList
from strategies.dutch.payoff import floor_of
from trading.closing import exit_prices
from trading.closing.exit_prices import LeastPrices, Quoted
from triage.assessment.leg_record import of_leg
from triage.assessment.valuation import HeldLeg, Sale, pays


@dataclass(frozen=True, slots=True)
class Purchase:
    """Buying instead of selling: ``nets`` what is left for sure after ``cost`` and ``fees``, to be compared with the sale."""

    legs: tuple[HeldLeg, ...]
    cost: Money
    fees: Money
    nets: Money

    def row(self) -> dict[str, Any]:
        """The form kept with the advice."""
        legs = [{"ticker": leg.ticker, "side": leg.side.value, "count": leg.count} for leg in self.legs]
        return {"legs": legs, "cost": self.cost, "fees": self.fees, "nets": self.nets}


def least_prices(sale: Sale, fees: Fees, *, hold: int, gain: int | None, floor: int) -> LeastPrices:
    """What each leg that can be sold must bring: together more than holding by half of the gain; without a gain the bids less
    the usual tolerance."""
    quoted = [
        Quoted((s.leg.ticker, s.leg.side.value), s.sold, s.worst_price)
        for s in sale.legs
        if s.sold and s.worst_price is not None
    ]
    if gain is None or gain <= 0:
        return exit_prices.within_tolerance(quoted)
    return exit_prices.for_total(quoted, max(hold + gain // 2, floor), fees)


def plan(
    sale: Sale,
    fees: Fees,
    books: Mapping[str, Depth],
    states: StateList,
    prices: LeastPrices,
    untradable: Collection[str] = (),
) -> dict[str, Any]:
    """The plan of an exit as an advice keeps it: ``legs`` with their least prices, and ``missing`` where completing is possible. Nothing
    is bought of the markets in ``untradable``, whatever their books say; ``states``: those that are still possible."""
    books = {ticker: depth for ticker, depth in books.items() if ticker not in untradable}
    missing = buy_missing(tuple(s.leg for s in sale.legs), books, states, fees)
    return {
        "legs": list(_legs(sale, fees, books, prices)),
        "missing": None if missing is None else missing.row(),
        "best": "buy_missing" if missing is not None and missing.nets > sale.proceeds else "sell",
    }


def _legs(sale: Sale, fees: Fees, books: Mapping[str, Depth], prices: LeastPrices) -> Iterator[dict[str, Any]]:
    for sold in sale.legs:
        leg = sold.leg
        held = HeldLeg(leg.ticker, leg.side, sold.sold, leg.name)
        opposite = buy_opposite(held, books.get(leg.ticker), fees.of(leg.ticker))
        record = of_leg(leg.side, sold.worst_price)
        yield {
            "ticker": leg.ticker,
            "side": leg.side.value,
            "count": sold.sold,
            "bid": sold.worst_price,
            "least_price": prices.get((leg.ticker, leg.side.value)),
            "proceeds": sold.proceeds,
            "opposite": None if opposite is None else opposite.row(),
            "best": "buy_opposite" if opposite is not None and opposite.nets > sold.proceeds else "sell",
            "record": "" if record is None else record.words(),
        }


def buy_opposite(leg: HeldLeg, depth: Depth | None, fees: FeeSchedule) -> Purchase | None:
    """Buy as many of the other side as the leg holds; None if they are not offered or nothing is held."""
    bought = _buy(depth, leg.side.other, int(leg.count), fees)
    if bought is None or not leg.count:
        return None
    cost, paid = bought
    nets = Money(DOLLAR_PRICE * leg.count - cost - paid)
    return Purchase((HeldLeg(leg.ticker, leg.side.other, leg.count, leg.name),), cost, paid, nets)


def buy_missing(
    legs: tuple[HeldLeg, ...], books: Mapping[str, Depth], states: StateList, fees: Fees
) -> Purchase | None:
    """Buy YES of every outcome that may still pay and is not held, as many as of the most held of those; None unless all that is held is
    YES, every missing outcome is offered in full, and the whole then pays something in every state."""
    if any(leg.side is not Side.YES for leg in legs):
        return None
    held = {leg.ticker: int(leg.count) for leg in legs}
    may_pay = [ticker for ticker in states.outcomes if _may_pay(ticker, states)]
    count = max((held.get(ticker, 0) for ticker in may_pay), default=0)
    wanted = {ticker: count - held.get(ticker, 0) for ticker in may_pay if held.get(ticker, 0) < count}
    cost = paid = 0
    for ticker, number in wanted.items():
        bought = _buy(books.get(ticker), Side.YES, number, fees.of(ticker))
        if bought is None:
            return None
        cost, paid = cost + bought[0], paid + bought[1]
    added = tuple(HeldLeg(ticker, Side.YES, Count(number)) for ticker, number in wanted.items())
    floor = floor_of(pays([*legs, *added], states))
    return Purchase(added, Money(cost), Money(paid), Money(floor - cost - paid)) if added and floor > 0 else None


def _may_pay(ticker: str, states: StateList) -> bool:
    """Whether YES of an outcome pays in any state that is left."""
    return any(money > 0 for _, money in pays([HeldLeg(ticker, Side.YES, CONTRACT)], states))


def _buy(depth: Depth | None, side: Side, count: int, fees: FeeSchedule) -> tuple[Money, Money] | None:
    """(price paid, fees) of taking ``count`` through the asks; None if not all of it is offered."""
    order, left = OrderFees(fees), count
    for price, available in depth.asks(side) if depth is not None else ():
        take = min(left, available)
        if take:
            order.add(price, take)
            left -= take
    return (order.paid, order.total) if left == 0 else None
