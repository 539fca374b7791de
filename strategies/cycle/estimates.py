"""Live prices of events, and beside them what the quotes of a family that has earned it say of a bet on coverage.

The books of the other members come with the event's own, in one fetch and of one instant. Unless they are of the same connection, as
lately proven alive, whole and of markets that trade, the event's own quotes count and the estimate says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from markets.prices import EventPrices, MarketPrice, Prices, families
from strategies.catalogue.universe import EventView
from strategies.dutch.coverage import firm_quote
from strategies.families import graphs
from strategies.families.estimate import Estimate, shares
from strategies.models import Kind, Profile
from strategies.reasons import EstimateReason

ANY_AGE_MS: Final = 2**62
_REASONS: Final = {
    "no_book": EstimateReason.SIBLING_NO_BOOK,
    "suspect": EstimateReason.SIBLING_SUSPECT,
    "not_active": EstimateReason.SIBLING_PAUSED,
}
_MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Known:
    """What was made of a view on the very records of the family's events."""

    view: EventView
    records: tuple[Mapping[str, MarketPrice], ...]
    made: EventView


_known: dict[str, _Known] = {}


def read(
    reader: Prices, views: Mapping[str, EventView], profiles: Sequence[Profile]
) -> tuple[dict[str, EventView], dict[str, EventPrices]]:
    """The live prices of ``views``, all of one instant, and the views with the estimate of their family where one may speak and
    one of ``profiles`` bets on coverage."""
    wanted: dict[str, Sequence[str]] = {ticker: view.books_of for ticker, view in views.items()}
    is_wanted = any(Kind.COVERAGE in profile.kinds for profile in profiles)
    speaking = {t: v.family for t, v in views.items() if v.family is not None} if is_wanted else {}
    if not speaking:
        return dict(views), families.read(reader, wanted)
    beside = {event: (event,) for family in speaking.values() for event in family.books_of}
    found = families.read(reader, wanted | beside)
    speaks = {t: estimated(views[t], family, found) for t, family in speaking.items()}
    return {**views, **speaks}, {ticker: found[ticker] for ticker in views}


def read_one(reader: Prices, view: EventView, profile: Profile) -> tuple[EventView, EventPrices]:
    """``read`` of one event for one profile."""
    views, prices = read(reader, {view.ticker: view}, [profile])
    return views[view.ticker], prices[view.ticker]


def forget() -> None:
    """Empty the memory."""
    _known.clear()


def estimated(view: EventView, family: EventView, found: Mapping[str, EventPrices]) -> EventView:
    """The view with its estimate by ``found``, the prices of itself and of every event of ``family``; the same object again while view
    and books are the same."""
    own, parts = found[view.ticker], [found[event] for event in family.books_of]
    apart = _apart(own, parts)
    if apart is not None:
        reason, event = apart
        return replace(view, estimate=Estimate(family.ticker, reason, detail=event))
    records = tuple(part.markets for part in parts)
    known = _known.get(view.ticker)
    if (
        known is not None
        and (known.view is view or known.view == view)
        and len(known.records) == len(records)
        and all(old is new for old, new in zip(known.records, records, strict=True))
    ):
        return known.made
    if len(_known) >= _MOST:
        _known.clear()
    made = replace(view, estimate=_of_books(view, family, parts))
    _known[view.ticker] = _Known(view, records, made)
    return made


def _apart(own: EventPrices, parts: Sequence[EventPrices]) -> tuple[EstimateReason, str] | None:
    """Why the prices of the members cannot be read as of one moment with the event's own, and the event."""
    for part in parts:
        if not part.live:
            return EstimateReason.SIBLING_EPOCH if part.epoch else EstimateReason.SIBLING_NO_BOOK, part.event_ticker
        if part.epoch != own.epoch:
            return EstimateReason.SIBLING_EPOCH, part.event_ticker
        if part.alive_ms < own.alive_ms:
            return EstimateReason.SIBLING_STALE, part.event_ticker
    return None


def _of_books(view: EventView, family: EventView, parts: Sequence[EventPrices]) -> Estimate:
    atoms, own = family.atoms, [outcome.ticker for outcome in view.outcomes]
    if atoms is None or family.oddity or not atoms.spans.keys() >= set(own):
        return Estimate(family.ticker, EstimateReason.FAMILY_CHANGED, detail=family.oddity)
    quotes = {}
    for part in parts:
        for ticker in atoms.spans.keys() & part.markets.keys():
            reason = _REASONS.get(part.usable((ticker,), ANY_AGE_MS, part.alive_ms) or "")
            if reason is not None:
                return Estimate(family.ticker, reason, detail=ticker)
            depth = part.markets[ticker].depth
            if depth is not None:
                quotes[ticker] = firm_quote(depth)
    missing = atoms.spans.keys() - quotes.keys()
    if missing:
        return Estimate(family.ticker, EstimateReason.SIBLING_NO_BOOK, detail=min(missing))
    chances = shares(graphs.of(family.ticker, atoms), atoms, quotes, own)
    if chances is None:
        return Estimate(family.ticker, EstimateReason.INCOHERENT)
    return Estimate(family.ticker, EstimateReason.FAMILY, chances)
