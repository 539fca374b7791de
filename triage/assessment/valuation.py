"""What a position brings if it is sold at the bids now, and what it is worth if it is held. Pure.

Selling walks the real bids of each leg, best first, every level one fill with its exact fee; what nobody bids for is
named and keeps its value. Holding is probability x payout over every state in which the event can still settle:
never the conditional payout, which forgets the loss states.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar. Expected values are floats (they
come from probabilities) and are rounded down to Money; sale proceeds and the floor are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite
from typing import Final

from kalbot.common.units import Count, Money
from markets.book import Depth, Side
from markets.fees import Fees, FeeSchedule, OrderFees
from markets.terms.states import State, StateKind, StateList
from strategies.dutch.payoff import Payoff, expected_of, payoff

DECIDED: Final = frozenset({"yes", "no"})
"""Results that fix a market. ``scalar`` and anything unknown fix nothing that could be computed here."""


@dataclass(frozen=True, slots=True)
class HeldLeg:
    """Contracts of one (market, side) still held."""

    ticker: str
    side: Side
    count: Count
    name: str = ""

    def words(self) -> str:
        """``NO on 88° or above``."""
        return f"{self.side.value.upper()} on {self.name or self.ticker}"


@dataclass(frozen=True, slots=True)
class LegSale:
    """Selling one leg now: ``sold`` of ``count``, ``proceeds`` after ``fees``. ``problem`` says why not all of it:
    ``paused`` (the market does not trade), ``no_book``, ``no_bids`` or ``thin`` (bids for a part only)."""

    leg: HeldLeg
    sold: Count
    proceeds: Money
    fees: Money
    worst_price: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """All legs sold through the bids, each an order of its own."""

    legs: tuple[LegSale, ...]

    @property
    def proceeds(self) -> Money:
        """Cash received, fees deducted."""
        return Money(sum(sale.proceeds for sale in self.legs))

    @property
    def fees(self) -> Money:
        """Fees of all sales."""
        return Money(sum(sale.fees for sale in self.legs))

    @property
    def unsellable(self) -> tuple[LegSale, ...]:
        """Legs of which something cannot be sold now."""
        return tuple(sale for sale in self.legs if sale.problem)

    @property
    def residual(self) -> tuple[HeldLeg, ...]:
        """What would still be held afterwards."""
        return tuple(
            HeldLeg(s.leg.ticker, s.leg.side, Count(s.leg.count - s.sold), s.leg.name)
            for s in self.legs
            if s.sold < s.leg.count
        )


def sell(
    legs: Iterable[HeldLeg], books: Mapping[str, Depth | None], fees: Fees, untradable: Iterable[str] = ()
) -> Sale:
    """Walk the bids for every leg. A market in ``untradable`` sells nothing whatever its book says; a market without
    a book sells nothing either."""
    closed = frozenset(untradable)
    return Sale(tuple(_sell_leg(leg, books.get(leg.ticker), fees.of(leg.ticker), leg.ticker in closed) for leg in legs))


def _sell_leg(leg: HeldLeg, depth: Depth | None, schedule: FeeSchedule, paused: bool) -> LegSale:
    nothing = (Count(0), Money(0), Money(0), None)
    if paused:
        return LegSale(leg, *nothing, "paused")
    if depth is None:
        return LegSale(leg, *nothing, "no_book")
    order, left, worst = OrderFees(schedule), int(leg.count), None
    for price, available in depth.bids(leg.side):
        take = min(left, available)
        if not take:
            break
        order.add(price, take, buys=False)
        left, worst = left - take, price
    if worst is None and leg.count:
        return LegSale(leg, *nothing, "no_bids")
    received = Money(-order.paid - order.total)
    return LegSale(leg, Count(leg.count - left), received, order.total, worst, "thin" if left else "")


def still_possible(states: StateList, results: Mapping[str, str]) -> StateList:
    """The states that the results known so far leave open, winners one by one. ``results``: ticker -> ``yes`` or ``no``, others
    ignored."""
    lost = {ticker for ticker, result in results.items() if result == "no"}
    won = {ticker for ticker, result in results.items() if result == "yes"}

    def open_(state: State) -> bool:
        named = set(state.among)
        if state.kind is StateKind.WINNER:
            return not named & lost and won <= named
        if state.kind in (StateKind.VALUE, StateKind.FALLBACK):
            return won <= named and (state.least == 0 or not named & lost)
        if state.kind is StateKind.NONE:
            return not won
        return not named & (lost | won)

    every = [state for state, _ in payoff((), states)]
    left = tuple(state for state in every if open_(state))
    return StateList(states.outcomes, left) if left else states


def pays(legs: Iterable[HeldLeg], states: StateList) -> Payoff:
    """What the legs pay in each state."""
    return payoff(((leg.ticker, leg.side, int(leg.count)) for leg in legs), states)


def condition(probabilities: Mapping[str, float], results: Mapping[str, str]) -> dict[str, float] | None:
    """Probabilities given what is already determined: a winner has 1, a loser 0 and its share goes to the others in
    proportion (to the unlisted remainder too). None if that leaves nothing to share, or a value is not a probability."""
    if not probabilities or not all(isfinite(p) and 0.0 <= p <= 1.0 for p in probabilities.values()):
        return None
    if sum(probabilities.values()) > 1.0 + 1e-6:
        return None
    winner = next((ticker for ticker, result in results.items() if result == "yes"), None)
    if winner is not None:
        return {ticker: float(ticker == winner) for ticker in probabilities}
    gone = sum(p for ticker, p in probabilities.items() if results.get(ticker) == "no")
    if gone <= 0.0:
        return dict(probabilities)
    if gone >= 1.0 - 1e-9:
        return None
    return {t: 0.0 if results.get(t) == "no" else p / (1.0 - gone) for t, p in probabilities.items()}


def expected(vector: Payoff, probabilities: Mapping[str, float]) -> Money:
    """Expected payout, rounded down. Splits and voids get no weight (nobody quotes them); the floor counts them."""
    return Money(floor(expected_of(vector, probabilities) + 1e-6))


def break_even(
    vector: Payoff, good: frozenset[State], probabilities: Mapping[str, float], proceeds: int
) -> float | None:
    """The probability of the ``good`` states at which holding is worth just what selling brings.

    Payouts inside each group are averaged by ``probabilities`` (plainly, if they have none). None when there is no
    bad state or the groups pay the same: then no probability makes selling and holding equal. Outside 0..1 it means
    that selling (above 1) or holding (below 0) is better whatever one believes.
    """
    good_pay = _average([entry for entry in vector if entry[0] in good], probabilities)
    bad_pay = _average([entry for entry in vector if entry[0] not in good], probabilities)
    if good_pay is None or bad_pay is None or good_pay == bad_pay:
        return None
    return (proceeds - bad_pay) / (good_pay - bad_pay)


def _average(entries: Sequence[tuple[State, Money]], probabilities: Mapping[str, float]) -> float | None:
    weighed = [(p, w) for s, p in entries if s.kind is not StateKind.VOID for w in [_weight(s, probabilities)]]
    if not weighed:
        return None
    total = sum(w for _, w in weighed)
    if total <= 0.0:
        return sum(p for p, _ in weighed) / len(weighed)
    return sum(p * w for p, w in weighed) / total


def _weight(state: State, probabilities: Mapping[str, float]) -> float:
    if state.kind is StateKind.WINNER:
        return probabilities.get(state.among[0], 0.0)
    if state.kind is StateKind.NONE:
        return max(0.0, 1.0 - sum(probabilities.values()))
    return 0.0
