"""The price screen: what a basket would cost by the best prices, fees included, against what it pays.

It decides which books are worth watching, never what is bought. So it is generous: one contract a leg at the best price,
the fee of a large order (model fee without balance rounding), no depth. All per contract of the basket, in micro-dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, PPM, Money
from markets.book import Side
from markets.fees import FeeSchedule, model_fee
from markets.kalshi.vocabulary import MarketStatus
from strategies.catalogue.universe import EventView, Outcome
from strategies.dutch.coverage import DUST, from_quotes
from strategies.families import graphs
from strategies.families.counts import nearest_of_all
from strategies.models import Kind, Profile
from strategies.reasons import Reason
from strategies.screening.filters import Miss

DOLLAR: Final = 1_000_000
_GRID: Final = Money(100)
_ACTIVE: Final = MarketStatus.ACTIVE.value


class QuotedLeg(NamedTuple):
    """One leg at its best price: price in 1/10,000 dollar, fee and all-in cost in micro-dollars a contract."""

    ticker: str
    side: str
    price: int
    cost: int
    size: int


_leg: Final = tuple.__new__
"""Makes one as ``QuotedLeg(...)`` does, at half the price: a screening of the exchange makes two hundred thousand."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """One contract of a basket by the best prices. ``pays``: the floor, for coverage the conditional payout."""

    kind: str
    legs: tuple[QuotedLeg, ...]
    cost: int
    pays: int
    coverage: float | None = None

    def missing_ppm(self, margin_ppm: int) -> int:
        """By what share of the payout the cost is too high to leave ``margin_ppm``; negative: it pays by these prices."""
        allowed = self.pays * PPM // (PPM + margin_ppm)
        return (self.cost - allowed) * PPM // self.pays

    @property
    def expected_margin_ppm(self) -> int:
        """Expected profit / cost by de-vigged prices (coverage only)."""
        return round(((self.coverage or 0.0) * self.pays - self.cost) * PPM / self.cost)


@lru_cache(maxsize=64)
def _fees(fee_type: str, multiplier_e6: int) -> tuple[int, ...]:
    """Taker fee of one contract at each price, micro-dollars."""
    schedule = FeeSchedule(fee_type, multiplier_e6, _GRID)
    return tuple(model_fee(schedule, price, 100) for price in range(DOLLAR_PRICE + 1))


def _yes_leg(outcome: Outcome, fees: Sequence[int]) -> QuotedLeg | None:
    ask = outcome.yes_ask
    if ask is None:
        return None
    return _leg(QuotedLeg, (outcome.ticker, "yes", ask, ask * 100 + fees[ask], outcome.yes_ask_size))


def _no_leg(outcome: Outcome, fees: Sequence[int]) -> QuotedLeg | None:
    bid = outcome.yes_bid
    if bid is None:
        return None
    ask = DOLLAR_PRICE - bid
    return _leg(QuotedLeg, (outcome.ticker, "no", ask, ask * 100 + fees[ask], outcome.yes_bid_size))


def all_yes(event: EventView, min_size: int = 0) -> Quoted | Miss:
    """YES on every outcome: one dollar whichever of them wins. Needs a certificate and an ask on every leg."""
    if not event.certified:
        return Miss(Reason.CERTIFICATE, "none", "a certificate that one listed outcome must win")
    fees = _fees(event.fee_type, event.fee_multiplier_e6)
    found = tuple([leg for o in event.outcomes if (leg := _yes_leg(o, fees)) is not None])
    without = len(event.outcomes) - len(found)
    if without:
        return Miss(Reason.NO_ASK, f"{without} of {len(event.outcomes)} without", "a YES ask on every outcome")
    return _deep_enough(Quoted(Kind.ALL_YES, found, sum([leg.cost for leg in found]), DOLLAR), min_size)


def all_no(event: EventView, min_size: int = 0) -> Quoted | Miss:
    """NO on the outcomes that others bid for: all but one of k >= 2 pay, so a leg is worth having if it costs under a
    dollar. Needs a certificate that they exclude each other; other settlement states are the search's business."""
    if not event.states_known:
        return Miss(Reason.CERTIFICATE, "none", "a certificate that at most one outcome wins")
    fees = _fees(event.fee_type, event.fee_multiplier_e6)
    legs = [leg for o in event.outcomes if o.status == _ACTIVE and (leg := _no_leg(o, fees)) is not None]
    chosen = tuple([leg for leg in legs if leg.cost < DOLLAR and leg.size >= min_size])
    if len(chosen) < 2:
        if min_size and len(legs) >= 2:
            return _too_shallow(legs, min_size, 2)
        return Miss(Reason.NO_BID, f"{len(legs)} outcomes with a bid", "bids on two or more outcomes")
    return Quoted(Kind.ALL_NO, chosen, sum([leg.cost for leg in chosen]), (len(chosen) - 1) * DOLLAR)


