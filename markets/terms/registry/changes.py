"""Writing the registry: proposals, a person's approval, and demotion by whatever changed. Every step leaves a row of its own."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from django.db.models import Max

from kalbot.common.clock import now
from kalbot.common.errors import KalbotError
from markets.connect import environment
from markets.models import ContractTerms, Event, TermsChange
from markets.terms import certificates
from markets.terms.reading.forms import FormError, form_of
from markets.terms.reading.level_changes import LevelError, levels_of
from markets.terms.registry.entries import document_key, exchange_of, unit_of

log = logging.getLogger(__name__)

PROPOSALS: Final = Path(__file__).parent / "proposals.json"
CONTENT: Final = (
    "series_tickers",
    "title",
    "published_sha256",
    "no_data",
    "between_inclusive",
    "unit",
    "common_determination",
    "family_forms",
    "levels_before",
    "must_contain",
    "must_not_contain",
    "about",
)
LISTS: Final = ("series_tickers", "family_forms", "levels_before", "must_contain", "must_not_contain")
Status, Kind = ContractTerms.Status, TermsChange.Kind


class TermsError(KalbotError):
    """The registry refuses; the message says why."""


def ensure_proposals() -> int:
    """Create the proposals that are shipped and not yet known, whatever became of them since. Returns how many."""
    known = set(ContractTerms.objects.values_list("exchange", "url"))
    created = 0
    for row in json.loads(PROPOSALS.read_text("utf-8")):
        if (row["exchange"], row["url"]) not in known:
            ContractTerms.objects.create(**row)
            created += 1
    return created


def revise(entry: ContractTerms, changes: Mapping[str, Any], actor: str, note: str) -> ContractTerms:
    """A new version with other content: a proposal until it is approved. What was approved stays so until then.

    Raises TermsError for a column that is not content, content that says nothing, or without a note.
    """
    if not note.strip():
        raise TermsError("A change of contract terms needs a note.")
    if unknown := set(changes) - set(CONTENT):
        raise TermsError(f"Not content of contract terms: {', '.join(sorted(unknown))}.")
    check_content(changes)
    content = {name: getattr(entry, name) for name in CONTENT} | dict(changes)
    same = ContractTerms.objects.filter(exchange=entry.exchange, url=entry.url)
    with transaction.atomic():
        last = same.aggregate(last=Max("version"))["last"] or 0
        same.filter(status=Status.PROPOSED).update(status=Status.REPLACED, decided_at=now())
        return ContractTerms.objects.create(
            exchange=entry.exchange,
            url=entry.url,
            version=last + 1,
            note=note,
            actor=actor,
            fetched_sha256=entry.fetched_sha256,
            fetched_at=entry.fetched_at,
            **content,
        )


def check_content(changes: Mapping[str, Any]) -> None:
    """Raises TermsError for content that says something else than its column is for."""
    if (unit := changes.get("unit")) and unit_of(unit) is None:
        raise TermsError(f'"{unit}" is no unit: a decimal number above zero, or nothing.')
    for name in LISTS:
        found = changes.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
            raise TermsError(f"{name} is a list of texts, none of them empty.")
    for text in changes.get("family_forms", []):
        try:
            form_of(text)
        except FormError as error:
            raise TermsError(str(error)) from None
    try:
        levels_of(changes.get("levels_before", []))
    except LevelError as error:
        raise TermsError(str(error)) from None


def approve(entry: ContractTerms, sha256: str, actor: str, note: str) -> None:
    """A person approves the document that was fetched, by its full hash. Raises TermsError.

    Certificates of all series that it controls are given again.
    """
    typed = sha256.strip().lower()
    if not note.strip():
        raise TermsError("An approval needs a note: what was read, and where.")
    if not entry.fetched_sha256:
        raise TermsError("The document has not been fetched yet, so there is nothing to approve.")
    if typed != entry.fetched_sha256:
        raise TermsError("That is not the full hash of the document that was fetched.")
    with transaction.atomic():
        same = ContractTerms.objects.select_for_update().filter(exchange=entry.exchange, url=entry.url)
        same.filter(status=Status.APPROVED).exclude(pk=entry.pk).update(status=Status.REPLACED, decided_at=now())
        changed = same.filter(pk=entry.pk, status__in=[Status.PROPOSED, Status.DEMOTED], fetched_sha256=typed).update(
            status=Status.APPROVED,
            approved_sha256=typed,
            actor=actor,
            note=note,
            decided_at=now(),
            unreachable_since=None,
        )
        if not changed:
            raise TermsError("The entry or its document has changed since it was shown.")
        TermsChange.objects.create(terms=entry, kind=Kind.APPROVED, detail=note, actor=actor)
    recertify(entry)


def demote(entry: ContractTerms, kind: str, detail: str, actor: str = "kalbot") -> bool:
    """Take an approved entry back at once; only a person's new approval restores it. Returns whether it was approved."""
    with transaction.atomic():
        changed = ContractTerms.objects.filter(pk=entry.pk, status=Status.APPROVED).update(
            status=Status.DEMOTED, decided_at=now(), note=detail
        )
        if changed:
            TermsChange.objects.create(terms=entry, kind=kind, detail=detail, actor=actor)
    if changed:
        log.warning("contract terms %s demoted: %s", entry.url, detail)
        recertify(entry)
    return bool(changed)


def series_moved(moved: Mapping[str, tuple[str, str]]) -> None:
    """Series whose contract terms have another address now (series -> old and new): their certificates are given again, and a change
    is noted for each entry that was approved for them. Other series of the old document keep it."""
    where = environment()
    approved = list(ContractTerms.objects.filter(exchange=exchange_of(where), status=Status.APPROVED))
    for ticker, (old, new) in moved.items():
        keys = {document_key(url, where) for url in (old, new) if url}
        concerned = [e for e in approved if e.url in keys and (not e.series_tickers or ticker in e.series_tickers)]
        for entry in concerned:
            if old and entry.url == document_key(old, where):
                detail = f"{ticker} settles by {new or 'no document'} now, not by {old}."
                TermsChange.objects.create(terms=entry, kind=Kind.URL_CHANGED, series_ticker=ticker, detail=detail)
                log.warning("contract terms of %s: %s", ticker, detail)
        if concerned:
            certificates.refresh_series(ticker)


def recertify(entry: ContractTerms) -> None:
    """Give the certificates of all series that an entry may control again."""
    open_events = Event.objects.filter(is_open=True)
    resting = open_events.filter(certificates__terms=entry).values_list("series_id", flat=True)
    pointing = open_events.filter(series__contract_terms_url__endswith=entry.url).values_list("series_id", flat=True)
    for ticker in sorted({*entry.series_tickers, *resting, *pointing}):
        certificates.refresh_series(ticker)
