"""Certificates as rows: who or what says how an event's markets can settle, and since which facts.

A certificate is in force only while the hash of the event's facts is the one it was given for. Every scan recomputes the hash of what
changed, in the same transaction as the rows, so a changed rule voids a certificate within one scan. A person's revocation outlives
changes; only a person lifts it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from django.db.models import F, Max

from kalbot.common import clock
from kalbot.common.db import bulk
from kalbot.common.db.batches import batched
from kalbot.common.errors import KalbotError
from markets.catalogue.writing import catalogue_transaction
from markets.models import Certificate, Event, ReviewedSeries, TermsChange
from markets.terms import exhaustiveness
from markets.terms.catalogue_facts import event_facts, facts_of, review_of
from markets.terms.facts import EventFacts, rules_hash
from markets.terms.grades import Grade, lower
from markets.terms.registry.entries import Held, terms_of
from markets.terms.states import StateKind, StateList, listed_states

log = logging.getLogger(__name__)

Status = Certificate.Status
CURRENT = (Status.GRANTED, Status.REFUSED, Status.REVOKED)
PERSON = "person"
READING = exhaustiveness.CERTIFICATE_VERSION
BATCH = 200
AGAIN = timedelta(days=1)
"""After which a contradiction is said once more: it may have gone and come back."""


class NotVouchable(KalbotError):
    """A person's word cannot certify this event; the message says why."""


def in_force(event: Event) -> Certificate | None:
    """The granted certificate for the event's facts as the database has them now, or None."""
    return Certificate.objects.filter(
        event_id=event.pk,
        status=Status.GRANTED,
        rules_hash=F("event__rules_hash"),
        reading=READING,
    ).first()


def refresh(event_tickers: Iterable[str], *, force: bool = False) -> int:
    """Certify again the events whose facts, or the way of reading them, changed since they were last judged (``force``: all of them,
    say after a review).

    Returns how many certificates were voided. Events that are not mutually exclusive get no row: nothing could be certified.
    """
    tickers = list(event_tickers)
    voided = 0
    for batch in batched(tickers, BATCH):
        with catalogue_transaction(batch):
            voided += _refresh(batch, force)
    return voided


def refresh_series(series_ticker: str) -> int:
    """Certify all open events of a series again, after a person reviewed it or withdrew the review."""
    events = Event.objects.filter(series_id=series_ticker, is_open=True).values_list("pk", flat=True)
    return refresh(events, force=True)


def grant(event: Event, actor: str, reason: str) -> Certificate:
    """A person vouches that one of the listed outcomes must win, as the event is now; the next change of its facts ends that.

    What the rules name besides stays in the list of states. Rules that were not read make everything under it conditional. Raises
    NotVouchable for a family.
    """
    if event.is_family:
        raise NotVouchable("A family rests on the rules and terms of its events; nobody can vouch for it.")
    facts = event_facts(event)
    with catalogue_transaction([event.pk]):
        digest = rules_hash(facts)
        Event.objects.filter(pk=event.pk).update(rules_hash=digest)
        _end(event.pk, actor, f"replaced: {reason}")
        found = _judge(facts, {}, terms_of([facts.series_ticker]))
        row = _vouched(facts, found, reason)
        row.version, row.rules_hash, row.actor = _last_version(event.pk) + 1, digest, actor
        row.save()
        return row


def _vouched(facts: EventFacts, found: Certificate | None, reason: str) -> Certificate:
    """What a person's word makes of what was read (``found``; None or refused: nothing)."""
    read = found is not None and found.status == Status.GRANTED
    if found is not None and read:
        listed = StateList.from_json(found.states)
        others = [state for state in listed.states if state.kind is not StateKind.NONE or state.quote]
        states, grade = StateList(listed.outcomes, tuple(others)), lower(Grade(found.grade), Grade.IF_DETERMINED)
    else:
        states, grade = listed_states([m.ticker for m in facts.markets], certified=True), Grade.CONDITIONAL
    return Certificate(
        event_id=facts.event_ticker,
        status=Status.GRANTED,
        kind=PERSON,
        evidence=[reason, *([] if read else [f"The rules were not read: {'' if found is None else found.reason}"])],
        reason=reason,
        states=states.to_json(),
        grade=grade.value,
        one_must_win=exhaustiveness.one_must_win(states),
        residual=[] if found is None else found.residual,
        terms_id=None if found is None else found.terms_id,
        reading=READING,
    )


def revoke(event: Event, actor: str, reason: str) -> Certificate:
    """A person withdraws the certificate, and with it those of the event's families; only a person can grant another one."""
    with catalogue_transaction([event.pk]):
        _void_families([event.pk], f"{actor} revoked the certificate of {event.pk}: {reason}")
        digest = Event.objects.values_list("rules_hash", flat=True).get(pk=event.pk)
        _end(event.pk, actor, f"revoked: {reason}")
        return Certificate.objects.create(
            event_id=event.pk,
            version=_last_version(event.pk) + 1,
            status=Status.REVOKED,
            reason=reason,
            rules_hash=digest,
            actor=actor,
            reading=READING,
        )


