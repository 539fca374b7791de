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
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import Max

from kalbot.common import clock
from markets.catalogue.family_rows import Listed, listed
from markets.catalogue.revoked_families import revoked_families
from markets.catalogue.writing import catalogue_transaction
from markets.models import Certificate, Event, FamilyMember, RefusedFamily
from markets.models.catalogue import FAMILY_PREFIX
from markets.terms import catalogue_facts
from markets.terms.atoms import AtomError
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.families import FamilyCertificate, FamilyRefusal, Member, certify_family, common_terms
from markets.terms.family_members import read_member
from markets.terms.reading.rules import NotRead
from markets.terms.registry.entries import Held, terms_of
from markets.terms.states import StateList

KIND: Final = "family"
GAME: Final = re.compile(r"-\d{2}[A-Z]{3}\d{2}(?=(?:\d*[A-Z]){3})[A-Z0-9]+")
"""What follows the series in the ticker of an event that is a game: its day, perhaps its hour, and its sides."""
Status = Certificate.Status
log = logging.getLogger(__name__)


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
    with catalogue_transaction(Event.objects.filter(is_family=True, is_open=True).values_list("pk", flat=True)):
        result = _judge(events, registered)
        ended = Event.objects.filter(is_family=True, is_open=True).exclude(pk__in=result.families)
        Certificate.objects.filter(event__in=ended, status=Status.GRANTED).update(
            status=Status.VOID,
            ended_at=clock.now(),
            reason="Its events are no family any more, or one of them has ended.",
        )
        ended.update(is_open=False, updated_at=clock.now())
        _write_refused(result)
    return result


def _groups(events: Iterable[Listed], what: Callable[[Listed], str]) -> list[list[Listed]]:
    """Events that are settled at one moment and have one ``what``, which must not be empty, of one series or of several; a ladder stands
    alone too."""
    together: dict[tuple[str, datetime, datetime], list[Listed]] = defaultdict(list)
    for one in events:
        if one.is_numeric and one.has_one_end and what(one):
            together[what(one), one.closes, one.expires].append(one)
    return [group for group in together.values() if len(group) > 1 or group[0].is_ladder]


def _formed_groups(events: Sequence[Listed], registered: Mapping[str, Held], result: Result) -> list[list[Listed]]:
    """Events of registered forms that are about one subject: one game, one thing that may happen by some day. What cannot be read is
    refused by itself."""
    formed = [one for one in events if one.series in registered and registered[one.series].terms.forms]
    facts = catalogue_facts.facts_of(one.ticker for one in formed)
    together: dict[tuple[str, str], list[Listed]] = defaultdict(list)
    for one in formed:
        terms = registered[one.series].terms
        try:
            read = read_member(facts[one.ticker], terms)
        except NotRead as refused:
            result.refuse([one], FamilyRefusal(refused.code, str(refused)))
        else:
            together[terms.fingerprint, read.rest].append(one)
    return [group for group in together.values() if len(group) > 1 or group[0].is_ladder]


def _judge(events: Sequence[Listed], registered: Mapping[str, Held]) -> Result:
    """Certify the events that share registered terms; refuse those that share a source and no terms that would do."""
    result = Result()
    judged: set[str] = set()
    revoked = dict(
        Certificate.objects.filter(status=Status.REVOKED, event__is_open=True).values_list("event_id", "actor")
    )
    families = revoked_families()
    by_terms = _groups(
        events,
        lambda one: (
            registered[one.series].terms.fingerprint
            if one.series in registered and not registered[one.series].terms.forms
            else ""
        ),
    )
    for group in [*by_terms, *_formed_groups(events, registered, result)]:
        tickers = {one.ticker for one in group}
        judged |= tickers
        known = next((one for one in families if one.holds_for(tickers)), None)
        if known is None:
            found = _family(group, registered, revoked)
        else:
            found = FamilyRefusal("revoked", f"{known.actor} revoked it: {known.reason}")
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
            judged.update(one.ticker for one in group)
            result.refuse(group, FamilyRefusal(refused.code, str(refused)))
    for group in _candidates([one for one in events if one.ticker not in judged], registered):
        result.refuse(group, _unregistered(group, registered))
    return result


