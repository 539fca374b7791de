"""One leg of a family rests in place of a basket that does not pay when all of it is taken, or the one reason why none may.

The search names a few legs with what would be taken beside each (``families.quotes``); each is priced exactly with the margin that fills of
its series and side have earned, and the best is offered. A leg rests only on a side that the profile quotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kalbot.common import clock
from kalbot.common.units import CONTRACT, PPM, Price
from markets.book import Depth, Side
from markets.fees import FeeError
from markets.terms.atoms import Atoms
from markets.terms.states import floor
from strategies.catalogue.universe import EventView
from strategies.cycle import quote_records
from strategies.cycle.evaluation import legs_of, limits_of
from strategies.cycle.quote_verdicts import band_of, limits_for, loses, offered, refused, states_of
from strategies.dutch.basket import Kind, LegMarket, Limits
from strategies.families import graphs, quotes
from strategies.families.basket import Family
from strategies.families.quotes import Resting
from strategies.models import Profile
from strategies.quoting import across
from strategies.quoting.expectation import Measured
from strategies.quoting.offer import Offer
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.synthetic import bid_cost
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Prices, Status, Verdict, missed

KIND = Kind.FAMILY.value


@dataclass(frozen=True, slots=True)
class _Priced:
    """A leg that was priced exactly. ``said``: of its ``Decision.quote``; ``touch``: the best bid of others."""

    found: Offer | Refused
    measured: Measured | None
    said: Mapping[str, int | str]
    touch: int


def judge(
    profile: Profile, event: EventView, books: Mapping[str, Depth], capital_left: int, until: int
) -> Verdict | None:
    """The best leg that may rest until ``until``, or why none may. None where the family's asks are a basket by themselves: then the
    verdict on taking it says what is in the way."""
    if event.atoms is None or Kind.FAMILY.value not in profile.kinds:
        return None
    limits = limits_of(profile, event, clock.now_ms(), capital_left)
    try:
        markets = {leg.ticker: leg for leg in legs_of(event, books)}
    except FeeError as error:
        return missed(
            Status.REJECTED, Miss(Reason.FEE_TYPE, str(error), "a fee that is known"), Prices.BOOKS, kind=KIND
        )
    searched = _search(profile, event.atoms, event.ticker, markets, limits)
    if searched is None:
        return None
    priced: list[_Priced] = []
    losing: list[Miss] = []
    for resting in searched:
        one = _priced(profile, event, markets, books, resting, limits, until)
        if isinstance(one, Miss):
            losing.append(one)
        else:
            priced.append(one)
    offers = [one for one in priced if isinstance(one.found, Offer)]
    if offers:
        best = max(offers, key=_preference)
        assert isinstance(best.found, Offer)
        return offered(profile, event, books, best.found, best.measured, best.said)
    nearest = min((one.found for one in priced if isinstance(one.found, Refused)), key=_nearness, default=None)
    if nearest is not None:
        return refused(profile, nearest, KIND)
    if losing:
        return missed(Status.REJECTED, losing[0], Prices.BOOKS, kind=KIND)
    return refused(profile, Refused(NoQuote.NO_TOUCH), KIND)


def _preference(one: _Priced) -> tuple[bool, int]:
    """A bid that leads its book before one that joins it, then by margin: as within one event."""
    assert isinstance(one.found, Offer)
    (price,) = one.found.rests.values()
    return price > one.touch, one.found.margin_ppm


def _nearness(found: Refused) -> tuple[bool, bool, int]:
    """The refusal to name first: one by the profile's money, because that leg had a price, then the one that came nearest."""
    return found.reason not in (NoQuote.ORPHANS, NoQuote.COST), found.distance == 0, found.distance


def _search(
    profile: Profile, atoms: Atoms, ticker: str, markets: Mapping[str, LegMarket], limits: Limits
) -> Sequence[Resting] | None:
    """The legs that come nearest at the best prices. Where all orders of an account are too few for a basket, none is among them."""
    graph = graphs.of(ticker, atoms)
    sides = [side for side in Side if profile.quote_sides in (side.value, Profile.QuoteSides.BOTH)]
    rests = {
        (t, side): at for t in atoms.spans for side in sides if (at := _rests_at(markets.get(t), side)) is not None
    }
    return quotes.best(graph, Family(atoms, graph).curves(markets).prices, rests, limits.max_legs)


def _rests_at(market: LegMarket | None, side: Side) -> float | None:
    """What a contract costs at the lowest price at which it would rest, the best bid, in dollars; None where nobody bids."""
    touch = None if market is None else market.depth.best_bid(side)
    return None if market is None or touch is None else bid_cost(market.fees, touch, CONTRACT) / PPM


def _priced(
    profile: Profile,
    event: EventView,
    markets: Mapping[str, LegMarket],
    books: Mapping[str, Depth],
    resting: Resting,
    limits: Limits,
    until: int,
) -> _Priced | Miss:
    """What may rest of one leg. Miss: fills of its series lose more than a margin carries."""
    ticker, side = resting.leg
    legs = sorted([resting.leg, *resting.others])
    states = states_of(event, [market for market, _ in legs])
    pays = 0 if states is None else floor([(t, s, CONTRACT) for t, s in legs], states) // CONTRACT
    series, band = _series_of(event, ticker), band_of(legs, books, until)
    measured = quote_records.of(profile.mode, series, side.value, band)
    margin_ppm = quote_records.margin_ppm(profile, measured, Price(pays))
    if margin_ppm is None:
        return loses(series, measured)
    chosen = [(markets[t], s) for t, s in legs]
    found = across.offer(chosen, states, legs.index(resting.leg), limits_for(profile, limits, margin_ppm))
    said: dict[str, int | str] = {"until_ms": until, "margin_ppm": margin_ppm, "band": band}
    return _Priced(found, measured, said, markets[ticker].depth.best_bid(side) or 0)


def _series_of(event: EventView, ticker: str) -> str:
    """The series of the event that a market of the family belongs to: whose ticker its own begins with."""
    return next((m.series for m in event.members if ticker.startswith(f"{m.ticker}-")), event.series)
