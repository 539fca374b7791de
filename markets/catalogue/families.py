"""Families as rows: open events that one value settles, kept as one event that has the markets of all, with its certificate. An event of
thresholds is a family by itself where it has no other beside it.

After each complete scan the open events that close and expire at one moment are grouped: by registered terms, which are certified together
(``markets.terms.families``), and by settlement source, of which it is said which terms are missing. What is refused is stored by series
with the clause that is missing, so that a person knows what to register.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Min

from kalbot.common import clock
from markets.catalogue.writing import catalogue_transaction
from markets.models import Certificate, Event, FamilyMember, Market, RefusedFamily
from markets.models.catalogue import FAMILY_PREFIX
from markets.terms import catalogue_facts
from markets.terms.atoms import AtomError
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.families import FamilyCertificate, FamilyRefusal, Member, certify_family, common_terms
from markets.terms.reading.rules import NotRead
from markets.terms.registry.entries import Held, terms_of
from markets.terms.states import StateList

KIND: Final = "family"
Status = Certificate.Status
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    """One open event with what must be the same in all events of a family."""

    ticker: str
    series: str
    title: str
    category: str
    shard: int
    closes: datetime
    expires: datetime
    fees: tuple[str, int]
    override: tuple[str, int | None]
    rules_hash: str
    volume: int
    open_interest: int
    markets: int
    is_numeric: bool
    sources: str
    is_ladder: bool


@dataclass(slots=True)
class Result:
    """What one refresh found. ``families``: tickers of those certified; ``refused``: series -> (refusal, groups, example)."""

    families: list[str] = field(default_factory=list)
    refused: dict[str, tuple[FamilyRefusal, int, str]] = field(default_factory=dict)

    def refuse(self, group: Sequence[Listed], refusal: FamilyRefusal) -> None:
        """Count one group of events that is no family."""
        series = " + ".join(sorted({one.series for one in group}))[:400]
        first, count, example = self.refused.get(series, (refusal, 0, ""))
        self.refused[series] = first, count + 1, example or " + ".join(one.ticker for one in group)[:400]


def refresh() -> Result:
    """Group the open events, certify what is new or has changed, close what is no family any more. Idempotent."""
    events = list(listed())
    registered = terms_of({one.series for one in events})
    with catalogue_transaction():
        result = _judge(events, registered)
        Event.objects.filter(is_family=True, is_open=True).exclude(pk__in=result.families).update(
            is_open=False, updated_at=clock.now()
        )
        _write_refused(result)
    return result


def listed() -> Iterable[Listed]:
    """The open events whose markets all close, and all expire, at one known moment on one shard."""
    spans = {
        row["event_id"]: row
        for row in Market.objects.filter(event__is_open=True, event__is_family=False)
        .exclude(status="absent")
        .order_by()
        .values("event_id")
        .annotate(
            n=Count("pk"),
            closes=Min("close_time"),
            last=Max("close_time"),
            expires=Min("expected_expiration_time"),
            later=Max("expected_expiration_time"),
            shard=Min("exchange_index"),
            other=Max("exchange_index"),
            floor=Max("floor_strike"),
            cap=Max("cap_strike"),
        )
    }
    columns = ("ticker", "series_id", "title", "category", "exchange_index", "rules_hash", "volume", "open_interest")
    fees = (
        "mutually_exclusive",
        "fee_type_override",
        "fee_multiplier_override_e6",
        "series__fee_type",
        "series__fee_multiplier_e6",
        "settlement_sources",
        "series__settlement_sources",
    )
    events = Event.objects.filter(is_open=True, is_family=False).order_by("ticker")
    for row in events.values(*columns, *fees):
        span = spans.get(row["ticker"])
        if span is None or None in (span["closes"], span["expires"]):
            continue
        if (span["closes"], span["expires"], span["shard"]) != (span["last"], span["later"], span["other"]):
            continue
        if span["shard"] == row["exchange_index"]:
            yield _listed(row, span)


def _listed(row: Mapping[str, Any], span: Mapping[str, Any]) -> Listed:
    override, multiplier = row["fee_type_override"], row["fee_multiplier_override_e6"]
    sources = row["settlement_sources"] or row["series__settlement_sources"]
    return Listed(
        row["ticker"],
        row["series_id"],
        row["title"],
        row["category"],
        row["exchange_index"],
        span["closes"],
        span["expires"],
        (override or row["series__fee_type"], row["series__fee_multiplier_e6"] if multiplier is None else multiplier),
        (override, multiplier),
        row["rules_hash"],
        row["volume"],
        row["open_interest"],
        span["n"],
        bool(span["floor"] or span["cap"]),
        json.dumps(sorted(json.dumps(source, sort_keys=True) for source in sources)) if sources else "",
        not row["mutually_exclusive"] and span["n"] > 1,
    )


def _groups(events: Iterable[Listed], what: Callable[[Listed], str]) -> list[list[Listed]]:
    """Events of several series that are settled at one moment and have one ``what``, which must not be empty; a ladder stands alone too."""
    together: dict[tuple[str, datetime, datetime], list[Listed]] = defaultdict(list)
    for one in events:
        if one.is_numeric and what(one):
            together[what(one), one.closes, one.expires].append(one)
    return [
        group
        for group in together.values()
        if len({one.series for one in group}) > 1 or (len(group) == 1 and group[0].is_ladder)
    ]


def _judge(events: Sequence[Listed], registered: Mapping[str, Held]) -> Result:
    """Certify the events that share registered terms; refuse those that share a source and no terms that would do."""
    result = Result()
    judged: set[str] = set()
    for group in _groups(
        events, lambda one: registered[one.series].terms.fingerprint if one.series in registered else ""
    ):
        judged.update(one.ticker for one in group)
        found = _family(group, registered)
        if isinstance(found, FamilyRefusal):
            result.refuse(group, found)
        else:
            result.families.append(found)
    for group in _groups(events, lambda one: one.sources):
        if len(group) == 1 or all(one.ticker in judged for one in group):
            continue
        pairs = [(one.series, registered[one.series].terms if one.series in registered else None) for one in group]
        try:
            common_terms(pairs)
        except NotRead as refused:
            result.refuse(group, FamilyRefusal(refused.code, str(refused)))
    return result


def _family(members: Sequence[Listed], registered: Mapping[str, Held]) -> str | FamilyRefusal:
    """The ticker of the family with a certificate for its facts of now, or why it is none."""
    if len({one.fees for one in members}) > 1:
        return FamilyRefusal("fees_differ", "The members do not have one fee.")
    held = registered[members[0].series]
    ticker = ticker_of([one.ticker for one in members])
    digest = digest_of([one.rules_hash for one in members], held.terms.fingerprint)
    current = Certificate.objects.filter(event_id=ticker, status__in=[Status.GRANTED, Status.REVOKED]).first()
    if current is not None and current.status == Status.REVOKED:
        return FamilyRefusal("revoked", f"{current.actor} revoked it: {current.reason}")
    if current is None or current.rules_hash != digest:
        facts = catalogue_facts.facts_of(one.ticker for one in members)
        found = certify_family([_member(one, facts[one.ticker], held) for one in members])
        if isinstance(found, FamilyRefusal):
            return found
        try:
            states = StateList.of_atoms(found.atoms)
        except AtomError as error:
            return FamilyRefusal("strikes", str(error))
        _store(ticker, digest, members)
        _grant(ticker, digest, found, states, held)
    else:
        _store(ticker, digest, members)
    return ticker


def _member(one: Listed, facts: Any, held: Held) -> Member:
    closes, expires = (int(moment.timestamp() * 1000) for moment in (one.closes, one.expires))
    return Member(facts, held.terms, one.shard, closes, expires)


def ticker_of(events: Iterable[str]) -> str:
    """The ticker of the family of these events: their own where that is short enough."""
    names = sorted(events)
    whole = FAMILY_PREFIX + "-".join(names)
    if len(whole) <= 96:
        return whole
    return f"{FAMILY_PREFIX}{names[0][:60]}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:16]}"


def digest_of(rules_hashes: Iterable[str], terms: str) -> str:
    """The rules hash of a family: of its members' facts and of the terms that they share."""
    content = json.dumps([CERTIFICATE_VERSION, sorted(rules_hashes), terms])
    return hashlib.sha256(content.encode()).hexdigest()


