"""What the quotes of a whole family say of the markets of one of its events: scored beside what the event's own quotes say.

The families of a tape are certified as those of the catalogue are (``markets.terms.families``), by the terms that the tape has. Floats.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from kalbot.common import clock
from markets.catalogue.rows import event_row, market_row
from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas.pages import parse_event
from markets.models import ContractTerms
from markets.tape.records import Kind, Record
from markets.terms.atoms import AtomError, Atoms
from markets.terms.catalogue_facts import build_facts
from markets.terms.families import FamilyRefusal, Member, certify_family
from markets.terms.registry.entries import as_terms, entry_for
from markets.terms.registry.entry import RegisteredTerms
from strategies.dutch.coverage import Quote
from strategies.families.estimate import shares
from strategies.families.screen import Graph

KINDS: Final = (Kind.EVENT, Kind.SERIES, Kind.TERMS)


class _Listed(NamedTuple):
    row: dict[str, Any]
    markets: list[dict[str, Any]]
    shard: int
    moments: tuple[int | None, int | None]
    """Close and expected expiry, Unix milliseconds."""


@dataclass(slots=True)
class Families:
    """The events of a tape with strikes, what is registered for their series, and the last quote of each of their markets."""

    _terms: dict[tuple[str, int], ContractTerms] = field(default_factory=dict)
    _urls: dict[str, str] = field(default_factory=dict)
    _events: dict[str, _Listed] = field(default_factory=dict)
    _at: dict[tuple[int | None, int | None, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    """(close, expiry, shard) -> events."""
    _event_of: dict[str, str] = field(default_factory=dict)
    _quotes: dict[str, tuple[Quote, int]] = field(default_factory=dict)
    _atoms: dict[tuple[str, ...], Atoms | None] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Keep what a record of ``KINDS`` says of events, series and terms. One that cannot be read is of no family."""
        said = json.loads(record.payload)
        if record.kind is Kind.TERMS:
            entry = ContractTerms(**{k: v for k, v in said.items() if not k.endswith("_at")})
            self._terms[entry.url, entry.version] = entry
        elif record.kind is Kind.SERIES:
            self._urls[record.key] = said.get("contract_terms_url") or ""
        elif record.key in self._events:
            return
        else:
            try:
                event = parse_event(b'{"event":' + record.payload + b"}")
            except SchemaError:
                return
            markets = [market_row(market) for market in event.markets]
            if not any(market["floor_strike"] or market["cap_strike"] for market in markets):
                return
            row = event_row(event)
            moments = [
                {None if m[name] is None else int(m[name].timestamp() * 1000) for m in markets}
                for name in ("close_time", "expected_expiration_time")
            ]
            close, expiry = (next(iter(found)) if len(found) == 1 else None for found in moments)
            self._events[record.key] = _Listed(row, markets, row["exchange_index"], (close, expiry))
            self._at[close, expiry, row["exchange_index"]].append(record.key)
            self._event_of |= dict.fromkeys((market["ticker"] for market in markets), record.key)
        self._atoms.clear()

    def quote(self, ticker: str, quote: Quote, at_ns: int) -> None:
        """A quote of any market; those of no event with strikes are left alone."""
        if ticker in self._event_of:
            self._quotes[ticker] = quote, at_ns

    def said(self, event: str, since_ns: int) -> dict[str, float]:
        """The probability of each market of ``event`` by the quotes since then of its whole family, together one. Empty where it is of no
        family of several events, a quote is missing, or the quotes agree with no measure."""
        members = self._members(event)
        atoms = self._certified(members) if len(members) > 1 else None
        if atoms is None:
            return {}
        quotes = {t: q for t in atoms.spans if (q := self._since(t, since_ns)) is not None}
        own = [market["ticker"] for market in self._events[event].markets]
        found = shares(Graph(atoms), atoms, quotes, own) if len(quotes) == len(atoms.spans) else None
        if found is None:
            return {}
        total = sum(found.values())
        return {ticker: share / total for ticker, share in found.items()}

    def _since(self, ticker: str, since_ns: int) -> Quote | None:
        quote, at = self._quotes.get(ticker, ((None, None), since_ns - 1))
        return quote if at >= since_ns else None

    def _members(self, event: str) -> tuple[str, ...]:
        one = self._events.get(event)
        terms = None if one is None else self._registered(one)
        if one is None or terms is None or None in one.moments:
            return ()
        together = self._at[(*one.moments, one.shard)]
        return tuple(sorted(t for t in together if self._registered(self._events[t]) == terms))

    def _registered(self, one: _Listed) -> RegisteredTerms | None:
        series = one.row["series_id"]
        entries = [self._terms[key] for key in sorted(self._terms) if self._terms[key].status != "replaced"]
        entry = entry_for(series, self._urls.get(series, ""), entries)
        if entry is None:
            return None
        return as_terms(entry, same_document=entry.url == self._urls.get(series), at=clock.now())

    def _certified(self, members: tuple[str, ...]) -> Atoms | None:
        if members not in self._atoms:
            found = certify_family([self._member(self._events[ticker]) for ticker in members])
            try:
                self._atoms[members] = None if isinstance(found, FamilyRefusal) else found.atoms
            except AtomError:
                self._atoms[members] = None
        return self._atoms[members]

    def _member(self, one: _Listed) -> Member:
        facts = build_facts(one.row, one.markets)
        return Member(facts, self._registered(one), one.shard, *one.moments)