def coverage(event: EventView, threshold_ppm: int, min_size: int = 0) -> Quoted | Miss:
    """YES on the likeliest outcomes until the threshold is covered; more are added only while that is what it takes."""
    chances = probabilities(event)
    if chances is None:
        return Miss(Reason.NO_PRICE, "an outcome without bid and ask", "a price on every outcome")
    fees = _fees(event.fee_type, event.fee_multiplier_e6)
    legs: list[QuotedLeg] = []
    covered = 0.0
    for outcome, chance in sorted(zip(event.outcomes, chances, strict=True), key=lambda pair: -pair[1]):
        leg = _yes_leg(outcome, fees)
        if leg is None or leg.size < min_size:
            continue
        legs.append(leg)
        covered += chance
        if covered * PPM >= threshold_ppm:
            return Quoted(Kind.COVERAGE, tuple(legs), sum(leg.cost for leg in legs), DOLLAR, covered)
    value = round(covered * PPM)
    return Miss(
        Reason.COVERAGE,
        f"{covered:.2%} can be bought",
        f"at least {threshold_ppm / PPM:.2%}",
        round((threshold_ppm - value) * PPM / threshold_ppm) if threshold_ppm else None,
        "asks on more outcomes are needed",
    )


def family(event: EventView, profile: Profile) -> Quoted | Miss:
    """The legs across the events of a family that come nearest to paying; none where the quotes agree even if every ask were lower
    by what the profile calls near."""
    if event.atoms is None:
        return Miss(Reason.CERTIFICATE, "none", "a certificate that one value settles all of its events")
    legs = family_legs(event, profile.min_depth)
    prices = {key: leg.cost / DOLLAR for key, leg in legs.items()}
    slack_ppm = max(profile.near_miss_ppm, profile.watch_margin_ppm) + profile.min_margin_ppm
    cycle = graphs.of(event.ticker, event.atoms).nearest(prices, slack_ppm)
    near = [] if cycle is None else [(ask.ticker, ask.side) for ask in cycle.legs]
    if (cycle is None or cycle.profit <= 0) and not all(event.atoms.is_sure(*key) for key in prices):
        of_all = nearest_of_all(event.atoms, prices, slack_ppm)
        if of_all is None:
            return Miss(Reason.UNDECIDED, "the search did not end", "a basket, or the proof that there is none")
        near = of_all or near
    chosen = tuple(legs[key] for key in near)
    cost = sum(leg.cost for leg in chosen)
    floor = event.atoms.floor([(ticker, side, CONTRACT) for ticker, side in near]) if near else 0
    if floor <= 0:
        return Miss(Reason.MARGIN, "all quotes agree", "a basket that pays more than it costs")
    return Quoted(Kind.FAMILY, chosen, cost, floor)


def family_legs(event: EventView, min_size: int = 0) -> dict[tuple[str, Side], QuotedLeg]:
    """Every side that is offered for less than a dollar, by (ticker, side)."""
    legs: dict[tuple[str, Side], QuotedLeg] = {}
    fees = _fees(event.fee_type, event.fee_multiplier_e6)
    for outcome in event.outcomes:
        fees = _fees(*event.fees[outcome.ticker]) if event.fees else fees
        for side, leg in ((Side.YES, _yes_leg(outcome, fees)), (Side.NO, _no_leg(outcome, fees))):
            if leg is not None and leg.cost < DOLLAR and leg.size >= min_size:
                legs[outcome.ticker, side] = leg
    return legs


def probabilities(event: EventView) -> list[float] | None:
    """De-vigged probability of each outcome by the best prices, in the order of the outcomes (``dutch.coverage``); None if they
    say too little."""
    quotes = {
        o.ticker: (
            o.yes_bid if o.yes_bid_size >= DUST else None,
            o.yes_ask if o.yes_ask_size >= DUST else None,
        )
        for o in event.outcomes
    }
    found = from_quotes(quotes, certified=event.certified, power=event.power)
    return None if found is None else [found[outcome.ticker] for outcome in event.outcomes]


def quoted(event: EventView, kind: str, profile: Profile) -> Quoted | Miss:
    """The basket of ``kind`` that the best prices suggest, or why there is none."""
    if kind == Kind.ALL_YES:
        return all_yes(event, profile.min_depth)
    if kind == Kind.ALL_NO:
        return all_no(event, profile.min_depth)
    if kind == Kind.FAMILY:
        return family(event, profile)
    return coverage(event, profile.coverage_threshold_ppm, profile.min_depth)


def _deep_enough(basket: Quoted, min_size: int) -> Quoted | Miss:
    if min([leg.size for leg in basket.legs]) >= min_size:
        return basket
    return _too_shallow(basket.legs, min_size, len(basket.legs))


def _too_shallow(legs: Sequence[QuotedLeg], min_size: int, wanted: int) -> Miss:
    """The ``wanted`` deepest legs decide how far the depth is from enough."""
    least = sorted((leg.size for leg in legs), reverse=True)[wanted - 1]
    return Miss(
        Reason.DEPTH,
        f"{least / 100:,.2f} contracts at the best price",
        f"at least {min_size / 100:,.2f}",
        round((min_size - least) * PPM / min_size),
        f"{(min_size - least) / 100:,.2f} more contracts at the best price of its thinnest leg",
    )
