"""Why two open events of one settlement source and one moment are a family or none: every such pair has one reason, with a sentence.

``markets.catalogue.families`` decides; this module asks the same questions of each pair again, so that a person can look up what the list
of refused series, which names groups, does not say. Reads rows, writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations, combinations_with_replacement, product
from typing import Final

from kalbot.common.errors import KalbotError
from markets.catalogue.family_rows import OPEN, Listed, listed, sources_of
from markets.models import Certificate, Event, FamilyMember, Market, RefusedFamily
from markets.terms import catalogue_facts
from markets.terms.facts import EventFacts
from markets.terms.families import FamilyRefusal, Member, certify_family, common_terms
from markets.terms.reading.rules import NotRead
from markets.terms.registry.entries import Held, terms_of

FAMILY: Final = "family"


class NoSuchPairError(KalbotError):
    """One of the two is no open event."""


@dataclass(slots=True)
class Counted:
    """Pairs of one reason. ``sentence`` is that of the first of them, ``example`` its two events."""

    pairs: int
    sentence: str
    example: tuple[str, str]


@dataclass(slots=True)
class Pairs:
    """The open events as the last scan left them, and what is registered for their series."""

    events: Mapping[str, Listed]
    left_out: Mapping[str, tuple[str, datetime | None]]
    """Open events without one shard or without known times: ticker -> (settlement sources, close)."""
    registered: Mapping[str, Held]
    families: Mapping[str, frozenset[str]]
    """Event -> the certified families that it is in."""
    refused: Mapping[str, FamilyRefusal]
    """Event -> why the group that it is the example of is refused."""
    _facts: dict[str, EventFacts] = field(default_factory=dict)
    _singly: dict[str, FamilyRefusal | None] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Pairs:
        """From the catalogue."""
        events = {one.ticker: one for one in listed()}
        rows = Event.objects.filter(is_open=True, is_family=False).exclude(pk__in=events.keys())
        columns = ("pk", "settlement_sources", "series__settlement_sources", "close_time")
        left_out = {pk: (sources_of(own or series), at) for pk, own, series, at in rows.values_list(*columns)}
        members: dict[str, set[str]] = defaultdict(set)
        granted = Certificate.objects.filter(event__is_family=True, event__is_open=True, status="granted")
        for family, event in FamilyMember.objects.filter(family__in=granted.values("event")).values_list(
            "family_id", "event_id"
        ):
            members[event].add(family)
        refused = {
            ticker: FamilyRefusal(row.code, row.sentence)
            for row in RefusedFamily.objects.order_by("pk")
            for ticker in row.example.split(" + ")
        }
        registered = terms_of({one.series for one in events.values()})
        return cls(events, left_out, registered, {e: frozenset(f) for e, f in members.items()}, refused)

    def why(self, first: str, second: str) -> FamilyRefusal:
        """Why these two are a family (code ``family``) or none. NoSuchPairError for an event that is not open or not known."""
        for ticker in (first, second):
            if ticker not in self.events and ticker not in self.left_out:
                raise NoSuchPairError(f"{ticker} is no open event of the last scan.")
        return self._alone(first) or self._alone(second) or self._together(self.events[first], self.events[second])

    def _alone(self, ticker: str) -> FamilyRefusal | None:
        """Why this event is in no family, whatever the other; None where it may be in one."""
        if ticker not in self._singly:
            self._singly[ticker] = self._alone_now(ticker)
        return self._singly[ticker]

    def _alone_now(self, ticker: str) -> FamilyRefusal | None:
        if ticker in self.left_out:
            return _left_out(ticker)
        event = self.events[ticker]
        if self._has_forms(event):
            return None
        if not event.is_numeric:
            return FamilyRefusal(
                "no_values",
                f"The markets of {ticker} have no strikes, and no form (of dates, sides or changes) is registered for {event.series}: "
                "nothing says that a value settles them.",
            )
        if not event.has_one_end:
            return FamilyRefusal(
                "expiry_differs", f"The markets of {ticker} do not all close and expire at one moment."
            )
        return None

    def _together(self, one: Listed, other: Listed) -> FamilyRefusal:
        if common := self.families.get(one.ticker, frozenset()) & self.families.get(other.ticker, frozenset()):
            return FamilyRefusal(FAMILY, f"One value settles both: {min(common)}.")
        if refused := self._apart(one.series, other.series):
            return refused
        found = certify_family([self._member(event) for event in (one, other)])
        if isinstance(found, FamilyRefusal):
            return found
        said = self.refused.get(one.ticker) or self.refused.get(other.ticker)
        if said is not None:
            return FamilyRefusal(said.code, f"Together with the others of their moment: {said.sentence}")
        return FamilyRefusal("not_grouped", "By themselves they are one; the next complete scan will say so.")

    def _apart(self, *series: str) -> FamilyRefusal | None:
        """Why no two events of these series are a family, by what is registered."""
        held = [(one, self.registered[one].terms if one in self.registered else None) for one in series]
        try:
            common_terms(held)
        except NotRead as refused:
            return FamilyRefusal(refused.code, str(refused))
        return None

    def _terms(self, event: Listed) -> Held | None:
        return self.registered.get(event.series)

    def _has_forms(self, event: Listed) -> bool:
        held = self._terms(event)
        return held is not None and bool(held.terms.forms)

    def _member(self, event: Listed) -> Member:
        if event.ticker not in self._facts:
            self._facts |= catalogue_facts.facts_of([event.ticker])
        held = self._terms(event)
        closes, expires = (int(moment.timestamp() * 1000) for moment in (event.closes, event.expires))
        return Member(self._facts[event.ticker], None if held is None else held.terms, event.shard, closes, expires)

    def groups(self) -> Iterator[list[str]]:
        """The events that share a settlement source and a close, two or more, by ticker."""
        together: dict[tuple[str, datetime], list[str]] = defaultdict(list)
        for one in self.events.values():
            if one.sources:
                together[one.sources, one.closes].append(one.ticker)
        for ticker, (sources, closes) in self.left_out.items():
            if sources and closes is not None:
                together[sources, closes].append(ticker)
        yield from (sorted(group) for group in together.values() if len(group) > 1)

    def count(self) -> dict[str, Counted]:
        """Every pair of every group by its reason, the most frequent first. Rules are read only where the terms of both series agree."""
        found: dict[str, Counted] = {}

        def add(said: FamilyRefusal, first: str, second: str, pairs: int = 1) -> None:
            found.setdefault(said.code, Counted(0, said.sentence, (first, second))).pairs += pairs

        for group in self.groups():
            able: dict[str, list[str]] = defaultdict(list)
            passed: list[str] = []
            for number, ticker in enumerate(group):
                alone = self._alone(ticker)
                later = group[number + 1 :]
                if alone is None:
                    able[self.events[ticker].series].append(ticker)
                    passed.append(ticker)
                elif later or passed:
                    add(alone, ticker, (later or passed)[0], len(later) + len(passed))
            for first, second in combinations_with_replacement(able, 2):
                both = combinations(able[first], 2) if first == second else product(able[first], able[second])
                if refused := self._apart(first, second):
                    n, m = len(able[first]), len(able[second])
                    if number := n * (n - 1) // 2 if first == second else n * m:
                        add(refused, *next(both), number)
                    continue
                for one, other in both:
                    add(self._together(self.events[one], self.events[other]), one, other)
        return dict(sorted(found.items(), key=lambda item: -item[1].pairs))


def _left_out(ticker: str) -> FamilyRefusal:
    markets = Market.objects.filter(event=ticker).exclude(status="absent").order_by()
    active = markets.filter(OPEN)
    if not active.exists():
        return FamilyRefusal("leg_not_active", f"No market of {ticker} is open.")
    for column, words in (("close_time", "close"), ("expected_expiration_time", "expected expiry")):
        if not active.exclude(**{column: None}).exists():
            return FamilyRefusal("times_unknown", f"The exchange says no time of {words} for the markets of {ticker}.")
    return FamilyRefusal("shard_differs", f"The markets of {ticker} lie on several shards.")