def _store(ticker: str, digest: str, members: Sequence[Listed]) -> None:
    first = members[0]
    Event.objects.update_or_create(
        ticker=ticker,
        defaults={
            "is_family": True,
            "is_open": True,
            "series_id": first.series,
            "title": " and ".join(dict.fromkeys(one.title for one in members if one.title))[:400],
            "sub_title": " + ".join(one.ticker for one in members)[:400],
            "category": first.category,
            "exchange_index": first.shard,
            "fee_type_override": first.override[0],
            "fee_multiplier_override_e6": first.override[1],
            "close_time": first.closes,
            "market_count": sum(one.markets for one in members),
            "volume": sum(one.volume for one in members),
            "open_interest": sum(one.open_interest for one in members),
            "rules_hash": digest,
        },
    )
    FamilyMember.objects.bulk_create(
        [FamilyMember(family_id=ticker, event_id=one.ticker) for one in members], ignore_conflicts=True
    )


def _grant(ticker: str, digest: str, found: FamilyCertificate, states: StateList, held: Held) -> None:
    rows = Certificate.objects.filter(event_id=ticker)
    rows.filter(status__in=[Status.GRANTED, Status.REFUSED]).update(status=Status.VOID, ended_at=clock.now())
    Certificate.objects.create(
        event_id=ticker,
        version=(rows.aggregate(last=Max("version"))["last"] or 0) + 1,
        status=Status.GRANTED,
        kind=KIND,
        grade=found.grade.value,
        states=states.to_json(),
        terms_id=held.pk,
        reading=CERTIFICATE_VERSION,
        evidence=[
            "One value settles all markets of these events: " + found.terms.common_determination,
            "Beside the strike every rule says the same: " + found.rest,
        ],
        rules_hash=digest,
    )


def _write_refused(result: Result) -> None:
    RefusedFamily.objects.exclude(series_tickers__in=result.refused).delete()
    known = dict(RefusedFamily.objects.values_list("series_tickers", "code"))
    for series, (refusal, groups, example) in result.refused.items():
        columns = {"code": refusal.code, "sentence": refusal.sentence, "groups": groups, "example": example}
        if known.get(series) != refusal.code:
            columns["since"] = clock.now()
        RefusedFamily.objects.update_or_create(series_tickers=series, defaults=columns)