def _refresh(tickers: Sequence[str], force: bool) -> int:
    facts = facts_of(tickers)
    for family in Event.objects.filter(pk__in=tickers, is_family=True).values_list("pk", flat=True):
        del facts[family]  # what it rests on are its members
    known = dict(Event.objects.filter(pk__in=tickers).values_list("pk", "rules_hash"))
    rows = {row.event_id: row for row in Certificate.objects.filter(event_id__in=tickers, status__in=CURRENT)}
    digests = {ticker: rules_hash(found) for ticker, found in facts.items()}
    due = [t for t in facts if force or known.get(t) != digests[t] or (t in rows and rows[t].reading != READING)]
    if not due:
        return 0
    _void_families(due)
    bulk.update_rows(Event, ["rules_hash"], [(ticker, [digests[ticker]]) for ticker in due])
    series = {facts[ticker].series_ticker for ticker in due}
    reviews, registered = _reviews(series), terms_of(series)
    new: list[Certificate] = []
    refused: list[Certificate] = []
    ended: list[Certificate] = []
    _note_contradictions([facts[ticker] for ticker in due], registered)
    for ticker in due:
        judged = _judge(facts[ticker], reviews, registered)
        row = rows.get(ticker)
        if row is not None and row.status == Status.REVOKED:
            continue
        if judged is None or (row is not None and row.status == Status.GRANTED):
            if row is not None:
                ended.append(row)
        elif row is not None and judged.status == Status.REFUSED:
            _copy(judged, row)
            refused.append(row)
            continue
        elif row is not None:
            ended.append(row)
        if judged is not None:
            new.append(judged)
    voided = [row for row in ended if row.status == Status.GRANTED]
    _void(ended)
    Certificate.objects.bulk_update(refused, ["rules_hash", "reason", "kind", "reading"])
    _insert(new)
    for row in voided:
        log.info("certificate of %s voided: its facts changed", row.event_id)
    return len(voided)


def _void_families(changed: Sequence[str], reason: str = "The facts or terms of one of its events changed.") -> None:
    """What one value settles together is judged again, by the next scan, as soon as anything about one of the events has changed."""
    Certificate.objects.filter(event__members__event__in=changed, status=Status.GRANTED).update(
        status=Status.VOID, ended_at=clock.now(), reason=reason
    )


def _judge(
    facts: EventFacts, reviews: Mapping[str, exhaustiveness.ReviewedSeries], registered: Mapping[str, Held]
) -> Certificate | None:
    if not facts.mutually_exclusive:
        return None
    held = registered.get(facts.series_ticker)
    found = _certified(facts, reviews.get(facts.series_ticker), held)
    if isinstance(found, exhaustiveness.Refusal):
        return Certificate(
            event_id=facts.event_ticker,
            status=Status.REFUSED,
            kind=found.code[:16],
            reason=found.sentence,
            rules_hash=found.rules_hash,
            reading=READING,
        )
    return Certificate(
        event_id=facts.event_ticker,
        status=Status.GRANTED,
        kind=str(found.kind),
        evidence=list(found.evidence),
        rules_hash=found.rules_hash,
        grade=found.grade.value,
        states=found.states.to_json(),
        one_must_win=found.one_must_win,
        residual=list(found.residual),
        terms_id=None if held is None else held.pk,
        reading=READING,
    )


def _certified(
    facts: EventFacts, review: exhaustiveness.ReviewedSeries | None, held: Held | None
) -> exhaustiveness.Certificate | exhaustiveness.Refusal:
    """What the rules prove. A fault in reading one event is its refusal: it must not stop the scan of the others."""
    try:
        return exhaustiveness.certify(facts, review, None if held is None else held.terms)
    except Exception as error:
        log.exception("the facts of %s could not be judged", facts.event_ticker)
        sentence = f"The facts could not be judged: {type(error).__name__}."
        return exhaustiveness.Refusal(facts.event_ticker, "error", sentence, rules_hash(facts))


def _note_contradictions(events: Sequence[EventFacts], registered: Mapping[str, Held]) -> None:
    """One change a day for each series whose live rules contradict its approved terms, and each way in which they do."""
    found: dict[tuple[str, str], int] = {}
    for event in events:
        held = registered.get(event.series_ticker)
        if held is not None and held.terms.approved:
            detail = held.terms.contradicted_by(exhaustiveness.texts_of_markets(event))
            if detail:
                found[event.series_ticker, detail] = held.pk
    for (series, detail), terms in found.items():
        said = TermsChange(terms_id=terms, kind=TermsChange.Kind.TEXT_CHANGED, series_ticker=series, detail=detail)
        same = TermsChange.objects.filter(terms_id=terms, kind=said.kind, series_ticker=series, detail=detail)
        if not same.filter(at__gte=clock.now() - AGAIN).exists():
            said.save()
            log.warning("rules of %s contradict its registered terms: %s", series, detail)


def _reviews(series: Iterable[str]) -> dict[str, exhaustiveness.ReviewedSeries]:
    rows = ReviewedSeries.objects.filter(series_id__in=list(series))
    return {row.series_id: review for row in rows if (review := review_of(row)) is not None}


def _copy(source: Certificate, target: Certificate) -> None:
    target.rules_hash, target.reason, target.kind = source.rules_hash, source.reason, source.kind
    target.reading = source.reading


def _void(rows: Sequence[Certificate]) -> None:
    Certificate.objects.filter(pk__in=[row.pk for row in rows], status__in=CURRENT).update(
        status=Status.VOID, ended_at=clock.now(), reason="The event's rules, strikes, markets or their state changed."
    )


def _insert(rows: Sequence[Certificate]) -> None:
    tickers = [row.event_id for row in rows]
    versions = dict(
        Certificate.objects.filter(event_id__in=tickers).values_list("event_id").annotate(last=Max("version"))
    )
    for row in rows:
        row.version = versions.get(row.event_id, 0) + 1
    Certificate.objects.bulk_create(rows)


def _end(event_ticker: str, actor: str, reason: str) -> None:
    Certificate.objects.filter(event_id=event_ticker, status__in=CURRENT).update(
        status=Status.VOID, ended_at=clock.now(), actor=actor, reason=reason
    )


def _last_version(event_ticker: str) -> int:
    return Certificate.objects.filter(event_id=event_ticker).aggregate(last=Max("version"))["last"] or 0