def _candidates(events: Iterable[Listed], registered: Mapping[str, Held]) -> list[list[Listed]]:
    """Events that may be families and of which nothing is registered: what several series list of one game, by day and sides in the
    ticker; what a series with strikes and one whose ticker begins like it list of one day (KXFED-26DEC and KXFEDDECISION-26DEC); and
    ladders of dates or names. They say what a person may register, never that they are one."""
    together: dict[str, list[Listed]] = defaultdict(list)
    left = [one for one in events if one.series not in registered or not registered[one.series].terms.forms]
    values = {(one.ticker, one.closes.date()): one.series for one in left if one.is_numeric}
    for one in left:
        name = one.ticker.removeprefix(one.series)
        stems = (one.series[:end] for end in range(5, len(one.series)))
        stem = next((s for s in stems if values.get((f"{s}{name}", one.closes.date())) == s), one.series)
        together[name if GAME.fullmatch(name) else f"{stem}{name}"].append(one)
    found = []
    for group in together.values():
        if len({one.series for one in group}) > 1:
            found.append(group)
        else:
            found += [[one] for one in group if one.is_ladder and not one.is_numeric]
    return found


def _unregistered(group: Sequence[Listed], registered: Mapping[str, Held]) -> FamilyRefusal:
    try:
        common_terms(
            [(one.series, registered[one.series].terms if one.series in registered else None) for one in group]
        )
    except NotRead as refused:
        return FamilyRefusal(refused.code, str(refused))
    return FamilyRefusal("forms_missing", "The registered terms have no form for the rules of these series.")


def _family(
    members: Sequence[Listed], registered: Mapping[str, Held], revoked: Mapping[str, str]
) -> str | FamilyRefusal:
    """The ticker of the family with a certificate for its facts of now, or why it is none. ``revoked``: events whose certificate a person
    revoked, and who."""
    if taken := next((one.ticker for one in members if one.ticker in revoked), ""):
        return FamilyRefusal("member_revoked", f"{revoked[taken]} revoked the certificate of {taken}.")
    held = registered[members[0].series]
    ticker = ticker_of([one.ticker for one in members])
    digest = digest_of(members, held.terms.fingerprint)
    current = Certificate.objects.filter(event_id=ticker, status=Status.GRANTED).first()
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


def digest_of(members: Iterable[Listed], terms: str) -> str:
    """The rules hash of a family: of its members' facts, of what else must be the same in all of them, and of the terms that they share."""
    facts = sorted([one.rules_hash, one.shard, *map(str, (one.closes, one.expires, one.latest))] for one in members)
    return hashlib.sha256(json.dumps([CERTIFICATE_VERSION, facts, terms]).encode()).hexdigest()


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
            *(f"The change of a decision counts from the registered level: {level}" for level in found.terms.levels),
            *(
                []
                if found.fallback is None
                else [f"Wins whatever the value, where its rules say so: {found.fallback.named}"]
            ),
        ],
        rules_hash=digest,
    )


def _write_refused(result: Result) -> None:
    """Store what is refused; rows that say the same already are left alone."""
    columns = ("code", "sentence", "groups", "example")
    known = {row[0]: row[1:] for row in RefusedFamily.objects.values_list("series_tickers", *columns)}
    RefusedFamily.objects.filter(series_tickers__in=known.keys() - result.refused.keys()).delete()
    for series, (refusal, groups, example) in result.refused.items():
        said = (refusal.code, refusal.sentence, groups, example)
        if known.get(series) == said:
            continue
        changed: dict[str, Any] = dict(zip(columns, said, strict=True))
        if series not in known or known[series][0] != refusal.code:
            changed["since"] = clock.now()
        RefusedFamily.objects.update_or_create(series_tickers=series, defaults=changed)
