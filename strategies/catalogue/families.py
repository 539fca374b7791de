"""The families of the open catalogue: events that share registered terms, shard, close and expiry, with the certificate of each group
or the clause that it lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Depth
from markets.terms import catalogue_facts
from markets.terms.families import FamilyCertificate, FamilyRefusal, Member, certify_family
from markets.terms.registry import entries
from strategies.catalogue.universe import EventView, Outcome

Key = tuple[str, int | None, int | None, tuple[int, ...]]
"""Fingerprint of the terms, close and expected end (Unix ms), shards."""


@dataclass(frozen=True, slots=True)
class Group:
    """Events that may form a family."""

    events: tuple[EventView, ...]
    found: FamilyCertificate | FamilyRefusal

    @property
    def name(self) -> str:
        """Its events' tickers."""
        return " + ".join(event.ticker for event in self.events)


def groups(events: Iterable[EventView]) -> list[Group]:
    """Every group of two events or more that share their terms and times, by name. Events without registered terms form none."""
    views = [event for event in events if not event.members]
    terms = {ticker: held.terms for ticker, held in entries.terms_of({view.series for view in views}).items()}
    together: dict[Key, list[EventView]] = defaultdict(list)
    for view in views:
        if view.series in terms:
            key = (terms[view.series].fingerprint, view.closes_ms, view.over_ms, view.shards)
            together[key].append(view)
    wanted = [group for group in together.values() if len(group) > 1]
    facts = catalogue_facts.facts_of(view.ticker for group in wanted for view in group)
    found = []
    for group in wanted:
        members = [
            Member(
                facts[view.ticker],
                terms[view.series],
                view.shards[0] if len(view.shards) == 1 else -1,
                view.closes_ms,
                view.over_ms,
            )
            for view in group
        ]
        odd = next((view for view in group if view.oddity or len(view.shards) != 1), None)
        refused = (
            FamilyRefusal("contract", f"{odd.ticker}: {odd.oddity or 'several shards'}.") if odd is not None else None
        )
        found.append(Group(tuple(group), refused or certify_family(members)))
    return sorted(found, key=lambda group: group.name)


def quoted_depths(events: Iterable[EventView]) -> Mapping[str, Depth]:
    """One level a side from the best prices of the catalogue: what can be judged before books are watched."""
    return {outcome.ticker: _depth(outcome) for event in events for outcome in event.outcomes}


def _depth(outcome: Outcome) -> Depth:
    yes = [(outcome.yes_bid, outcome.yes_bid_size)] if outcome.yes_bid and outcome.yes_bid_size > 0 else []
    no: list[tuple[int, int]] = []
    if outcome.yes_ask is not None and 0 < outcome.yes_ask < DOLLAR_PRICE and outcome.yes_ask_size > 0:
        no = [(DOLLAR_PRICE - outcome.yes_ask, outcome.yes_ask_size)]
    return Depth.of(yes, no)
